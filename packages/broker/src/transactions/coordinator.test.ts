// The coordinator with real logs on a disk in memory: what happens when the partitions cannot take their markers.
import { type Clock, silentLogger, systemClock } from '@millrace/foundation';
import { readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { GroupCoordinator } from '../groups/coordinator.ts';
import type { DiskSpace } from '../log/disk-space.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { BrokerConfig } from '../metadata/broker-config.ts';
import { MetadataLog } from '../metadata/metadata-log.ts';
import { type MetadataRecord, Topics } from '../metadata/topics.ts';
import { ProducerIds } from '../producer-ids.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { openTestLogs } from '../testing/test-log.ts';
import { TransactionCoordinator } from './coordinator.ts';

const { config } = BrokerConfig.parse({});

async function startOn(
  disk: MemoryDisk,
  clock: Clock = systemClock,
): Promise<{ topics: Topics; transactions: TransactionCoordinator; space: DiskSpace }> {
  const { directory, space } = await openTestLogs(disk);
  const opened = await MetadataLog.open<MetadataRecord>(
    disk,
    '/data/log/metadata.log',
    space,
    directory.wasClean,
  );
  const topics = new Topics(directory, opened.log, config, silentLogger);
  await topics.open(opened.records);
  const groups = new GroupCoordinator(topics, config, systemClock, silentLogger);
  await groups.load();
  const producerIds = new ProducerIds(opened.log, 1000);
  const parts = { topics, config, clock, logger: silentLogger, producerIds, groups };
  return { topics, transactions: new TransactionCoordinator(parts), space };
}

/** Begins a transaction with one record in partition 0 of `t`. */
async function begin(
  topics: Topics,
  transactions: TransactionCoordinator,
): Promise<{ producerId: number; producerEpoch: number; log: PartitionLog }> {
  const topic = await topics.create('t', 1, {});
  const log = topic.partitions[0];
  if (!log) throw new Error('no partition');
  const identity = await transactions.initProducerId('x', 60_000, undefined);
  await transactions.addPartitions('x', identity, [['t', 0]], 0);
  const records = [{ key: null, value: Buffer.from('v'), timestamp: 1 }];
  const batch = simpleBatch(records, { ...identity, baseSequence: 0, transactional: true });
  const { lastOffset } = log.append(batch, readBatchHeader(batch, 0));
  await log.whenDurable(lastOffset);
  return { ...identity, log };
}

test('A decision stands while a partition is offline, and its marker is written once that is back', async () => {
  const { topics, transactions } = await startOn(new MemoryDisk());
  const { log, ...identity } = await begin(topics, transactions);
  const partitions = topics.get('t')?.partitions ?? [];
  partitions[0] = undefined;
  await transactions.end('x', identity, { commit: true, clientVersion: 0 });
  await transactions.whenFinished('x');
  expect(transactions.get('x')?.stored.state).toBe('PrepareCommit');
  // Until then nobody may go on.
  await expect(transactions.addPartitions('x', identity, [['t', 0]], 0)).rejects.toMatchObject({
    errorCode: 51,
  });
  await expect(transactions.initProducerId('x', 1000, undefined)).rejects.toMatchObject({ errorCode: 51 });
  await expect(transactions.end('x', identity, { commit: true, clientVersion: 0 })).rejects.toMatchObject({
    errorCode: 51,
  });
  expect(log.lastStableOffset).toBe(0);
  partitions[0] = log;
  await expect.poll(() => transactions.get('x')?.stored.state, { timeout: 10_000 }).toBe('CompleteCommit');
  expect(log.lastStableOffset).toBe(2);
  await transactions.addPartitions('x', identity, [['t', 0]], 0);
  transactions.close();
});

test('INV-12: a start finishes what was decided, and leaves open what was not', async () => {
  for (const decided of [true, false]) {
    const disk = new MemoryDisk();
    const { topics, transactions } = await startOn(disk);
    const { log, producerId, producerEpoch } = await begin(topics, transactions);
    if (decided) {
      (topics.get('t')?.partitions ?? [])[0] = undefined;
      const options = { commit: false, clientVersion: 2 };
      await transactions.end('x', { producerId, producerEpoch }, options);
      await transactions.whenFinished('x');
    }
    transactions.close();
    await log.whenDurable(log.endOffset - 1);
    const after = await startOn(disk.afterKill());
    await after.transactions.load();
    const stored = after.transactions.get('x')?.stored;
    const again = after.topics.get('t')?.partitions[0];
    const expected = decided ? ['CompleteAbort', 1, 2] : ['Ongoing', 0, 0];
    expect([stored?.state, stored?.producerEpoch, again?.lastStableOffset]).toEqual(expected);
    expect(again?.abortedIn(0, 9)).toHaveLength(decided ? 1 : 0);
    after.transactions.close();
  }
});

test('INV-12: a transaction is not complete while the disk has no room to note it', async () => {
  const disk = new MemoryDisk();
  const { topics, transactions, space } = await startOn(disk);
  const { log, ...identity } = await begin(topics, transactions);
  // The decision is written, what follows its markers is not.
  disk.failNext({ operation: 'write', code: 'ENOSPC', path: '__transaction_state', after: 1 });
  await transactions.end('x', identity, { commit: true, clientVersion: 2 });
  await transactions.whenFinished('x');
  await expect.poll(() => transactions.get('x')?.stored.state).toBe('PrepareCommit');
  expect(log.lastStableOffset).toBe(2);
  const next = { producerId: identity.producerId, producerEpoch: identity.producerEpoch + 1 };
  await expect(transactions.addPartitions('x', next, [['t', 0]], 2)).rejects.toMatchObject({ errorCode: 51 });
  await space.restore();
  await expect.poll(() => transactions.get('x')?.stored.state, { timeout: 10_000 }).toBe('CompleteCommit');
  await transactions.addPartitions('x', next, [['t', 0]], 2);
  transactions.close();
  const after = await startOn(disk.afterKill());
  await after.transactions.load();
  expect(after.transactions.get('x')?.stored.state).toBe('Ongoing');
  after.transactions.close();
});

test('Steps of one id run in order, and at once when none waits', async () => {
  const { transactions } = await startOn(new MemoryDisk());
  const order: number[] = [];
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = transactions.inOrder('x', async () => {
    await gate;
    order.push(1);
  });
  const second = transactions.inOrder('x', () => order.push(2));
  expect(transactions.inOrder('y', () => order.push(0))).toBe(1);
  release();
  await Promise.all([first, second]);
  expect(order).toEqual([0, 1, 2]);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(transactions.inOrder('x', () => order.push(3))).toBe(4);
});

test('A wall clock that is set aborts no transaction, and keeps none open for longer than its producer allowed', async () => {
  const jumped = { wallMs: 0, monotonicMs: 0 };
  const clock: Clock = {
    ...systemClock,
    nowMs: () => systemClock.nowMs() + jumped.wallMs,
    monotonicMs: () => systemClock.monotonicMs() + jumped.monotonicMs,
  };
  const { topics, transactions } = await startOn(new MemoryDisk(), clock);
  await begin(topics, transactions);
  jumped.wallMs = 3_600_000;
  await transactions.abortTimedOut();
  expect(transactions.get('x')?.stored.state).toBe('Ongoing');
  jumped.wallMs = -3_600_000;
  jumped.monotonicMs = 61_000;
  await transactions.abortTimedOut();
  expect(transactions.get('x')?.stored.state).toBe('CompleteAbort');
});
