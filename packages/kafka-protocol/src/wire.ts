// Kafka's primitive types on bytes: a bounds-checked reader, and a writer that keeps large byte fields as chunks of
// their own instead of copying them. Spec: Kafka protocol guide, "Protocol Primitive Types"; KIP-482 for compact forms.
import { fail, malformed } from './errors.ts';

/** A 64-bit integer: a bigint if and only if its magnitude exceeds 2^53 - 1. */
export type Int64 = number | bigint;

const TWO_32 = 4_294_967_296;

/** Joins the halves of a 64-bit integer. */
export function joinInt64(high: number, low: number): Int64 {
  const value = high * TWO_32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

/** Longest string in bytes, in compact form, too: Kafka takes and sends no longer one. */
const MAX_STRING_BYTES = 0x7fff;

/** Reads one message. Every read checks what remains first and throws `kafka.malformed` with the position. */
export class WireReader {
  readonly buffer: Buffer;
  position: number;
  readonly end: number;
  #elementsLeft: number;

  /** `maxElements` bounds the elements of all arrays together: in memory one may take fifty times its bytes. */
  constructor(buffer: Buffer, position = 0, end: number = buffer.length, maxElements: number = Infinity) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
    this.#elementsLeft = maxElements;
  }

  /** Moves over `size` bytes and returns where they start. */
  take(size: number): number {
    const start = this.position;
    if (size < 0 || size > this.end - start) {
      malformed(`${size} bytes wanted, ${this.end - start} left`, start);
    }
    this.position = start + size;
    return start;
  }
  bool(): boolean {
    return this.buffer[this.take(1)] !== 0;
  }
  int8(): number {
    return this.buffer.readInt8(this.take(1));
  }
  int16(): number {
    return this.buffer.readInt16BE(this.take(2));
  }
  uint16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }
  int32(): number {
    return this.buffer.readInt32BE(this.take(4));
  }
  uint32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }
  int64(): Int64 {
    const at = this.take(8);
    return joinInt64(this.buffer.readInt32BE(at), this.buffer.readUInt32BE(at + 4));
  }
  float64(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }
  uuid(): string {
    const at = this.take(16);
    return this.buffer.toString('base64url', at, at + 16);
  }
  /** Unsigned varint of up to 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let unit = 1; unit < 2 ** 35; unit *= 128) {
      const byte = this.buffer[this.take(1)] ?? 0;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (value >= TWO_32) break;
        return value;
      }
    }
    return malformed('varint is too long', this.position);
  }
  /** Length of a string or bytes field; -1 for null, which `nullable` must allow. */
  length(size: number, nullable: boolean): number {
    if (size >= 0 || (size === -1 && nullable)) return size;
    return malformed(size === -1 ? 'null is not allowed here' : `negative length ${size}`, this.position);
  }
  string(nullable: boolean): string | null {
    return this.#text(this.length(this.int16(), nullable));
  }
  compactString(nullable: boolean): string | null {
    const size = this.length(this.uvarint() - 1, nullable);
    if (size > MAX_STRING_BYTES) malformed(`a string of ${size} bytes`, this.position);
    return this.#text(size);
  }
  bytes(nullable: boolean): Buffer | null {
    return this.#slice(this.length(this.int32(), nullable));
  }
  compactBytes(nullable: boolean): Buffer | null {
    return this.#slice(this.length(this.uvarint() - 1, nullable));
  }
  /** Count of an array whose elements take at least `elementSize` bytes each; -1 for null. */
  count(nullable: boolean, elementSize: number): number {
    return this.#checkCount(this.length(this.int32(), nullable), elementSize);
  }
  compactCount(nullable: boolean, elementSize: number): number {
    return this.#checkCount(this.length(this.uvarint() - 1, nullable), elementSize);
  }
  /** Skips a section of tagged fields none of which is known. */
  skipTags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint();
      this.take(this.uvarint());
    }
  }

  #text(size: number): string | null {
    if (size < 0) return null;
    const at = this.take(size);
    return this.buffer.toString('utf8', at, at + size);
  }
  #slice(size: number): Buffer | null {
    if (size < 0) return null;
    const at = this.take(size);
    return this.buffer.subarray(at, at + size);
  }
  #checkCount(count: number, elementSize: number): number {
    if (count * elementSize > this.end - this.position) {
      malformed(`${count} elements do not fit into ${this.end - this.position} bytes`, this.position);
    }
    this.#elementsLeft -= Math.max(0, count);
    if (this.#elementsLeft < 0) malformed('more elements than a request may have', this.position);
    return count;
  }
}

/** Longest message written: what is asked for twice over should not be answered with gigabytes. INV-5 */
const MAX_MESSAGE_BYTES = 0x1000_0000;
/** Byte fields from this size on become chunks of their own. */
const CHUNK_FROM_BYTES = 1024;

