// org.apache.kafka.connect.json.JsonConverter: JSON with the schema beside the payload, or plain.
import { isUtf8 } from 'node:buffer';
import type { Converter, HeaderConverter, Headers } from '@millrace/connect-api';
import {
  ByteWriter,
  type Json,
  JsonMemory,
  JsonParser,
  JsonSyntaxError,
  type JsonWriterOptions,
  JsonWriters,
  parseJson,
  readSchemalessJson,
  type Schema,
  type SchemaAndValue,
  toSchemaless,
  type ValueWriter,
  writeSchemaless,
} from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { bytesError } from '../errors.ts';
import { inJacksonWords } from './jackson-words.ts';
import { readBySchema } from './reader.ts';
import { readSchemaJson, writeSchemaJson } from './schema-json.ts';
import { isPlain, StructReader } from './struct-reader.ts';

export const jsonConverterConfig: ConfigDef = new ConfigDef([
  {
    name: 'schemas.enable',
    type: 'BOOLEAN',
    default: true,
    importance: 'HIGH',
    doc: 'Include schemas within each of the serialized values and keys.',
    group: 'Schemas',
    orderInGroup: 0,
    width: 'MEDIUM',
    displayName: 'Enable Schemas',
  },
  {
    name: 'schemas.cache.size',
    type: 'INT',
    default: 1000,
    importance: 'HIGH',
    doc: 'The maximum number of schemas that can be cached in this converter instance.',
    group: 'Schemas',
    orderInGroup: 1,
    width: 'MEDIUM',
    displayName: 'Schema Cache Size',
  },
  {
    name: 'schema.content',
    type: 'STRING',
    default: null,
    importance: 'HIGH',
    doc: 'When set, this is the schema of all messages that are read, which are payloads without a schema of their own. Needs schemas.enable.',
    group: 'Schemas',
    orderInGroup: 2,
    width: 'MEDIUM',
    displayName: 'Schema Content',
  },
  {
    name: 'decimal.format',
    type: 'STRING',
    default: 'BASE64',
    importance: 'LOW',
    doc: 'Controls which format this converter will serialize decimals in. This value is case insensitive and can be either BASE64 (default) or NUMERIC',
    group: 'Serialization',
    orderInGroup: 0,
    width: 'MEDIUM',
    displayName: 'Decimal Format',
    validator: (value) =>
      /^(base64|numeric)$/i.test(String(value))
        ? undefined
        : 'String must be one of (case insensitive): NUMERIC, BASE64',
  },
  {
    name: 'replace.null.with.default',
    type: 'BOOLEAN',
    default: true,
    importance: 'LOW',
    doc: 'Whether to replace fields that have a default value and that are null to the default value. When set to true, the default value is used, otherwise null is used.',
    group: 'Serialization',
    orderInGroup: 1,
    width: 'MEDIUM',
    displayName: 'Replace null with default',
  },
]);

const ENVELOPE_START = '{"schema":';
const ENVELOPE_MIDDLE = ',"payload":';
const NO_ENVELOPE =
  'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.';

/** The text before the payload, and the schema it holds, of the last record that was read. */
interface KnownEnvelope {
  readonly prefix: Buffer;
  readonly schema: Schema | null;
  readonly struct: StructReader | undefined;
}

/** See the module comment. Reads remember the last schema text, so a topic's schema is parsed once. */
export class JsonConverter implements Converter, HeaderConverter {
  #schemas = true;
  #replaceNull = true;
  /** The schema of all that is read, where the config has one. */
  #content: Schema | null = null;
  #writers = new JsonWriters({ decimalFormat: 'BASE64', replaceNullWithDefault: true });
  /** The schema that was written last: looking its writer up costs more than calling it. */
  #lastSchema: Schema | undefined;
  #lastWriter: ValueWriter = writeSchemaless;
  #prefixes = new WeakMap<Schema, Buffer>();
  #known: KnownEnvelope | undefined;
  readonly #parser = new JsonParser();
  readonly #memory = new JsonMemory();

