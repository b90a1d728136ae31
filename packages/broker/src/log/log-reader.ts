// Reading a partition log: whole batches as they lie in the file, and offsets by timestamp. Nothing is decoded but
// the one batch in which a timestamp must be found.
import { BATCH_OVERHEAD, readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import type { PartitionLog } from './partition-log.ts';
import { NO_TIMESTAMP, type PlacedBatch, type Segment } from './segment.ts';

/** Bytes of consecutive batches. */
export interface ReadBytes {
  readonly chunks: readonly Buffer[];
  readonly size: number;
}

export interface ReadRequest {
  readonly offset: number;
  /** Only batches that end below this offset. */
  readonly limitOffset: number;
  readonly maxBytes: number;
  /** The first batch is returned even when it exceeds `maxBytes`. */
  readonly atLeastOne: boolean;
}

export interface TimestampOffset {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** Bytes of a batch's head up to and with its length. */
const LENGTH_END = 12;

const NOTHING: ReadBytes = { chunks: [], size: 0 };

/** Batches from the one that holds `offset` on; from memory at once, from the file later. */
export function readLog(log: PartitionLog, request: ReadRequest): ReadBytes | Promise<ReadBytes> {
  if (request.offset >= request.limitOffset) return NOTHING;
  const { offset, limitOffset, maxBytes, atLeastOne } = request;
  const cached = log.tail.read(offset, limitOffset, maxBytes, atLeastOne);
  if (cached) return cached.length === 0 ? NOTHING : { chunks: [cached], size: cached.length };
  return readFiles(log, request);
}

async function readFiles(log: PartitionLog, request: ReadRequest): Promise<ReadBytes> {
  for (const segment of segmentsFrom(log, request.offset)) {
    log.touch(segment);
    const first = segment.find(request.offset);
    if (!first) continue;
    const bytes = await readSegment(segment, first, request);
    return bytes.length === 0 ? NOTHING : { chunks: [bytes], size: bytes.length };
  }
  return NOTHING;
}

async function readSegment(segment: Segment, first: PlacedBatch, request: ReadRequest): Promise<Buffer> {
  const { sizeInBytes } = first.header;
  if (sizeInBytes > request.maxBytes && !request.atLeastOne) return Buffer.alloc(0);
  const wanted = Math.max(request.maxBytes, sizeInBytes);
  const target = Buffer.allocUnsafeSlow(Math.min(wanted, segment.writtenSize - first.position));
  const count = await segment.file.read(target, first.position);
  return target.subarray(0, lengthBelow(target.subarray(0, count), request.limitOffset));
}

/** Bytes of the batches that end below `limitOffset`; the last may be cut. A limit is never inside a batch. */
function lengthBelow(bytes: Buffer, limitOffset: number): number {
  let at = 0;
  while (at + LENGTH_END <= bytes.length) {
    if (Number(bytes.readBigInt64BE(at)) >= limitOffset) return at;
    const size = bytes.readInt32BE(at + 8) + LENGTH_END;
    if (size < BATCH_OVERHEAD) return at;
    if (at + size > bytes.length) return bytes.length;
    at += size;
  }
  return at;
}

/** The offset behind the last batch whose head is among `read`. */
export function endOfBatches(read: ReadBytes): number {
  let end = 0;
  for (const bytes of read.chunks) {
    for (let at = 0; at + BATCH_OVERHEAD <= bytes.length; ) {
      const header = readBatchHeader(bytes, at);
      end = header.baseOffset + header.lastOffsetDelta + 1;
      at += header.sizeInBytes;
    }
  }
  return end;
}

/** First record with a timestamp of at least `timestamp`, below `limitOffset`. */
export async function findByTimestamp(
  log: PartitionLog,
  timestamp: number,
  limitOffset: number,
): Promise<TimestampOffset | undefined> {
  for (const segment of log.segments) {
    if (segment.maxTimestamp < timestamp) continue;
    log.touch(segment);
    for (const batch of segment.headers(segment.scanStartByTime(timestamp))) {
      if (batch.header.baseOffset >= limitOffset) return undefined;
      if (batch.header.maxTimestamp < timestamp) continue;
      const from = log.startOffset;
      const found = await findRecord(segment, batch, (r) => r.timestamp >= timestamp && r.offset >= from);
      if (found && found.offset < limitOffset) return found;
    }
  }
  return undefined;
}

/** The first record that has the largest timestamp of the log. */
export async function findMaxTimestamp(
  log: PartitionLog,
  limitOffset: number,
): Promise<TimestampOffset | undefined> {
  let newest: Segment | undefined;
  for (const segment of log.segments) {
    if (segment.size > 0 && segment.maxTimestamp > (newest?.maxTimestamp ?? NO_TIMESTAMP)) newest = segment;
  }
  if (!newest) return undefined;
  const { maxTimestamp } = newest;
  for (const batch of newest.headers(newest.scanStartByTime(maxTimestamp))) {
    if (batch.header.maxTimestamp < maxTimestamp || batch.header.baseOffset >= limitOffset) continue;
    return findRecord(newest, batch, (record) => record.timestamp === maxTimestamp);
  }
  return undefined;
}

async function findRecord(
  segment: Segment,
  batch: PlacedBatch,
  matches: (record: { offset: number; timestamp: number }) => boolean,
): Promise<TimestampOffset | undefined> {
  const bytes = await segment.readBatch(batch);
  const record = readRecords(bytes, 0, readBatchHeader(bytes, 0)).find(matches);
  if (!record) return undefined;
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    leaderEpoch: batch.header.partitionLeaderEpoch,
  };
}

/** The segment that holds `offset`, and those behind it. */
export function segmentsFrom(log: PartitionLog, offset: number): readonly Segment[] {
  const { segments } = log;
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((segments[middle]?.baseOffset ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return segments.slice(Math.max(0, low - 1));
}