/** Writes one message as a list of chunks. */
export class WireWriter {
  #buffer: Buffer;
  #position = 0;
  #flushed = 0;
  readonly #chunks: Buffer[] = [];
  #chunkedBytes = 0;

  constructor(initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#chunkedBytes + this.#position - this.#flushed;
  }
  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }
  int8(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }
  int16(value: number): void {
    const at = this.#reserve(2);
    this.#buffer.writeInt16BE(value, at);
  }
  uint16(value: number): void {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, at);
  }
  int32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
  }
  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, at);
  }
  int64(value: Int64): void {
    const at = this.#reserve(8);
    if (typeof value === 'bigint') {
      this.#buffer.writeBigInt64BE(value, at);
      return;
    }
    const high = Math.floor(value / TWO_32);
    this.#buffer.writeInt32BE(high, at);
    this.#buffer.writeUInt32BE(value - high * TWO_32, at + 4);
  }
  float64(value: number): void {
    const at = this.#reserve(8);
    this.#buffer.writeDoubleBE(value, at);
  }
  uuid(text: string): void {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length !== 16) fail('kafka.malformed', `"${text}" is not a Kafka uuid.`);
    const at = this.#reserve(16);
    bytes.copy(this.#buffer, at);
  }
  uvarint(value: number): void {
    let at = this.#reserve(5);
    const start = at;
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[at++] = rest;
    this.#position -= 5 - (at - start);
  }
  string(value: string | null): void {
    if (value === null) {
      this.int16(-1);
      return;
    }
    const size = stringBytes(value);
    this.int16(size);
    this.#text(value, size);
  }
  compactString(value: string | null): void {
    if (value === null) {
      this.uvarint(0);
      return;
    }
    const size = stringBytes(value);
    this.uvarint(size + 1);
    this.#text(value, size);
  }
  bytes(value: Buffer | readonly Buffer[] | null): void {
    if (value === null) {
      this.int32(-1);
      return;
    }
    this.int32(byteLength(value));
    this.#append(value);
  }
  compactBytes(value: Buffer | readonly Buffer[] | null): void {
    if (value === null) {
      this.uvarint(0);
      return;
    }
    this.uvarint(byteLength(value) + 1);
    this.#append(value);
  }
  count(value: number): void {
    this.int32(value);
  }
  compactCount(value: number): void {
    this.uvarint(value + 1);
  }
  /** One tagged field, whose value another writer holds. */
  tagged(tag: number, value: WireWriter): void {
    this.uvarint(tag);
    this.uvarint(value.size);
    for (const chunk of value.finish()) this.#append(chunk);
  }
  /** The chunks. The writer is not to be used afterwards. */
  finish(): Buffer[] {
    this.#flush();
    return this.#chunks;
  }
  /** The chunks behind a 4-byte length that was reserved by writing an int32 first. */
  finishFrame(): Buffer[] {
    const size = this.size;
    this.#flush();
    this.#chunks[0]?.writeInt32BE(size - 4, 0);
    return this.#chunks;
  }

  #reserve(size: number): number {
    const at = this.#position;
    if (at + size > this.#buffer.length) return this.#grow(size);
    this.#position = at + size;
    return at;
  }
  // A full buffer becomes a chunk as it is; the next one is larger.
  #grow(size: number): number {
    this.#flush();
    this.#buffer = Buffer.allocUnsafe(Math.max(size, Math.min(this.#buffer.length * 2, 65_536)));
    this.#position = size;
    this.#flushed = 0;
    return 0;
  }
  #flush(): void {
    if (this.#position === this.#flushed) return;
    const chunk = this.#buffer.subarray(this.#flushed, this.#position);
    this.#add(chunk);
    this.#flushed = this.#position;
  }
  #text(value: string, size: number): void {
    const at = this.#reserve(size);
    this.#buffer.write(value, at, size, 'utf8');
  }
  #append(value: Buffer | readonly Buffer[]): void {
    if (!Buffer.isBuffer(value)) {
      for (const part of value as readonly Buffer[]) this.#append(part);
      return;
    }
    if (value.length < CHUNK_FROM_BYTES) {
      const at = this.#reserve(value.length);
      value.copy(this.#buffer, at);
      return;
    }
    this.#flush();
    this.#add(value);
  }
  #add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkedBytes += chunk.length;
    if (this.#chunkedBytes > MAX_MESSAGE_BYTES) {
      fail('kafka.malformed', `A message does not fit into ${MAX_MESSAGE_BYTES} bytes.`);
    }
  }
}

function stringBytes(value: string): number {
  const size = Buffer.byteLength(value);
  if (size > MAX_STRING_BYTES) {
    fail('kafka.malformed', `A string of ${size} bytes does not fit into ${MAX_STRING_BYTES}.`);
  }
  return size;
}

function byteLength(value: Buffer | readonly Buffer[]): number {
  if (Buffer.isBuffer(value)) return value.length;
  let size = 0;
  for (const part of value as readonly Buffer[]) size += part.length;
  return size;
}
