// Builds one record batch in one growing buffer. `append` is the hottest loop of every producer: no objects, no
// calls per varint byte, sizes computed before writing because each record starts with its length. A record that was
// encoded where it belongs is not even copied.
import { type Compression, compress, compressionCode } from './compression/codec.ts';
import {
  BATCH_CONTROL,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  writeBatchCrc,
  writeBatchHeader,
} from './record-batch.ts';
import type { RecordHeader } from './records.ts';

export interface BatchBuilderOptions {
  /** First size of the buffer; it grows by doubling. */
  readonly initialBytes?: number;
  /** `hasRoomFor` says no beyond this size, unless the batch is empty. */
  readonly maxBytes: number;
  /** Memory to start in instead of a new buffer; its owner gives it up. */
  readonly memory?: Buffer;
}

/** What a batch learns only when it is sent. */
export interface BatchSeal {
  readonly compression?: Compression;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
  readonly control?: boolean;
}

/** Length, attributes, deltas and lengths of one record, at their longest. */
const RECORD_OVERHEAD = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/** Below this size a loop beats the set-up of a native copy. */
const COPY_BY_LOOP_BELOW = 48;
const SMALL_DELTA = 0x3fff_ffff;

/** One record batch under construction. After `finish` the bytes belong to the caller; `reset` starts a new batch. */
export class BatchBuilder {
  readonly #initialBytes: number;
  readonly #maxBytes: number;
  #buffer: Buffer;
  #position = BATCH_OVERHEAD;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;
  /** Of the last record: bytes before its key, and between key and value. */
  #headSize = 6;
  #gap = 2;

  constructor(options: BatchBuilderOptions) {
    this.#initialBytes = Math.max(options.initialBytes ?? 16_384, BATCH_OVERHEAD);
    this.#maxBytes = options.maxBytes;
    this.#buffer = options.memory ?? Buffer.allocUnsafeSlow(this.#initialBytes);
  }

  /** Records appended since the last reset. */
  get count(): number {
    return this.#count;
  }
  /** Bytes of the batch before compression, head included. */
  get sizeInBytes(): number {
    return this.#position;
  }
  /** Bytes the builder holds on to. */
  get capacity(): number {
    return this.#buffer.length;
  }
  /**
   * Where the key of the next record may be written into `memory()`, its value behind it after `draftGap` bytes: `append`
   * from there leaves them where they are if what comes before each is as long as it was in the record before, and else
   * moves them. What lies there is no part of the batch before it is appended.
   */
  get draftStart(): number {
    return this.#position + this.#headSize;
  }
  get draftGap(): number {
    return this.#gap;
  }

