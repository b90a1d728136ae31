// int64 values are numbers while safe and bigints beyond 2^53 - 1; this is the one place that decides.

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** The int64 data value of a bigint: a number if and only if its magnitude is at most 2^53 - 1. */
export function int64(value: bigint): number | bigint {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

/** The int64 data value of decimal text, or undefined when the text is no int64. */
export function parseInt64(text: string): number | bigint | undefined {
  if (!/^[+-]?\d{1,19}$/.test(text)) return undefined;
  if (text.length <= 15) return Number(text);
  const value = BigInt(text);
  return value > MAX || value < MIN ? undefined : int64(value);
}

/** Whether a value is an int64 data value. */
export function isInt64(value: unknown): value is number | bigint {
  return typeof value === 'bigint' ? value >= MIN && value <= MAX : Number.isSafeInteger(value);
}
