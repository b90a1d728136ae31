// Workers of one group are killed, stopped, held and started at random moments: no line is lost, each is followed by one
// worker at a time, and in the end everything runs and is shared.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type MillraceProcess, type SeededRandom, testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { fileSource, Lines, replays, untilLine } from './testing/numbered-lines.ts';
import { group, untilBalanced, Workers } from './testing/workers.ts';

const ROUNDS = testRounds(4, 40);
const SOURCES = 4;

/** A crash test has to choose moments that nothing announces. */
function moment(random: SeededRandom, fromMs: number, toMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, random.int(fromMs, toMs)));
}

/** Does something to a worker, which runs again afterwards. */
async function disturb(worker: MillraceProcess, random: SeededRandom): Promise<void> {
  const how = random.pick(['SIGKILL', 'SIGTERM', 'SIGSTOP', 'SIGSTOP'] as const);
  if (how === 'SIGSTOP') {
    const pid = worker.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    // Around the session of 6 s, and around that and the delay of 3 s.
    await moment(random, 4000, 11_000);
    process.kill(pid, 'SIGCONT');
  } else {
    await worker.end(how);
    await moment(random, 0, 11_000);
    await worker.start();
  }
}

test('INV-1 INV-2 INV-3: a group whose workers are killed and held at random follows every file once', {
  timeout: 240_000 + ROUNDS * 30_000,
}, async () => {
  const random = testRandom('a group of workers');
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-workers-'));
  await using _folder = {
    [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  };
  await using broker = await startBrokerProcess();
  await using started = new Workers(broker.kafka, group('random'));
  const workers = await started.start(3);
  const files: Lines[] = [];
  try {
    for (let i = 0; i < SOURCES; i++) {
      const lines = new Lines(folder, `random-${i}`, 2);
      files.push(lines);
      const config = fileSource(lines.file, `random-${i}`);
      const { status } = await (workers[i % 3] as MillraceProcess).request(
        'PUT',
        `/connectors/random-${i}/config`,
        config,
      );
      expect(status).toBe(201);
    }
    await untilBalanced(workers, { connectors: SOURCES, tasks: SOURCES });
    for (let round = 0; round < ROUNDS; round++) {
      const [one, other] = [...workers].sort(() => random.next() - 0.5) as [MillraceProcess, MillraceProcess];
      // At times two of the three at once.
      await Promise.all(
        [one, ...(random.next() < 0.3 ? [other] : [])].map((worker) => disturb(worker, random)),
      );
      await moment(random, 0, 3000);
    }
    await untilBalanced(workers, { connectors: SOURCES, tasks: SOURCES }, 60_000);
  } finally {
    for (const lines of files) lines[Symbol.dispose]();
  }
  for (const [i, lines] of files.entries()) {
    await untilLine(broker.kafka, `random-${i}`, lines.count);
    // A round begins a task anew at most four times: lost and found, for two workers.
    expect((await replays(broker.kafka, `random-${i}`)).count).toBeLessThanOrEqual(4 * ROUNDS);
  }
});
