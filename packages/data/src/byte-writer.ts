// A growing byte buffer for encoders on the hot path: no allocation per value, ASCII and digits written in place.

const DIGITS = 20;
const scratch = Buffer.alloc(DIGITS);

/**
 * Writes text and bytes into one buffer that doubles when full. `buffer` is replaced when it grows: read it after
 * writing. The owner calls `reset` before each use; `position` is the number of bytes written.
 */
export class ByteWriter {
  buffer: Buffer;
  position = 0;

  constructor(initialBytes = 4096) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  reset(): void {
    this.position = 0;
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
    let rest = value;
    if (rest < 0) {
      buffer[this.position++] = 0x2d;
      rest = -rest;
    }
    if (rest < 10) {
      buffer[this.position++] = 0x30 + rest;
      return;
    }
    let at = DIGITS;
    // Integer division on doubles is slow; work on small integers as soon as the number fits.
    while (rest > 0x3fffffff) {
      const quotient = Math.floor(rest / 10);
      scratch[--at] = 0x30 + (rest - quotient * 10);
      rest = quotient;
    }
    let small = rest | 0;
    while (small > 0) {
      const quotient = (small / 10) | 0;
      scratch[--at] = 0x30 + (small - quotient * 10);
      small = quotient;
    }
    let position = this.position;
    for (; at < DIGITS; at++) buffer[position++] = scratch[at] as number;
    this.position = position;
  }

  /** A copy of what was written since `start`. */
  copyFrom(start = 0): Buffer {
    return Buffer.from(this.buffer.subarray(start, this.position));
  }
}
