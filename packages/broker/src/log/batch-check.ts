// What a Produce request may bring for one partition: exactly one sound record batch. Codes as Kafka 4.3 answers
// them; see testdata/goldens/kafka, area produce. The records are not decoded, only counted, unless the topic or the
// head of the batch gives a reason to look.
import {
  BATCH_CODEC_MASK,
  BATCH_CONTROL,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  batchCrcValid,
  KafkaErrors,
  type KafkaRecord,
  readBatchHeader,
  readRecords,
  writeBatchCrc,
} from '@millrace/kafka-protocol';
import type { LogConfig } from './log-config.ts';

/** Why a batch was refused. */
export interface BatchRefusal {
  readonly kind: 'refused';
  readonly error: { readonly code: number; readonly message: string };
  /** Found when the log looked at the batch: such answers tell where the log starts. */
  readonly byLog: boolean;
  readonly message: string | null;
  /** The records at fault, by their place in the batch. */
  readonly recordErrors: readonly { readonly batchIndex: number; readonly batchIndexErrorMessage: string }[];
}

export type BatchCheck =
  | { readonly kind: 'ok'; readonly batch: Buffer; readonly header: BatchHeader }
  | BatchRefusal;

/** What the sender said about itself, as far as it decides what its batches may be. */
export interface BatchSender {
  readonly apiVersion: number;
  readonly transactional: boolean;
  /** It shares memory with the broker, which computes the checksum. */
  readonly leavesChecksum: boolean;
  /** Where it is to go. */
  readonly target: { readonly topic: string; readonly partition: number };
}

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

/** Judges the bytes sent for one partition. A good batch is a slice of `records`, garbage behind it cut off. */
export function checkBatch(
  records: Buffer | null,
  config: LogConfig,
  sender: BatchSender,
  nowMs: number,
): BatchCheck {
  if (records === null || records.length <= MAGIC_POSITION) return refuse('INVALID_RECORD');
  const size = records.readInt32BE(8) + 12;
  const magic = records.readInt8(MAGIC_POSITION);
  if (size > records.length || magic < 2) return refuse('INVALID_RECORD');
  if (size > config.maxMessageBytes) return refuse('MESSAGE_TOO_LARGE');
  if (magic > 2) return { ...refuse('CORRUPT_MESSAGE'), message: `Invalid magic found in record: ${magic}` };
  if (size < BATCH_OVERHEAD) return refuse('CORRUPT_MESSAGE');
  if (isAnotherBatch(records, size)) return refuse('INVALID_RECORD');
  if (sender.leavesChecksum) writeBatchCrc(records, 0, size);
  else if (!batchCrcValid(records, 0, size)) return refuse('CORRUPT_MESSAGE');
  const batch = records.length === size ? records : records.subarray(0, size);
  const header = readBatchHeader(batch, 0);
  return (
    checkHeader(header, sender) ??
    checkRecords(batch, header, config, sender, nowMs) ?? { kind: 'ok', batch, header }
  );
}

/** Whether what follows the first batch looks like a second one; anything else is garbage that Kafka drops. */
function isAnotherBatch(records: Buffer, size: number): boolean {
  const left = records.length - size;
  return left >= BATCH_OVERHEAD && records.readInt32BE(size + 8) + 12 <= left;
}

