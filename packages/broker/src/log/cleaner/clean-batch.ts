// Decides about one batch of a compacted log, and writes it anew when only some of its records stay. Offsets, sequences
// and the batch's first and last offset never change. Rules as in Kafka's Cleaner.cleanInto and MemoryRecords.filterTo.
import {
  BATCH_CODEC_MASK,
  BATCH_CONTROL,
  BATCH_DELETE_HORIZON,
  BATCH_LOG_APPEND_TIME,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  type Compression,
  canCompress,
  compress,
  compressionCode,
  compressionName,
  writeBatchCrc,
  writeBatchHeader,
} from '@millrace/kafka-protocol';
import type { CleanedTransactions } from './cleaned-transactions.ts';
import type { OffsetMap } from './offset-map.ts';
import { type WalkedBatch, type WalkedRecord, walkBatch } from './record-walk.ts';

/** What a cleaning decides by. */
export interface CleanRules {
  readonly map: OffsetMap;
  readonly transactions: CleanedTransactions;
  /** The last entry of each producer that is still known. */
  readonly producers: ReadonlyMap<number, LastOfProducer>;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** The batch that ends right before this offset stays, empty if need be: the log must not seem to end earlier. */
  readonly endOffset: number;
}

/** Where the last sequence of a producer is. */
export interface LastOfProducer {
  readonly epoch: number;
  /** -1 when its last entry is a marker. */
  readonly lastDataOffset: number;
}

/** A batch after cleaning. */
export interface CleanedBatch {
  /** The batch as it is to be stored; undefined when it is dropped. */
  readonly bytes: Buffer | undefined;
  readonly dropped: number;
  /** Records without key, which a compacted log cannot keep. */
  readonly keyless: number;
  /** Its codec can be read here but not written: it is stored in this one instead. */
  readonly insteadOf?: Compression;
}

/** Stands in for a codec that this Node cannot write: every client reads it. */
const SUBSTITUTE: Compression = 'gzip';

/** The type of a marker: 0 abort, 1 commit; undefined when it holds no record. */
export function markerType({ records }: WalkedBatch): number | undefined {
  const key = records[0]?.key;
  return key && key.length >= 4 ? key.readInt16BE(2) : undefined;
}

/** @throws broker.log_corrupt, kafka.malformed */
export function cleanBatch(batch: Buffer, header: BatchHeader, rules: CleanRules): CleanedBatch {
  const isControl = (header.attributes & BATCH_CONTROL) !== 0;
  const isTransactional = (header.attributes & BATCH_TRANSACTIONAL) !== 0;
  const walked = walkBatch(batch, header);
  const horizonMs = header.attributes & BATCH_DELETE_HORIZON ? header.baseTimestamp : undefined;
  const isPast = horizonMs !== undefined && horizonMs <= rules.nowMs;
  const emptyMarker = isControl && rules.transactions.isMarkerWithoutData(header, markerType(walked));
  const isDiscarded = isControl
    ? emptyMarker && isPast
    : rules.transactions.isAborted(header, isTransactional);
  let keyless = 0;
  const stays = (record: WalkedRecord): boolean => {
    if (isControl) return true;
    if (record.offset > rules.map.latestOffset) return true;
    if (record.key === null) {
      keyless++;
      return false;
    }
    return record.offset >= rules.map.get(record.key) && (record.hasValue || !isPast);
  };
  const kept = isDiscarded ? [] : walked.records.filter(stays);
  const dropped = walked.records.length - kept.length;
  if (kept.length === 0) {
    return { bytes: mustStay(header, rules) ? emptied(header) : undefined, dropped, keyless };
  }
  const needsHorizon =
    horizonMs === undefined && (emptyMarker || (!isControl && kept.some((record) => !record.hasValue)));
  if (dropped === 0 && !needsHorizon) return { bytes: batch, dropped, keyless };
  const newHorizonMs = needsHorizon ? rules.nowMs + rules.deleteRetentionMs : undefined;
  return { ...rebuilt(header, walked, kept, newHorizonMs), dropped, keyless };
}

