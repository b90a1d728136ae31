// Logical types: a name on an underlying type. Values travel in their underlying form (days, milliseconds, text),
// except Decimal, whose value is a BigDecimal.
import { arraySchema, primitive, Schema, structSchema } from './schema.ts';

/** Arbitrary-precision decimal: `unscaled` x 10^-`scale`. */
export class BigDecimal {
  readonly unscaled: bigint;
  readonly scale: number;

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }

  /** From plain or exponent notation; undefined when the text is no finite number. */
  static parse(text: string): BigDecimal | undefined {
    const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/.exec(text);
    if (!match) return undefined;
    const [, sign, whole = '', fraction = '', exponent] = match;
    if (whole === '' && fraction === '') return undefined;
    const unscaled = BigInt(whole + fraction);
    return new BigDecimal(sign === '-' ? -unscaled : unscaled, fraction.length - Number(exponent ?? 0));
  }

  /** The same value at another scale; undefined when digits would be lost. */
  withScale(scale: number): BigDecimal | undefined {
    if (scale === this.scale) return this;
    if (scale > this.scale) return new BigDecimal(this.unscaled * 10n ** BigInt(scale - this.scale), scale);
    const divisor = 10n ** BigInt(this.scale - scale);
    if (this.unscaled % divisor !== 0n) return undefined;
    return new BigDecimal(this.unscaled / divisor, scale);
  }

  /** The nearest value with this scale; of two the one further from zero, as with Java's `HALF_UP`. */
  rounded(scale: number): BigDecimal {
    const exact = this.withScale(scale);
    if (exact !== undefined) return exact;
    const divisor = 10n ** BigInt(this.scale - scale);
    const half = (this.unscaled < 0n ? -divisor : divisor) / 2n;
    return new BigDecimal((this.unscaled + half) / divisor, scale);
  }

  /** Plain notation without exponent, as Java's `toPlainString`. */
  toPlainString(): string {
    const negative = this.unscaled < 0n;
    let digits = (negative ? -this.unscaled : this.unscaled).toString();
    if (this.scale <= 0)
      return `${negative ? '-' : ''}${digits}${digits === '0' ? '' : '0'.repeat(-this.scale)}`;
    digits = digits.padStart(this.scale + 1, '0');
    return `${negative ? '-' : ''}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`;
  }
  toString(): string {
    return this.toPlainString();
  }
  equals(other: unknown): boolean {
    return other instanceof BigDecimal && other.unscaled === this.unscaled && other.scale === this.scale;
  }

  /** Big-endian two's complement of the unscaled value in as few bytes as hold it, as Java's `BigInteger.toByteArray`. */
  toBytes(): Buffer {
    return bigintToBytes(this.unscaled);
  }
  static fromBytes(bytes: Uint8Array, scale: number): BigDecimal {
    return new BigDecimal(bytesToBigint(bytes), scale);
  }
}

/** Minimal big-endian two's complement. */
export function bigintToBytes(value: bigint): Buffer {
  const magnitude = value < 0n ? -value - 1n : value;
  const bits = magnitude === 0n ? 0 : magnitude.toString(2).length;
  const length = Math.floor(bits / 8) + 1;
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, value);
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

export function bytesToBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

export const CONNECT_DECIMAL = 'org.apache.kafka.connect.data.Decimal';
export const CONNECT_DATE = 'org.apache.kafka.connect.data.Date';
export const CONNECT_TIME = 'org.apache.kafka.connect.data.Time';
export const CONNECT_TIMESTAMP = 'org.apache.kafka.connect.data.Timestamp';

/** `precision` is written as the parameter `connect.decimal.precision` when given. */
export function decimalSchema(scale: number, precision?: number): Schema {
  const parameters: Record<string, string> = { scale: String(scale) };
  if (precision !== undefined) parameters['connect.decimal.precision'] = String(precision);
  return new Schema('bytes', { name: CONNECT_DECIMAL, version: 1, parameters });
}

/** Debezium's semantic types of version 1: name to underlying type. */
export const SEMANTIC_TYPES = {
  'io.debezium.time.Date': 'int32',
  'io.debezium.time.Time': 'int32',
  'io.debezium.time.MicroTime': 'int64',
  'io.debezium.time.NanoTime': 'int64',
  'io.debezium.time.Timestamp': 'int64',
  'io.debezium.time.MicroTimestamp': 'int64',
  'io.debezium.time.NanoTimestamp': 'int64',
  'io.debezium.time.ZonedTime': 'string',
  'io.debezium.time.ZonedTimestamp': 'string',
  'io.debezium.time.IsoDate': 'string',
  'io.debezium.time.IsoTime': 'string',
  'io.debezium.time.IsoTimestamp': 'string',
  'io.debezium.time.Interval': 'string',
  'io.debezium.time.MicroDuration': 'int64',
  'io.debezium.time.Year': 'int32',
  'io.debezium.data.Json': 'string',
  'io.debezium.data.Xml': 'string',
  'io.debezium.data.Uuid': 'string',
  'io.debezium.data.Ltree': 'string',
  'io.debezium.data.Tsvector': 'string',
  'org.apache.kafka.connect.data.Date': 'int32',
  'org.apache.kafka.connect.data.Time': 'int32',
  'org.apache.kafka.connect.data.Timestamp': 'int64',
} as const;
export type SemanticType = keyof typeof SEMANTIC_TYPES;

const semanticSchemas = new Map<SemanticType, Schema>();

/** The schema of a semantic type, version 1; the same object on each call. */
export function semantic(name: SemanticType): Schema {
  let schema = semanticSchemas.get(name);
  if (!schema) {
    schema = primitive(SEMANTIC_TYPES[name], { name, version: 1 });
    semanticSchemas.set(name, schema);
  }
  return schema;
}

/** `io.debezium.data.Enum`; `allowed` in the order of the database's type. */
export function enumSchema(allowed: readonly string[]): Schema {
  return new Schema('string', {
    name: 'io.debezium.data.Enum',
    version: 1,
    parameters: { allowed: allowed.join(',') },
  });
}

/** `io.debezium.data.Bits` of `length` bits. */
export function bitsSchema(length: number): Schema {
  return new Schema('bytes', {
    name: 'io.debezium.data.Bits',
    version: 1,
    parameters: { length: String(length) },
  });
}

/** `io.debezium.data.VariableScaleDecimal`: scale and unscaled bytes. */
export const VARIABLE_SCALE_DECIMAL: Schema = structSchema(
  [
    ['scale', primitive('int32')],
    ['value', primitive('bytes')],
  ],
  { name: 'io.debezium.data.VariableScaleDecimal', version: 1, doc: 'Variable scaled decimal' },
);

/** The optional elements that Debezium's arrays have. */
export function optionalArray(items: Schema): Schema {
  return arraySchema(items.optional ? items : items.with({ optional: true }), { optional: true });
}
