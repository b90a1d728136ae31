// org.apache.kafka.connect.storage.SimpleHeaderConverter: values as readable text, and types guessed when reading.
import type { HeaderConverter } from '@millrace/connect-api';
import {
  BigDecimal,
  CONNECT_DATE,
  CONNECT_DECIMAL,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  Double,
  dateText,
  javaBigDecimal,
  javaToString,
  parseValueText,
  type Schema,
  type SchemaAndValue,
  STRING,
  Struct,
} from '@millrace/data';
import { ConfigDef } from '@millrace/foundation';

export const simpleHeaderConverterConfig: ConfigDef = new ConfigDef([]);

export class SimpleHeaderConverter implements HeaderConverter {
  configure(): void {
    // It has no settings.
  }

  writeHeader(_topic: string, _key: string, schema: Schema | null, value: unknown): Buffer | null {
    return value === null ? null : Buffer.from(headerText(schema, value, false), 'utf8');
  }

  readHeader(_topic: string, _key: string, bytes: Buffer | null): SchemaAndValue {
    if (bytes === null) return { schema: null, value: null };
    const text = bytes.toString('utf8');
    return text === '' ? { schema: STRING, value: '' } : parseValueText(text);
  }
}

/** Connect's `Values.convertToString`; `embedded` values are quoted. */
function headerText(schema: Schema | null, value: unknown, embedded: boolean): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return embedded ? `"${value.replaceAll(/[\\"]/g, '\\$&')}"` : value;
  if (value instanceof Uint8Array) {
    const base64 = Buffer.from(value).toString('base64');
    return embedded ? `"${base64}"` : base64;
  }
  if (value instanceof BigDecimal) return javaBigDecimal(value.unscaled, value.scale);
  if (typeof value === 'number') {
    if (schema?.name === CONNECT_DATE) return dateText(value * 86_400_000);
    if (schema?.name === CONNECT_TIMESTAMP || schema?.name === CONNECT_TIME) return dateText(value);
  }
  if (value instanceof Date) return dateText(value.getTime());
  if (Array.isArray(value))
    return `[${value.map((item) => headerText(schema?.valueSchema ?? null, item, true)).join(',')}]`;
  if (value instanceof Map) {
    const entries = [...value].map(
      ([key, item]) =>
        `${headerText(schema?.keySchema ?? null, key, true)}:${headerText(schema?.valueSchema ?? null, item, true)}`,
    );
    return `{${entries.join(',')}}`;
  }
  if (value instanceof Struct) {
    const fields = value.schema.fields.map(
      (field) => `"${field.name}":${headerText(field.schema, value.get(field.name), true)}`,
    );
    return `{${fields.join(',')}}`;
  }
  if (value instanceof Double) return javaToString(value, schema);
  return schema?.name === CONNECT_DECIMAL ? String(value) : javaToString(value, schema);
}
