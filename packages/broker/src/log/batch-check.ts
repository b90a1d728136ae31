// What a Produce request may bring for one partition: exactly one sound record batch. Codes as Kafka 4.3 answers
// them; see testdata/goldens/kafka, area produce.
import {
  BATCH_CODEC_MASK,
  BATCH_CONTROL,
  BATCH_LOG_APPEND_TIME,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  batchCrcValid,
  KafkaErrors,
  type KafkaRecord,
  readBatchHeader,
  readRecords,
} from '@millrace/kafka-protocol';
import type { LogConfig } from './log-config.ts';

/** Why a batch was refused. */
export interface BatchRefusal {
  readonly error: { readonly code: number; readonly message: string };
  readonly message: string | null;
  /** The records at fault, by their place in the batch. */
  readonly recordErrors: readonly { readonly batchIndex: number; readonly batchIndexErrorMessage: string }[];
}

export type BatchCheck =
  | { readonly kind: 'ok'; readonly batch: Buffer; readonly header: BatchHeader }
  | ({ readonly kind: 'refused' } & BatchRefusal);

const ZSTD = 4;
const MAX_CODEC = 4;
const MAGIC_POSITION = 16;
/** First bytes of gzip, LZ4 and zstd frames by codec; Snappy has none of its own. */
const PAYLOAD_MAGIC: readonly (Buffer | undefined)[] = [
  undefined,
  Buffer.from([0x1f, 0x8b]),
  undefined,
  Buffer.from([0x04, 0x22, 0x4d, 0x18]),
  Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
];

/** What the sender said about itself, as far as it decides what its batches may be. */
export interface BatchSender {
  readonly apiVersion: number;
  readonly transactional: boolean;
}

/** Judges the bytes sent for one partition. A good batch is a slice of `records`, garbage behind it cut off. */
export function checkBatch(
  records: Buffer | null,
  config: LogConfig,
  sender: BatchSender,
  nowMs: number,
): BatchCheck {
  if (records === null || records.length <= MAGIC_POSITION)
    return refuse('INVALID_RECORD', 'no record batch');
  const length = records.readInt32BE(8);
  const size = length + 12;
  const magic = records.readInt8(MAGIC_POSITION);
  if (size > records.length) return refuse('INVALID_RECORD', 'the batch is longer than the bytes sent');
  if (size > config.maxMessageBytes) {
    return refuse('MESSAGE_TOO_LARGE', `a batch of ${size} bytes exceeds ${config.maxMessageBytes}`);
  }
  if (magic < 2) return refuse('INVALID_RECORD', `record batches of magic ${magic} are not accepted`);
  if (magic > 2) return refuse('CORRUPT_MESSAGE', `magic ${magic} is unknown`);
  if (size < BATCH_OVERHEAD) return refuse('CORRUPT_MESSAGE', 'the batch is shorter than its head');
  if (isAnotherBatch(records, size)) return refuse('INVALID_RECORD', 'more than one batch for a partition');
  if (!batchCrcValid(records, 0, size)) return refuse('CORRUPT_MESSAGE', null);
  const batch = records.length === size ? records : records.subarray(0, size);
  const header = readBatchHeader(batch, 0);
  return (
    checkHeader(header, sender) ?? checkRecords(batch, header, config, nowMs) ?? { kind: 'ok', batch, header }
  );
}