  /** Whether a record of these sizes fits. An empty batch takes any: the broker decides what is too large. */
  hasRoomFor(keyLength: number, valueLength: number, headersLength: number): boolean {
    if (this.#count === 0) return true;
    return this.#position + keyLength + valueLength + headersLength + RECORD_OVERHEAD <= this.#maxBytes;
  }

  /**
   * Copies one record in. A key or value whose start is -1 is null. Ranges are those of `source`, which may be the
   * builder's own memory from `draftStart` on.
   */
  append(
    timestampMs: number,
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    headers: readonly RecordHeader[] | null,
  ): void {
    const keyLength = keyStart < 0 ? 0 : keyEnd - keyStart;
    const valueLength = valueStart < 0 ? 0 : valueEnd - valueStart;
    const encoded = encodedHeaders(headers);
    const headerLength = encoded.length;
    if (this.#count === 0) {
      this.#baseTimestamp = timestampMs;
      this.#maxTimestamp = timestampMs;
    } else if (timestampMs > this.#maxTimestamp) {
      this.#maxTimestamp = timestampMs;
    }
    const delta = timestampMs - this.#baseTimestamp;
    const keyMark = keyStart < 0 ? 1 : keyLength * 2;
    const valueMark = valueStart < 0 ? 1 : valueLength * 2;
    const offsetMark = this.#count * 2;
    const gap = unsignedSize(valueMark);
    const afterLength = 1 + varlongSize(delta) + unsignedSize(offsetMark) + unsignedSize(keyMark);
    const bodyLength = afterLength + keyLength + gap + valueLength + headerLength;
    const headSize = unsignedSize(bodyLength * 2) + afterLength;
    this.#ensure(headSize - afterLength + bodyLength);
    const b = this.#buffer;
    let p = this.#position;
    const keyAt = p + headSize;
    const valueAt = keyAt + keyLength + gap;
    // Both are where they belong before anything is written around them. Of what lies in the same memory, the one goes first
    // that the other would be written over.
    if (valueAt < valueStart) {
      if (keyLength > 0) place(b, keyAt, source, keyStart, keyEnd);
      place(b, valueAt, source, valueStart, valueEnd);
    } else {
      if (valueLength > 0) place(b, valueAt, source, valueStart, valueEnd);
      if (keyLength > 0) place(b, keyAt, source, keyStart, keyEnd);
    }
    let v = bodyLength * 2;
    while (v > 0x7f) {
      b[p++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    b[p++] = v;
    b[p++] = 0;
    if (delta >= 0 && delta <= SMALL_DELTA) {
      v = delta * 2;
      while (v > 0x7f) {
        b[p++] = (v & 0x7f) | 0x80;
        v >>>= 7;
      }
      b[p++] = v;
    } else {
      p = writeVarlong(b, p, delta);
    }
    v = offsetMark;
    while (v > 0x7f) {
      b[p++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    b[p++] = v;
    v = keyMark;
    while (v > 0x7f) {
      b[p++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    b[p++] = v;
    p += keyLength;
    v = valueMark;
    while (v > 0x7f) {
      b[p++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    b[p++] = v;
    p += valueLength;
    if (headerLength < COPY_BY_LOOP_BELOW) {
      for (let i = 0; i < headerLength; i++) b[p++] = encoded[i] as number;
    } else {
      b.set(encoded, p);
      p += headerLength;
    }
    this.#position = p;
    this.#count++;
    this.#headSize = headSize;
    this.#gap = gap;
  }

  /** Closes the batch: writes the head, compresses, computes the checksum. The builder must then be reset. */
  finish(seal: BatchSeal): Buffer {
    const batch = this.close(seal);
    writeBatchCrc(batch, 0, batch.length);
    return batch;
  }

  /** Does what `finish` does, but for the checksum: `writeBatchCrc` computes it later. */
  close(seal: BatchSeal): Buffer {
    const codec = seal.compression ?? 'none';
    let batch = this.#buffer.subarray(0, this.#position);
    if (codec !== 'none') {
      const payload = compress(codec, batch.subarray(BATCH_OVERHEAD));
      batch = Buffer.allocUnsafeSlow(BATCH_OVERHEAD + payload.length);
      payload.copy(batch, BATCH_OVERHEAD);
    }
    writeBatchHeader(batch, {
      baseOffset: 0,
      partitionLeaderEpoch: -1,
      attributes:
        compressionCode(codec) |
        (seal.transactional ? BATCH_TRANSACTIONAL : 0) |
        (seal.control === true ? BATCH_CONTROL : 0),
      lastOffsetDelta: this.#count - 1,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producerId: seal.producerId,
      producerEpoch: seal.producerEpoch,
      baseSequence: seal.baseSequence,
      recordCount: this.#count,
      sizeInBytes: batch.length,
    });
    return batch;
  }

  /** Starts a new batch, in `memory` if given (whose owner gives it up), else in a new buffer. */
  reset(memory?: Buffer): void {
    this.#buffer = memory ?? Buffer.allocUnsafeSlow(this.#initialBytes);
    this.#position = BATCH_OVERHEAD;
    this.#count = 0;
  }

  /** Takes the memory back out, for reuse once the finished batch is no longer needed. */
  memory(): Buffer {
    return this.#buffer;
  }

  #ensure(size: number): void {
    const needed = this.#position + size;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#position);
    this.#buffer = grown;
  }
}

/** Copies `source[start, end)` to `at`, unless it lies there. */
function place(target: Buffer, at: number, source: Uint8Array, start: number, end: number): void {
  if (source === target) {
    // Within one buffer bytes move without an object for the range.
    if (at !== start) target.copyWithin(at, start, end);
  } else if (end - start < COPY_BY_LOOP_BELOW) {
    for (let i = start, to = at; i < end; i++, to++) target[to] = source[i] as number;
  } else target.set(source.subarray(start, end), at);
}

/** What `headers` take in a record, their count included. */
export function headersSize(headers: readonly RecordHeader[]): number {
  return encodedHeaders(headers).length;
}

const NO_HEADERS: Uint8Array = Uint8Array.of(0);
let lastHeaders: readonly RecordHeader[] | null = null;
let lastEncoded: Uint8Array = NO_HEADERS;

/** The bytes of headers in a record. Most records share one array of headers, so the last one is kept. */
function encodedHeaders(headers: readonly RecordHeader[] | null): Uint8Array {
  if (headers === null || headers.length === 0) return NO_HEADERS;
  if (headers !== lastHeaders) {
    lastEncoded = encodeHeaders(headers);
    lastHeaders = headers;
  }
  return lastEncoded;
}

function encodeHeaders(headers: readonly RecordHeader[]): Uint8Array {
  const longest = headers.reduce(
    (sum, { key, value }) => sum + 10 + key.length * 3 + (value?.length ?? 0),
    5,
  );
  const b = Buffer.allocUnsafe(longest);
  let p = writeUnsigned(b, 0, headers.length * 2);
  for (const { key, value } of headers) {
    const keyLength = Buffer.byteLength(key);
    p = writeUnsigned(b, p, keyLength * 2);
    p += b.write(key, p, keyLength, 'utf8');
    if (value === null) {
      b[p++] = 1;
      continue;
    }
    p = writeUnsigned(b, p, value.length * 2);
    p += value.copy(b, p);
  }
  return b.subarray(0, p);
}

function unsignedSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

function varlongSize(delta: number): number {
  if (delta >= 0 && delta <= SMALL_DELTA) return unsignedSize(delta * 2);
  let rest = zigzag(delta);
  let size = 1;
  for (; rest > 0x7fn; rest >>= 7n) size++;
  return size;
}

function writeUnsigned(b: Buffer, start: number, value: number): number {
  let p = start;
  let rest = value;
  while (rest > 0x7f) {
    b[p++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  b[p++] = rest;
  return p;
}

function writeVarlong(b: Buffer, start: number, delta: number): number {
  let p = start;
  let rest = zigzag(delta);
  for (; rest > 0x7fn; rest >>= 7n) b[p++] = Number(rest & 0x7fn) | 0x80;
  b[p++] = Number(rest);
  return p;
}

function zigzag(value: number): bigint {
  const wide = BigInt(value);
  return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
}

/** A record of a small batch that is built in one go. */
export interface SimpleRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
  readonly timestamp: number;
}

/** Builds a small batch in one go, for internal writers; `baseOffset` 0 unless patched afterwards. */
export function simpleBatch(records: readonly SimpleRecord[], seal: Partial<BatchSeal> = {}): Buffer {
  const builder = new BatchBuilder({ initialBytes: 512, maxBytes: Number.MAX_SAFE_INTEGER });
  for (const record of records) appendRecord(builder, record);
  return builder.finish({
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    transactional: false,
    ...seal,
  });
}

const EMPTY = Buffer.alloc(0);

/** Appends a record whose key and value are buffers of their own: convenient, with a copy that the hot path does without. */
export function appendRecord(builder: BatchBuilder, record: SimpleRecord): void {
  const { key, value, headers, timestamp } = record;
  const keyLength = key?.length ?? 0;
  const source = joined(key, value);
  builder.append(
    timestamp,
    source,
    key === null ? -1 : 0,
    keyLength,
    value === null ? -1 : keyLength,
    source.length,
    headers ?? null,
  );
}

/** Key and value behind each other in one buffer, as `append` takes them. */
export function joined(key: Buffer | null, value: Buffer | null): Buffer {
  if (key === null) return value ?? EMPTY;
  return value === null ? key : Buffer.concat([key, value]);
}
