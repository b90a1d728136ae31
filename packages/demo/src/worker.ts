// The worker as the demo steers it: over REST, like any user.
import { readFileSync } from 'node:fs';
import type { ConnectorStatus } from '@millrace/connect-api';
import { MillraceError, systemClock } from '@millrace/foundation';

/** Our copies of examples/, held equal by a test: a package has nothing of what is around it. */
const EXAMPLES = new URL('../assets/', import.meta.url);

/** Posts an example as it stands in the folder. @throws demo.refused */
export async function postExample(rest: string, file: string): Promise<string> {
  const { name, config } = JSON.parse(readFileSync(new URL(file, EXAMPLES), 'utf8')) as {
    name: string;
    config: unknown;
  };
  const deadline = Date.now() + 15_000;
  for (;;) {
    const response = await fetch(`${rest}/connectors/${name}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(config),
    });
    if (response.ok) return name;
    const body = await response.text();
    // 409 while the worker finds its group: every client of Connect tries again.
    if (response.status !== 409 || Date.now() > deadline)
      throw new MillraceError('demo.refused', `The worker refused examples/${file}: ${body}`);
    await systemClock.sleep(100);
  }
}

/** The status of every connector; empty while the worker is busy. */
export async function connectorStatuses(rest: string): Promise<ConnectorStatus[]> {
  const response = await fetch(`${rest}/connectors?expand=status`);
  if (!response.ok) return [];
  const all = (await response.json()) as Record<string, { status: ConnectorStatus }>;
  return Object.values(all).map(({ status }) => status);
}
