import { batchCrcValid, readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { appendDurably, appendTo, batchOf, openTestLogs, readAllBytes } from '../testing/test-log.ts';
import { appendMarker } from './append-marker.ts';

const FILE = '/data/log/t-0/00000000000000000000.log';
const CHECKPOINT = '/data/log/recovery-point-offset-checkpoint';

/** A killed broker's disk with six batches, of which the first three are below the recovery point. */
async function crashedDisk(): Promise<{ disk: MemoryDisk; ends: number[] }> {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open();
  const ends: number[] = [];
  for (let i = 0; i < 6; i++) {
    await appendDurably(log, `value ${i}`, `other ${i}`);
    ends.push(log.sizeInBytes);
    if (i === 2) await directory.checkpoint();
  }
  return { disk: disk.afterKill(), ends };
}

function replace(disk: MemoryDisk, path: string, content: Buffer): void {
  const file = disk.open(path);
  file.truncate(0);
  file.writeSync([content], 0);
}

/** Opens a damaged copy; the offset the log ends at, after everything served was checked. */
async function recoveredEnd(disk: MemoryDisk, damaged: Buffer): Promise<number> {
  const copy = disk.afterKill();
  replace(copy, FILE, damaged);
  const log = await (await openTestLogs(copy, 0)).open();
  const bytes = await readAllBytes(log, 0);
  for (let at = 0; at < bytes.length; ) {
    const { sizeInBytes } = readBatchHeader(bytes, at);
    expect(batchCrcValid(bytes, at, sizeInBytes)).toBe(true);
    at += sizeInBytes;
  }
  expect(bytes.length).toBe(copy.readFile(FILE)?.length);
  // What is appended next follows without a gap and can be read.
  expect(await appendDurably(log, 'next')).toMatchObject({ baseOffset: log.endOffset - 1 });
  return log.endOffset - 1;
}

/** Offset behind the whole batches in the first `size` bytes. */
const wholeBelow = (ends: readonly number[], size: number): number =>
  2 * ends.filter((end) => end <= size).length;

test('A log cut at any byte of its last batches recovers every whole batch before it', async () => {
  const { disk, ends } = await crashedDisk();
  const whole = disk.readFile(FILE) ?? Buffer.alloc(0);
  for (let size = ends[2] ?? 0; size <= whole.length; size++) {
    expect(await recoveredEnd(disk, whole.subarray(0, size))).toBe(wholeBelow(ends, size));
  }
});

test('A tail of zeros of any length is cut, not taken for the end of the file', async () => {
  const { disk, ends } = await crashedDisk();
  const whole = disk.readFile(FILE) ?? Buffer.alloc(0);
  for (let size = ends[2] ?? 0; size < whole.length; size++) {
    const zeroed = Buffer.concat([whole.subarray(0, size), Buffer.alloc(whole.length - size)]);
    // The last byte of a batch may be zero anyway.
    const intact = ends.filter((end) => zeroed.subarray(0, end).equals(whole.subarray(0, end)));
    expect(await recoveredEnd(disk, zeroed)).toBe(2 * intact.length);
  }
});

test('A flipped bit anywhere in the last batches never loses an earlier batch or serves a damaged one', async () => {
  const { disk, ends } = await crashedDisk();
  const whole = disk.readFile(FILE) ?? Buffer.alloc(0);
  for (let at = ends[2] ?? 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    const end = await recoveredEnd(disk, flipped);
    expect(end).toBeGreaterThanOrEqual(wholeBelow(ends, at));
    expect(end).toBeLessThanOrEqual(12);
  }
});

test('INV-4: damage below the recovery point is reported, not cut away', async () => {
  const { disk, ends } = await crashedDisk();
  const whole = disk.readFile(FILE) ?? Buffer.alloc(0);
  for (const damaged of [whole.subarray(0, (ends[2] ?? 0) - 1), whole.subarray(0, 0)]) {
    const copy = disk.afterKill();
    replace(copy, FILE, damaged);
    await expect((await openTestLogs(copy)).open()).rejects.toMatchObject({ code: 'broker.log_corrupt' });
    expect(copy.readFile(FILE)?.length).toBe(damaged.length);
  }
});

test('A damaged checkpoint means that everything is checked', async () => {
  const { disk } = await crashedDisk();
  replace(disk, CHECKPOINT, Buffer.from('0\n1\nt 0 nonsense\n'));
  expect((await (await openTestLogs(disk)).open()).endOffset).toBe(12);
});

test('INV-12: recovery makes durable what a kill left in the page cache before it serves it', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ flushIntervalMs: 60_000 });
  await appendDurably(log, 'durable');
  await log.whenAcknowledged(appendTo(log, { values: ['acks=1'] }).lastOffset, 1);
  const killed = disk.afterKill();
  const recovered = await (await openTestLogs(killed)).open();
  expect(recovered.highWatermark).toBe(2);
  const cut = await (await openTestLogs(killed.afterPowerCut(() => 0.9))).open();
  expect(cut.highWatermark).toBe(2);
});

