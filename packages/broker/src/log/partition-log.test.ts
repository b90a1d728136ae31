import { readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { KafkaFailure } from '../errors.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { appendDurably, appendTo, openTestLogs, readAllBytes } from '../testing/test-log.ts';
import { readLog } from './log-reader.ts';
import type { PartitionLog } from './partition-log.ts';

const FOLDER = '/data/log/t-0';

async function values(log: PartitionLog, from = 0): Promise<string[]> {
  const bytes = await readAllBytes(log, from);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += readBatchHeader(bytes, at).sizeInBytes) {
    found.push(...readRecords(bytes, at).map((record) => `${record.offset}=${String(record.value)}`));
  }
  return found;
}

test('Appended batches get consecutive offsets and come back as they were', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open();
  expect(await appendDurably(log, 'a', 'b')).toMatchObject({ baseOffset: 0, lastOffset: 1 });
  expect(await appendDurably(log, 'c')).toMatchObject({ baseOffset: 2, lastOffset: 2 });
  expect(await values(log)).toEqual(['0=a', '1=b', '2=c']);
});

test('INV-12: the high watermark is the durable offset, not the end of the log', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open();
  const { lastOffset } = appendTo(log, { values: ['a'] });
  expect([log.endOffset, log.highWatermark]).toEqual([1, 0]);
  const request = { offset: 0, limitOffset: log.highWatermark, maxBytes: 1000, atLeastOne: true };
  expect((await readLog(log, request)).size).toBe(0);
  await log.whenAcknowledged(lastOffset, 1);
  expect(log.highWatermark).toBe(0);
  await log.whenAcknowledged(lastOffset, -1);
  expect(log.highWatermark).toBe(1);
});

test('Under the policy os consumers see what is in the page cache', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ flushPolicy: 'os' });
  const { lastOffset } = appendTo(log, { values: ['a'] });
  await log.whenAcknowledged(lastOffset, -1);
  expect([log.highWatermark, log.durableOffset]).toEqual([1, 0]);
});

test('Records of acks=1 become visible when a reader waits for them', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ flushIntervalMs: 60_000 });
  await log.whenAcknowledged(appendTo(log, { values: ['a'] }).lastOffset, 1);
  await log.whenVisible();
  expect(log.highWatermark).toBe(1);
});

test('Many appends wait for one sync', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open();
  await appendDurably(log, 'first');
  const all = Array.from({ length: 100 }, (_, i) => appendTo(log, { values: [`v${i}`] }));
  // All hundred must be served by the first sync that starts now; a second one would fail.
  disk.failNext({ operation: 'sync', code: 'EIO', after: 1 });
  await Promise.all(all.map(({ lastOffset }) => log.whenDurable(lastOffset)));
  expect(log.highWatermark).toBe(101);
});

test('A log rolls into segments and is read across them, from files and from memory alike', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ segmentBytes: 400 });
  for (let i = 0; i < 40; i++) await appendDurably(log, `value ${i}`);
  expect(log.segments.length).toBeGreaterThan(5);
  const fromMemory = await readAllBytes(log, 0);
  log.tail.clear();
  expect((await readAllBytes(log, 0)).equals(fromMemory)).toBe(true);
  expect(await values(log, 33)).toEqual(Array.from({ length: 7 }, (_, i) => `${33 + i}=value ${33 + i}`));
  const names = disk.list(FOLDER);
  expect(names.filter((name) => name.endsWith('.index'))).toHaveLength(log.segments.length - 1);
});

test('Reading respects the limit in bytes but never hides the first batch', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open();
  for (let i = 0; i < 5; i++) await appendDurably(log, `value ${i}`);
  const size = log.sizeInBytes / 5;
  for (const clear of [false, true]) {
    if (clear) log.tail.clear();
    const read = async (maxBytes: number, atLeastOne: boolean): Promise<number> =>
      (await readLog(log, { offset: 1, limitOffset: 5, maxBytes, atLeastOne })).size;
    expect(await read(1, true)).toBe(size);
    expect(await read(1, false)).toBe(0);
    expect(await read(size * 1.5, true)).toBe(Math.floor(size * 1.5));
    expect(await read(1 << 20, true)).toBe(size * 4);
  }
});

