// Walks over the records of a batch by their places in its bytes: what cleaning needs to know of a record, without
// making an object for each header. Layout of a record, all but the attributes byte varints and the bytes they count:
//
//   length, attributes, timestampDelta, offsetDelta, key length, key, value length, value, headers
import { BATCH_CODEC_MASK, BATCH_OVERHEAD, type BatchHeader, decompress } from '@millrace/kafka-protocol';
import { brokerError } from '../../errors.ts';

/** A record takes at least: length, attributes, two deltas, key and value length, header count. */
const SMALLEST_RECORD = 7;

/** The records of a batch, uncompressed. */
export interface WalkedBatch {
  readonly payload: Buffer;
  readonly records: readonly WalkedRecord[];
}

/** A record, as places in the payload. */
export interface WalkedRecord {
  readonly offset: number;
  /** From the record's length on, and behind its last byte. */
  readonly start: number;
  readonly end: number;
  readonly timestampDelta: number;
  /** Where what follows the timestamp starts. */
  readonly restStart: number;
  readonly key: Buffer | null;
  /** A record without value is a tombstone. */
  readonly hasValue: boolean;
}

/**
 * All records of a whole batch.
 *
 * @throws broker.log_corrupt, kafka.malformed when the bytes make no sense
 */
export function walkBatch(batch: Buffer, header: BatchHeader): WalkedBatch {
  const payload = decompress(
    header.attributes & BATCH_CODEC_MASK,
    batch.subarray(BATCH_OVERHEAD, header.sizeInBytes),
  );
  const { recordCount, baseOffset } = header;
  if (recordCount < 0 || recordCount * SMALLEST_RECORD > payload.length) {
    corrupt(`${recordCount} records do not fit into ${payload.length} bytes`, header);
  }
  const reader = new Varints(payload, header);
  const records: WalkedRecord[] = [];
  for (let index = 0; index < recordCount; index++) {
    const start = reader.position;
    const length = reader.int();
    const end = reader.position + length;
    if (length < 0 || end > payload.length) corrupt(`a record of ${length} bytes`, header);
    reader.skip(1);
    const timestampDelta = reader.long();
    const restStart = reader.position;
    const offset = baseOffset + reader.int();
    const key = reader.bytes();
    const hasValue = reader.int() >= 0;
    if (reader.position > end) corrupt('a record is longer than it says', header);
    reader.position = end;
    records.push({ offset, start, end, timestampDelta, restStart, key, hasValue });
  }
  return { payload, records };
}

class Varints {
  position = 0;
  readonly #bytes: Buffer;
  readonly #header: BatchHeader;

  constructor(bytes: Buffer, header: BatchHeader) {
    this.#bytes = bytes;
    this.#header = header;
  }

  skip(count: number): void {
    if (count > this.#bytes.length - this.position)
      corrupt(`${count} bytes wanted inside a record`, this.#header);
    this.position += count;
  }

  bytes(): Buffer | null {
    const size = this.int();
    if (size < 0) return null;
    const start = this.position;
    this.skip(size);
    return this.#bytes.subarray(start, start + size);
  }

  /** Zigzag varint of 32 bits. */
  int(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#next();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    return corrupt('a varint is too long', this.#header);
  }

  /** Zigzag varint of 64 bits; beyond 2^53 the last digits are lost, which no timestamp can notice. */
  long(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#next();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    return corrupt('a varint is too long', this.#header);
  }

  #next(): number {
    if (this.position >= this.#bytes.length) corrupt('a varint ends early', this.#header);
    return this.#bytes[this.position++] as number;
  }
}

function corrupt(what: string, { baseOffset }: BatchHeader): never {
  throw brokerError('broker.log_corrupt', `The batch at offset ${baseOffset} cannot be read: ${what}.`, {
    baseOffset,
  });
}
