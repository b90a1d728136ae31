// Exactly-once sources on a group of workers: whoever is killed, held or wrongly believes to lead, and while the broker
// is killed too, readers of committed records see each line once.
import { eventually, type MillraceProcess, startMillrace, testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { putConnector } from './testing/connectors.ts';
import { disturb, moment, temporaryFolder } from './testing/moments.ts';
import { fileSource, Lines, replays, untilLine } from './testing/numbered-lines.ts';
import { startProxiedBroker } from './testing/proxied-broker.ts';
import { readTopic } from './testing/topic-reader.ts';
import { group, untilBalanced, Workers } from './testing/workers.ts';

const ROUNDS = testRounds(3, 40);
const SOURCES = 3;

test('T3 INV-2: what a killed worker had sent, and a network holds back, is refused once its successor has begun', async () => {
  using folder = temporaryFolder();
  await using broker = await startProxiedBroker(folder.path, /^connector-producer-/);
  const { proxy, proxied, direct } = broker;
  await eventually(
    'the broker answers',
    async () => (await readTopic(direct, 'none').catch(() => null)) !== null,
  );
  await using millrace = await startMillrace({
    bootstrapServers: proxied,
    properties: { ...group('held'), 'exactly.once.source.support': 'enabled' },
  });
  using lines = new Lines(folder.path, 'held', 2);
  await putConnector(millrace, 'held', fileSource(lines.file, 'held'));
  await untilLine(direct, 'held', 100);
  proxy.hold();
  await eventually('a request is held', () => proxy.held > 0);
  await millrace.end('SIGKILL');
  await millrace.start();
  // The successor has gone past what is held.
  await untilLine(direct, 'held', lines.count + 100);
  proxy.release();
  await untilLine(direct, 'held', lines.count + 100);
  lines[Symbol.dispose]();
  await untilLine(direct, 'held', lines.count);
  expect(await replays(direct, 'held')).toEqual({ last: lines.count - 1, count: 0 });
});

test('INV-2 INV-3: a group whose workers and broker are killed and held at random delivers every line once', {
  timeout: 240_000 + ROUNDS * 30_000,
}, async () => {
  const random = testRandom('exactly once in a group');
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess();
  await using started = new Workers(broker.kafka, {
    ...group('once'),
    'exactly.once.source.support': 'enabled',
  });
  const workers = await started.start(3);
  const files: Lines[] = [];
  try {
    for (let i = 0; i < SOURCES; i++) {
      const lines = new Lines(folder.path, `once-${i}`, 2);
      files.push(lines);
      const config = {
        ...fileSource(lines.file, `once-${i}`),
        'exactly.once.support': 'required',
        'transaction.boundary': i === 0 ? 'interval' : 'poll',
        // One has its offsets in a topic of its own.
        ...(i === 1 ? { 'offsets.storage.topic': 'once-1-offsets' } : {}),
      };
      const { status } = await (workers[i % 3] as MillraceProcess).request(
        'PUT',
        `/connectors/once-${i}/config`,
        config,
      );
      expect(status).toBe(201);
    }
    await untilBalanced(workers, { connectors: SOURCES, tasks: SOURCES });
    for (let round = 0; round < ROUNDS; round++) {
      const [one, other] = [...workers].sort(() => random.next() - 0.5) as [MillraceProcess, MillraceProcess];
      await Promise.all([
        ...[one, ...(random.next() < 0.3 ? [other] : [])].map((worker) => disturb(worker, random)),
        ...(random.next() < 0.4 ? [moment(random, 0, 5000).then(() => broker.kill())] : []),
      ]);
      await moment(random, 0, 3000);
    }
    // A worker that was held first ends its task, for which it waits 10 s, and then for what that has sent: half a minute.
    await untilBalanced(workers, { connectors: SOURCES, tasks: SOURCES }, 180_000);
  } finally {
    for (const lines of files) lines[Symbol.dispose]();
  }
  for (const [i, lines] of files.entries()) {
    await untilLine(broker.kafka, `once-${i}`, lines.count);
    expect(await replays(broker.kafka, `once-${i}`)).toEqual({ last: lines.count - 1, count: 0 });
  }
});