  configure(settings: RawConfig): void {
    const { config } = jsonConverterConfig.parseOrThrow(settings, () => true);
    this.#schemas = config.boolean('schemas.enable');
    this.#replaceNull = config.boolean('replace.null.with.default');
    this.#writers = new JsonWriters({
      decimalFormat: config.string('decimal.format').toUpperCase() as JsonWriterOptions['decimalFormat'],
      replaceNullWithDefault: this.#replaceNull,
    });
    this.#lastSchema = undefined;
    this.#prefixes = new WeakMap();
    this.#known = undefined;
    this.#content = this.#contentOf(config.optionalString('schema.content') ?? '');
  }

  #contentOf(text: string): Schema | null {
    if (text === '') return null;
    const bytes = Buffer.from(text);
    try {
      return this.#schemaOf(parseJson(bytes, { allowTrailing: true }) ?? null);
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      const message = 'Failed to parse schema in converter config due to serialization error: ';
      throw bytesError(message, inJacksonWords(bytes, error));
    }
  }

  #schemaOf(json: Json): Schema | null {
    const options = { replaceNullWithDefault: this.#replaceNull };
    return readSchemaJson(json, (of, value) => readBySchema(of, value, options));
  }

  write(_topic: string, _headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    if (schema === null) {
      if (value === null) return false;
      if (this.#schemas) out.ascii('{"schema":null,"payload":');
      writeSchemaless(value, out);
    } else {
      if (this.#schemas) out.bytes(this.#prefixOf(schema));
      if (schema !== this.#lastSchema) {
        this.#lastWriter = this.#writers.of(schema);
        this.#lastSchema = schema;
      }
      this.#lastWriter(value, out);
    }
    if (this.#schemas) out.byte(0x7d);
    return true;
  }

  #prefixOf(schema: Schema): Buffer {
    let prefix = this.#prefixes.get(schema);
    if (!prefix) {
      const text = new ByteWriter();
      text.ascii(ENVELOPE_START);
      writeSchemaJson(schema, this.#writers, text);
      text.ascii(ENVELOPE_MIDDLE);
      prefix = text.copyFrom();
      this.#prefixes.set(schema, prefix);
    }
    return prefix;
  }

  read(_topic: string, _headers: Headers, bytes: Buffer | null): SchemaAndValue {
    if (bytes === null) return { schema: null, value: null };
    try {
      if (!this.#schemas) return { schema: null, value: readSchemalessJson(bytes, this.#memory) };
      if (!isUtf8(bytes)) throw new JsonSyntaxError('Bytes are not UTF-8', 0);
      if (this.#content !== null)
        return this.#withSchema(this.#content, parseJson(bytes, { allowTrailing: true }) ?? null);
      return this.#readKnown(bytes) ?? this.#readEnvelope(bytes);
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      const message = 'Converting byte[] to Kafka Connect data failed due to serialization error: ';
      throw bytesError(message, inJacksonWords(bytes, error));
    }
  }

  /** An envelope with the schema text of the last one; undefined for any other. */
  #readKnown(bytes: Buffer): SchemaAndValue | undefined {
    const known = this.#known;
    if (!known) return undefined;
    const { prefix, schema, struct } = known;
    const end = bytes.length - 1;
    if (end < prefix.length || bytes[end] !== 0x7d) return undefined;
    if (bytes.compare(prefix, 0, prefix.length, 0, prefix.length) !== 0) return undefined;
    if (struct) {
      const parser = this.#parser;
      parser.open(bytes, prefix.length);
      try {
        const value = struct.read(parser, 0);
        if (parser.at === end) return { schema, value };
      } catch {
        // Which error it is, the way below tells.
      } finally {
        parser.close();
      }
    }
    let payload: Json;
    try {
      payload = parseJson(bytes.subarray(prefix.length, end)) ?? null;
    } catch {
      // The way of all others says where in the whole text the mistake is.
      return undefined;
    }
    return this.#withSchema(schema, payload);
  }

  #readEnvelope(bytes: Buffer): SchemaAndValue {
    const json = parseJson(bytes, { allowTrailing: true });
    if (!(json instanceof Map) || json.size !== 2 || !json.has('schema') || !json.has('payload'))
      throw bytesError(NO_ENVELOPE);
    const schema = this.#schemaOf(json.get('schema') ?? null);
    this.#remember(bytes.toString(), schema);
    return this.#withSchema(schema, json.get('payload') ?? null);
  }

  #withSchema(schema: Schema | null, payload: Json): SchemaAndValue {
    if (schema === null) return { schema, value: toSchemaless(payload) };
    return { schema, value: readBySchema(schema, payload, { replaceNullWithDefault: this.#replaceNull }) };
  }

  /** Keeps the prefix when the text has the compact form that JsonConverters write. */
  #remember(text: string, schema: Schema | null): void {
    if (!text.startsWith(ENVELOPE_START)) return;
    const end = endOfValue(text, ENVELOPE_START.length);
    if (end === undefined || !text.startsWith(ENVELOPE_MIDDLE, end)) return;
    const struct = isPlain(schema, 'struct')
      ? new StructReader(schema, { replaceNullWithDefault: this.#replaceNull })
      : undefined;
    this.#known = { prefix: Buffer.from(text.slice(0, end + ENVELOPE_MIDDLE.length)), schema, struct };
  }

  writeHeader(_topic: string, _key: string, schema: Schema | null, value: unknown): Buffer | null {
    const out = new ByteWriter(256);
    return this.write('', [], schema, value, out) ? out.copyFrom() : null;
  }

  readHeader(_topic: string, _key: string, bytes: Buffer | null): SchemaAndValue {
    return this.read('', [], bytes);
  }
}

/** Where the JSON object or literal that starts at `start` ends, by its brackets. */
function endOfValue(text: string, start: number): number | undefined {
  if (text.startsWith('null', start)) return start + 4;
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '"') {
      for (i++; i < text.length && text.charAt(i) !== '"'; i++) if (text.charAt(i) === '\\') i++;
    } else if (char === '{' || char === '[') {
      depth++;
    } else if (char === '}' || char === ']') {
      depth--;
      if (depth === 0) return i + 1;
    }
  }
  return undefined;
}
