// Snappy, raw and in the framing of xerial's Java library that Kafka's clients write.
// Spec: google/snappy format_description.txt; xerial snappy-java SnappyOutputStream.
import { malformed } from '../errors.ts';

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const BLOCK_BYTES = 32 * 1024;
const HASH_BITS = 14;

/** Decompresses either form. @throws kafka.malformed */
export function snappyDecompress(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length < XERIAL_HEADER_BYTES || !bytes.subarray(0, 8).equals(XERIAL_MAGIC)) {
    return decompressBlock(bytes, maxBytes);
  }
  const blocks: Buffer[] = [];
  let left = maxBytes;
  let position = XERIAL_HEADER_BYTES;
  while (position < bytes.length) {
    if (bytes.length - position < 4) malformed('snappy block length is cut off', position);
    const size = bytes.readInt32BE(position);
    position += 4;
    if (size < 0 || size > bytes.length - position) malformed(`snappy block of ${size} bytes`, position);
    const block = decompressBlock(bytes.subarray(position, position + size), left);
    left -= block.length;
    blocks.push(block);
    position += size;
  }
  return Buffer.concat(blocks);
}

function decompressBlock(bytes: Buffer, maxBytes: number): Buffer {
  let size = 0;
  let position = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[position++];
    if (byte === undefined || shift > 28) return malformed('snappy length is cut off', position);
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  // A copy element of 3 bytes gives at most 64, so a length beyond that ratio is a lie.
  if (size > maxBytes || size > bytes.length * 64) malformed(`snappy length of ${size} bytes`, 0);
  const out = Buffer.allocUnsafe(size);
  const byteAt = (at: number): number => bytes[at] ?? malformed('snappy data ends early', at);
  let written = 0;
  while (position < bytes.length) {
    const tag = byteAt(position++);
    let length = (tag >>> 2) + 1;
    let offset: number;
    switch (tag & 3) {
      case 0: {
        if (length > 60) {
          const extra = length - 60;
          length = 1;
          for (let i = 0; i < extra; i++) length += byteAt(position++) * 2 ** (8 * i);
        }
        if (length > bytes.length - position || length > size - written) {
          malformed(`snappy literal of ${length} bytes`, position);
        }
        out.set(bytes.subarray(position, position + length), written);
        position += length;
        written += length;
        continue;
      }
      case 1:
        length = ((tag >>> 2) & 7) + 4;
        offset = ((tag >>> 5) << 8) | byteAt(position++);
        break;
      case 2:
        offset = byteAt(position) | (byteAt(position + 1) << 8);
        position += 2;
        break;
      default:
        if (bytes.length - position < 4) malformed('snappy data ends early', position);
        offset = bytes.readUInt32LE(position);
        position += 4;
    }
    if (offset === 0 || offset > written || length > size - written)
      malformed('snappy copy out of range', position);
    for (let i = 0; i < length; i++, written++) out[written] = out[written - offset] as number;
  }
  if (written !== size) malformed(`snappy data of ${written} bytes instead of ${size}`, position);
  return out;
}

/** Compresses in xerial's framing. */
export function snappyCompress(bytes: Buffer): Buffer {
  const head = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(head);
  head.writeInt32BE(1, 8);
  head.writeInt32BE(1, 12);
  const parts: Buffer[] = [head];
  const table = new Int32Array(1 << HASH_BITS);
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const block = compressBlock(bytes.subarray(start, start + BLOCK_BYTES), table);
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

function compressBlock(input: Buffer, table: Int32Array): Buffer {
  const out = Buffer.allocUnsafe(32 + input.length + Math.ceil(input.length / 6));
  let o = 0;
  let rest = input.length;
  for (; rest > 0x7f; rest >>>= 7) out[o++] = (rest & 0x7f) | 0x80;
  out[o++] = rest;
  table.fill(-1);
  let literalStart = 0;
  let i = 0;
  const limit = input.length - 4;
  while (i <= limit) {
    const word = input.readUInt32LE(i);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = table[slot] as number;
    table[slot] = i;
    if (candidate < 0 || input.readUInt32LE(candidate) !== word) {
      i += 1 + ((i - literalStart) >>> 5); // skip faster through what does not repeat
      continue;
    }
    o = writeLiteral(out, o, input, literalStart, i);
    let length = 4;
    while (i + length < input.length && input[i + length] === input[candidate + length]) length++;
    const offset = i - candidate;
    i += length;
    literalStart = i;
    for (; length > 0; length -= Math.min(length, 64)) {
      out[o++] = ((Math.min(length, 64) - 1) << 2) | 2;
      out[o++] = offset & 0xff;
      out[o++] = offset >>> 8;
    }
  }
  return out.subarray(0, writeLiteral(out, o, input, literalStart, input.length));
}

function writeLiteral(out: Buffer, position: number, input: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length === 0) return position;
  let o = position;
  if (length <= 60) {
    out[o++] = (length - 1) << 2;
  } else if (length <= 256) {
    out[o++] = 60 << 2;
    out[o++] = length - 1;
  } else {
    out[o++] = 61 << 2;
    out[o++] = (length - 1) & 0xff;
    out[o++] = (length - 1) >>> 8;
  }
  out.set(input.subarray(start, end), o);
  return o + length;
}
