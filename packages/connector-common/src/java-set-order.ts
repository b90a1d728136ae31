// The order in which Java's hash sets give strings: names of tables that notifications list come in it.

/** The strings in the order of a `HashSet` made of them. Stable where two share a bucket. */
export function javaSetOrder(strings: readonly string[]): string[] {
  let capacity = 16;
  while (strings.length >= capacity * 0.75) capacity *= 2;
  const bucket = (text: string): number => javaHash(text) & (capacity - 1);
  return [...strings]
    .map((text) => ({ text, at: bucket(text) }))
    .sort((a, b) => a.at - b.at)
    .map(({ text }) => text);
}

/** The bits that a `HashMap` finds the bucket of a string by. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash ^ (hash >>> 16);
}
