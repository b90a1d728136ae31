// Workers of one group are killed, stopped, held and started at random moments: no line is lost, each is followed by one
// worker at a time, and in the end everything runs and is shared.
import { type MillraceProcess, testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { disturb, moment, temporaryFolder } from './testing/moments.ts';
import { fileSource, Lines, replays, untilLine } from './testing/numbered-lines.ts';
import { group, untilBalanced, Workers } from './testing/workers.ts';

const ROUNDS = testRounds(4, 40);
const SOURCES = 4;

test('INV-1 INV-2 INV-3: a group whose workers are killed and held at random follows every file once', {
  timeout: 240_000 + ROUNDS * 30_000,
}, async () => {
  const random = testRandom('a group of workers');
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess();
  await using started = new Workers(broker.kafka, group('random'));
  const workers = await started.start(3);
  const files: Lines[] = [];
  try {
    for (let i = 0; i < SOURCES; i++) {
      const lines = new Lines(folder.path, `random-${i}`, 2);
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
