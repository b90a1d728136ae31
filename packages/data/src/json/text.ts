// JSON strings and numbers written as Jackson writes them: short escapes, upper-case \uXXXX for other control
// characters and for surrogates, in pairs or alone, everything else as UTF-8; doubles in Java's notation, NaN and
// infinities as strings. Keys have to be the same bytes: partitions and compaction go by them.
import { ByteWriter } from '../byte-writer.ts';
import { javaDouble, javaFloat } from '../java-text.ts';

const CONTROL = 1;
const FOUR_BYTES = 2;
/**
 * For a byte of UTF-8: 0 where it stands for itself, the character after the backslash, or what else it is: a control
 * character or the first of four bytes.
 */
export const ESCAPE: Uint8Array = new Uint8Array(256);
ESCAPE.fill(CONTROL, 0, 0x20);
ESCAPE.fill(FOUR_BYTES, 0xf0, 0xf8);
for (const [code, letter] of [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [0x5c, '\\'],
] as const) {
  ESCAPE[code] = letter.charCodeAt(0);
}
const HEX = Buffer.from('0123456789ABCDEF', 'latin1');
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/;

/** UTF-8 bytes `[start, end)` as the rest of a string, escaped where it has to be, with the closing quote. */
export function writeEscaped(out: ByteWriter, source: Buffer, start: number, end: number): void {
  out.reserve(6 * (end - start) + 1);
  const { buffer } = out;
  let at = out.position;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    const escape = ESCAPE[byte] as number;
    if (escape === 0 || (escape === FOUR_BYTES && i + 4 > end)) {
      buffer[at++] = byte;
    } else if (escape === FOUR_BYTES) {
      let point = byte & 7;
      for (let left = 3; left > 0; left--) point = (point << 6) | ((source[++i] as number) & 63);
      at = writeUnit(buffer, at, 0xd800 + ((point - 0x10000) >> 10));
      at = writeUnit(buffer, at, 0xdc00 + (point & 0x3ff));
    } else at = writeEscape(buffer, at, byte);
  }
  buffer[at++] = 0x22;
  out.position = at;
}

/** `\n`, `\u001F`, ... */
function writeEscape(buffer: Buffer, at: number, byte: number): number {
  const escape = ESCAPE[byte] as number;
  if (escape === CONTROL) return writeUnit(buffer, at, byte);
  buffer[at] = 0x5c;
  buffer[at + 1] = escape;
  return at + 2;
}

/** `\uXXXX` */
function writeUnit(buffer: Buffer, at: number, unit: number): number {
  buffer[at] = 0x5c;
  buffer[at + 1] = 0x75;
  for (let digit = 0; digit < 4; digit++)
    buffer[at + 2 + digit] = HEX[(unit >> (12 - 4 * digit)) & 15] as number;
  return at + 6;
}

/** Up to this length a loop over the characters beats the set-up of a native write. */
const SHORT_TEXT = 64;

/** Writes text as a JSON string. */
export function writeString(out: ByteWriter, text: string): void {
  if (text.length <= SHORT_TEXT && writeShortAscii(out, text)) return;
  if (NEEDS_ESCAPE.test(text)) {
    writeUnits(out, text);
    return;
  }
  out.byte(0x22);
  out.utf8(text);
  out.byte(0x22);
}

/** Unit by unit: a surrogate may stand alone where a text was cut. */
function writeUnits(out: ByteWriter, text: string): void {
  out.reserve(6 * text.length + 2);
  const { buffer } = out;
  let at = out.position;
  buffer[at++] = 0x22;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      if (ESCAPE[unit] === 0) buffer[at++] = unit;
      else at = writeEscape(buffer, at, unit);
    } else if (unit < 0x800) {
      buffer[at++] = 0xc0 | (unit >> 6);
      buffer[at++] = 0x80 | (unit & 63);
    } else if (unit >= 0xd800 && unit < 0xe000) {
      at = writeUnit(buffer, at, unit);
    } else {
      buffer[at++] = 0xe0 | (unit >> 12);
      buffer[at++] = 0x80 | ((unit >> 6) & 63);
      buffer[at++] = 0x80 | (unit & 63);
    }
  }
  buffer[at++] = 0x22;
  out.position = at;
}

/** False, having written nothing, when the text holds anything but ASCII that stands for itself (or a plain escape). */
function writeShortAscii(out: ByteWriter, text: string): boolean {
  const { length } = text;
  out.reserve(2 * length + 2);
  const { buffer } = out;
  let at = out.position;
  buffer[at++] = 0x22;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7f) return false;
    // The two visible characters that need an escape are their own second half.
    if (code === 0x22 || code === 0x5c) buffer[at++] = 0x5c;
    buffer[at++] = code;
  }
  buffer[at++] = 0x22;
  out.position = at;
  return true;
}

/** Writes bytes as a base64 string. */
export function writeBase64(out: ByteWriter, bytes: Uint8Array): void {
  out.byte(0x22);
  out.ascii(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'));
  out.byte(0x22);
}

export function writeDouble(out: ByteWriter, value: number): void {
  writeFloating(out, value, javaDouble);
}

export function writeFloat(out: ByteWriter, value: number): void {
  writeFloating(out, value, javaFloat);
}

function writeFloating(out: ByteWriter, value: number, text: (value: number) => string): void {
  if (Number.isFinite(value)) {
    out.ascii(text(value));
    return;
  }
  out.byte(0x22);
  out.ascii(String(value));
  out.byte(0x22);
}

/** Writes an int64 data value. */
export function writeInteger(out: ByteWriter, value: number | bigint): void {
  if (typeof value === 'number') out.integer(value);
  else out.ascii(value.toString());
}
