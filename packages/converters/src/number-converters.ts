// org.apache.kafka.connect.converters.{Short,Integer,Long,Float,Double,Boolean}Converter: Java's big-endian forms.
import type { Converter, HeaderConverter, Headers } from '@millrace/connect-api';
import {
  type ByteWriter,
  Double,
  dataError,
  int64,
  isInt64,
  javaClassOf,
  optional,
  primitive,
  type Schema,
  type SchemaAndValue,
} from '@millrace/data';
import { ConfigDef } from '@millrace/foundation';
import { bytesError } from './errors.ts';

export const numberConverterConfig: ConfigDef = new ConfigDef([]);

type FixedType = 'int16' | 'int32' | 'int64' | 'float32' | 'float64' | 'boolean';

interface FixedFormat {
  readonly name: string;
  readonly size: number;
  /** False when the value is none of this type. */
  write(bytes: Buffer, value: unknown): boolean;
  read(bytes: Buffer): unknown;
}

const INTEGER_CLASSES: Readonly<Record<string, string>> = {
  int8: 'java.lang.Byte',
  int16: 'java.lang.Short',
  int32: 'java.lang.Integer',
};

function numberOf(value: unknown): number | undefined {
  if (value instanceof Double) return value.value;
  return typeof value === 'number' ? value : undefined;
}

function writeInteger(
  min: number,
  max: number,
  write: (bytes: Buffer, value: number) => void,
): FixedFormat['write'] {
  return (bytes, value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return false;
    write(bytes, value);
    return true;
  };
}

function writeFloating(write: (bytes: Buffer, value: number) => void): FixedFormat['write'] {
  return (bytes, value) => {
    const number = numberOf(value);
    if (number === undefined) return false;
    write(bytes, number);
    return true;
  };
}

const FORMATS: Readonly<Record<FixedType, FixedFormat>> = {
  int16: {
    name: 'short',
    size: 2,
    write: writeInteger(-32768, 32767, (b, v) => b.writeInt16BE(v)),
    read: (b) => b.readInt16BE(),
  },
  int32: {
    name: 'integer',
    size: 4,
    write: writeInteger(-2147483648, 2147483647, (b, v) => b.writeInt32BE(v)),
    read: (b) => b.readInt32BE(),
  },
  int64: {
    name: 'long',
    size: 8,
    write: (bytes, value) => {
      if (!isInt64(value)) return false;
      bytes.writeBigInt64BE(BigInt(value));
      return true;
    },
    read: (bytes) => int64(bytes.readBigInt64BE()),
  },
  float32: {
    name: 'float',
    size: 4,
    write: writeFloating((b, v) => b.writeFloatBE(v)),
    read: (b) => b.readFloatBE(),
  },
  float64: {
    name: 'double',
    size: 8,
    write: writeFloating((b, v) => b.writeDoubleBE(v)),
    read: (b) => b.readDoubleBE(),
  },
  boolean: {
    name: 'boolean',
    size: 1,
    write: (bytes, value) => {
      if (typeof value !== 'boolean') return false;
      bytes[0] = value ? 1 : 0;
      return true;
    },
    read: (bytes) => {
      if ((bytes[0] ?? 2) > 1) throw bytesError('Failed to deserialize boolean: ');
      return bytes[0] === 1;
    },
  },
};

/** One converter for each fixed-size type. */
export class FixedConverter implements Converter, HeaderConverter {
  readonly #type: FixedType;
  readonly #format: FixedFormat;
  readonly #schema: Schema;

  constructor(type: FixedType) {
    this.#type = type;
    this.#format = FORMATS[type];
    this.#schema = optional(primitive(type));
  }

  configure(): void {
    // It has no settings.
  }

  write(_topic: string, _headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    const bytes = this.#toBytes(schema, value);
    if (bytes) out.bytes(bytes);
    return bytes !== null;
  }

  #toBytes(schema: Schema | null, value: unknown): Buffer | null {
    if (this.#type === 'boolean' && schema && schema.type !== 'boolean') {
      throw dataError(`Invalid schema type for BooleanConverter: ${schema.type.toUpperCase()}`);
    }
    if (value === null) return null;
    const bytes = Buffer.alloc(this.#format.size);
    if ((schema !== null && schema.type !== this.#type) || !this.#format.write(bytes, value)) {
      const javaClass = (schema && INTEGER_CLASSES[schema.type]) ?? javaClassOf(value);
      throw dataError(`Failed to serialize to ${this.#format.name} (was class ${javaClass}): `);
    }
    return bytes;
  }

  read(_topic: string, _headers: Headers, bytes: Buffer | null): SchemaAndValue {
    if (bytes === null) return { schema: this.#schema, value: null };
    if (bytes.length !== this.#format.size) {
      throw bytesError(
        `Failed to deserialize ${this.#format.name}: `,
        new Error(`Size of data received by ${this.#format.name} deserializer is not ${this.#format.size}`),
      );
    }
    return { schema: this.#schema, value: this.#format.read(bytes) };
  }

  writeHeader(_topic: string, _key: string, schema: Schema | null, value: unknown): Buffer | null {
    return this.#toBytes(schema, value);
  }

  readHeader(topic: string, _key: string, bytes: Buffer | null): SchemaAndValue {
    return this.read(topic, [], bytes);
  }
}