test('INV-12: data of a failed sync is durable once recovery has served it', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open();
  await appendDurably(log, 'durable');
  disk.failNext({ operation: 'sync', code: 'EIO' });
  await expect(appendDurably(log, 'doubtful')).rejects.toThrow();
  // Restarted without a power cut, the page cache still shows the record; it is served only once it is safe.
  const restarted = disk.afterKill();
  const recovered = await (await openTestLogs(restarted)).open();
  expect(recovered.highWatermark).toBe(2);
  const cut = await (await openTestLogs(restarted.afterPowerCut(() => 0.9))).open();
  expect(cut.highWatermark).toBe(2);
});

test('Snapshots of producers above the cut are dropped, so that a retry of lost records is stored', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ segmentBytes: 250, flushIntervalMs: 60_000 });
  const send = (sequence: number): Promise<void> =>
    log.whenDurable(appendTo(log, { values: ['v'], producerId: 3, sequence }).lastOffset);
  for (let sequence = 0; sequence < 8; sequence++) await send(sequence);
  const killed = disk.afterKill();
  const last = log.segments.at(-2);
  if (!last) throw new Error('no segment');
  // The segment before the last loses its end: the snapshot at the last one's start speaks of records that are gone.
  const file = killed.open(last.logPath);
  file.truncate(file.size() - 1);
  const recovered = await (await openTestLogs(killed)).open({ segmentBytes: 250 });
  expect(recovered.endOffset).toBeLessThan(8);
  const next = recovered.endOffset;
  const retried = appendTo(recovered, { values: ['v'], producerId: 3, sequence: next });
  expect(retried).toMatchObject({ baseOffset: next, duplicate: false });
});

test('A segment that was complete at the recovery point, but not followed by anything, gets its aborted transactions', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open();
  const records = [{ key: null, value: Buffer.from('v'), timestamp: 1 }];
  const identity = { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true };
  const batch = simpleBatch(records, identity);
  log.append(batch, readBatchHeader(batch, 0));
  const marker = { producerId: 7, producerEpoch: 0, commit: false, coordinatorEpoch: 0 };
  const { lastOffset } = appendMarker(log, marker, 1);
  await log.whenDurable(lastOffset);
  await directory.checkpoint();
  const rolling = log.roll();
  await Promise.resolve();
  // The next segment has its file; the lists of this one are not stored.
  const killed = disk.afterKill();
  await rolling;
  expect(killed.list('/data/log/t-0')).toContain('00000000000000000002.log');
  expect(killed.list('/data/log/t-0')).not.toContain('00000000000000000000.txnindex');
  const found = await (await openTestLogs(killed)).open();
  expect(found.abortedIn(0, found.endOffset)).toMatchObject([
    { producerId: 7, firstOffset: 0, lastOffset: 1 },
  ]);
});

test('The window of five outlives batches that a cleaner took, also without a recovery point', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ compacted: true });
  const batches = Array.from({ length: 5 }, (_, sequence) => ({ values: ['v'], producerId: 7, sequence }));
  for (const batch of batches) await log.whenDurable(appendTo(log, batch).lastOffset);
  await log.roll();
  const killed = disk.afterKill();
  // Of the first segment only the last batch is left, as after a cleaning.
  const size = batchOf({ values: ['v'], producerId: 7, sequence: 0 }).length;
  replace(killed, FILE, (killed.readFile(FILE) ?? Buffer.alloc(0)).subarray(4 * size));
  for (const suffix of ['index', 'timeindex']) killed.remove(FILE.replace(/log$/, suffix));
  const found = await (await openTestLogs(killed)).open({ compacted: true });
  expect(batches.map((batch) => appendTo(found, batch))).toMatchObject(
    batches.map((_, baseOffset) => ({ baseOffset, duplicate: true })),
  );
});

test('A snapshot above the cut does not come back after a power cut', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open();
  await log.whenDurable(appendTo(log, { values: ['v'], producerId: 3, sequence: 0 }).lastOffset);
  await log.whenDurable(appendTo(log, { values: ['lost'], producerId: 3, sequence: 1 }).lastOffset);
  await log.roll();
  const torn = disk.afterKill();
  const file = torn.open(FILE);
  file.truncate(file.size() - 1);
  await (await openTestLogs(torn)).open();
  expect(torn.afterPowerCut(() => 0).list('/data/log/t-0')).not.toContain('00000000000000000002.snapshot');
});

