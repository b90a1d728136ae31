// Opens a partition folder. After a clean shutdown its files are trusted. Otherwise everything behind the recovery
// point is checked, cut at the first bad batch, written once more and synced before anything is served: after a kill
// it may lie in the page cache only, after a failed sync not even that is certain.
import { join } from 'node:path';
import type { Logger } from '@millrace/foundation';
import { BATCH_OVERHEAD, batchCrcValid, readBatchHeader } from '@millrace/kafka-protocol';
import { type Disk, writeAtomically } from '../disk.ts';
import { brokerError } from '../errors.ts';
import { type EpochEntry, parseLeaderEpochs } from './checkpoint.ts';
import { finishSwaps } from './cleaner/swap.ts';
import { loadProducers } from './load-producers.ts';
import type { LogState } from './log-environment.ts';
import { offsetFileName, Segment } from './segment.ts';
import { Windows } from './windows.ts';
import { MAX_ZEROS } from './write-pipeline.ts';

export interface RecoveryRequest {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly directory: string;
  readonly topic: string;
  readonly partition: number;
  readonly internal: boolean;
  /** The folder was left by a clean shutdown; it is checked all the same when its last file does not end with a batch. */
  readonly clean: boolean;
  /** Everything below was durable. */
  readonly recoveryPoint: number;
  /** From the log start checkpoint; 0 when it has no entry. */
  readonly startOffset: number;
  /** Offsets may be missing between batches: a compacted topic. */
  readonly mayHaveGaps: boolean;
  readonly indexIntervalBytes: number;
  readonly nowMs: number;
}

/** Bytes written again before they are synced, while more is checked. */
const SYNC_BYTES = 32 * 1024 * 1024;
/** Of the length in the head of a batch. */
const LENGTH_POSITION = 8;
const DONE: Promise<void> = Promise.resolve();

/**
 * Reads a folder into what a PartitionLog starts from.
 *
 * @throws broker.log_corrupt when bytes below the recovery point are damaged or missing
 */
export async function recoverLog(request: RecoveryRequest): Promise<LogState> {
  const { disk, directory } = request;
  removeLeftovers(disk, directory);
  await finishSwaps(disk, directory);
  const segments = listSegments(disk, directory);
  const epochs = readEpochs(disk, directory);
  const whole = request.clean ? openClean(segments, request.indexIntervalBytes) : undefined;
  const clean = whole !== undefined;
  const { endOffset, reindexFrom } = whole ?? (await openDirty(segments, request));
  const startOffset = Math.max(request.startOffset, segments[0]?.baseOffset ?? 0);
  if (endOffset < request.recoveryPoint) {
    throw brokerError('broker.log_corrupt', `${directory} ends at ${endOffset}, before its recovery point.`, {
      endOffset,
      recoveryPoint: request.recoveryPoint,
    });
  }
  await dropAbove(disk, directory, endOffset);
  const { nowMs } = request;
  const producers = loadProducers({ disk, directory, segments, endOffset, nowMs, reindexFrom });
  // The list of the last segment is written when that is complete. A later start takes a missing file for an empty list.
  const made = segments.slice(0, -1).filter(({ baseOffset }) => baseOffset >= (reindexFrom ?? endOffset));
  for (const segment of made) await segment.storeTransactions();
  if (made.length > 0) await disk.syncDirectory(directory);
  if (!clean) await keepSnapshot(disk, directory, segments.at(-1), { producers, endOffset });
  dropStray(disk, directory, segments);
  const kept = epochs.filter((entry) => entry.startOffset <= endOffset);
  // An unclean start is a new leader epoch, so that clients can tell offsets given anew from those they read.
  const bumped = !clean && endOffset > 0;
  if (bumped) kept.push({ epoch: (kept.at(-1)?.epoch ?? -1) + 1, startOffset: endOffset });
  return {
    directory,
    topic: request.topic,
    partition: request.partition,
    internal: request.internal,
    segments,
    startOffset,
    endOffset: Math.max(endOffset, startOffset),
    recoveryPoint: endOffset,
    epochs: kept,
    epochsChanged: bumped || kept.length !== epochs.length,
    producers,
  };
}

/**
 * A crash may have come before the snapshot at the last segment's start was stored. From here on a cleaner may take the
 * batches before it, or a deletion their segments, which then would be all that knows of retries.
 */
async function keepSnapshot(
  disk: Disk,
  directory: string,
  last: Segment | undefined,
  { producers, endOffset }: Pick<LogState, 'producers' | 'endOffset'>,
): Promise<void> {
  if (!last || producers.size === 0) return;
  if (disk.exists(join(directory, offsetFileName(last.baseOffset, '.snapshot')))) return;
  await writeAtomically(
    disk,
    join(directory, offsetFileName(endOffset, '.snapshot')),
    producers.toSnapshot(),
  );
}

function listSegments(disk: Disk, directory: string): Segment[] {
  return disk
    .list(directory)
    .filter((name) => /^\d{20}\.log$/.test(name))
    .map((name) => {
      const file = disk.open(join(directory, name));
      const size = file.size();
      file.close();
      return new Segment(disk, directory, Number(name.slice(0, 20)), size);
    });
}

