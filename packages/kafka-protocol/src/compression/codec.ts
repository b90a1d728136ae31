// Compression of record batches, by the codec numbers of their attributes. Everything is synchronous on the calling
// thread: the thread pool belongs to the disk (a compressing pool made fsync a hundred times slower).
import { gunzipSync, gzipSync } from 'node:zlib';
import { fail, malformed } from '../errors.ts';
import { lz4Compress, lz4Decompress } from './lz4.ts';
import { snappyCompress, snappyDecompress } from './snappy.ts';
import { canWriteZstd, zstdCompress, zstdDecompress } from './zstd.ts';

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

const NAMES: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** A batch may not decompress to more than this: a few bytes of hostile input must not fill the memory. */
const MAX_DECOMPRESSED_BYTES = 256 * 1024 * 1024;

/** The number of a codec in a batch's attributes. */
export function compressionCode(compression: Compression): number {
  return NAMES.indexOf(compression);
}

/** The codec of a number in a batch's attributes; undefined for numbers Kafka does not use. */
export function compressionName(code: number): Compression | undefined {
  return NAMES[code];
}

/** Whether `compress` can do this here; reading works everywhere. */
export function canCompress(compression: Compression): boolean {
  return compression !== 'zstd' || canWriteZstd();
}

/** Compresses the records of a batch. @throws kafka.compression_unavailable */
export function compress(compression: Compression, bytes: Buffer): Buffer {
  switch (compression) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(bytes);
    case 'snappy':
      return snappyCompress(bytes);
    case 'lz4':
      return lz4Compress(bytes);
    case 'zstd':
      return zstdCompress(bytes);
    default:
      return compression satisfies never;
  }
}

/** Decompresses the records of a batch, by codec number. @throws kafka.malformed */
export function decompress(code: number, bytes: Buffer): Buffer {
  const compression = NAMES[code];
  if (compression === undefined)
    fail('kafka.malformed', `Compression codec ${code} does not exist.`, { code });
  try {
    switch (compression) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES });
      case 'snappy':
        return snappyDecompress(bytes, MAX_DECOMPRESSED_BYTES);
      case 'lz4':
        return lz4Decompress(bytes, MAX_DECOMPRESSED_BYTES);
      case 'zstd':
        return zstdDecompress(bytes, MAX_DECOMPRESSED_BYTES);
      default:
        return compression satisfies never;
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'MillraceError') throw error;
    return malformed(`${compression} data cannot be decompressed (${String(error)})`, 0);
  }
}
