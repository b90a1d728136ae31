// Connect values to JSON bytes, one writer compiled per schema. Structs are written by what they are: arrays of values
// field by field, templates from prepared bytes, raw rows straight from the bytes the source sent.
import { ByteWriter } from '../byte-writer.ts';
import { dataError } from '../errors.ts';
import { isInt64 } from '../int64.ts';
import { javaBigDecimal } from '../java-text.ts';
import { javaClassOf } from '../java-values.ts';
import { BigDecimal, CONNECT_DECIMAL } from '../logical-types.ts';
import type { Schema } from '../schema.ts';
import { Double } from '../schemaless.ts';
import { RawRow, type RowLayout, Struct, TemplateStruct } from '../struct.ts';
import { JsonObject } from './json-object.ts';
import { RowWriter } from './row-writer.ts';
import { TemplateWriter } from './template-writer.ts';
import { writeBase64, writeDouble, writeFloat, writeInteger, writeString } from './text.ts';

/** Writes a value of the schema it was compiled for. */
export type ValueWriter = (value: unknown, out: ByteWriter) => void;

export interface JsonWriterOptions {
  readonly decimalFormat: 'BASE64' | 'NUMERIC';
  readonly replaceNullWithDefault: boolean;
}

/** The compiled writers of one converter; they live as long as their schemas. */
export class JsonWriters {
  readonly #options: JsonWriterOptions;
  readonly #bySchema = new WeakMap<Schema, ValueWriter>();
  readonly #rows = new WeakMap<RowLayout, RowWriter>();

  constructor(options: JsonWriterOptions) {
    this.#options = options;
  }

  /** The writer for values of a schema, null included. */
  of(schema: Schema): ValueWriter {
    let writer = this.#bySchema.get(schema);
    if (!writer) {
      writer = this.#compile(schema);
      this.#bySchema.set(schema, writer);
    }
    return writer;
  }

  #compile(schema: Schema): ValueWriter {
    const writePresent = this.#present(schema);
    const { defaultValue, optional } = schema;
    const useDefault = defaultValue !== undefined && this.#options.replaceNullWithDefault;
    return (value, out) => {
      if (value !== null && value !== undefined) writePresent(value, out);
      else if (useDefault && defaultValue !== null) writePresent(defaultValue, out);
      else if (optional || useDefault) out.ascii('null');
      else
        throw dataError('Conversion error: null value for field that is required and has no default value');
    };
  }

  #present(schema: Schema): ValueWriter {
    if (schema.name === CONNECT_DECIMAL && schema.type === 'bytes') return this.#decimal();
    const invalid = (value: unknown): never => {
      throw dataError(`Invalid type for ${schema.type.toUpperCase()}: class ${javaClassOf(value)}`);
    };
    switch (schema.type) {
      case 'int8':
      case 'int16':
      case 'int32':
        return (value, out) => (Number.isInteger(value) ? out.integer(value as number) : invalid(value));
      case 'int64':
        return (value, out) => (isInt64(value) ? writeInteger(out, value) : invalid(value));
      case 'float32':
        return (value, out) => (typeof value === 'number' ? writeFloat(out, value) : invalid(value));
      case 'float64':
        return (value, out) => (typeof value === 'number' ? writeDouble(out, value) : invalid(value));
      case 'boolean':
        return (value, out) =>
          typeof value === 'boolean' ? out.ascii(value ? 'true' : 'false') : invalid(value);
      case 'string':
        return (value, out) => (typeof value === 'string' ? writeString(out, value) : invalid(value));
      case 'bytes':
        return (value, out) => (value instanceof Uint8Array ? writeBase64(out, value) : invalid(value));
      case 'array':
        return this.#array(schema, invalid);
      case 'map':
        return this.#map(schema, invalid);
      case 'struct':
        return this.#struct(schema, invalid);
      default:
        return schema.type satisfies never;
    }
  }

  #decimal(): ValueWriter {
    const numeric = this.#options.decimalFormat === 'NUMERIC';
    return (value, out) => {
      if (!(value instanceof BigDecimal)) {
        throw dataError(
          `Invalid type for Decimal, underlying representation should be numeric or bytes but was class ${javaClassOf(value)}`,
        );
      }
      if (numeric) out.ascii(javaBigDecimal(value.unscaled, value.scale));
      else writeBase64(out, value.toBytes());
    };
  }

  #array(schema: Schema, invalid: (value: unknown) => never): ValueWriter {
    const items = schema.valueSchema;
    // The item writer is looked up on first use: schemas may refer to themselves.
    let writeItem: ValueWriter | undefined;
    return (value, out) => {
      if (!Array.isArray(value)) return invalid(value);
      writeItem ??= items ? this.of(items) : writeSchemaless;
      out.byte(0x5b);
      for (let i = 0; i < value.length; i++) {
        if (i > 0) out.byte(0x2c);
        writeItem(value[i], out);
      }
      out.byte(0x5d);
    };
  }

  #map(schema: Schema, invalid: (value: unknown) => never): ValueWriter {
    const { keySchema, valueSchema } = schema;
    return (value, out) => {
      if (!(value instanceof Map)) return invalid(value);
      const writeKey = keySchema ? this.of(keySchema) : writeSchemaless;
      const writeValue = valueSchema ? this.of(valueSchema) : writeSchemaless;
      writeMap(value, keySchema?.type === 'string', writeKey, writeValue, out);
    };
  }

  #struct(schema: Schema, invalid: (value: unknown) => never): ValueWriter {
    const names = fieldNames(schema);
    let writers: readonly ValueWriter[] | undefined;
    const fieldWriters = (): readonly ValueWriter[] => {
      writers ??= schema.fields.map((field) => this.of(field.schema));
      return writers;
    };
    // A row that was in an envelope has the optional form of the schema that it has on its own.
    let accepted = schema;
    const accept = (other: Schema): void => {
      if (other === schema || other === accepted) return;
      if (!other.with({ optional: schema.optional }).equals(schema)) throw dataError('Mismatching schema.');
      accepted = other;
    };
    let rowWriter: RowWriter | undefined;
    let layout: RowLayout | undefined;
    const templateWriter = new TemplateWriter(this, { names, writers: fieldWriters });
    return (value, out) => {
      if (value instanceof RawRow) {
        if (rowWriter === undefined || value.layout !== layout) {
          accept(value.schema);
          layout = value.layout;
          rowWriter = this.#rowWriter(layout, names, fieldWriters());
        }
        rowWriter.write(value, out);
        return;
      }
      if (!(value instanceof Struct)) return invalid(value);
      accept(value.schema);
      if (value instanceof TemplateStruct && templateWriter.write(value, out)) return;
      const each = fieldWriters();
      if (names.length === 0) out.byte(0x7b);
      for (let i = 0; i < names.length; i++) {
        out.bytes(names[i] as Buffer);
        (each[i] as ValueWriter)(value.at(i), out);
      }
      out.byte(0x7d);
    };
  }

  #rowWriter(layout: RowLayout, names: readonly Buffer[], writers: readonly ValueWriter[]): RowWriter {
    let writer = this.#rows.get(layout);
    if (!writer) {
      writer = new RowWriter({ layout, names, writers, decimalFormat: this.#options.decimalFormat });
      this.#rows.set(layout, writer);
    }
    return writer;
  }
}

