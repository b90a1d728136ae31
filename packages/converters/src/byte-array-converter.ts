// org.apache.kafka.connect.converters.ByteArrayConverter: bytes as they are.
import type { Converter, HeaderConverter, Headers } from '@millrace/connect-api';
import {
  BigDecimal,
  BYTES,
  type ByteWriter,
  dataError,
  javaClassOf,
  optional,
  type Schema,
  type SchemaAndValue,
} from '@millrace/data';
import { ConfigDef } from '@millrace/foundation';

export const byteArrayConverterConfig: ConfigDef = new ConfigDef([]);
const OPTIONAL_BYTES = optional(BYTES);

export class ByteArrayConverter implements Converter, HeaderConverter {
  configure(): void {
    // It has no settings.
  }

  write(_topic: string, _headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    const bytes = toBytes(schema, value);
    if (bytes) out.bytes(bytes);
    return bytes !== null;
  }

  read(_topic: string, _headers: Headers, bytes: Buffer | null): SchemaAndValue {
    return { schema: OPTIONAL_BYTES, value: bytes };
  }

  writeHeader(_topic: string, _key: string, schema: Schema | null, value: unknown): Buffer | null {
    const bytes = toBytes(schema, value);
    return bytes && Buffer.from(bytes);
  }

  readHeader(topic: string, _key: string, bytes: Buffer | null): SchemaAndValue {
    return this.read(topic, [], bytes);
  }
}

function toBytes(schema: Schema | null, value: unknown): Uint8Array | null {
  if (schema && schema.type !== 'bytes')
    throw dataError(`Invalid schema type for ByteArrayConverter: ${schema.type.toUpperCase()}`);
  if (value === null) return null;
  if (value instanceof Uint8Array) return value;
  const javaClass = value instanceof BigDecimal ? 'java.math.BigDecimal' : javaClassOf(value);
  throw dataError(`ByteArrayConverter is not compatible with objects of type class ${javaClass}`);
}