test('Lists of aborted transactions that recovery made anew survive a power cut after it', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open();
  const records = [{ key: null, value: Buffer.from('v'), timestamp: 1 }];
  const identity = { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true };
  const batch = simpleBatch(records, identity);
  log.append(batch, readBatchHeader(batch, 0));
  appendMarker(log, { producerId: 7, producerEpoch: 0, commit: false, coordinatorEpoch: 0 }, 1);
  await log.roll();
  await appendDurably(log, 'behind');
  const killed = disk.afterKill();
  killed.remove('/data/log/t-0/00000000000000000000.txnindex');
  const second = await openTestLogs(killed);
  await second.open();
  await second.directory.checkpoint();
  const found = await (await openTestLogs(killed.afterPowerCut(() => 0))).open();
  expect(found.abortedIn(0, found.endOffset)).toMatchObject([
    { producerId: 7, firstOffset: 0, lastOffset: 1 },
  ]);
});

test('A log without indexes, as a crash in the middle of its deletion leaves it, gets its aborted transactions', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open();
  const records = [{ key: null, value: Buffer.from('v'), timestamp: 1 }];
  const identity = { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true };
  const batch = simpleBatch(records, identity);
  log.append(batch, readBatchHeader(batch, 0));
  appendMarker(log, { producerId: 7, producerEpoch: 0, commit: false, coordinatorEpoch: 0 }, 1);
  await log.roll();
  await appendDurably(log, 'behind');
  await directory.checkpoint();
  const killed = disk.afterKill();
  for (const suffix of ['index', 'timeindex', 'txnindex']) killed.remove(FILE.replace(/log$/, suffix));
  const found = await (await openTestLogs(killed)).open();
  expect(found.abortedIn(0, found.endOffset)).toMatchObject([
    { producerId: 7, firstOffset: 0, lastOffset: 1 },
  ]);
});

test('The window of five outlives a crash in the middle of a roll, then a cleaning and another crash', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ compacted: true });
  const batches = Array.from({ length: 5 }, (_, sequence) => ({ values: ['v'], producerId: 7, sequence }));
  for (const batch of batches) await log.whenDurable(appendTo(log, batch).lastOffset);
  const rolling = log.roll();
  // The next segment has its file, and no snapshot stands at its start.
  const killed = disk.afterKill();
  await rolling;
  await (await openTestLogs(killed)).open({ compacted: true });
  const again = killed.afterKill();
  const size = batchOf({ values: ['v'], producerId: 7, sequence: 0 }).length;
  replace(again, FILE, (again.readFile(FILE) ?? Buffer.alloc(0)).subarray(4 * size));
  for (const suffix of ['index', 'timeindex']) again.remove(FILE.replace(/log$/, suffix));
  const found = await (await openTestLogs(again)).open({ compacted: true });
  expect(batches.map((batch) => appendTo(found, batch))).toMatchObject(
    batches.map((_, baseOffset) => ({ baseOffset, duplicate: true })),
  );
});

test('The window of five outlives a crash in the middle of a roll, then a deletion and another crash', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open();
  const batches = Array.from({ length: 5 }, (_, sequence) => ({ values: ['v'], producerId: 7, sequence }));
  for (const batch of batches) await log.whenDurable(appendTo(log, batch).lastOffset);
  const rolling = log.roll();
  const killed = disk.afterKill();
  await rolling;
  const between = await (await openTestLogs(killed)).open();
  between.advanceStart(5);
  expect(between.segments.map(({ baseOffset }) => baseOffset)).toEqual([5]);
  const found = await (await openTestLogs(killed.afterKill())).open();
  expect(batches.map((batch) => appendTo(found, batch))).toMatchObject(
    batches.map((_, baseOffset) => ({ baseOffset, duplicate: true })),
  );
});

test('Snapshots of earlier ends do not pile up', async () => {
  let disk = new MemoryDisk();
  const kept = (): string[] => disk.list('/data/log/t-0').filter((name) => name.endsWith('.snapshot'));
  for (let start = 0; start < 4; start++) {
    const log = await (await openTestLogs(disk)).open();
    await log.whenDurable(appendTo(log, { values: ['v'], producerId: 3, sequence: start }).lastOffset);
    if (start === 1) await log.roll();
    if (start < 2) await log.close();
    else disk = disk.afterKill();
  }
  await (await openTestLogs(disk)).open();
  // At the start of the last segment.
  expect(kept()).toEqual(['00000000000000000002.snapshot']);
});

for (const tail of [Buffer.alloc(500), Buffer.from('no batch')]) {
  test(`A folder that a clean shutdown left with ${tail.length} bytes behind its last batch is checked and goes on behind it`, async () => {
    const disk = new MemoryDisk();
    const { open, directory } = await openTestLogs(disk);
    await appendDurably(await open(), 'before');
    await directory.close();
    const file = disk.open(FILE);
    const size = file.size();
    file.writeSync([tail], size);
    const second = await openTestLogs(disk);
    expect(second.directory.wasClean).toBe(true);
    const log = await second.open();
    expect(disk.readFile(FILE)).toHaveLength(size);
    await appendDurably(log, 'behind');
    await second.directory.checkpoint();
    const found = await (await openTestLogs(disk.afterKill())).open();
    expect(found.endOffset).toBe(2);
  });
}
