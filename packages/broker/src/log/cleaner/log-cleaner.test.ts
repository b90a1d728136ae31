import {
  appendRecord,
  BATCH_DELETE_HORIZON,
  BatchBuilder,
  type Compression,
  canCompress,
  readBatchHeader,
  type SimpleRecord,
} from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { cleanLogs, consumed, finalValues, readBatches } from '../../testing/clean-log.ts';
import { MemoryDisk } from '../../testing/memory-disk.ts';
import { openTestLogs, type TestLogs } from '../../testing/test-log.ts';
import { markerBatch } from '../control-batch.ts';
import type { LogConfig } from '../log-config.ts';
import type { PartitionLog } from '../partition-log.ts';
import { planCleaning } from './plan.ts';

const T0 = 1_700_000_000_000;
const DAY = 86_400_000;
const COMPACTED: Partial<LogConfig> = {
  compacted: true,
  deletes: false,
  segmentBytes: 400,
  minCleanableRatio: 0,
  deleteRetentionMs: DAY,
};

interface Setup extends TestLogs {
  readonly disk: MemoryDisk;
  readonly log: PartitionLog;
}

async function compacted(config: Partial<LogConfig> = {}): Promise<Setup> {
  const disk = new MemoryDisk();
  const logs = await openTestLogs(disk);
  return { ...logs, disk, log: await logs.open({ ...COMPACTED, ...config }) };
}

interface Sealed {
  readonly compression?: Compression;
  readonly producerId?: number;
  readonly sequence?: number;
  readonly transactional?: boolean;
}

function record(key: string | null, value: string | null, timestamp = T0): SimpleRecord {
  return {
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestamp,
    headers: [{ key: 'h', value: Buffer.from('x') }],
  };
}

async function write(
  log: PartitionLog,
  records: readonly SimpleRecord[],
  sealed: Sealed = {},
): Promise<number> {
  const builder = new BatchBuilder({ maxBytes: 1 << 20 });
  for (const item of records) appendRecord(builder, item);
  const { compression = 'none', producerId = -1, sequence = -1, transactional = false } = sealed;
  const producerEpoch = producerId < 0 ? -1 : 0;
  const batch = builder.finish({
    compression,
    producerId,
    producerEpoch,
    baseSequence: sequence,
    transactional,
  });
  const { lastOffset } = log.append(batch, readBatchHeader(batch, 0));
  await log.whenDurable(lastOffset);
  return lastOffset;
}

async function mark(log: PartitionLog, producerId: number, commit: boolean): Promise<number> {
  const batch = markerBatch({ producerId, producerEpoch: 0, commit, coordinatorEpoch: 0 }, T0);
  const { lastOffset } = log.append(batch, readBatchHeader(batch, 0), 'coordinator');
  await log.whenDurable(lastOffset);
  return lastOffset;
}

const kept = async (log: PartitionLog): Promise<string[]> =>
  (await readBatches(log)).flatMap(({ records, isControl }) =>
    records.map(({ offset, key, value }) =>
      isControl ? `${offset} marker` : `${offset} ${String(key)}=${String(value)}`,
    ),
  );

test('Of each key the newest record stays, at its offset, and the active segment is not touched', async () => {
  const { log, disk, directory } = await compacted();
  for (let i = 0; i < 30; i++) await write(log, [record(`k${i % 3}`, `v${i}`)]);
  const active = log.segments.at(-1)?.baseOffset ?? 0;
  const end = log.endOffset;
  expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 1, failures: 0 });
  const old = (await kept(log)).filter((text) => Number(text.split(' ')[0]) < active);
  expect(old).toEqual([-3, -2, -1].map((i) => `${active + i} k${(active + i) % 3}=v${active + i}`));
  expect(log.endOffset).toBe(end);
  // Nothing new: nothing to do.
  expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 0 });
});

