// Where Millrace's events differ from Debezium's on purpose, as SKIPPED.md says.

const ELEMENT = /\.(time|timetz|timestamp)(?:_\d+_)?_array_\d+[xk]*\[\d+\]$/;
const FRACTION = /\.\d+(?=Z)/;
/** Nanoseconds, microseconds, milliseconds. */
const PER_MS: readonly bigint[] = [1_000_000n, 1000n, 1n];
const MS_PER_DAY = 86_400_000n;
/** 15 October 1582, from when on Java's old calendar is the Gregorian one. */
const GREGORIAN_MS = -12_219_292_800_000n;
const GREGORIAN_US = GREGORIAN_MS * 1000n;

/** The reason for a difference of two values, JSON texts in which numbers begin with `#`; undefined when there is none. */
export function differsOnPurpose(path: string, debezium: string, millrace: string): string | undefined {
  const element = ELEMENT.exec(path)?.[1];
  if (element !== undefined && elementDiffers(element, debezium, millrace))
    return "elements of time, timetz and timestamp arrays: fractions and days that Java's old date classes lose";
  if (
    /\.fields\[numeric_\d+[xk]*\]\.parameters$/.test(path) &&
    debezium.includes('"__debezium.source.column.length":"0"')
  )
    return "the propagated length of a numeric without one: 0 in Debezium's snapshot, 131089 in its stream";
  if (path.endsWith('.data_collections') && withoutMessages(debezium) === withoutMessages(millrace))
    return 'logical messages in the END of a transaction: Debezium lists each by the address of a Java object';
  if (
    path === 'headers' &&
    millrace.includes('["__op","d"]') &&
    withoutRepeats(debezium) === withoutRepeats(millrace)
  )
    return 'headers of the tombstone after an unwrapped delete: Debezium adds them to those of the delete, as both share one list';
  return undefined;
}

function withoutMessages(collections: string): string {
  const list = JSON.parse(collections.replaceAll('#"', '"')) as { data_collection: string }[];
  return JSON.stringify(
    list.filter(({ data_collection: name }) => !name.includes('LogicalDecodingMessageId@')),
  );
}

/** What the transform adds is left out. */
function withoutRepeats(headers: string): string {
  const list = JSON.parse(headers) as [string, unknown][];
  return JSON.stringify(list.filter(([name]) => name !== '__op' && name !== '__table'));
}

function elementDiffers(type: string, debezium: string, millrace: string): boolean {
  if (type === 'timestamp' && debezium.startsWith('"'))
    return (
      millrace < '"1582-10-15' &&
      debezium.slice(debezium.indexOf('T')) === millrace.slice(millrace.indexOf('T'))
    );
  if (type === 'timetz' || debezium.startsWith('"'))
    return debezium.replace(FRACTION, '') === millrace.replace(FRACTION, '');
  const [theirs, ours] = [number(debezium), number(millrace)];
  if (theirs === undefined || ours === undefined) return false;
  if (type === 'time') return PER_MS.some((unit) => theirs === ((ours / unit) * unit) % (MS_PER_DAY * unit));
  const days = MS_PER_DAY * (ours < GREGORIAN_US ? 1000n : 1n);
  return ours < GREGORIAN_MS && (theirs - ours) % days === 0n;
}

/** `#"12"`, the way numbers are printed. */
function number(text: string): bigint | undefined {
  const digits = /^#"(-?\d+)"$/.exec(text)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}