/** `{"first":`, `,"second":`, ... */
function fieldNames(schema: Schema): Buffer[] {
  return schema.fields.map((field, i) => {
    const name = new ByteWriter(64);
    name.byte(i === 0 ? 0x7b : 0x2c);
    writeString(name, field.name);
    name.byte(0x3a);
    return name.copyFrom();
  });
}

function writeMap(
  map: ReadonlyMap<unknown, unknown>,
  asObject: boolean,
  writeKey: ValueWriter,
  writeValue: ValueWriter,
  out: ByteWriter,
): void {
  out.byte(asObject ? 0x7b : 0x5b);
  let first = true;
  for (const [key, value] of map) {
    if (!first) out.byte(0x2c);
    first = false;
    if (asObject) {
      writeString(out, String(key));
      out.byte(0x3a);
      writeValue(value, out);
    } else {
      out.byte(0x5b);
      writeKey(key, out);
      out.byte(0x2c);
      writeValue(value, out);
      out.byte(0x5d);
    }
  }
  out.byte(asObject ? 0x7d : 0x5d);
}

/** Writes a value that has no schema, by what it is. */
export const writeSchemaless: ValueWriter = (value, out) => {
  if (value === null || value === undefined) out.ascii('null');
  else if (typeof value === 'string') writeString(out, value);
  else if (typeof value === 'boolean') out.ascii(value ? 'true' : 'false');
  else if (isInt64(value)) writeInteger(out, value);
  else if (typeof value === 'number') writeDouble(out, value);
  else if (value instanceof Double) writeDouble(out, value.value);
  else if (value instanceof Uint8Array) writeBase64(out, value);
  else if (Array.isArray(value)) {
    out.byte(0x5b);
    value.forEach((item, i) => {
      if (i > 0) out.byte(0x2c);
      writeSchemaless(item, out);
    });
    out.byte(0x5d);
  } else if (value instanceof Map) {
    const text = value instanceof JsonObject ? value.text : undefined;
    if (text !== undefined) {
      out.bytes(text);
      return;
    }
    const asObject = [...value.keys()].every((key) => typeof key === 'string');
    writeMap(value, asObject, writeSchemaless, writeSchemaless, out);
  } else if (value instanceof Struct) {
    throw dataError('Mismatching schema.');
  } else {
    throw dataError(`Java class class ${javaClassOf(value)} does not have corresponding schema type.`);
  }
};
