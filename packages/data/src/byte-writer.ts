// A growing byte buffer for encoders on the hot path: no allocation per value, ASCII and digits written in place.

const DIGITS = 20;
/** `00` to `99`. */
const PAIRS = Buffer.from(
  Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).join(''),
  'latin1',
);

/** Up to this length a loop of words beats a native copy. */
const LONG_LITERAL = 48;

/** Bytes that are written often, short ones also as little-endian words; the last word is padded. */
export class Literal {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.words = bytes.length > LONG_LITERAL ? NO_WORDS : wordsOf(bytes);
  }
}

const NO_WORDS = new Int32Array(0);

/** Bytes as little-endian words, the last one padded. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((bytes.length + 3) >> 2);
  for (let i = 0; i < bytes.length; i++)
    words[i >> 2] = (words[i >> 2] as number) | ((bytes[i] as number) << (8 * (i & 3)));
  return words;
}

/**
 * Writes text and bytes into one buffer that doubles when full. `buffer` is replaced when it grows: read it after
 * writing. The owner calls `reset` before each use; `position` is the number of bytes written.
 */
export class ByteWriter {
  buffer: Buffer;
  /** Over `buffer`, for loops that copy four bytes at a time. */
  view: DataView;
  position = 0;

  constructor(initialBytes = 4096) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.view = viewOf(this.buffer);
  }

  reset(): void {
    this.position = 0;
  }

  /** Goes on in memory of another owner, from `position` on; what does not fit moves on into a larger buffer. */
  borrow(buffer: Buffer, position: number): void {
    if (buffer !== this.buffer) {
      this.buffer = buffer;
      this.view = viewOf(buffer);
    }
    this.position = position;
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    const needed = this.position + bytes;
    if (needed <= this.buffer.length) return;
    let size = this.buffer.length * 2;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(grown, 0, 0, this.position);
    this.buffer = grown;
    this.view = viewOf(grown);
  }

  byte(value: number): void {
    if (this.position === this.buffer.length) this.reserve(1);
    this.buffer[this.position++] = value;
  }

  bytes(source: Uint8Array): void {
    const length = source.length;
    this.reserve(length);
    const { buffer } = this;
    let at = this.position;
    if (length <= 24) {
      for (let i = 0; i < length; i++) buffer[at++] = source[i] as number;
    } else {
      buffer.set(source, at);
      at += length;
    }
    this.position = at;
  }

  /** Writes prepared bytes. */
  literal({ bytes, words }: Literal): void {
    const { length } = bytes;
    this.reserve(length + 3);
    if (length > LONG_LITERAL) this.buffer.set(bytes, this.position);
    else {
      const { view } = this;
      let at = this.position;
      for (let i = 0; i < words.length; i++, at += 4) view.setInt32(at, words[i] as number, true);
    }
    this.position += length;
  }

  /** Copies `source[start, end)`. */
  range(source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const { buffer } = this;
    let at = this.position;
    if (length <= 32) {
      for (let i = start; i < end; i++) buffer[at++] = source[i] as number;
    } else {
      source.copy(buffer, at, start, end);
      at += length;
    }
    this.position = at;
  }

  /** Text that holds ASCII only. */
  ascii(text: string): void {
    const { length } = text;
    this.reserve(length);
    if (length <= 24) {
      const { buffer } = this;
      let at = this.position;
      for (let i = 0; i < length; i++) buffer[at++] = text.charCodeAt(i);
    } else {
      this.buffer.write(text, this.position, 'latin1');
    }
    this.position += length;
  }

  utf8(text: string): void {
    this.reserve(text.length * 3);
    this.position += this.buffer.write(text, this.position, 'utf8');
  }

  /** Decimal digits of an integer of at most 2^53. */
  integer(value: number): void {
    this.reserve(DIGITS);
    const { buffer } = this;
    let at = this.position;
    let rest = value;
    if (rest < 0) {
      buffer[at++] = 0x2d;
      rest = -rest;
    }
    // Division of doubles is slow: work on small integers, eight digits at a time.
    if (rest <= 0x3fff_ffff) at = writeSmall(buffer, at, rest | 0);
    else {
      const upper = Math.floor(rest / 1e8);
      if (upper <= 0x3fff_ffff) at = writeSmall(buffer, at, upper | 0);
      else {
        const top = Math.floor(upper / 1e8);
        at = writeSmall(buffer, at, top | 0);
        at = writeEight(buffer, at, (upper - top * 1e8) | 0);
      }
      at = writeEight(buffer, at, (rest - upper * 1e8) | 0);
    }
    this.position = at;
  }

  /** A copy of what was written since `start`. */
  copyFrom(start = 0): Buffer {
    return Buffer.from(this.buffer.subarray(start, this.position));
  }
}

/** A view of the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The digits of an integer up to 2^30, without leading zeros; returns where they end. */
function writeSmall(buffer: Buffer, start: number, value: number): number {
  if (value < 10) {
    buffer[start] = 0x30 + value;
    return start + 1;
  }
  const end = start + digitCount(value);
  let at = end;
  let rest = value;
  while (rest >= 100) {
    const quotient = (rest / 100) | 0;
    const pair = (rest - quotient * 100) << 1;
    buffer[--at] = PAIRS[pair + 1] as number;
    buffer[--at] = PAIRS[pair] as number;
    rest = quotient;
  }
  if (rest >= 10) {
    buffer[--at] = PAIRS[(rest << 1) + 1] as number;
    buffer[--at] = PAIRS[rest << 1] as number;
  } else buffer[--at] = 0x30 + rest;
  return end;
}

/** Eight digits, leading zeros included. */
function writeEight(buffer: Buffer, start: number, value: number): number {
  let rest = value;
  for (let at = start + 6; at >= start; at -= 2) {
    const quotient = (rest / 100) | 0;
    const pair = (rest - quotient * 100) << 1;
    buffer[at] = PAIRS[pair] as number;
    buffer[at + 1] = PAIRS[pair + 1] as number;
    rest = quotient;
  }
  return start + 8;
}

/** Of an integer from 10 to 2^30. */
function digitCount(value: number): number {
  if (value < 10_000) return value < 100 ? 2 : value < 1000 ? 3 : 4;
  if (value < 1_000_000) return value < 100_000 ? 5 : 6;
  if (value < 100_000_000) return value < 10_000_000 ? 7 : 8;
  return value < 1_000_000_000 ? 9 : 10;
}
