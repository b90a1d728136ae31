// Connect values in Java's terms: class names for messages, `toString` texts.
import { javaBigDecimal, javaDouble, javaFloat } from './java-text.ts';
import { BigDecimal, CONNECT_DATE, CONNECT_TIME, CONNECT_TIMESTAMP } from './logical-types.ts';
import type { Schema, SchemaType } from './schema.ts';
import { Double } from './schemaless.ts';
import { Struct } from './struct.ts';

const NUMBER_CLASSES: Partial<Record<SchemaType, string>> = {
  int8: 'java.lang.Byte',
  int16: 'java.lang.Short',
  int32: 'java.lang.Integer',
  int64: 'java.lang.Long',
  float32: 'java.lang.Float',
  float64: 'java.lang.Double',
};
const DEBEZIUM_BITS = 'io.debezium.data.Bits';
const DAY_MS = 86_400_000;
const DATES: readonly (string | null)[] = [CONNECT_DATE, CONNECT_TIME, CONNECT_TIMESTAMP];

/** The Java class a value would have, as messages print it; the schema tells the width of a number. */
export function javaClassOf(value: unknown, schema: Schema | null = null): string {
  if (value === null || value === undefined) return 'null';
  if (schema && (typeof value === 'number' || typeof value === 'bigint')) {
    if (DATES.includes(schema.name)) return 'java.util.Date';
    const known = NUMBER_CLASSES[schema.type];
    if (known !== undefined) return known;
  }
  switch (typeof value) {
    case 'string':
      return 'java.lang.String';
    case 'boolean':
      return 'java.lang.Boolean';
    case 'number':
      return Number.isInteger(value) ? 'java.lang.Long' : 'java.lang.Double';
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'java.lang.Long' : 'java.math.BigInteger';
    default:
      break;
  }
  if (value instanceof Double) return 'java.lang.Double';
  if (value instanceof BigDecimal) return 'java.math.BigDecimal';
  if (value instanceof Uint8Array) return '[B';
  if (value instanceof Date) return 'java.util.Date';
  if (value instanceof Map) return 'java.util.HashMap';
  if (Array.isArray(value)) return 'java.util.ArrayList';
  if (value instanceof Struct) return 'org.apache.kafka.connect.data.Struct';
  return 'java.lang.Object';
}

/** `String.valueOf` of the Java value. */
export function javaToString(value: unknown, schema: Schema | null): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') {
    if (schema?.name === CONNECT_DATE) return javaDateText(value * DAY_MS);
    if (schema?.name === CONNECT_TIME || schema?.name === CONNECT_TIMESTAMP) return javaDateText(value);
    if (schema?.type === 'float32') return javaFloat(value);
    if (schema?.type === 'float64' || !Number.isInteger(value)) return javaDouble(value);
    return String(value);
  }
  if (value instanceof Double) return javaDouble(value.value);
  if (value instanceof BigDecimal) return javaBigDecimal(value.unscaled, value.scale);
  if (value instanceof Uint8Array) return bytesText(value, schema);
  if (value instanceof Date) return javaDateText(value.getTime());
  if (Array.isArray(value))
    return `[${value.map((item) => javaToString(item, schema?.valueSchema ?? null)).join(', ')}]`;
  if (value instanceof Map) {
    const entries = [...value].map(
      ([key, item]) =>
        `${javaToString(key, schema?.keySchema ?? null)}=${javaToString(item, schema?.valueSchema ?? null)}`,
    );
    return `{${entries.join(', ')}}`;
  }
  if (value instanceof Struct) {
    const fields = value.schema.fields
      .filter((field) => value.at(field.index) !== null)
      .map((field) => `${field.name}=${javaToString(value.at(field.index), field.schema)}`);
    return `Struct{${fields.join(',')}}`;
  }
  return String(value);
}

/** Debezium hands bytes over as a buffer, but for bit strings. The hash code of an array is another each time. */
function bytesText(bytes: Uint8Array, schema: Schema | null): string {
  if (schema?.type === 'bytes' && schema.name !== DEBEZIUM_BITS)
    return `java.nio.HeapByteBuffer[pos=0 lim=${bytes.length} cap=${bytes.length}]`;
  return `[B@${Buffer.from(bytes).toString('hex').slice(0, 8)}`;
}

/** `java.util.Date.toString` in UTC of milliseconds since 1970: `Tue Nov 14 22:13:20 UTC 2023`. */
function javaDateText(ms: number): string {
  const [day = '', number = '', month = '', year = '', time = ''] = new Date(ms)
    .toUTCString()
    .replace(',', '')
    .split(' ');
  return `${day} ${month} ${number} ${time} UTC ${year}`;
}
