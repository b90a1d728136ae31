// Decimals from their text to base64 of the unscaled bytes, without bigints while the digits fit a double.
import { type ByteWriter, viewOf } from '../byte-writer.ts';
import { BigDecimal } from '../logical-types.ts';
import { writeBase64 } from './text.ts';

const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const MAX_FAST_DIGITS = 15;
const bytes = new Uint8Array(8);
const view = viewOf(bytes);

/**
 * Writes plain decimal text `[start, end)` of a decimal with `scale` as the base64 string of its unscaled value.
 * Returns false, having written nothing, when the text is no number or has more digits than the scale.
 */
export function writeDecimalBase64(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
  scale: number,
): boolean {
  let at = start;
  const negative = source[at] === 0x2d;
  if (negative) at++;
  let unscaled = 0;
  let digits = 0;
  let fraction = -1;
  for (; at < end; at++) {
    const code = source[at] ?? 0;
    if (code === 0x2e && fraction < 0) {
      fraction = 0;
      continue;
    }
    if (code < 0x30 || code > 0x39) return false;
    unscaled = unscaled * 10 + (code - 0x30);
    digits++;
    if (fraction >= 0) fraction++;
  }
  const missing = scale - Math.max(fraction, 0);
  if (digits === 0 || missing < 0) return false;
  if (digits + missing > MAX_FAST_DIGITS)
    return writeLarge(out, source.toString('latin1', start, end), scale);
  for (let i = 0; i < missing; i++) unscaled *= 10;
  writeUnscaled(out, negative ? -unscaled : unscaled);
  return true;
}

function writeLarge(out: ByteWriter, text: string, scale: number): boolean {
  const decimal = BigDecimal.parse(text)?.withScale(scale);
  if (!decimal) return false;
  writeBase64(out, decimal.toBytes());
  return true;
}

/** Base64 of the minimal two's complement of an integer below 2^53. */
function writeUnscaled(out: ByteWriter, value: number): void {
  // Split into high and low 32 bits of the two's complement.
  const high = Math.floor(value / 0x1_0000_0000);
  view.setInt32(0, high);
  view.setUint32(4, value - high * 0x1_0000_0000);
  let first = 0;
  const filler = value < 0 ? 0xff : 0;
  while (first < 7 && bytes[first] === filler && (((bytes[first + 1] ?? 0) ^ filler) & 0x80) === 0) first++;
  out.reserve(14);
  const { buffer } = out;
  let at = out.position;
  buffer[at++] = 0x22;
  let i = first;
  for (; i + 2 < 8; i += 3) {
    const chunk = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    buffer[at++] = BASE64[chunk >> 18] ?? 0;
    buffer[at++] = BASE64[(chunk >> 12) & 63] ?? 0;
    buffer[at++] = BASE64[(chunk >> 6) & 63] ?? 0;
    buffer[at++] = BASE64[chunk & 63] ?? 0;
  }
  if (i < 8) {
    const two = i + 1 < 8;
    const chunk = ((bytes[i] ?? 0) << 16) | ((two ? (bytes[i + 1] ?? 0) : 0) << 8);
    buffer[at++] = BASE64[chunk >> 18] ?? 0;
    buffer[at++] = BASE64[(chunk >> 12) & 63] ?? 0;
    buffer[at++] = two ? (BASE64[(chunk >> 6) & 63] ?? 0) : 0x3d;
    buffer[at++] = 0x3d;
  }
  buffer[at++] = 0x22;
  out.position = at;
}