/** Files of a step that a crash interrupted. */
function removeLeftovers(disk: Disk, directory: string): void {
  for (const name of disk.list(directory)) {
    if (/\.(tmp|deleted|cleaned)$/.test(name)) disk.remove(join(directory, name));
  }
}

function readEpochs(disk: Disk, directory: string): EpochEntry[] {
  const text = disk.readFile(join(directory, 'leader-epoch-checkpoint'))?.toString('utf8');
  return (text && parseLeaderEpochs(text)) || [];
}

interface Opened {
  readonly endOffset: number;
  /** From this segment on, the lists of aborted transactions are made anew. */
  readonly reindexFrom: number | undefined;
}

/** Undefined when bytes follow the last batch: what is written next would lie behind them, out of reach. */
function openClean(segments: Segment[], indexIntervalBytes: number): Opened | undefined {
  const reindexFrom = loadAllIndexes(segments, indexIntervalBytes);
  const last = segments.at(-1);
  let endOffset = last?.baseOffset ?? 0;
  let size = 0;
  for (const { header, position } of last?.headers(last.scanStart(Number.MAX_SAFE_INTEGER)) ?? []) {
    endOffset = header.baseOffset + header.lastOffsetDelta + 1;
    size = position + header.sizeInBytes;
  }
  return size === (last?.writtenSize ?? 0) ? { endOffset, reindexFrom } : undefined;
}

/**
 * Loads or makes the indexes; returns the first segment whose list of aborted transactions makes no sense, or may have
 * gone with the indexes: a crash in the middle of a deletion leaves a log without them.
 */
function loadAllIndexes(segments: readonly Segment[], indexIntervalBytes: number): number | undefined {
  let damaged: number | undefined;
  for (const segment of segments) {
    const isWhole = segment.loadIndexes();
    if (!isWhole) segment.rebuild(segment.size, indexIntervalBytes);
    if (!segment.loadTransactions() || !isWhole) damaged ??= segment.baseOffset;
  }
  return damaged;
}

async function openDirty(segments: Segment[], request: RecoveryRequest): Promise<Opened> {
  const { recoveryPoint, indexIntervalBytes } = request;
  // A segment that ends right at the recovery point may be durable without its lists: it counts as complete only when
  // something behind it is.
  const first = Math.max(
    0,
    segments.findLastIndex((segment) => segment.baseOffset < recoveryPoint),
  );
  const damaged = loadAllIndexes(segments.slice(0, first), indexIntervalBytes);
  const firstDirty = segments[first]?.baseOffset;
  let end = firstDirty ?? 0;
  for (let index = first; index < segments.length; index++) {
    const segment = segments[index];
    if (!segment) break;
    const { baseOffset } = segment;
    if (baseOffset < end || (baseOffset > end && !request.mayHaveGaps && baseOffset > recoveryPoint)) {
      dropFrom(segments, index);
      break;
    }
    const scan = await scanAndRewrite(segment, request);
    end = scan.end;
    // Zeros are cut before the next file is begun. Where that did not reach the disk, nothing is missing all the same if
    // the next file goes on right here.
    if (scan.size < scan.fileSize) {
      const wereZeros = await cutTail(segment, scan, request);
      if (!wereZeros || segments[index + 1]?.baseOffset !== end) {
        dropFrom(segments, index + 1);
        break;
      }
    }
    if (index + 1 < segments.length) await segment.storeIndexes();
  }
  if (segments.length > 0) await request.disk.syncDirectory(request.directory);
  return { endOffset: end, reindexFrom: damaged ?? firstDirty };
}

/** Returns whether what it cut were zeros. @throws broker.log_corrupt when it is below the recovery point */
async function cutTail(segment: Segment, scan: ScannedSegment, request: RecoveryRequest): Promise<boolean> {
  const { recoveryPoint } = request;
  const where = { position: scan.size, offset: scan.end };
  if (scan.end < recoveryPoint) {
    throw brokerError('broker.log_corrupt', `${segment.logPath} is damaged at ${scan.size}.`, {
      ...where,
      recoveryPoint,
    });
  }
  const bytes = scan.fileSize - scan.size;
  const found = { file: segment.logPath, bytes, ...where };
  const zeros = isZeros(segment, scan.size, bytes);
  if (zeros) request.logger.info(found, 'cut zeros written ahead of a log');
  else request.logger.warn(found, 'cut the torn end of a log');
  segment.cut();
  await segment.sync();
  return zeros;
}

/** Whether the end of a file is what small writes take with them. */
function isZeros(segment: Segment, position: number, size: number): boolean {
  if (size > MAX_ZEROS) return false;
  const zeros = Buffer.alloc(size);
  const tail = Buffer.allocUnsafe(size);
  return segment.file.readSync(tail, position) === size && tail.equals(zeros);
}

function dropFrom(segments: Segment[], index: number): void {
  for (const segment of segments.splice(index)) segment.remove();
}

