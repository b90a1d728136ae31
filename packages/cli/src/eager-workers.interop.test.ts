// A group of a real Connect worker that speaks `connect.protocol=eager` only and one of Millrace, on a real Kafka.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectWithDebezium, eventually, RealConnect, RealKafka } from '@millrace/testkit';
import { afterAll, beforeAll, test } from 'vitest';
import { fileSource, untilLine } from './testing/numbered-lines.ts';
import { group, statuses, Workers } from './testing/workers.ts';

let folder: string;
let kafka: RealKafka | undefined;
let cannot: string | undefined;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-eager-'));
  try {
    await connectWithDebezium();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    cannot = `Connect cannot be had: ${String(error).slice(0, 300)}`;
    return;
  }
  kafka = await RealKafka.start(path.join(folder, 'kafka'));
}, 300_000);
afterAll(async () => {
  await kafka?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test.for(['connect', 'millrace'] as const)(
  'they share work while %s leads',
  { timeout: 240_000 },
  async (leader, context) => {
    if (!kafka) return context.skip(cannot);
    const address = `127.0.0.1:${kafka.port}`;
    const own = group(`eager-${leader}`);
    await using workers = new Workers(address, own);
    const connectWorker = (): Promise<RealConnect> =>
      RealConnect.start(path.join(folder, leader), address, { ...own, 'connect.protocol': 'eager' });
    // Who comes first leads.
    if (leader === 'millrace') await workers.start(1);
    await using connect = await connectWorker();
    if (leader === 'connect') await workers.start(1);
    const [millrace] = workers.all;
    if (!millrace) throw new Error('no worker');
    const files = [0, 1].map((i) => path.join(folder, `${leader}-${i}`));
    for (const [i, asked] of [connect, millrace].entries()) {
      writeFileSync(files[i] ?? '', '0\n');
      const config = fileSource(files[i] ?? '', `${leader}-${i}`);
      await eventually('the connector is taken', async () => {
        const { status, body } = await asked.request('PUT', `/connectors/${leader}-${i}/config`, config);
        if (status < 300) return true;
        throw new Error(`${status}: ${JSON.stringify(body)}`);
      });
    }
    const places = async (): Promise<string[]> => {
      const tasks = [...(await statuses(millrace)).values()].flatMap((one) => one.tasks);
      return tasks.filter(({ state }) => state === 'RUNNING').map(({ worker_id }) => worker_id);
    };
    await eventually(
      'each runs one',
      async () => {
        const found = await places();
        return found.length === 2 && new Set(found).size === 2;
      },
      90_000,
    );
    for (const [i, file] of files.entries()) {
      appendFileSync(file, '1\n');
      await untilLine(address, `${leader}-${i}`, 2);
    }
    await connect.stop();
    await eventually(
      'Millrace runs both',
      async () => {
        const found = await places();
        return found.length === 2 && new Set(found).size === 1;
      },
      90_000,
    );
    for (const [i, file] of files.entries()) {
      appendFileSync(file, '2\n');
      await untilLine(address, `${leader}-${i}`, 3);
    }
  },
);
