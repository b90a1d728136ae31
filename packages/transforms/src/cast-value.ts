// One value as another type, as Java's number classes narrow and parse.
import {
  BigDecimal,
  CONNECT_DATE,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  Double,
  dateText,
  int64,
  javaClassOf,
  javaToString,
  type Schema,
  type SchemaType,
  Struct,
  schemalessDouble,
} from '@millrace/data';
import { recordError, settingError } from './errors.ts';

const TARGETS: readonly SchemaType[] = [
  'int8',
  'int16',
  'int32',
  'int64',
  'float32',
  'float64',
  'boolean',
  'string',
];
const SOURCES: readonly SchemaType[] = [...TARGETS, 'bytes'];
const OTHERS: readonly SchemaType[] = ['bytes', 'array', 'map', 'struct'];
const DAY_MS = 86_400_000;

function listed(types: readonly SchemaType[]): string {
  return `[${types.map((type) => type.toUpperCase()).join(', ')}]`;
}

/** The type of that name; undefined when there is none. @throws config.invalid when nothing is cast to it */
export function castTypeOf(name: string): SchemaType | undefined {
  const lower = name.toLowerCase();
  const other = OTHERS.find((type) => type === lower);
  if (other) {
    throw settingError(
      'spec',
      `Cast transformation does not support casting to ${other.toUpperCase()}; supported types are ${listed(TARGETS)}`,
    );
  }
  return TARGETS.find((type) => type === lower);
}

/** The value as `target`; `schema` null for schemaless values. @throws transform.bad_record in Connect's words */
export function castValue(schema: Schema | null, value: unknown, target: SchemaType): unknown {
  if (value === null) return null;
  const source = schema?.type ?? typeOf(value);
  if (!SOURCES.includes(source)) {
    throw recordError(
      `Cast transformation does not support casting from ${source.toUpperCase()}; supported types are ${listed(SOURCES)}`,
    );
  }
  switch (target) {
    case 'int8':
      return toInteger(schema, value, 8);
    case 'int16':
      return toInteger(schema, value, 16);
    case 'int32':
      return toInteger(schema, value, 32);
    case 'int64':
      return toInteger(schema, value, 64);
    case 'float32':
      return floating(schema, Math.fround(toDouble(schema, value)));
    case 'float64':
      return floating(schema, toDouble(schema, value));
    case 'boolean':
      return toBoolean(schema, value);
    default:
      return toText(schema, value);
  }
}

function typeOf(value: unknown): SchemaType {
  if (value instanceof Map) return 'map';
  if (value instanceof Struct) return 'struct';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Date || value instanceof BigDecimal || isBigInteger(value)) {
    throw recordError(
      `Cast transformation was passed a value of type class ${javaClassOf(value)} which is not supported by Connect's data API`,
    );
  }
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'boolean';
  return value instanceof Uint8Array ? 'bytes' : 'float64';
}

function isBigInteger(value: unknown): boolean {
  return typeof value === 'bigint' && BigInt.asIntN(64, value) !== value;
}

function floating(schema: Schema | null, value: number): number | Double {
  return schema === null ? schemalessDouble(value) : value;
}

/** A schemaless whole double as the number it is. */
function plain(value: unknown): unknown {
  return value instanceof Double ? value.value : value;
}

function unexpected(schema: Schema | null, value: unknown): Error {
  return recordError(`Unexpected type in Cast transformation: class ${javaClassOf(value, schema)}`);
}

function outOfRange(text: string, why = `For input string: "${text}"`): Error {
  const cause = recordError(why, 'java.lang.NumberFormatException');
  return recordError(`Value (${text}) was out of range for requested data type`, undefined, cause);
}

function toInteger(schema: Schema | null, given: unknown, bits: 8 | 16 | 32 | 64): number | bigint {
  const value = plain(given);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return int64(BigInt.asIntN(bits, value));
  if (typeof value === 'number') return int64(BigInt.asIntN(bits, truncated(value, bits, schema)));
  if (value instanceof BigDecimal) return int64(BigInt.asIntN(bits, wholePart(value)));
  if (typeof value === 'string') {
    if (!/^[+-]?\d{1,40}$/.test(value)) throw outOfRange(value);
    const parsed = BigInt(value.replace(/^\+/, ''));
    if (BigInt.asIntN(bits, parsed) !== parsed)
      throw outOfRange(value, bits < 32 ? `Value out of range. Value:"${value}" Radix:10` : undefined);
    return int64(parsed);
  }
  throw unexpected(schema, value);
}

/**
 * Java's narrowing of a number: an integer keeps its low bits; of a double NaN is 0, too large is the largest int (or
 * long), and then the low bits count.
 */
function truncated(value: number, bits: number, schema: Schema | null): bigint {
  if (Number.isNaN(value)) return 0n;
  const isFloating = schema ? schema.type.startsWith('float') : !Number.isSafeInteger(value);
  if (!isFloating) return BigInt(Math.trunc(value));
  const limit = bits === 64 ? 2n ** 63n : 2n ** 31n;
  if (value >= Number(limit)) return limit - 1n;
  if (value <= -Number(limit)) return -limit;
  return BigInt(Math.trunc(value));
}

function wholePart({ unscaled, scale }: BigDecimal): bigint {
  if (scale <= 0) return unscaled * 10n ** BigInt(Math.min(-scale, 10_000));
  // Beyond its digits nothing is left, however large the scale is.
  return scale > 100_000 ? 0n : unscaled / 10n ** BigInt(scale);
}

function toDouble(schema: Schema | null, given: unknown): number {
  const value = plain(given);
  if (typeof value === 'number') return schema?.name === CONNECT_DATE ? Math.floor(value) : value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof BigDecimal) return Number(`${value.unscaled}e${-value.scale}`);
  if (typeof value === 'string') {
    const text = value.trim();
    const named = /^([+-]?)(NaN|Infinity)$/.exec(text);
    if (named) return named[2] === 'NaN' ? Number.NaN : Number(`${named[1] ?? ''}Infinity`);
    if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?$/.test(text)) throw outOfRange(value);
    return Number.parseFloat(text);
  }
  throw unexpected(schema, value);
}

function toBoolean(schema: Schema | null, given: unknown): boolean {
  const value = plain(given);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return value.toLowerCase() === 'true';
  if (typeof value === 'number') return truncated(value, 64, schema) !== 0n;
  if (typeof value === 'bigint') return value !== 0n;
  if (value instanceof BigDecimal) return BigInt.asIntN(64, wholePart(value)) !== 0n;
  throw unexpected(schema, value);
}

function toText(schema: Schema | null, value: unknown): string {
  if (typeof value === 'number') {
    if (schema?.name === CONNECT_DATE) return dateText(value * DAY_MS);
    if (schema?.name === CONNECT_TIME || schema?.name === CONNECT_TIMESTAMP) return dateText(value);
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return javaToString(value, schema);
}