function checkHeader(header: BatchHeader, sender: BatchSender): BatchRefusal | undefined {
  const { attributes } = header;
  const codec = attributes & BATCH_CODEC_MASK;
  const transactional = (attributes & BATCH_TRANSACTIONAL) !== 0;
  if (codec > MAX_CODEC) return refuseByLog('UNKNOWN_SERVER_ERROR');
  if (codec === ZSTD && sender.apiVersion < 7) return refuse('UNSUPPORTED_COMPRESSION_TYPE');
  if (transactional && !sender.transactional) return refuse('TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
  const isSound =
    header.baseOffset === 0 &&
    header.recordCount > 0 &&
    header.lastOffsetDelta + 1 === header.recordCount &&
    // Control batches come from the broker only.
    (attributes & BATCH_CONTROL) === 0 &&
    (header.producerId < 0 || (header.baseSequence >= 0 && header.producerEpoch >= 0)) &&
    // Kafka stores a transactional batch without producer id, and its cleaner fails on it later; not here.
    !(transactional && header.producerId < 0);
  return isSound ? undefined : refuseByLog('INVALID_RECORD');
}

function checkRecords(
  batch: Buffer,
  header: BatchHeader,
  config: LogConfig,
  sender: BatchSender,
  nowMs: number,
): BatchRefusal | undefined {
  const codec = header.attributes & BATCH_CODEC_MASK;
  if (!looksCompressed(codec, batch)) return refuseByLog('UNKNOWN_SERVER_ERROR');
  if (codec === 0 && !holdsRecords(batch, header.recordCount)) return refuseByLog('INVALID_RECORD');
  const inTime = config.logAppendTime || withinBounds(header.maxTimestamp, config, nowMs);
  if (inTime && !config.compacted) return undefined;
  let records: KafkaRecord[];
  try {
    records = readRecords(batch, 0, header);
  } catch {
    return refuseByLog(codec === 0 ? 'INVALID_RECORD' : 'UNKNOWN_SERVER_ERROR');
  }
  if (config.compacted) {
    const { topic, partition } = sender.target;
    const message = `Compacted topic cannot accept message without key in topic partition ${topic}-${partition}`;
    const keyless = faults(records, (record) => (record.key === null ? message : undefined));
    if (keyless.length > 0) return refuseRecords('INVALID_RECORD', keyless, recordErrorsText(keyless));
  }
  if (inTime) return undefined;
  const range = `[${nowMs - config.timestampBeforeMaxMs}, ${nowMs + config.timestampAfterMaxMs}]`;
  const early = faults(records, ({ timestamp }, i) =>
    withinBounds(timestamp, config, nowMs)
      ? undefined
      : `Timestamp ${timestamp} of message with offset ${i} is out of range. The timestamp should be within ${range}`,
  );
  if (early.length === 0) return undefined;
  return refuseRecords(
    'INVALID_TIMESTAMP',
    early,
    'One or more records have been rejected due to invalid timestamp',
  );
}

/** Whether the payload starts as its codec says. The rest is the reader's business: the checksum held. */
function looksCompressed(codec: number, batch: Buffer): boolean {
  const magic = PAYLOAD_MAGIC[codec];
  return magic === undefined || batch.subarray(BATCH_OVERHEAD, BATCH_OVERHEAD + magic.length).equals(magic);
}

/** Whether an uncompressed batch holds exactly `count` records, by their lengths alone. */
function holdsRecords(batch: Buffer, count: number): boolean {
  let at = BATCH_OVERHEAD;
  for (let index = 0; index < count; index++) {
    let raw = 0;
    let shift = 0;
    let byte = 0x80;
    while (byte >= 0x80) {
      if (at >= batch.length || shift > 28) return false;
      byte = batch[at++] as number;
      raw |= (byte & 0x7f) << shift;
      shift += 7;
    }
    const length = (raw >>> 1) ^ -(raw & 1);
    if (length < 0) return false;
    at += length;
  }
  return at === batch.length;
}

function withinBounds(timestamp: number, config: LogConfig, nowMs: number): boolean {
  if (timestamp < 0) return true;
  return nowMs - timestamp <= config.timestampBeforeMaxMs && timestamp - nowMs <= config.timestampAfterMaxMs;
}

function faults(
  records: readonly KafkaRecord[],
  problemOf: (record: KafkaRecord, index: number) => string | undefined,
): BatchRefusal['recordErrors'] {
  return records.flatMap((record, batchIndex) => {
    const batchIndexErrorMessage = problemOf(record, batchIndex);
    return batchIndexErrorMessage === undefined ? [] : [{ batchIndex, batchIndexErrorMessage }];
  });
}

function recordErrorsText(errors: BatchRefusal['recordErrors']): string {
  const first = errors
    .slice(0, 3)
    .map((error) => `RecordError(batchIndex=${error.batchIndex}, message='${error.batchIndexErrorMessage}')`);
  return (
    `One or more records have been rejected due to ${errors.length} record errors in total, ` +
    `and only showing the first three errors at most: [${first.join(', ')}]`
  );
}

function refuse(name: keyof typeof KafkaErrors): BatchRefusal {
  return { kind: 'refused', error: KafkaErrors[name], byLog: false, message: null, recordErrors: [] };
}

function refuseByLog(name: keyof typeof KafkaErrors): BatchRefusal {
  return { ...refuse(name), byLog: true };
}

function refuseRecords(
  name: keyof typeof KafkaErrors,
  recordErrors: BatchRefusal['recordErrors'],
  message: string,
): BatchRefusal {
  return { kind: 'refused', error: KafkaErrors[name], byLog: true, message, recordErrors };
}
