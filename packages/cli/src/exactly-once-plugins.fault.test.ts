// A source plug-in of others under exactly once: its process is killed again and again, and whoever reads committed
// records sees each once and in order.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, startMillrace, testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { putConnector } from './testing/connectors.ts';
import { moment } from './testing/moments.ts';
import { installNumbers } from './testing/other-plugins.ts';
import { readTopic } from './testing/topic-reader.ts';

const KILLS = testRounds(5, 50);
const BOUNDARIES = ['poll', 'interval'] as const;
const NUMBERS = 300;

test(`${KILLS} kills of the process of a plug-in of others: each record comes once (INV-2, INV-3)`, {
  timeout: 120_000 + KILLS * 15_000,
}, async () => {
  const random = testRandom('plug-ins exactly once');
  const project = mkdtempSync(path.join(tmpdir(), 'millrace-others-once-'));
  try {
    installNumbers(project);
    await using millrace = await startMillrace({
      cwd: project,
      properties: {
        plugins: '@acme/numbers',
        'exactly.once.source.support': 'enabled',
        'offset.flush.interval.ms': '200',
        'task.restart.backoff.ms': '50',
        'task.restart.backoff.max.ms': '200',
      },
    });
    const pidsOf = (boundary: string): number[] => {
      const file = path.join(project, `${boundary}.pids`);
      return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
    };
    const numbersOf = async (boundary: string): Promise<number[]> => {
      const records = await readTopic(millrace.kafka, boundary);
      return records.map(({ value }) => Number(value?.readBigInt64BE()));
    };
    const configOf = (boundary: string, until: number): Record<string, string> => ({
      'key.converter': 'org.apache.kafka.connect.converters.LongConverter',
      'value.converter': 'org.apache.kafka.connect.converters.LongConverter',
      'connector.class': 'com.acme.NumbersSourceConnector',
      'transaction.boundary': boundary,
      'transaction.boundary.interval.ms': '60',
      // So long the next start waits for what a killed process had under way.
      'producer.override.request.timeout.ms': '1500',
      'numbers.topic': boundary,
      'numbers.until': String(until),
      'numbers.pids': path.join(project, `${boundary}.pids`),
    });
    for (const boundary of BOUNDARIES) await putConnector(millrace, boundary, configOf(boundary, 1_000_000));
    const killed = new Set<number>();
    for (let kill = 0; kill < KILLS; kill++) {
      const victims = await eventually(
        'both tasks run in processes that live',
        () => {
          const last = BOUNDARIES.map((boundary) => pidsOf(boundary).at(-1) ?? 0);
          return last.every((pid) => pid > 0 && !killed.has(pid)) && last;
        },
        90_000,
      );
      // A crash test has to choose moments that nothing announces.
      await moment(random, 0, 700);
      for (const pid of victims) {
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
      }
    }
    expect(killed.size).toBe(2 * KILLS);
    for (const boundary of BOUNDARIES) {
      // From here on it goes on for a while, and ends.
      const until = (await numbersOf(boundary)).length + NUMBERS;
      await putConnector(millrace, boundary, configOf(boundary, until));
      await eventually(`all of ${boundary}`, async () => (await numbersOf(boundary)).length >= until, 90_000);
      const numbers = await numbersOf(boundary);
      expect(numbers).toEqual(numbers.map((_, i) => i));
    }
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
});