test('A log is cleaned when enough of it is new, or some of it is too old to wait', async () => {
  const { log, disk, directory } = await compacted();
  for (let i = 0; i < 30; i++) await write(log, [record(`key ${i}`, `v${i}`)]);
  await cleanLogs(disk, directory);
  for (let i = 0; i < 5; i++) await write(log, [record(`key ${i}`, `w${i}`)]);
  log.config = { ...log.config, minCleanableRatio: 0.5 };
  expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 0 });
  log.config = { ...log.config, maxCompactionLagMs: DAY };
  expect(await cleanLogs(disk, directory, { nowMs: T0 + DAY })).toMatchObject({ runs: 0 });
  expect(await cleanLogs(disk, directory, { nowMs: T0 + DAY + 1 })).toMatchObject({ runs: 1 });
});

test('Records younger than min.compaction.lag.ms stay', async () => {
  const { log, disk, directory } = await compacted({ minCompactionLagMs: DAY });
  for (let i = 0; i < 30; i++) await write(log, [record('k', `v${i}`, T0 + i)]);
  expect(await cleanLogs(disk, directory, { nowMs: T0 + DAY })).toMatchObject({ runs: 0 });
  const [, , third] = log.segments;
  const nowMs = T0 + DAY + (third?.baseOffset ?? 0) - 1;
  expect(await cleanLogs(disk, directory, { nowMs })).toMatchObject({ runs: 1 });
  expect((await kept(log))[0]).toBe(`${(third?.baseOffset ?? 0) - 1} k=v${(third?.baseOffset ?? 0) - 1}`);
});

test('A tombstone stays for delete.retention.ms from the first cleaning on that met it', async () => {
  const { log, disk, directory } = await compacted();
  await write(log, [record('gone', 'value'), record('other', 'value'), record('gone', null)]);
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 6; i++) await write(log, [record('fill', `v${i} ${'x'.repeat(40)}`)]);
  };
  await fill();
  await cleanLogs(disk, directory, { nowMs: T0 + 5 });
  expect((await kept(log)).slice(0, 2)).toEqual(['1 other=value', '2 gone=null']);
  const { header, records } = (await readBatches(log))[0] ?? {};
  expect((header?.attributes ?? 0) & BATCH_DELETE_HORIZON).toBe(BATCH_DELETE_HORIZON);
  expect(header?.baseTimestamp).toBe(T0 + 5 + DAY);
  // The base moved; what the records say did not.
  expect(records?.map(({ timestamp }) => timestamp)).toEqual([T0, T0]);
  expect(records?.[0]?.headers).toEqual([{ key: 'h', value: Buffer.from('x') }]);
  await fill();
  await cleanLogs(disk, directory, { nowMs: T0 + 4 + DAY });
  expect((await kept(log)).slice(0, 2)).toEqual(['1 other=value', '2 gone=null']);
  await fill();
  await cleanLogs(disk, directory, { nowMs: T0 + 5 + DAY });
  expect((await kept(log)).slice(0, 1)).toEqual(['1 other=value']);
  expect(await kept(log)).not.toContain('2 gone=null');
});

for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`Batches in ${codec} are cleaned, and stay in it where this Node can write it`, async () => {
    if (!canCompress(codec)) {
      // Bytes of another writer: see the goldens; here only what is written can be tested.
      expect(codec).toBe('zstd');
      return;
    }
    const { log, disk, directory } = await compacted();
    for (let i = 0; i < 12; i++) {
      const records = [record('same', `v${i}`), record(`k${i}`, 'x'.repeat(100))];
      await write(log, records, { compression: codec });
    }
    const active = log.segments.at(-1)?.baseOffset ?? 0;
    await cleanLogs(disk, directory);
    const cleaned = (await readBatches(log)).filter(({ header }) => header.baseOffset < active);
    expect(cleaned.length).toBeGreaterThan(3);
    const last = cleaned.pop();
    expect(last?.records.map(({ key }) => String(key))).toEqual(['same', `k${active / 2 - 1}`]);
    for (const { header, records } of cleaned) {
      expect(records.map(({ key }) => String(key))).toEqual([`k${header.baseOffset / 2}`]);
      expect(header.attributes & 7).toBe(['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(codec));
    }
  });
}