/**
 * Index entries are rebuilt; snapshots above the cut would call a retry of lost records a duplicate. They must not come
 * back either, once the log has grown over their offset with other records.
 */
async function dropAbove(disk: Disk, directory: string, endOffset: number): Promise<void> {
  const above = snapshotsIn(disk, directory).filter((name) => Number(name.slice(0, 20)) > endOffset);
  for (const name of above) disk.remove(join(directory, name));
  if (above.length > 0) await disk.syncDirectory(directory);
}

/** Snapshots of earlier ends, which no deletion of a segment takes along. The newest is what the next start begins with. */
function dropStray(disk: Disk, directory: string, segments: readonly Segment[]): void {
  const atStart = new Set(segments.map(({ baseOffset }) => offsetFileName(baseOffset, '.snapshot')));
  for (const name of snapshotsIn(disk, directory).slice(0, -1))
    if (!atStart.has(name)) disk.remove(join(directory, name));
}

/** Names of the snapshots of producers, the oldest first. */
function snapshotsIn(disk: Disk, directory: string): string[] {
  return disk.list(directory).filter((name) => name.endsWith('.snapshot'));
}

interface ScannedSegment {
  readonly fileSize: number;
  /** Bytes of good batches from the start on. */
  readonly size: number;
  /** Offset behind them. */
  readonly end: number;
}

/**
 * Checks all batches of a segment, places the good ones, and writes those behind the recovery point once more, durably.
 * The device gets bytes, and the next window is read, while this one is checked.
 */
async function scanAndRewrite(segment: Segment, request: RecoveryRequest): Promise<ScannedSegment> {
  const { file } = segment;
  const fileSize = file.size();
  segment.clear(fileSize);
  const windows = new Windows(file, fileSize);
  let end = segment.baseOffset;
  let position = 0;
  let needed = 0;
  let unsynced = 0;
  let syncing = DONE;
  while (position < fileSize) {
    const bytes = await windows.at(position, needed);
    const next = wholeBatches(bytes);
    if (next > 0) windows.prefetch(position + next);
    const checked = checkWindow(bytes, fileSize - position, end, segment, request);
    if (checked.rewriteFrom >= 0) {
      const again = bytes.subarray(checked.rewriteFrom, checked.length);
      await file.write([again], position + checked.rewriteFrom);
      unsynced += again.length;
    }
    if (checked.length === 0 && checked.needed === 0) break;
    position += checked.length;
    end = checked.end;
    needed = checked.needed;
    if (unsynced < SYNC_BYTES) continue;
    await syncing;
    unsynced = 0;
    syncing = file.sync();
    // Noticed when it is awaited.
    syncing.catch(() => undefined);
  }
  await windows.close();
  segment.writtenSize = position;
  // INV-12: before this log is served, what it serves is on the device.
  await syncing;
  await file.sync();
  return { fileSize, size: position, end };
}

/** Bytes of the batches that lie whole in a window, if their lengths are right. */
function wholeBatches(bytes: Buffer): number {
  let at = 0;
  while (at + BATCH_OVERHEAD <= bytes.length) {
    const size = bytes.readInt32BE(at + LENGTH_POSITION) + LENGTH_POSITION + 4;
    if (size < BATCH_OVERHEAD || at + size > bytes.length) break;
    at += size;
  }
  return at;
}

interface CheckedWindow {
  /** Bytes of good batches at the start of the window. */
  readonly length: number;
  /** Offset behind them. */
  readonly end: number;
  /** Where in the window the first batch behind the recovery point starts; -1 when there is none. */
  readonly rewriteFrom: number;
  /** Size of the batch that begins in the window and ends behind it; 0 when there is none. */
  readonly needed: number;
}

/** Checks the batches of a window and places the good ones. */
function checkWindow(
  bytes: Buffer,
  left: number,
  endBefore: number,
  segment: Segment,
  request: RecoveryRequest,
): CheckedWindow {
  let end = endBefore;
  let rewriteFrom = -1;
  let at = 0;
  while (at + BATCH_OVERHEAD <= bytes.length) {
    const header = readBatchHeader(bytes, at);
    const size = header.sizeInBytes;
    const lastOffset = header.baseOffset + header.lastOffsetDelta;
    // A tail of zeros, as some file systems leave one, has length and magic 0.
    if (size < BATCH_OVERHEAD || size > left - at || header.magic !== 2 || header.lastOffsetDelta < 0) break;
    if (header.baseOffset < end) break;
    // The base offset lies outside the checksum; where nothing was compacted away it has one right value.
    const mayJump = request.mayHaveGaps || lastOffset < request.recoveryPoint;
    if (header.baseOffset > end && !mayJump) break;
    if (at + size > bytes.length) return { length: at, end, rewriteFrom, needed: size };
    if (!batchCrcValid(bytes, at, size)) break;
    if (rewriteFrom < 0 && lastOffset >= request.recoveryPoint) rewriteFrom = at;
    segment.place(header, lastOffset, request.indexIntervalBytes);
    end = lastOffset + 1;
    at += size;
  }
  return { length: at, end, rewriteFrom, needed: 0 };
}
