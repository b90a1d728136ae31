// Hashes that partitions are computed from: Java's `hashCode` of Connect values, and the MurmurHash3 of Infinispan's
// commons library (x64, 128 bits, seed 9001, its upper 32 bits), which Debezium uses.
import {
  BigDecimal,
  CONNECT_DATE,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  javaStringHash,
  type Schema,
} from '@millrace/data';
import { recordError } from './errors.ts';

/** `value.hashCode()`. @throws transform.bad_record for structs and maps */
export function javaHash(value: unknown, schema: Schema): number {
  if (typeof value === 'string') return javaStringHash(value);
  if (typeof value === 'boolean') return value ? 1231 : 1237;
  if (typeof value === 'number' || typeof value === 'bigint') return numberHash(value, schema);
  if (value instanceof BigDecimal) return (Math.imul(31, bigintHash(value.unscaled)) + value.scale) | 0;
  if (value instanceof Uint8Array) {
    // A ByteBuffer's: from the end, with signed bytes.
    let hash = 1;
    for (let i = value.length - 1; i >= 0; i--)
      hash = (Math.imul(31, hash) + (((value[i] ?? 0) << 24) >> 24)) | 0;
    return hash;
  }
  const items = schema.valueSchema;
  if (Array.isArray(value) && items) {
    return value.reduce<number>(
      (hash, item) => (Math.imul(31, hash) + (item === null ? 0 : javaHash(item, items))) | 0,
      1,
    );
  }
  throw recordError(`A partition cannot be computed from a value of type ${schema.type}`);
}

const SCRATCH = new DataView(new ArrayBuffer(8));

function numberHash(value: number | bigint, schema: Schema): number {
  if (schema.name === CONNECT_DATE) return longHash(BigInt(Math.floor(Number(value) * 86_400_000)));
  if (schema.name === CONNECT_TIME || schema.name === CONNECT_TIMESTAMP) return longHash(BigInt(value));
  switch (schema.type) {
    case 'int64':
      return longHash(BigInt(value));
    case 'float32':
      SCRATCH.setFloat32(0, Number(value));
      return SCRATCH.getInt32(0);
    case 'float64':
      SCRATCH.setFloat64(0, Number(value));
      return SCRATCH.getInt32(0) ^ SCRATCH.getInt32(4);
    default:
      return Number(value);
  }
}

function longHash(value: bigint): number {
  return Number(BigInt.asIntN(32, value ^ (value >> 32n)));
}

function bigintHash(value: bigint): number {
  const hex = (value < 0n ? -value : value).toString(16);
  let hash = 0;
  for (let end = hex.length % 8 || 8, start = 0; start < hex.length; start = end, end += 8)
    hash = (Math.imul(31, hash) + Number.parseInt(hex.slice(start, end), 16)) | 0;
  return value < 0n ? -hash | 0 : hash;
}

/** Infinispan's `MurmurHash3.hash`: bytes and texts by their bytes, anything else by its Java hash. */
export function murmurHash(value: unknown, schema: Schema): number {
  if (typeof value === 'string') return murmur3(Buffer.from(value));
  if (value instanceof Uint8Array) return murmur3(Buffer.from(value));
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(javaHash(value, schema));
  return murmur3(bytes);
}

const MASK = (1n << 64n) - 1n;
const SEED = 9001n;

function murmur3(bytes: Buffer): number {
  let h1 = 0x9368e53c2f6af274n ^ SEED;
  let h2 = 0x586dcd208f7cd3fdn ^ SEED;
  let c1 = 0x87c37b91114253d5n;
  let c2 = 0x4cf5ad432745937fn;
  const mix = (first: bigint, second: bigint): void => {
    h1 = ((h1 ^ ((rotate((first * c1) & MASK, 23n) * c2) & MASK)) + h2) & MASK;
    h2 = rotate(h2, 41n);
    h2 = ((h2 ^ ((rotate((second * c2) & MASK, 23n) * c1) & MASK)) + h1) & MASK;
    h1 = (h1 * 3n + 0x52dce729n) & MASK;
    h2 = (h2 * 3n + 0x38495ab5n) & MASK;
    c1 = (c1 * 5n + 0x7b7d159cn) & MASK;
    c2 = (c2 * 5n + 0x6bce6396n) & MASK;
  };
  const tail = bytes.length & ~15;
  for (let at = 0; at < tail; at += 16) mix(bytes.readBigUInt64LE(at), bytes.readBigUInt64LE(at + 8));
  if (tail < bytes.length) {
    const rest: [bigint, bigint] = [0n, 0n];
    for (let i = bytes.length - 1; i >= tail; i--) {
      const place = i - tail;
      // Signed, as the Java code has it: a byte from 0x80 on reaches the bits above it.
      const bits = (BigInt(bytes.readInt8(i)) << BigInt((place % 8) * 8)) & MASK;
      rest[place < 8 ? 0 : 1] ^= bits;
    }
    mix(rest[0], rest[1]);
  }
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  h1 = (finish(h1) + finish(h2)) & MASK;
  return Number(BigInt.asIntN(32, h1 >> 32n));
}

function rotate(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK;
}

function finish(value: bigint): bigint {
  let k = value ^ (value >> 33n);
  k = (k * 0xff51afd7ed558ccdn) & MASK;
  k ^= k >> 33n;
  k = (k * 0xc4ceb9fe1a85ec53n) & MASK;
  return k ^ (k >> 33n);
}