test('A retry is answered with the offset of the batch it repeats, within a window of five', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open();
  for (let sequence = 0; sequence < 7; sequence++) appendTo(log, { values: ['v'], producerId: 5, sequence });
  expect(appendTo(log, { values: ['v'], producerId: 5, sequence: 2 })).toMatchObject({
    baseOffset: 2,
    duplicate: true,
  });
  expect(() => appendTo(log, { values: ['v'], producerId: 5, sequence: 1 })).toThrow(KafkaFailure);
  expect(() => appendTo(log, { values: ['v'], producerId: 5, sequence: 9 })).toThrow(KafkaFailure);
  expect(log.endOffset).toBe(7);
});

test('The window of five survives a clean restart and a kill', async () => {
  const disk = new MemoryDisk();
  const first = await openTestLogs(disk);
  const log = await first.open({ segmentBytes: 300 });
  for (let sequence = 0; sequence < 9; sequence++) {
    await log.whenDurable(appendTo(log, { values: ['v'], producerId: 5, sequence }).lastOffset);
  }
  const killed = await (await openTestLogs(disk.afterKill())).open();
  await first.directory.close();
  const closed = await (await openTestLogs(disk)).open();
  for (const again of [killed, closed]) {
    for (let sequence = 4; sequence < 9; sequence++) {
      const repeated = appendTo(again, { values: ['v'], producerId: 5, sequence });
      expect(repeated).toMatchObject({ baseOffset: sequence, duplicate: true });
    }
    expect(appendTo(again, { values: ['v'], producerId: 5, sequence: 9 })).toMatchObject({ baseOffset: 9 });
  }
});

test('A full disk refuses records, takes nothing half, and goes on when there is room', async () => {
  const disk = new MemoryDisk();
  const { open, space } = await openTestLogs(disk);
  const log = await open();
  await space.restore();
  await appendDurably(log, 'before');
  disk.capacityBytes = disk.usedBytes + 30;
  const refused = appendTo(log, { values: ['refused'], producerId: 7, sequence: 0 });
  await expect(log.whenDurable(refused.lastOffset)).rejects.toMatchObject({ errorCode: 56 });
  expect([log.endOffset, disk.readFile(`${FOLDER}/00000000000000000000.log`)?.length]).toEqual([
    1,
    log.sizeInBytes,
  ]);
  expect(() => appendTo(log, { values: ['refused'] })).toThrow('disk is full');
  disk.capacityBytes = disk.usedBytes + (4 << 20);
  await space.restore();
  expect(appendTo(log, { values: ['again'], producerId: 7, sequence: 0 })).toMatchObject({ baseOffset: 1 });
  await log.whenVisible();
  expect(await values(log)).toEqual(['0=before', '1=again']);
});

test('A full disk leaves room for internal topics', async () => {
  const disk = new MemoryDisk();
  const { directory, space } = await openTestLogs(disk);
  const { TEST_CONFIG, TEST_TOPIC_ID } = await import('../testing/test-log.ts');
  const request = { topic: '__consumer_offsets', topicId: TEST_TOPIC_ID, partition: 0, internal: true };
  const log = await directory.open({ ...request, config: TEST_CONFIG });
  await space.restore();
  disk.capacityBytes = disk.usedBytes;
  await appendDurably(log, 'committed');
  expect([log.highWatermark, space.full]).toEqual([1, true]);
  // What the reserve gave up is not for the records of users.
  await space.restore();
  expect(space.full).toBe(true);
  disk.capacityBytes += 4 << 20;
  await space.restore();
  expect(space.full).toBe(false);
});

test('INV-12: after a failed sync nothing is acknowledged or written any more', async () => {
  const disk = new MemoryDisk();
  const { open, failure } = await openTestLogs(disk);
  const log = await open();
  await appendDurably(log, 'good');
  disk.failNext({ operation: 'sync', code: 'EIO' });
  await expect(appendDurably(log, 'lost')).rejects.toMatchObject({ errorCode: 56 });
  expect(failure()?.message).toContain('EIO');
  expect(() => appendTo(log, { values: ['more'] })).toThrow(KafkaFailure);
  expect(log.highWatermark).toBe(1);
  expect(await values(log)).toEqual(['0=good']);
});

