// The order in which Java's hash sets give strings: names of tables that notifications list come in it.

/** The strings in the order of a `HashSet` made of them. Stable where two share a bucket. */
export function javaSetOrder(strings: readonly string[]): string[] {
  let capacity = 16;
  while (strings.length >= capacity * 0.75) capacity *= 2;
  const bucket = (text: string): number => {
    const hash = javaHash(text);
    return (hash ^ (hash >>> 16)) & (capacity - 1);
  };
  return [...strings]
    .map((text) => ({ text, at: bucket(text) }))
    .sort((a, b) => a.at - b.at)
    .map(({ text }) => text);
}

/** `String.hashCode`. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