function checkHeader(header: BatchHeader, sender: BatchSender): BatchCheck | undefined {
  const { attributes } = header;
  const codec = attributes & BATCH_CODEC_MASK;
  if (header.baseOffset !== 0) return refuse('INVALID_RECORD', 'the base offset of a new batch is 0');
  if (header.recordCount <= 0) return refuse('INVALID_RECORD', 'a batch without records');
  if (header.lastOffsetDelta + 1 !== header.recordCount) {
    return refuse('INVALID_RECORD', 'record count and last offset delta differ');
  }
  if (attributes & BATCH_CONTROL)
    return refuse('INVALID_RECORD', 'control batches come from the broker only');
  if (codec > MAX_CODEC) return refuse('UNKNOWN_SERVER_ERROR', `compression codec ${codec} is unknown`);
  if (codec === ZSTD && sender.apiVersion < 7) return refuse('UNSUPPORTED_COMPRESSION_TYPE', null);
  if (attributes & BATCH_LOG_APPEND_TIME) {
    return refuse('INVALID_TIMESTAMP', 'LogAppendTime is set by the broker only');
  }
  if (header.producerId >= 0 && (header.baseSequence < 0 || header.producerEpoch < 0)) {
    return refuse('INVALID_RECORD', 'an idempotent batch needs epoch and sequence');
  }
  const transactional = (attributes & BATCH_TRANSACTIONAL) !== 0;
  // Kafka stores a transactional batch without producer id and cannot clean it later; it is refused here.
  if (transactional && header.producerId < 0)
    return refuse('INVALID_RECORD', 'transactional without producer id');
  if (transactional && !sender.transactional) return refuse('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', null);
  return undefined;
}

function checkRecords(
  batch: Buffer,
  header: BatchHeader,
  config: LogConfig,
  nowMs: number,
): BatchCheck | undefined {
  const inTime = config.logAppendTime || withinBounds(header.maxTimestamp, config, nowMs);
  const codec = header.attributes & BATCH_CODEC_MASK;
  if (!looksCompressed(codec, batch))
    return refuse('UNKNOWN_SERVER_ERROR', 'the payload does not decompress');
  // The records themselves are looked at only when the topic or the head of the batch gives a reason.
  if (inTime && !config.compacted) return undefined;
  let records: KafkaRecord[];
  try {
    records = readRecords(batch, 0, header);
  } catch {
    return refuse(codec === 0 ? 'INVALID_RECORD' : 'UNKNOWN_SERVER_ERROR', 'the records cannot be read');
  }
  if (config.compacted) {
    const keyless = faults(records, (record) => record.key === null, 'a compacted topic needs keys');
    if (keyless.length > 0) {
      return {
        kind: 'refused',
        error: KafkaErrors.INVALID_RECORD,
        message: 'records without key',
        recordErrors: keyless,
      };
    }
  }
  if (config.logAppendTime) return undefined;
  const early = faults(records, (r) => !withinBounds(r.timestamp, config, nowMs), 'timestamp out of range');
  if (early.length === 0) return undefined;
  return {
    kind: 'refused',
    error: KafkaErrors.INVALID_TIMESTAMP,
    message: 'timestamps out of range',
    recordErrors: early,
  };
}

/** Whether the payload starts as its codec says. The rest is the reader's business: the checksum held. */
function looksCompressed(codec: number, batch: Buffer): boolean {
  const magic = PAYLOAD_MAGIC[codec];
  return magic === undefined || batch.subarray(BATCH_OVERHEAD, BATCH_OVERHEAD + magic.length).equals(magic);
}

function withinBounds(timestamp: number, config: LogConfig, nowMs: number): boolean {
  if (timestamp < 0) return true;
  return nowMs - timestamp <= config.timestampBeforeMaxMs && timestamp - nowMs <= config.timestampAfterMaxMs;
}

function faults(
  records: readonly KafkaRecord[],
  isFault: (record: KafkaRecord) => boolean,
  batchIndexErrorMessage: string,
): { batchIndex: number; batchIndexErrorMessage: string }[] {
  return records.flatMap((record, batchIndex) =>
    isFault(record) ? [{ batchIndex, batchIndexErrorMessage }] : [],
  );
}

/** Whether what follows the first batch looks like a second one; anything else is garbage that Kafka drops. */
function isAnotherBatch(records: Buffer, size: number): boolean {
  const left = records.length - size;
  return left >= BATCH_OVERHEAD && records.readInt32BE(size + 8) + 12 <= left;
}

function refuse(name: keyof typeof KafkaErrors, message: string | null): BatchCheck {
  return { kind: 'refused', error: KafkaErrors[name], message, recordErrors: [] };
}