/** Whether a batch stays although none of its records does. */
function mustStay(header: BatchHeader, { producers, endOffset }: CleanRules): boolean {
  const lastOffset = header.baseOffset + header.lastOffsetDelta;
  if (lastOffset + 1 === endOffset) return true;
  const last = header.producerId < 0 ? undefined : producers.get(header.producerId);
  if (!last) return false;
  // The last sequence of a live producer tells a retry from a gap; a last marker has the epoch that fences others.
  if (last.lastDataOffset >= 0) return last.lastDataOffset === lastOffset;
  return (header.attributes & BATCH_CONTROL) !== 0 && header.producerEpoch === last.epoch;
}

function emptied(header: BatchHeader): Buffer {
  const batch = Buffer.alloc(BATCH_OVERHEAD);
  writeBatchHeader(batch, {
    ...header,
    attributes: header.attributes & ~(BATCH_CODEC_MASK | BATCH_DELETE_HORIZON),
    baseTimestamp: header.maxTimestamp,
    recordCount: 0,
    sizeInBytes: BATCH_OVERHEAD,
  });
  writeBatchCrc(batch, 0, batch.length);
  return batch;
}

function rebuilt(
  header: BatchHeader,
  { payload }: WalkedBatch,
  kept: readonly WalkedRecord[],
  horizonMs: number | undefined,
): { bytes: Buffer; insteadOf?: Compression } {
  const own = compressionName(header.attributes & BATCH_CODEC_MASK) ?? 'none';
  const codec = canCompress(own) ? own : SUBSTITUTE;
  const baseTimestamp = horizonMs ?? header.baseTimestamp;
  const records = copyRecords(payload, kept, header.baseTimestamp - baseTimestamp);
  const packed = compress(codec, records);
  const batch = Buffer.allocUnsafe(BATCH_OVERHEAD + packed.length);
  packed.copy(batch, BATCH_OVERHEAD);
  const horizonBit =
    horizonMs === undefined ? header.attributes & BATCH_DELETE_HORIZON : BATCH_DELETE_HORIZON;
  const isAppendTime = (header.attributes & BATCH_LOG_APPEND_TIME) !== 0;
  writeBatchHeader(batch, {
    ...header,
    attributes:
      (header.attributes & ~(BATCH_CODEC_MASK | BATCH_DELETE_HORIZON)) | compressionCode(codec) | horizonBit,
    baseTimestamp,
    maxTimestamp: isAppendTime ? header.maxTimestamp : newestOf(kept, header.baseTimestamp),
    recordCount: kept.length,
    sizeInBytes: batch.length,
  });
  writeBatchCrc(batch, 0, batch.length);
  return codec === own ? { bytes: batch } : { bytes: batch, insteadOf: own };
}

function newestOf(records: readonly WalkedRecord[], baseTimestamp: number): number {
  let newest = Number.NEGATIVE_INFINITY;
  for (const { timestampDelta } of records) newest = Math.max(newest, timestampDelta);
  return baseTimestamp + newest;
}

/** The bytes of records, whose timestamps count from a base that lies `shiftMs` before the one they had. */
function copyRecords(payload: Buffer, records: readonly WalkedRecord[], shiftMs: number): Buffer {
  if (shiftMs === 0) return Buffer.concat(records.map(({ start, end }) => payload.subarray(start, end)));
  const chunks: Buffer[] = [];
  for (const { timestampDelta, restStart, end } of records) {
    const delta = zigzagVarint(timestampDelta + shiftMs);
    const length = zigzagVarint(NO_ATTRIBUTES.length + delta.length + end - restStart);
    chunks.push(length, NO_ATTRIBUTES, delta, payload.subarray(restStart, end));
  }
  return Buffer.concat(chunks);
}

const NO_ATTRIBUTES = Buffer.alloc(1);

/** In numbers, not bits: the distance of two timestamps exceeds 32 of them. */
function zigzagVarint(value: number): Buffer {
  const bytes = Buffer.alloc(10);
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let at = 0;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
  bytes[at++] = rest;
  return bytes.subarray(0, at);
}
