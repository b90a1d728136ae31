// Text of Postgres types that are neither numbers, text nor time, to Connect values.
import {
  ArrayStruct,
  BigDecimal,
  bigintToBytes,
  javaDouble,
  type Schema,
  VARIABLE_SCALE_DECIMAL,
} from '@millrace/data';

const NAN = 0x4e;

/** A finite numeric, or null for NaN and the infinities, which bytes cannot hold. */
export function decimalOf(text: string, scale: number): BigDecimal | null {
  return BigDecimal.parse(text)?.withScale(scale) ?? null;
}

/** Scale and unscaled bytes without trailing zeros; null for NaN and the infinities. */
export function variableDecimalOf(text: string): ArrayStruct | null {
  const parsed = BigDecimal.parse(text);
  if (parsed === undefined) return null;
  let { unscaled, scale } = parsed;
  while (scale > 0 && unscaled % 10n === 0n) {
    unscaled /= 10n;
    scale--;
  }
  if (scale < 0) {
    unscaled *= 10n ** BigInt(-scale);
    scale = 0;
  }
  return new ArrayStruct(VARIABLE_SCALE_DECIMAL, [scale, bigintToBytes(unscaled)]);
}

/** Plain text of a numeric; NaN and the infinities by the names Debezium gives them. */
export function decimalText(text: string, scale: number | undefined): string {
  const first = text.charCodeAt(0);
  if (first === NAN) return 'NAN';
  if (text.startsWith('Inf')) return 'POSITIVE_INFINITY';
  if (text.startsWith('-Inf')) return 'NEGATIVE_INFINITY';
  // A negative scale is told apart by its 11 bits: such a column gets that many zeros, as from Debezium.
  if (scale === undefined || scale <= 1000) return text;
  return BigDecimal.parse(text)?.withScale(scale)?.toPlainString() ?? text;
}

/** Money in the C locale: `$1,234.56`, `-$0.01`. */
export function moneyText(text: string): string {
  const negative = text.includes('-') || text.includes('(');
  return `${negative ? '-' : ''}${text.replaceAll(/[^\d.]/g, '')}`;
}

/** Digits of a bit string, most significant first, to bytes, least significant first, without leading zeros. */
export function bitsOf(text: string): Buffer {
  const significant = text.replace(/^0+/, '');
  if (significant === '') return Buffer.alloc(0);
  return bigintToUnsignedBytes(BigInt(`0b${significant}`)).reverse();
}

function bigintToUnsignedBytes(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

/** `\xDEADBEEF` in place. */
export function byteaOf(bytes: Buffer, start: number, end: number): Buffer {
  return Buffer.from(bytes.toString('latin1', start + 2, end), 'hex');
}

/** `(x,y)` with its little-endian WKB. */
export function pointOf(schema: Schema, text: string): ArrayStruct | null {
  const match = /^\(([^,]+),([^)]+)\)$/.exec(text);
  if (!match) return null;
  // Postgres spells infinity as JavaScript does.
  const x = Number(match[1]);
  const y = Number(match[2]);
  const wkb = Buffer.alloc(21);
  wkb[0] = 1;
  wkb.writeUInt32LE(1, 1);
  wkb.writeDoubleLE(x, 5);
  wkb.writeDoubleLE(y, 13);
  return new ArrayStruct(schema, [x, y, wkb, null]);
}

const EWKB_HAS_SRID = 0x20000000;

/** PostGIS prints EWKB in hexadecimal. */
export function postgisOf(schema: Schema, text: string): ArrayStruct | null {
  const wkb = Buffer.from(text, 'hex');
  if (wkb.length < 9) return null;
  const little = wkb[0] !== 0;
  const type = little ? wkb.readUInt32LE(1) : wkb.readUInt32BE(1);
  const srid = (type & EWKB_HAS_SRID) === 0 ? null : little ? wkb.readInt32LE(5) : wkb.readInt32BE(5);
  return new ArrayStruct(schema, [wkb, srid]);
}

/** An hstore (`"a"=>"1", "b"=>NULL`), its keys in the order of a Java HashMap, which is what Debezium iterates over. */
export function hstoreMap(text: string): Map<string, string | null> {
  const pairs = new Map<string, string | null>();
  const pattern = /"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)(?:, )?/gs;
  const unescape = (part: string): string => part.replaceAll(/\\(.)/gs, '$1');
  for (const [, key = '', value] of text.matchAll(pattern)) {
    pairs.set(unescape(key), value === undefined ? null : unescape(value));
  }
  return inHashMapOrder(pairs, spreadHash, 16);
}

/**
 * The order of a Java HashMap that was made for `capacity` entries (a power of two): by bucket, of which there are twice
 * as many whenever three quarters are used; within a bucket the order of insertion.
 */
function inHashMapOrder<K, V>(entries: Map<K, V>, hashOf: (key: K) => number, capacity: number): Map<K, V> {
  let buckets = capacity;
  while (entries.size > buckets * 0.75) buckets *= 2;
  const placed = [...entries].map((entry) => ({ entry, bucket: hashOf(entry[0]) & (buckets - 1) }));
  placed.sort((a, b) => a.bucket - b.bucket);
  return new Map(placed.map(({ entry }) => entry));
}

/** `String.hashCode` with its upper half folded into the lower one, as HashMap does. */
function spreadHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash ^ (hash >>> 16);
}

/** A JSON object of the pairs in their order: a JavaScript object would put keys that look like numbers first. */
export function hstoreJson(text: string): string {
  const members = [...hstoreMap(text)].map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  return `{${members.join(',')}}`;
}

/** Numbers of a geometric type in Java's spelling, which is how the Java driver prints them: `(3,4)` as `(3.0,4.0)`. */
export function geometricText(text: string): string {
  return text.replaceAll(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi, (number) => javaDouble(Number(number)));
}

/** `[1,2,3]` of pgvector. */
export function vectorOf(text: string): number[] | null {
  if (!text.startsWith('[') || !text.endsWith(']')) return null;
  const inner = text.slice(1, -1);
  return inner === '' ? [] : inner.split(',').map(Number);
}

const INT16_MAX = 32767;

/**
 * `{1:1.5,3:2}/5` of pgvector: dimensions and the values that are not zero, in the order of Debezium's map; null beyond
 * what the schema's 16 bits can count.
 */
export function sparseVectorOf(schema: Schema, text: string): ArrayStruct | null {
  const match = /^\{(.*)\}\/(\d+)$/.exec(text);
  if (!match || Number(match[2]) > INT16_MAX) return null;
  const values = new Map<number, number>();
  for (const entry of (match[1] ?? '').split(',')) {
    const [index, value] = entry.split(':');
    if (index !== undefined && value !== undefined) values.set(Number(index), Number(value));
  }
  const capacity = 2 ** Math.ceil(Math.log2(Math.max(1, values.size)));
  return new ArrayStruct(schema, [Number(match[2]), inHashMapOrder(values, (key) => key, capacity)]);
}