test('The last batch of a live producer stays, empty, so that its retry is still known after a crash', async () => {
  const { log, disk, directory } = await compacted();
  const producerId = 7;
  for (let sequence = 0; sequence < 4; sequence++) {
    await write(log, [record('k', `v${sequence}`)], { producerId, sequence });
  }
  for (let i = 0; i < 8; i++) await write(log, [record('k', `other ${i} ${'x'.repeat(40)}`)]);
  await cleanLogs(disk, directory);
  const [first] = await readBatches(log);
  expect(first).toMatchObject({
    header: { baseOffset: 3, producerId, baseSequence: 3, recordCount: 0 },
    records: [],
  });
  const killed = disk.afterKill();
  for (const name of killed.list('/data/log/t-0')) {
    if (name.endsWith('.snapshot')) killed.remove(`/data/log/t-0/${name}`);
  }
  const again = await (await openTestLogs(killed)).open(COMPACTED);
  const retried = await write(again, [record('k', 'v3')], { producerId, sequence: 3 });
  expect(retried).toBe(3);
  expect(await write(again, [record('k', 'v4')], { producerId, sequence: 4 })).toBe(log.endOffset);
});

test('Aborted records go at once and supersede nothing; their marker and its entry go one cleaning and the horizon later', async () => {
  const { log, disk, directory } = await compacted();
  await write(log, [record('a', 'committed before')]);
  await write(log, [record('a', 'aborted')], { producerId: 1, sequence: 0, transactional: true });
  const abort = await mark(log, 1, false);
  await write(log, [record('b', 'committed')], { producerId: 2, sequence: 0, transactional: true });
  const commit = await mark(log, 2, true);
  let sequence = 1;
  const fill = async (): Promise<void> => {
    // A newer last batch of the producer, so that the one above need not stay for its sake.
    await write(log, [record('fill', 'v')], { producerId: 1, sequence: sequence++ });
    for (let i = 0; i < 6; i++) await write(log, [record('fill', `v${i} ${'x'.repeat(40)}`)]);
  };
  await fill();
  await cleanLogs(disk, directory, { nowMs: T0 });
  expect((await kept(log)).slice(0, 4)).toEqual([
    '0 a=committed before',
    `${abort} marker`,
    `3 b=committed`,
    `${commit} marker`,
  ]);
  expect(log.abortedIn(0, log.endOffset)).toMatchObject([
    { producerId: 1, firstOffset: 1, lastOffset: abort },
  ]);
  expect(finalValues(consumed(log, await readBatches(log))).get('a')).toBe('committed before');
  await fill();
  await cleanLogs(disk, directory, { nowMs: T0 + 1 });
  expect(log.abortedIn(0, log.endOffset)).toEqual([]);
  expect(await kept(log)).toContain(`${abort} marker`);
  await fill();
  await cleanLogs(disk, directory, { nowMs: T0 + 1 + DAY });
  expect(await kept(log)).not.toContain(`${abort} marker`);
  // The data of the other transaction is still there, and so is its marker.
  expect(await kept(log)).toContain(`${commit} marker`);
});

test('Nothing at or above the last stable offset is touched', async () => {
  const { log, disk, directory } = await compacted();
  for (let i = 0; i < 6; i++) await write(log, [record('k', `v${i} ${'x'.repeat(40)}`)]);
  const open = await write(log, [record('k', 'open')], { producerId: 1, sequence: 0, transactional: true });
  for (let i = 0; i < 12; i++) await write(log, [record('k', `w${i} ${'x'.repeat(40)}`)]);
  await cleanLogs(disk, directory);
  expect((await kept(log)).filter((text) => Number(text.split(' ')[0]) >= open)).toHaveLength(13);
  expect((await kept(log)).length).toBeLessThan(17);
});

test('INV-6: a log with an unreadable batch is left alone, and the others are cleaned', async () => {
  const { log, disk, directory } = await compacted();
  const other = await directory.open({
    topic: 'u',
    topicId: 'Y39I2LdzSNq0EHdPEavubQ',
    partition: 0,
    internal: false,
    config: log.config,
  });
  for (let i = 0; i < 12; i++) {
    await write(log, [record('k', `v${i} ${'x'.repeat(40)}`)]);
    await write(other, [record('k', `v${i} ${'x'.repeat(40)}`)]);
  }
  const [first] = log.segments;
  disk.open(first?.logPath ?? '').writeSync([Buffer.from('!')], 90);
  const before = log.sizeInBytes;
  expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 1, failures: 1, uncleanable: 1 });
  expect(log.sizeInBytes).toBe(before);
  expect(other.sizeInBytes).toBeLessThan(before / 2);
  expect(disk.list('/data/log/t-0').filter((name) => name.endsWith('.cleaned'))).toEqual([]);
});

