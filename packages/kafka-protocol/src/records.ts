// Reading the records of a batch. Keys, values and header values are slices of the batch, or of what it
// decompresses to. Every length is checked against the record that encloses it.
import { decompress } from './compression/codec.ts';
import { malformed } from './errors.ts';
import {
  BATCH_CODEC_MASK,
  BATCH_LOG_APPEND_TIME,
  BATCH_OVERHEAD,
  type BatchHeader,
  readBatchHeader,
} from './record-batch.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

export interface KafkaRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

const NO_HEADERS: readonly RecordHeader[] = [];
/** A record takes at least: length, attributes, two deltas, key and value length, header count. */
const SMALLEST_RECORD = 7;

/**
 * Reads all records of the batch at `position`, which must lie whole in the buffer.
 *
 * @throws kafka.malformed, kafka.compression_unavailable
 */
export function readRecords(
  buffer: Buffer,
  position: number,
  header: BatchHeader = readBatchHeader(buffer, position),
): KafkaRecord[] {
  const reader = openRecords(buffer, position, header);
  const records: KafkaRecord[] = [];
  for (let record = reader.next(); record; record = reader.next()) records.push(record);
  return records;
}

/**
 * Opens the batch at `position`, which must lie whole in the buffer, to read its records one by one: a large batch
 * need not become objects all at once.
 *
 * @throws kafka.malformed, kafka.compression_unavailable
 */
export function openRecords(buffer: Buffer, position: number, header: BatchHeader): RecordReader {
  if (header.magic !== 2)
    malformed(`record batches of magic ${header.magic} are not supported`, position + 16);
  if (header.sizeInBytes < BATCH_OVERHEAD || header.sizeInBytes > buffer.length - position) {
    malformed(`a record batch of ${header.sizeInBytes} bytes does not fit`, position + 8);
  }
  const stored = buffer.subarray(position + BATCH_OVERHEAD, position + header.sizeInBytes);
  const payload = decompress(header.attributes & BATCH_CODEC_MASK, stored);
  if (header.recordCount < 0 || header.recordCount * SMALLEST_RECORD > payload.length) {
    malformed(`${header.recordCount} records do not fit into ${payload.length} bytes`, position + 57);
  }
  return new RecordReader(payload, header);
}

/** The records of one batch, in order. */
export class RecordReader {
  readonly #bytes: Buffer;
  readonly #header: BatchHeader;
  readonly #appendTime: number | undefined;
  #position = 0;
  #end = 0;
  #left: number;

  constructor(bytes: Buffer, header: BatchHeader) {
    this.#bytes = bytes;
    this.#header = header;
    this.#left = header.recordCount;
    this.#appendTime = header.attributes & BATCH_LOG_APPEND_TIME ? header.maxTimestamp : undefined;
  }

  /** Whether there are more. */
  get hasNext(): boolean {
    return this.#left > 0;
  }

  /** The next record; undefined behind the last. @throws kafka.malformed */
  next(): KafkaRecord | undefined {
    if (this.#left === 0) return undefined;
    this.#left--;
    this.#end = this.#bytes.length;
    const length = this.#varint();
    const end = this.#position + length;
    if (length < 0 || end > this.#bytes.length) malformed(`record of ${length} bytes`, this.#position);
    this.#end = end;
    this.#skip(1); // attributes: none are defined
    const timestampDelta = this.#varlong();
    const offsetDelta = this.#varint();
    const key = this.#bytesOrNull();
    const value = this.#bytesOrNull();
    const headers = this.#headers();
    this.#position = end;
    return {
      offset: this.#header.baseOffset + offsetDelta,
      timestamp: this.#appendTime ?? this.#header.baseTimestamp + timestampDelta,
      key,
      value,
      headers,
    };
  }

  #headers(): readonly RecordHeader[] {
    const count = this.#varint();
    if (count === 0) return NO_HEADERS;
    if (count < 0 || count * 2 > this.#end - this.#position) malformed(`${count} headers`, this.#position);
    const headers: RecordHeader[] = [];
    for (let i = 0; i < count; i++) {
      const key = this.#bytesOrNull();
      if (key === null) malformed('a header without key', this.#position);
      headers.push({ key: key.toString('utf8'), value: this.#bytesOrNull() });
    }
    return headers;
  }

  #bytesOrNull(): Buffer | null {
    const size = this.#varint();
    if (size < 0) return null;
    const start = this.#position;
    this.#skip(size);
    return this.#bytes.subarray(start, start + size);
  }

  #skip(size: number): void {
    if (size > this.#end - this.#position) malformed(`${size} bytes wanted inside a record`, this.#position);
    this.#position += size;
  }

  /** Zigzag varint of 32 bits. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#position >= this.#end) malformed('a varint ends early', this.#position);
      const byte = this.#bytes[this.#position++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    return malformed('a varint is too long', this.#position);
  }

  /** Zigzag varint of 64 bits; beyond 2^53 the last digits are lost, which no timestamp can notice. */
  #varlong(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#position >= this.#end) malformed('a varint ends early', this.#position);
      const byte = this.#bytes[this.#position++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    return malformed('a varint is too long', this.#position);
  }
}
