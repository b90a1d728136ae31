// JSON strings and numbers written as Jackson writes them: short escapes, upper-case \u00XX for other control
// characters, everything else as UTF-8; doubles in Java's notation, NaN and infinities as strings.
import { ByteWriter } from '../byte-writer.ts';
import { javaDouble, javaFloat } from '../java-text.ts';

/** For a byte below 0x80: the character after the backslash, 1 for \u00XX, 0 for none. */
export const ESCAPE: Uint8Array = new Uint8Array(256);
for (let code = 0; code < 0x20; code++) ESCAPE[code] = 1;
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
const NEEDS_ESCAPE = /["\\\u0000-\u001f]/;

/** Writes UTF-8 bytes `[start, end)` as a JSON string. Rows, where it matters, are written by RowWriter. */
export function writeUtf8String(out: ByteWriter, source: Buffer, start: number, end: number): void {
  out.byte(0x22);
  writeEscaped(out, source, start, end);
}

/** The rest of a string, escaped where it has to be, with the closing quote. */
export function writeEscaped(out: ByteWriter, source: Buffer, start: number, end: number): void {
  out.reserve(6 * (end - start) + 1);
  const { buffer } = out;
  let at = out.position;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    const escape = ESCAPE[byte] as number;
    if (escape === 0) {
      buffer[at++] = byte;
      continue;
    }
    buffer[at++] = 0x5c;
    if (escape === 1) {
      buffer[at++] = 0x75;
      buffer[at++] = 0x30;
      buffer[at++] = 0x30;
      buffer[at++] = HEX[byte >> 4] as number;
      buffer[at++] = HEX[byte & 15] as number;
    } else {
      buffer[at++] = escape;
    }
  }
  buffer[at++] = 0x22;
  out.position = at;
}

/** Up to this length a loop over the characters beats the set-up of a native write. */
const SHORT_TEXT = 64;

/** Writes text as a JSON string. */
export function writeString(out: ByteWriter, text: string): void {
  if (text.length <= SHORT_TEXT && writeShortAscii(out, text)) return;
  if (NEEDS_ESCAPE.test(text)) {
    const bytes = Buffer.from(text, 'utf8');
    writeUtf8String(out, bytes, 0, bytes.length);
    return;
  }
  out.byte(0x22);
  out.utf8(text);
  out.byte(0x22);
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
