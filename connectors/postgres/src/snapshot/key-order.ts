// The order of keys, as far as their texts tell it. A snapshot that may be resumed reads a table in the order of its
// key, and the stream must tell later whether a key lies before or after the place where an earlier run stopped. Where
// that takes more than the texts (a locale's collation, labels of an enumeration), the server is asked: key-places.ts.

/** How texts of a key column compare; `server` = only the server knows. */
export type KeyKind = 'integer' | 'numeric' | 'float' | 'bytes' | 'time' | 'server';

export interface OrderKey {
  readonly name: string;
  readonly kind: KeyKind;
  /** Of kind `server`: other than before when the server's order may be: type, collation and its version, labels. */
  readonly order?: string;
}

/** Whether what was ordered by one key is ordered by the other. */
export function sameOrder(a: readonly OrderKey[] | undefined, b: readonly OrderKey[]): boolean {
  return (
    a?.length === b.length &&
    a.every(({ name, kind, order }, i) => {
      const other = b[i];
      return name === other?.name && kind === other.kind && order === other.order;
    })
  );
}

/**
 * Compares two keys as the server orders them: negative when `a` comes first, undefined when only the server can tell.
 * Equal texts are equal keys.
 */
export function compareKeys(
  key: readonly OrderKey[],
  a: readonly string[],
  b: readonly string[],
): number | undefined {
  for (const [i, { kind }] of key.entries()) {
    const order = compareTexts(kind, a[i] ?? '', b[i] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

function compareTexts(kind: KeyKind, a: string, b: string): number | undefined {
  if (a === b) return 0;
  switch (kind) {
    case 'integer':
      return BigInt(a) < BigInt(b) ? -1 : 1;
    case 'numeric':
      return compareNumerics(a, b);
    case 'float':
      return compareFloats(a, b);
    case 'time':
      return compareTimes(a, b);
    case 'bytes':
      return Buffer.compare(Buffer.from(a), Buffer.from(b));
    case 'server':
      return undefined;
    default:
      return kind satisfies never;
  }
}

/** Postgres' order: -Infinity, the finite ones, Infinity, NaN. */
function compareNumerics(a: string, b: string): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0 || rankOf(a) !== 0) return rank;
  const scale = Math.max(fractionOf(a).length, fractionOf(b).length);
  const scaledA = scaled(a, scale);
  const scaledB = scaled(b, scale);
  return scaledA < scaledB ? -1 : scaledA > scaledB ? 1 : 0;
}
function rankOf(text: string): number {
  return text === '-Infinity' ? -1 : text === 'Infinity' ? 1 : text === 'NaN' ? 2 : 0;
}
function fractionOf(text: string): string {
  return text.split('.')[1] ?? '';
}
function scaled(text: string, scale: number): bigint {
  return BigInt((text.split('.')[0] ?? '') + fractionOf(text).padEnd(scale, '0'));
}

/** As numerics; sessions of ours give the shortest text that is exact. */
function compareFloats(a: string, b: string): number {
  if (a === 'NaN') return 1;
  if (b === 'NaN') return -1;
  const [x, y] = [Number(a), Number(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Dates and timestamps in ISO style: `-infinity`, years BC, years, `infinity`. */
function compareTimes(a: string, b: string): number {
  const yearA = yearOf(a);
  const yearB = yearOf(b);
  if (yearA !== yearB) return yearA < yearB ? -1 : 1;
  // Within a year the texts have the order of the times, whatever fraction they end with.
  return a < b ? -1 : 1;
}
function yearOf(text: string): number {
  if (text === 'infinity') return Infinity;
  if (text === '-infinity') return -Infinity;
  const year = Number.parseInt(text, 10);
  return text.endsWith(' BC') ? -year : year;
}
