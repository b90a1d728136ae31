// Memory of many megabytes.

/** glibc maps what is larger than this by itself, whatever it has learned from what was freed before. */
const MAPPED_BYTES = 33 * 1024 * 1024;
/** What is smaller is quickly reused where it lies. */
const LARGE_BYTES = 4 * 1024 * 1024;

/**
 * A buffer of `length` bytes with any content, whose memory goes back to the system once nobody refers to it. By itself
 * glibc takes what is freed for a sign that as much is needed again, and from then on keeps up to 32 MB in the middle
 * of its heaps. Pages that nobody writes to take no memory, so a large buffer may be asked for larger than it is used.
 */
export function largeBuffer(length: number): Buffer {
  if (length < LARGE_BYTES) return Buffer.allocUnsafe(length);
  return Buffer.allocUnsafeSlow(Math.max(length, MAPPED_BYTES)).subarray(0, length);
}
