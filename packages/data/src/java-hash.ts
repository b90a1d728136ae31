// Hashes of Java that show in what its programs write: the order of hash tables, the choice of partitions.

/** `String.hashCode()`. */
export function javaStringHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The bits that a `HashMap` finds the bucket of a string by. */
export function javaBucketHash(text: string): number {
  const hash = javaStringHash(text);
  return hash ^ (hash >>> 16);
}
