// Record batches of magic 2: the 61-byte head, checks, and patching in place. Records themselves are in records.ts,
// building batches in batch-builder.ts. Spec: Kafka documentation, "Record Batch".
//
//   offset size field                      offset size field
//        0    8 baseOffset                     27    8 baseTimestamp
//        8    4 batchLength (from 12 on)       35    8 maxTimestamp
//       12    4 partitionLeaderEpoch           43    8 producerId (-1: none)
//       16    1 magic (2)                      51    2 producerEpoch
//       17    4 crc (CRC-32C from 21 on)       53    4 baseSequence
//       21    2 attributes                     57    4 record count
//       23    4 lastOffsetDelta                61      records, compressed as a whole
import { crc32c } from './crc32c.ts';
import { malformed } from './errors.ts';

/** Bytes of a batch before its first record. */
export const BATCH_OVERHEAD = 61;
/** Bytes before what `batchLength` counts. */
export const LENGTH_END = 12;
const CRC_START = 21;

/** Bits of `attributes`. */
export const BATCH_CODEC_MASK = 0x07;
export const BATCH_LOG_APPEND_TIME = 0x08;
export const BATCH_TRANSACTIONAL = 0x10;
export const BATCH_CONTROL = 0x20;
export const BATCH_DELETE_HORIZON = 0x40;

/** The head of a record batch. */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly batchLength: number;
  readonly partitionLeaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** -1 without idempotence. Ids beyond 2^53 lose their last digits: no broker hands such out. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  /** The whole batch: 12 + batchLength. */
  readonly sizeInBytes: number;
}

/**
 * Reads the head of the batch at `position`; checks nothing but that its 61 bytes are there.
 *
 * @throws kafka.malformed
 */
export function readBatchHeader(buffer: Buffer, position: number): BatchHeader {
  if (position < 0 || buffer.length - position < BATCH_OVERHEAD) {
    malformed('a record batch is shorter than its head', position);
  }
  const batchLength = buffer.readInt32BE(position + 8);
  return {
    baseOffset: readNumber64(buffer, position),
    batchLength,
    partitionLeaderEpoch: buffer.readInt32BE(position + 12),
    magic: buffer.readInt8(position + 16),
    crc: buffer.readUInt32BE(position + 17),
    attributes: buffer.readInt16BE(position + 21),
    lastOffsetDelta: buffer.readInt32BE(position + 23),
    baseTimestamp: readNumber64(buffer, position + 27),
    maxTimestamp: readNumber64(buffer, position + 35),
    producerId: readNumber64(buffer, position + 43),
    producerEpoch: buffer.readInt16BE(position + 51),
    baseSequence: buffer.readInt32BE(position + 53),
    recordCount: buffer.readInt32BE(position + 57),
    sizeInBytes: LENGTH_END + batchLength,
  };
}

/** Whether the checksum of a batch that lies whole in the buffer is right. */
export function batchCrcValid(buffer: Buffer, position: number, sizeInBytes: number): boolean {
  if (sizeInBytes < BATCH_OVERHEAD || position + sizeInBytes > buffer.length) return false;
  return crc32c(buffer, position + CRC_START, position + sizeInBytes) === buffer.readUInt32BE(position + 17);
}

/** Sets base offset and leader epoch in place; both lie outside what the checksum covers. */
export function patchBatch(buffer: Buffer, position: number, baseOffset: number, leaderEpoch: number): void {
  writeNumber64(buffer, position, baseOffset);
  buffer.writeInt32BE(leaderEpoch, position + 12);
}

/** Sets the log append time, with its attribute bit, and the checksum anew. */
export function stampLogAppendTime(
  buffer: Buffer,
  position: number,
  sizeInBytes: number,
  timestampMs: number,
): void {
  buffer.writeInt16BE(buffer.readInt16BE(position + 21) | BATCH_LOG_APPEND_TIME, position + 21);
  writeNumber64(buffer, position + 35, timestampMs);
  writeBatchCrc(buffer, position, sizeInBytes);
}

/** Gives a batch to another producer epoch and sequence: what a resend after a refused batch needs. */
export function resealBatch(
  batch: Buffer,
  producerId: number,
  producerEpoch: number,
  baseSequence: number,
): void {
  writeNumber64(batch, 43, producerId);
  batch.writeInt16BE(producerEpoch, 51);
  batch.writeInt32BE(baseSequence, 53);
  writeBatchCrc(batch, 0, batch.length);
}

/** Computes and sets the checksum of a batch. */
export function writeBatchCrc(buffer: Buffer, position: number, sizeInBytes: number): void {
  buffer.writeUInt32BE(crc32c(buffer, position + CRC_START, position + sizeInBytes), position + 17);
}

/** Writes a whole head, checksum left 0. */
export function writeBatchHeader(
  buffer: Buffer,
  header: Omit<BatchHeader, 'crc' | 'magic' | 'batchLength'>,
): void {
  writeNumber64(buffer, 0, header.baseOffset);
  buffer.writeInt32BE(header.sizeInBytes - LENGTH_END, 8);
  buffer.writeInt32BE(header.partitionLeaderEpoch, 12);
  buffer[16] = 2;
  buffer.writeUInt32BE(0, 17);
  buffer.writeInt16BE(header.attributes, 21);
  buffer.writeInt32BE(header.lastOffsetDelta, 23);
  writeNumber64(buffer, 27, header.baseTimestamp);
  writeNumber64(buffer, 35, header.maxTimestamp);
  writeNumber64(buffer, 43, header.producerId);
  buffer.writeInt16BE(header.producerEpoch, 51);
  buffer.writeInt32BE(header.baseSequence, 53);
  buffer.writeInt32BE(header.recordCount, 57);
}

function readNumber64(buffer: Buffer, position: number): number {
  return buffer.readInt32BE(position) * 4_294_967_296 + buffer.readUInt32BE(position + 4);
}

function writeNumber64(buffer: Buffer, position: number, value: number): void {
  const high = Math.floor(value / 4_294_967_296);
  buffer.writeInt32BE(high, position);
  buffer.writeUInt32BE(value - high * 4_294_967_296, position + 4);
}
