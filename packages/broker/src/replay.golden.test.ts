// The recorded behaviour of a real Kafka, scenario by scenario, against the broker. The list holds every scenario of
// the APIs that are served; testdata/goldens/kafka/README.md explains the recordings.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GOLDENS, replay, testGoldens } from './testing/replay.ts';
import { startTestBroker } from './testing/test-broker.ts';

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
    const { code, output } = await replay({
      file: 'behaviour.jsonl',
      listeners: { bootstrap: broker.address },
      ids: selected.map(({ id }) => id),
      jobs,
    });
    expect(output.trimEnd().split('\n').at(-1), output).toBe(`${selected.length} passed, 0 failed`);
    expect(code).toBe(0);
  });
}

test('Every scenario in the list exists', () => {
  expect(scenarios).toHaveLength(served.length);
});
