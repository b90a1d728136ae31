// Zstandard: node:zlib where it has it (Node 22.15 and up), else a decoder in plain code that reads but cannot write.
import * as zlib from 'node:zlib';
import { decompress as decompressInPlainCode } from 'fzstd';
import { fail, malformed } from '../errors.ts';

/** What newer releases of Node have in zlib; the types we build with do not know it. */
interface ZstdInZlib {
  zstdCompressSync?(bytes: Buffer): Buffer;
  zstdDecompressSync?(bytes: Buffer, options: { maxOutputLength: number }): Buffer;
}

const native: ZstdInZlib = zlib as ZstdInZlib;

/** Whether this Node release can write zstd. */
export function canWriteZstd(): boolean {
  return native.zstdCompressSync !== undefined;
}

/** @throws kafka.compression_unavailable on Node releases without it */
export function zstdCompress(bytes: Buffer): Buffer {
  if (native.zstdCompressSync) return native.zstdCompressSync(bytes);
  return fail('kafka.compression_unavailable', 'This Node release cannot write zstd.', { codec: 'zstd' });
}

/** @throws kafka.malformed */
export function zstdDecompress(bytes: Buffer, maxBytes: number): Buffer {
  if (native.zstdDecompressSync) return native.zstdDecompressSync(bytes, { maxOutputLength: maxBytes });
  const size = contentSize(bytes);
  if (size > maxBytes) malformed(`zstd data of ${size} bytes`, 0);
  const plain = decompressInPlainCode(bytes);
  if (plain.length > maxBytes) malformed(`zstd data of ${plain.length} bytes`, 0);
  return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
}

/** The content size a frame declares, 0 when it declares none. Spec: RFC 8878, 3.1.1.1. */
function contentSize(bytes: Buffer): number {
  const descriptor = bytes[4] ?? 0;
  const sizeFlag = descriptor >>> 6;
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  const width = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  if (width === 0 || bytes.length < at + width) return 0;
  if (width === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, width) + (width === 2 ? 256 : 0);
}
