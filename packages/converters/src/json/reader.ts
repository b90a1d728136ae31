// JSON to Connect values: by schema, with Java's narrowing of numbers, or by what the JSON is.
import {
  ArrayStruct,
  BigDecimal,
  CONNECT_DATE,
  CONNECT_DECIMAL,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  dataError,
  int64,
  type Json,
  JsonFraction,
  type Schema,
  toSchemaless,
} from '@millrace/data';
import { bytesError } from '../errors.ts';

export interface JsonReaderOptions {
  readonly replaceNullWithDefault: boolean;
}

const LOGICAL = new Set<string | null>([CONNECT_DECIMAL, CONNECT_DATE, CONNECT_TIME, CONNECT_TIMESTAMP]);

/** Whether the name of a schema, not its type, says how its JSON is read. */
export function isLogical(schema: Schema): boolean {
  return LOGICAL.has(schema.name);
}

/** A JSON value as its schema says. @throws convert.bad_data */
export function readBySchema(schema: Schema, json: Json | undefined, options: JsonReaderOptions): unknown {
  if (json === undefined || json === null) {
    if (schema.defaultValue !== undefined && options.replaceNullWithDefault) return schema.defaultValue;
    if (schema.optional) return null;
    throw dataError(`Invalid null value for required ${schema.type.toUpperCase()} field`);
  }
  switch (schema.name) {
    case CONNECT_DECIMAL:
      return readDecimal(schema, json);
    case CONNECT_DATE:
    case CONNECT_TIME:
    case CONNECT_TIMESTAMP:
      return readLogicalInteger(schema, json);
    default:
      return readPlain(schema, json, options);
  }
}

function readPlain(schema: Schema, json: Json, options: JsonReaderOptions): unknown {
  switch (schema.type) {
    case 'boolean':
      return json === true;
    case 'int8':
      return Number(BigInt.asIntN(8, integerOf(json)));
    case 'int16':
      return Number(BigInt.asIntN(16, integerOf(json)));
    case 'int32':
      return typeof json === 'number' && (json | 0) === json
        ? json
        : Number(BigInt.asIntN(32, integerOf(json)));
    case 'int64':
      return typeof json === 'number' ? json : int64(BigInt.asIntN(64, integerOf(json)));
    case 'float32':
      return Math.fround(doubleOf(json));
    case 'float64':
      return doubleOf(json);
    case 'string':
      return typeof json === 'string' ? json : null;
    case 'bytes':
      return typeof json === 'string' ? base64(json) : null;
    case 'array':
      return (Array.isArray(json) ? json : []).map((item) => readItem(schema.valueSchema, item, options));
    case 'map':
      return readMap(schema, json, options);
    case 'struct': {
      if (!(json instanceof Map))
        throw dataError(`Structs should be encoded as JSON objects, but found ${nodeType(json)}`);
      return new ArrayStruct(
        schema,
        schema.fields.map((field) => readBySchema(field.schema, json.get(field.name), options)),
      );
    }
    default:
      return schema.type satisfies never;
  }
}

function readItem(schema: Schema | null, json: Json, options: JsonReaderOptions): unknown {
  return schema ? readBySchema(schema, json, options) : toSchemaless(json);
}

function readMap(schema: Schema, json: Json, options: JsonReaderOptions): Map<unknown, unknown> {
  const { keySchema, valueSchema } = schema;
  const result = new Map<unknown, unknown>();
  if (keySchema?.type === 'string') {
    if (!(json instanceof Map))
      throw dataError(
        `Maps with string fields should be encoded as JSON objects, but found ${nodeType(json)}`,
      );
    for (const [key, value] of json) result.set(key, readItem(valueSchema, value, options));
    return result;
  }
  if (!Array.isArray(json)) {
    throw dataError(
      `Maps with non-string fields should be encoded as JSON array of tuples, but found ${nodeType(json)}`,
    );
  }
  for (const entry of json) {
    if (!Array.isArray(entry))
      throw dataError(`Found invalid map entry instead of array tuple: ${nodeType(entry)}`);
    const [key, value] = entry;
    if (entry.length !== 2 || key === undefined || value === undefined) {
      throw dataError(`Found invalid map entry, expected length 2 but found :${entry.length}`);
    }
    result.set(readItem(keySchema, key, options), readItem(valueSchema, value, options));
  }
  return result;
}

function readDecimal(schema: Schema, json: Json): BigDecimal {
  const scale = Number(schema.parameters?.get('scale') ?? 0);
  if (typeof json === 'string') return BigDecimal.fromBytes(base64(json), scale);
  const text = json instanceof JsonFraction ? json.text : String(json);
  const decimal =
    typeof json === 'number' || typeof json === 'bigint' || json instanceof JsonFraction
      ? BigDecimal.parse(text)
      : undefined;
  if (!decimal)
    throw dataError(
      'Invalid type for Decimal, underlying representation should be numeric or bytes but was ' +
        nodeType(json),
    );
  return decimal;
}

function readLogicalInteger(schema: Schema, json: Json): unknown {
  const name = schema.name?.slice(schema.name.lastIndexOf('.') + 1) ?? '';
  const expected = name === 'Timestamp' ? 'int64' : 'int32';
  if (schema.type !== expected) return readPlain(schema, json, { replaceNullWithDefault: true });
  if (typeof json !== 'number' && typeof json !== 'bigint') {
    const what = expected === 'int64' ? 'integral' : 'integer';
    throw dataError(
      `Invalid type for ${name}, underlying representation should be ${what} but was ${nodeType(json)}`,
    );
  }
  return readPlain(schema, json, { replaceNullWithDefault: true });
}

/** Java's `intValue` and kin on any JSON node: text and containers are 0. */
function integerOf(json: Json): bigint {
  if (typeof json === 'number') return BigInt(json);
  if (typeof json === 'bigint') return json;
  if (json instanceof JsonFraction && Number.isFinite(json.value)) return BigInt(Math.trunc(json.value));
  return 0n;
}

function doubleOf(json: Json): number {
  if (typeof json === 'number') return json;
  if (typeof json === 'bigint') return Number(json);
  return json instanceof JsonFraction ? json.value : 0;
}

function base64(text: string): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) throw bytesError('Invalid bytes field');
  return Buffer.from(text, 'base64');
}

/** Jackson's name of a node's kind. */
export function nodeType(json: Json | undefined): string {
  if (json === null || json === undefined) return 'NULL';
  if (json instanceof Map) return 'OBJECT';
  if (Array.isArray(json)) return 'ARRAY';
  if (typeof json === 'string') return 'STRING';
  return typeof json === 'boolean' ? 'BOOLEAN' : 'NUMBER';
}