test('An unclean start begins a new leader epoch, a clean one does not', async () => {
  const disk = new MemoryDisk();
  const first = await openTestLogs(disk);
  const log = await first.open();
  await appendDurably(log, 'a');
  expect(log.leaderEpoch).toBe(0);
  const killed = await openTestLogs(disk.afterKill());
  const again = await killed.open();
  expect([again.leaderEpoch, again.endOfEpoch(0), again.endOfEpoch(1)]).toEqual([
    1,
    { epoch: 0, endOffset: 1 },
    { epoch: 1, endOffset: 1 },
  ]);
  await appendDurably(again, 'b');
  const bytes = await readAllBytes(again, 1);
  expect(readBatchHeader(bytes, 0).partitionLeaderEpoch).toBe(1);
  await first.directory.close();
  const reopened = await (await openTestLogs(disk)).open();
  expect(reopened.leaderEpoch).toBe(0);
});

test('The start of the log moves forward and whole segments go', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ segmentBytes: 300 });
  for (let i = 0; i < 10; i++) await appendDurably(log, `value ${i}`);
  const count = log.segments.length;
  log.advanceStart(7);
  expect(log.startOffset).toBe(7);
  expect(log.segments.length).toBeLessThan(count);
  expect((await values(log, 7)).at(-1)).toBe('9=value 9');
});

test('INV-12: only the last file of a log ends in zeros, and none after it was closed', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open({ segmentBytes: 600 });
  const zerosOf = (): number[] =>
    log.segments.map(({ logPath, size }) => (disk.readFile(logPath)?.length ?? 0) - size);
  let mostZeros = 0;
  for (let i = 0; i < 30; i++) {
    await appendDurably(log, `value ${i}`);
    const zeros = zerosOf();
    mostZeros = Math.max(mostZeros, zeros.pop() ?? 0);
    expect(zeros.filter((count) => count !== 0)).toEqual([]);
    // As a kill leaves the files: nothing is lost, and what comes next is in place.
    const killed = await (await openTestLogs(disk.afterKill(), 0)).open({ segmentBytes: 600 });
    expect(killed.endOffset).toBe(i + 1);
    await appendDurably(killed, 'next');
    expect((await values(killed)).slice(-2)).toEqual([`${i}=value ${i}`, `${i + 1}=next`]);
  }
  expect(log.segments.length).toBeGreaterThan(3);
  expect(mostZeros).toBeGreaterThan(0);
  await directory.close();
  expect(zerosOf().filter((count) => count !== 0)).toEqual([]);
});

test('Large writes, and those that nobody wants synced, take no zeros with them', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ flushPolicy: 'os' });
  await log.whenAcknowledged(appendTo(log, { values: ['a'] }).lastOffset, -1);
  expect(disk.readFile(`${FOLDER}/00000000000000000000.log`)?.length).toBe(log.sizeInBytes);
  await appendDurably(log, 'x'.repeat(70_000));
  expect(disk.readFile(`${FOLDER}/00000000000000000000.log`)?.length).toBe(log.sizeInBytes);
});

test('INV-12: zeros that were not cut in time end nothing where the next file goes on right behind them', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ segmentBytes: 300 });
  for (let i = 0; i < 12; i++) await appendDurably(log, `value ${i}`);
  expect(log.segments.length).toBeGreaterThan(2);
  const [first] = log.segments;
  const killed = disk.afterKill();
  const file = killed.open(first?.logPath ?? '');
  file.writeSync([Buffer.alloc(500)], first?.size ?? 0);
  const again = await (await openTestLogs(killed, 0)).open({ segmentBytes: 300 });
  expect(again.endOffset).toBe(12);
  expect(killed.readFile(first?.logPath ?? '')?.length).toBe(first?.size);
  // Anything else behind the batches still ends the log.
  const other = disk.afterKill();
  other.open(first?.logPath ?? '').writeSync([Buffer.alloc(500, 1)], first?.size ?? 0);
  const cut = await (await openTestLogs(other, 0)).open({ segmentBytes: 300 });
  expect(cut.endOffset).toBeLessThan(12);
});
