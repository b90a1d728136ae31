// Java's default partitioner for keyed records: murmur2 of the key bytes, positive, modulo the partition count.
// Spec: org.apache.kafka.common.utils.Utils.murmur2, which every client follows so that keys stay on one partition.

/** The partition of a key that lies in `bytes[start, end)`. `partitions` is at least 1. */
export function murmur2Partition(bytes: Uint8Array, start: number, end: number, partitions: number): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions;
}

const MULTIPLIER = 0x5bd1e995;
const SEED = 0x9747b28c;

/** MurmurHash2, 32 bits, of `bytes[start, end)`. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const byte = (i: number): number => bytes[i] as number;
  let hash = SEED ^ length;
  let i = start;
  for (const whole = start + (length & ~3); i < whole; i += 4) {
    let k = byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
    k = Math.imul(k, MULTIPLIER);
    k ^= k >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(k, MULTIPLIER);
  }
  const rest = length & 3;
  if (rest > 0) {
    if (rest === 3) hash ^= byte(i + 2) << 16;
    if (rest >= 2) hash ^= byte(i + 1) << 8;
    hash = Math.imul(hash ^ byte(i), MULTIPLIER);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 15);
}
