import { expect, test } from 'vitest';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { appendDurably, appendTo, openTestLogs, readAllBytes } from '../testing/test-log.ts';
import type { PartitionLog } from './partition-log.ts';
import { deletableSegments, enforceRetention } from './retention.ts';

const FOLDER = '/data/log/t-0';
const T0 = 1_700_000_000_000;
const DAY = 86_400_000;

/** Twelve records of one day each, two a segment. */
async function twelveDays(log: PartitionLog): Promise<void> {
  for (let day = 0; day < 12; day++) {
    const { lastOffset } = appendTo(log, { values: [`day ${day}`], timestamp: T0 + day * DAY });
    await log.whenDurable(lastOffset);
  }
}

const turn = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('Segments whose newest record is too old go, whole and from the oldest on', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open({ segmentMs: DAY, retentionMs: 5 * DAY });
  await twelveDays(log);
  expect(log.segments.map((s) => s.baseOffset)).toEqual([0, 2, 4, 6, 8, 10]);
  // At the eleventh day the fifth is not older than five days, so the segment that holds it stays.
  expect(await enforceRetention(log, T0 + 10.5 * DAY)).toMatchObject({ segments: 3 });
  expect(log.segments.map((s) => s.baseOffset)).toEqual([6, 8, 10]);
  expect([log.startOffset, log.endOffset]).toEqual([6, 12]);
  await turn();
  expect(disk.list(FOLDER).filter((name) => name.endsWith('.log'))).toHaveLength(3);
  expect(disk.list(FOLDER).filter((name) => name.endsWith('.deleted'))).toEqual([]);
});

test('Without the policy delete, or without limits, nothing goes', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ segmentMs: DAY, retentionMs: 0, retentionBytes: 0, deletes: false });
  await twelveDays(log);
  expect(deletableSegments(log, T0 + 100 * DAY)).toBe(0);
  log.config = { ...log.config, deletes: true, retentionMs: -1, retentionBytes: -1 };
  expect(deletableSegments(log, T0 + 100 * DAY)).toBe(0);
});

test('By size the oldest segments go as long as what is left is not below the limit', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ segmentMs: DAY });
  await twelveDays(log);
  const segment = log.segments[0]?.size ?? 0;
  log.config = { ...log.config, retentionBytes: log.sizeInBytes - 2 * segment - 1 };
  await enforceRetention(log, T0);
  expect(log.startOffset).toBe(4);
});

test('An expired active segment is rolled first, and the log goes on at its end, also after a crash', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open({ segmentMs: DAY, retentionMs: DAY });
  await twelveDays(log);
  await directory.checkpoint();
  expect(await enforceRetention(log, T0 + 100 * DAY)).toMatchObject({ segments: 6 });
  expect([log.startOffset, log.endOffset, log.sizeInBytes]).toEqual([12, 12, 0]);
  for (const crashed of [disk.afterKill(), disk.afterPowerCut(() => 0), disk.afterPowerCut(() => 0.99)]) {
    const again = await (await openTestLogs(crashed)).open();
    expect([again.endOffset, again.highWatermark]).toEqual([12, 12]);
    expect(await appendDurably(again, 'next')).toMatchObject({ baseOffset: 12 });
  }
  expect(await appendDurably(log, 'next')).toMatchObject({ baseOffset: 12 });
  expect((await readAllBytes(log, 12)).length).toBeGreaterThan(0);
  // An idle log whose active segment is empty costs nothing more.
  await log.roll();
  log.config = { ...log.config, retentionMs: 0 };
  await enforceRetention(log, T0 + 100 * DAY);
  const { length } = log.segments;
  expect(await enforceRetention(log, T0 + 200 * DAY)).toEqual({ segments: 0, bytes: 0 });
  expect(log.segments).toHaveLength(length);
});

test('Records moved out by DeleteRecords take their segments along, never the last file of the log', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open({ segmentMs: DAY });
  await twelveDays(log);
  await directory.checkpoint();
  // The next record rolls: its segment has no file yet, so the one before it must stay for now.
  const { lastOffset } = appendTo(log, { values: ['day 20'], timestamp: T0 + 20 * DAY });
  log.advanceStart(log.highWatermark);
  expect((await (await openTestLogs(disk.afterKill())).open()).endOffset).toBe(12);
  await log.whenDurable(lastOffset);
  await enforceRetention(log, T0);
  expect(log.segments.map((s) => s.baseOffset)).toEqual([12]);
});

test('A reader that is in a segment when it is deleted reads on until the files go', async () => {
  const { open } = await openTestLogs(new MemoryDisk(), 0);
  const log = await open({ segmentMs: DAY, retentionMs: DAY, fileDeleteDelayMs: 20 });
  await twelveDays(log);
  const [first] = log.segments;
  const batches = first?.headers(0);
  batches?.next();
  await enforceRetention(log, T0 + 100 * DAY);
  expect(batches?.next().value).toMatchObject({ header: { baseOffset: 1 } });
  await turn(50);
  expect(() => first?.find(0)).toThrow(expect.objectContaining({ errorCode: 6 }));
});

test('Records without timestamps age by the time their file was written', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ retentionMs: DAY });
  await log.whenDurable(appendTo(log, { values: ['timeless'], timestamp: -1 }).lastOffset);
  expect(deletableSegments(log, Date.now())).toBe(0);
  expect(deletableSegments(log, Date.now() + 2 * DAY)).toBe(1);
});

test('A segment rolls when its index is full', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open({ indexIntervalBytes: 1, segmentIndexBytes: 60 });
  for (let i = 0; i < 24; i++) await appendDurably(log, `value ${i}`);
  expect(log.segments.length).toBeGreaterThan(2);
});
