// The order in which Java's hash sets give strings: names of tables that notifications list come in it.
import { javaBucketHash } from '@millrace/data';

/** The strings in the order of a `HashSet` made of them. Stable where two share a bucket. */
export function javaSetOrder(strings: readonly string[]): string[] {
  let capacity = 16;
  while (strings.length >= capacity * 0.75) capacity *= 2;
  const bucket = (text: string): number => javaBucketHash(text) & (capacity - 1);
  return [...strings].sort((a, b) => bucket(a) - bucket(b));
}
