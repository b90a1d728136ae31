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
import { bytesError, causedBy, SERIALIZATION_EXCEPTION } from './errors.ts';

export const numberConverterConfig: ConfigDef = new ConfigDef([]);

type FixedType = 'int16' | 'int32' | 'int64' | 'float32' | 'float64' | 'boolean';

interface FixedFormat {
  readonly name: string;
  readonly size: number;
  /** What Kafka's messages call the class that reads it. */
  readonly deserializer: string;
  /** False when the value is none of this type. */
  write(bytes: Buffer, value: unknown): boolean;
  read(bytes: Buffer): unknown;
}

const INTEGER_CLASSES: Readonly<Record<string, string>> = {
  int8: 'java.lang.Byte',
  int16: 'java.lang.Short',
  int32: 'java.lang.Integer',
};

const CLASSES: Readonly<Record<FixedType, string>> = {
  int16: 'java.lang.Short',
  int32: 'java.lang.Integer',
  int64: 'java.lang.Long',
  float32: 'java.lang.Float',
  float64: 'java.lang.Double',
  boolean: 'java.lang.Boolean',
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
    deserializer: 'ShortDeserializer',
    write: writeInteger(-32768, 32767, (b, v) => b.writeInt16BE(v)),
    read: (b) => b.readInt16BE(),
  },
  int32: {
    name: 'integer',
    size: 4,
    deserializer: 'IntegerDeserializer',
    write: writeInteger(-2147483648, 2147483647, (b, v) => b.writeInt32BE(v)),
    read: (b) => b.readInt32BE(),
  },
  int64: {
    name: 'long',
    size: 8,
    deserializer: 'LongDeserializer',
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
    deserializer: 'Deserializer',
    write: writeFloating((b, v) => b.writeFloatBE(v)),
    read: (b) => b.readFloatBE(),
  },
  float64: {
    name: 'double',
    size: 8,
    deserializer: 'Deserializer',
    write: writeFloating((b, v) => b.writeDoubleBE(v)),
    read: (b) => b.readDoubleBE(),
  },
  boolean: {
    name: 'boolean',
    size: 1,
    deserializer: 'BooleanDeserializer',
    write: (bytes, value) => {
      if (typeof value !== 'boolean') return false;
      bytes[0] = value ? 1 : 0;
      return true;
    },
    read: (bytes) => {
      if ((bytes[0] ?? 2) > 1)
        throw badNumber('boolean', `Unexpected byte received by BooleanDeserializer: ${bytes[0]}`);
      return bytes[0] === 1;
    },
  },
};

function badNumber(name: string, why: string): Error {
  return bytesError(`Failed to deserialize ${name}: `, causedBy(SERIALIZATION_EXCEPTION, why));
}

/** Java's reason not to take one class for another; undefined for classes that are not Java's own. */
function noCast(from: string, type: FixedType): Error | undefined {
  if (!from.startsWith('java.lang.')) return undefined;
  const isNumber =
    from === 'java.lang.Byte' || (from !== CLASSES.boolean && Object.values(CLASSES).includes(from));
  const to = isNumber || type === 'boolean' ? CLASSES[type] : 'java.lang.Number';
  return causedBy(
    'java.lang.ClassCastException',
    `class ${from} cannot be cast to class ${to} (${from} and ${to} are in module java.base of loader 'bootstrap')`,
  );
}

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
      throw bytesError(
        `Failed to serialize to ${this.#format.name} (was class ${javaClass}): `,
        noCast(javaClass, this.#type),
      );
    }
    return bytes;
  }

  read(_topic: string, _headers: Headers, bytes: Buffer | null): SchemaAndValue {
    if (bytes === null) return { schema: this.#schema, value: null };
    if (bytes.length !== this.#format.size) {
      const { name, size, deserializer } = this.#format;
      throw badNumber(name, `Size of data received by ${deserializer} is not ${size}`);
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
