// The recorded behaviour of a real Kafka, scenario by scenario, against the broker. The list holds every scenario of
// the APIs that are served; testdata/goldens/kafka/README.md explains the recordings.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startTestBroker } from './testing/test-broker.ts';

const GOLDENS = fileURLToPath(new URL('../../../testdata/goldens/kafka/', import.meta.url));
const served = JSON.parse(
  readFileSync(new URL('./testing/served-scenarios.json', import.meta.url), 'utf8'),
) as string[];

interface Scenario {
  readonly id: string;
  readonly steps: readonly { readonly ms?: unknown }[];
}

const scenarios = readFileSync(`${GOLDENS}behaviour.jsonl`, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Scenario)
  .filter(({ id }) => served.includes(id));
/** Scenarios that measure time must not share the machine. */
const isTimed = ({ steps }: Scenario): boolean => steps.some((step) => step.ms !== undefined);

function replay(
  address: string,
  ids: readonly string[],
  jobs: number,
): Promise<{ code: number | null; output: string }> {
  const only = `^(?:${ids.map((id) => id.replaceAll('.', '\\.')).join('|')})$`;
  const args = [`${GOLDENS}replay.py`, 'verify', '--bootstrap', address, `${GOLDENS}behaviour.jsonl`];
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [...args, '--only', only, '--jobs', String(jobs)]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

const hasPython = spawnSync('python3', ['--version']).error === undefined;
// In CI python3 must be there; elsewhere its absence is a named skip.
const testGoldens = hasPython || process.env['CI'] === 'true' ? test : test.skip;

for (const [name, jobs, selected] of [
  ['in parallel', 4, scenarios.filter((scenario) => !isTimed(scenario))],
  ['with times, one by one', 1, scenarios.filter(isTimed)],
] as const) {
  testGoldens(`Recorded scenarios of the served APIs pass, ${name} (${selected.length})`, async () => {
    await using broker = await startTestBroker({
      'message.max.bytes': '20000000',
      'millrace.replication.factor.clamp': 'false',
    });
    expect(selected.length).toBeGreaterThan(5);
    const { code, output } = await replay(
      broker.address,
      selected.map(({ id }) => id),
      jobs,
    );
    expect(output.trimEnd().split('\n').at(-1), output).toBe(`${selected.length} passed, 0 failed`);
    expect(code).toBe(0);
  });
}

test('Every scenario in the list exists', () => {
  expect(scenarios).toHaveLength(served.length);
});