test('A disk that is full while a copy is written leaves the log as it was; later it is cleaned', async () => {
  const { log, disk, directory } = await compacted();
  for (let i = 0; i < 30; i++) await write(log, [record(`k${i}`, `v${i} ${'x'.repeat(40)}`)]);
  const before = await kept(log);
  disk.capacityBytes = disk.usedBytes + 300;
  expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 0, failures: 1, uncleanable: 0 });
  expect(await kept(log)).toEqual(before);
  disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 1, failures: 0 });
});

test('A sync that fails at any step of a cleaning leaves a log that is whole, in memory and for a later start', async () => {
  for (let after = 0; after < 12; after++) {
    const { log, disk, directory } = await compacted();
    for (let i = 0; i < 12; i++) await write(log, [record(`k${i % 4}`, `v${i} ${'x'.repeat(60)}`)]);
    const before = finalValues(consumed(log, await readBatches(log)));
    disk.failNext({ operation: 'sync', code: 'EIO', path: '/data/log/t-0', after });
    expect(await cleanLogs(disk, directory)).toMatchObject({ failures: 1, uncleanable: 0 });
    expect(finalValues(consumed(log, await readBatches(log)))).toEqual(before);
    expect(disk.list('/data/log/t-0').filter((name) => /cleaned|swap/.test(name))).toEqual([]);
    const again = await (await openTestLogs(disk.afterKill())).open(COMPACTED);
    expect(finalValues(consumed(again, await readBatches(again)))).toEqual(before);
    expect(await cleanLogs(disk, directory)).toMatchObject({ runs: 1, failures: 0 });
    expect(finalValues(consumed(log, await readBatches(log)))).toEqual(before);
  }
});

test('More keys than the map holds are cleaned over several rounds', async () => {
  const { log, disk, directory } = await compacted();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 40; i++) await write(log, [record(`key ${i}`, `v${round}`)]);
  }
  const before = finalValues(consumed(log, await readBatches(log)));
  const properties = { 'log.cleaner.dedupe.buffer.size': '600' };
  let rounds = 0;
  for (; rounds < 50; rounds++) {
    if ((await cleanLogs(disk, directory, { properties })).runs === 0) break;
  }
  expect(rounds).toBeGreaterThan(3);
  expect(rounds).toBeLessThan(50);
  expect(finalValues(consumed(log, await readBatches(log)))).toEqual(before);
  expect((await kept(log)).length).toBeLessThan(60);
});

test('Records deleted while a log is cleaned go when that ends', async () => {
  const { log, disk, directory } = await compacted({ deletes: true });
  for (let i = 0; i < 30; i++) await write(log, [record(`k${i % 3}`, `v${i}`)]);
  const cleaning = cleanLogs(disk, directory);
  log.advanceStart(log.highWatermark);
  expect(await cleaning).toMatchObject({ runs: 1, failures: 0 });
  expect(log.segments).toHaveLength(1);
});

test('Keyless records of a topic that became compacted are dropped', async () => {
  const { log, disk, directory } = await compacted();
  await write(log, [record(null, 'no key'), record('k', 'v')]);
  for (let i = 0; i < 6; i++) await write(log, [record('fill', `v${i} ${'x'.repeat(40)}`)]);
  await cleanLogs(disk, directory);
  expect((await kept(log))[0]).toBe('1 k=v');
});

test('A segment is not cleaned before its snapshot of producers is stored, from which retries are told after a crash', async () => {
  const { log, disk } = await compacted({ segmentBytes: 1 << 20 });
  for (let i = 0; i < 5; i++) await write(log, [record('k', `v${i}`)], { producerId: 7, sequence: i });
  disk.syncTurns = () => 50;
  const rolling = log.roll();
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  expect(log.segments).toHaveLength(2);
  expect(planCleaning(log, 0, T0)).toBeUndefined();
  await rolling;
  expect(planCleaning(log, 0, T0)).toMatchObject({ endOffset: 5 });
});
