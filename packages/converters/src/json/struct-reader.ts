// Structs straight from JSON bytes that have their members in the order of the schema and no white space, as converters
// write them: no Maps in between, and texts that every record repeats are made once. Anything else is read by reader.ts.
import {
  ArrayStruct,
  ByteWriter,
  type JsonParser,
  type Schema,
  type SchemaType,
  writeString,
} from '@millrace/data';
import { isLogical, type JsonReaderOptions, readBySchema } from './reader.ts';

interface Field {
  readonly schema: Schema;
  /** `{"name":` of the first field, `,"name":` of the others. */
  readonly start: Buffer;
  /** For a field that is a struct. */
  readonly struct: StructReader | undefined;
  readonly isText: boolean;
  lastText: string;
}

/** Reads values of one struct schema. */
export class StructReader {
  readonly #schema: Schema;
  readonly #options: JsonReaderOptions;
  /** Made on first use: schemas may refer to themselves. */
  #fields: readonly Field[] | undefined;

  constructor(schema: Schema, options: JsonReaderOptions) {
    this.#schema = schema;
    this.#options = options;
  }

  /** Reads the value at the parser's position. @throws JsonSyntaxError, convert.bad_data */
  read(parser: JsonParser, depth: number): unknown {
    const start = parser.at;
    if (parser.bytes[start] === 0x7b) {
      const values = this.#inOrder(parser, depth);
      if (values) return new ArrayStruct(this.#schema, values);
      parser.at = start;
    }
    return readBySchema(this.#schema, parser.value(depth), this.#options);
  }

  /** Undefined when the text has another form. */
  #inOrder(parser: JsonParser, depth: number): unknown[] | undefined {
    this.#fields ??= fieldsOf(this.#schema, this.#options);
    const fields = this.#fields;
    const { bytes } = parser;
    const values = new Array<unknown>(fields.length);
    if (fields.length === 0) return undefined;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field;
      if (!startsWith(bytes, parser.at, field.start)) return undefined;
      parser.at += field.start.length;
      values[i] = this.#value(field, parser, depth + 1);
    }
    if (bytes[parser.at] !== 0x7d) return undefined;
    parser.at++;
    return values;
  }

  #value(field: Field, parser: JsonParser, depth: number): unknown {
    if (field.struct) return field.struct.read(parser, depth);
    if (field.isText && parser.bytes[parser.at] === 0x22) {
      if (!parser.skipText(field.lastText)) field.lastText = parser.string();
      return field.lastText;
    }
    return readBySchema(field.schema, parser.value(depth), this.#options);
  }
}

function fieldsOf(schema: Schema, options: JsonReaderOptions): Field[] {
  return schema.fields.map((field, i) => {
    const start = new ByteWriter(64);
    start.byte(i === 0 ? 0x7b : 0x2c);
    writeString(start, field.name);
    start.byte(0x3a);
    return {
      schema: field.schema,
      start: start.copyFrom(),
      struct: isPlain(field.schema, 'struct') ? new StructReader(field.schema, options) : undefined,
      isText: isPlain(field.schema, 'string'),
      lastText: '',
    };
  });
}

/** Whether values of a schema are what its type says, not those of a logical type. */
export function isPlain(schema: Schema | null, type: SchemaType): schema is Schema {
  return schema?.type === type && !isLogical(schema);
}

function startsWith(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}
