// LZ4 frames as Kafka's clients write them. Checksums of blocks and content are skipped when reading: the batch has
// its own. Spec: lz4 doc/lz4_Frame_format.md and lz4_Block_format.md.
import { malformed } from '../errors.ts';

const FRAME_MAGIC = 0x184d2204;
const FLAG_VERSION = 0x40;
const FLAG_INDEPENDENT = 0x20;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_DICTIONARY = 0x01;
const STORED_BLOCK = 0x8000_0000;
const WRITE_BLOCK_BYTES = 64 * 1024;
const HASH_BITS = 14;
/** The last match starts at least this far from the end of a block, and its last bytes are literals. */
const MATCH_LIMIT_BYTES = 12;
const LAST_LITERALS = 5;

/** Decompresses one or more frames. @throws kafka.malformed */
export function lz4Decompress(bytes: Buffer, maxBytes: number): Buffer {
  let out: Buffer = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(bytes.length * 4, 1024)));
  let written = 0;
  let position = 0;
  const need = (size: number): void => {
    if (size > bytes.length - position) malformed('lz4 frame ends early', position);
  };
  while (position < bytes.length) {
    need(7);
    if (bytes.readUInt32LE(position) !== FRAME_MAGIC) malformed('not an lz4 frame', position);
    const flags = bytes[position + 4] as number;
    const blockBytes = 1 << (8 + 2 * (((bytes[position + 5] as number) >>> 4) & 7));
    position += 6;
    const optional = (flags & FLAG_CONTENT_SIZE ? 8 : 0) + (flags & FLAG_DICTIONARY ? 4 : 0);
    need(optional + 1);
    position += optional + 1;
    const frameStart = written;
    for (;;) {
      need(4);
      const mark = bytes.readUInt32LE(position);
      position += 4;
      if (mark === 0) break;
      const size = mark & 0x7fff_ffff;
      need(size);
      if (written + blockBytes > out.length) out = grown(out, written, written + blockBytes, maxBytes);
      if (mark >= STORED_BLOCK) {
        if (size > blockBytes) malformed('lz4 block is larger than the frame says', position);
        out.set(bytes.subarray(position, position + size), written);
        written += size;
      } else {
        const from = flags & FLAG_INDEPENDENT ? written : frameStart;
        written = decompressBlock(bytes, position, position + size, out, written, written + blockBytes, from);
      }
      position += size + (flags & FLAG_BLOCK_CHECKSUM ? 4 : 0);
    }
    position += flags & 0x04 ? 4 : 0;
  }
  return out.subarray(0, written);
}

function grown(out: Buffer, written: number, needed: number, maxBytes: number): Buffer {
  if (needed > maxBytes + 4 * 1024 * 1024) malformed(`lz4 data is larger than ${maxBytes} bytes`, 0);
  const larger = Buffer.allocUnsafe(Math.max(needed, out.length * 2));
  out.copy(larger, 0, 0, written);
  return larger;
}

function decompressBlock(
  bytes: Buffer,
  start: number,
  end: number,
  out: Buffer,
  outStart: number,
  outEnd: number,
  windowStart: number,
): number {
  let i = start;
  let o = outStart;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble !== 15) return length;
    for (;;) {
      if (i >= end) malformed('lz4 length ends early', i);
      const byte = bytes[i++] as number;
      length += byte;
      if (byte !== 255) return length;
    }
  };
  while (i < end) {
    const token = bytes[i++] as number;
    const literals = lengthFrom(token >>> 4);
    if (literals > end - i || literals > outEnd - o) malformed(`lz4 literal of ${literals} bytes`, i);
    if (literals < 32) for (let k = 0; k < literals; k++) out[o + k] = bytes[i + k] as number;
    else out.set(bytes.subarray(i, i + literals), o);
    i += literals;
    o += literals;
    if (i >= end) break;
    if (end - i < 2) malformed('lz4 offset ends early', i);
    const offset = bytes.readUInt16LE(i);
    i += 2;
    const length = lengthFrom(token & 15) + 4;
    if (offset === 0 || o - offset < windowStart || length > outEnd - o)
      malformed('lz4 match out of range', i);
    for (let k = 0; k < length; k++, o++) out[o] = out[o - offset] as number;
  }
  return o;
}

/** Compresses into one frame of independent 64 KB blocks, as the Java client does. */
export function lz4Compress(bytes: Buffer): Buffer {
  const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, FLAG_VERSION | FLAG_INDEPENDENT, 0x40, 0]);
  head[6] = (xxh32Short(head.subarray(4, 6)) >>> 8) & 0xff;
  const parts: Buffer[] = [head];
  const table = new Int32Array(1 << HASH_BITS);
  for (let start = 0; start < bytes.length; start += WRITE_BLOCK_BYTES) {
    const block = bytes.subarray(start, start + WRITE_BLOCK_BYTES);
    const packed = compressBlock(block, table);
    const mark = Buffer.allocUnsafe(4);
    if (packed.length < block.length) {
      mark.writeUInt32LE(packed.length);
      parts.push(mark, packed);
    } else {
      mark.writeUInt32LE(STORED_BLOCK + block.length);
      parts.push(mark, block);
    }
  }
  parts.push(Buffer.alloc(4));
  return Buffer.concat(parts);
}

function compressBlock(input: Buffer, table: Int32Array): Buffer {
  const out = Buffer.allocUnsafe(input.length + Math.ceil(input.length / 255) + 16);
  table.fill(-1);
  let o = 0;
  let literalStart = 0;
  let i = 0;
  const limit = input.length - MATCH_LIMIT_BYTES;
  while (i < limit) {
    const word = input.readUInt32LE(i);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = table[slot] as number;
    table[slot] = i;
    if (candidate < 0 || i - candidate > 0xffff || input.readUInt32LE(candidate) !== word) {
      i += 1 + ((i - literalStart) >>> 6); // skip faster through what does not repeat
      continue;
    }
    const end = input.length - LAST_LITERALS;
    let length = 4;
    while (i + length < end && input[i + length] === input[candidate + length]) length++;
    o = writeSequence(out, o, input, literalStart, i, length - 4);
    out[o++] = (i - candidate) & 0xff;
    out[o++] = (i - candidate) >>> 8;
    o = writeLengthRest(out, o, length - 4);
    i += length;
    literalStart = i;
  }
  return out.subarray(0, writeSequence(out, o, input, literalStart, input.length, 0));
}

function writeSequence(
  out: Buffer,
  position: number,
  input: Buffer,
  start: number,
  end: number,
  matchLength: number,
): number {
  const literals = end - start;
  out[position] = (Math.min(literals, 15) << 4) | Math.min(matchLength, 15);
  const o = writeLengthRest(out, position + 1, literals);
  out.set(input.subarray(start, end), o);
  return o + literals;
}

function writeLengthRest(out: Buffer, position: number, length: number): number {
  if (length < 15) return position;
  let o = position;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) out[o++] = 255;
  out[o++] = rest;
  return o;
}

const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_5 = 0x165667b1;
const PRIME_1 = 0x9e3779b1;

/** xxHash32 with seed 0 of fewer than 4 bytes: all that a frame descriptor without sizes needs. */
function xxh32Short(bytes: Buffer): number {
  let hash = (PRIME_5 + bytes.length) | 0;
  for (const byte of bytes) {
    hash = (hash + Math.imul(byte, PRIME_5)) | 0;
    hash = Math.imul((hash << 11) | (hash >>> 21), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
