// io.debezium.converters.CloudEventsConverter: change events as CloudEvents 1.0 in JSON, the changed rows in `data`. For
// values; what is no change event becomes a tombstone, as with Debezium. Avro needs a schema registry and is refused. A
// sink reads events as the JSON they are.
import type { Converter, Headers } from '@millrace/connect-api';
import {
  ArrayStruct,
  type ByteWriter,
  isEnvelope,
  javaToString,
  type Schema,
  type SchemaAndValue,
  Struct,
  structSchema,
} from '@millrace/data';
import { ConfigDef, type ConfigKey, MillraceError, type RawConfig } from '@millrace/foundation';
import { bytesError, causedBy } from './errors.ts';
import { JsonConverter } from './json/json-converter.ts';

function key(
  name: string,
  type: ConfigKey['type'],
  fallback: NonNullable<ConfigKey['default']> | null,
  doc: string,
): ConfigKey {
  return { name, type, default: fallback, importance: 'LOW', width: 'NONE', displayName: name, doc };
}

export const cloudEventsConverterConfig: ConfigDef = new ConfigDef([
  key('serializer.type', 'STRING', 'json', 'The form of events; json is the one there is.'),
  key('data.serializer.type', 'STRING', 'json', 'The form of the data in events; json is the one there is.'),
  key('extension.attributes.enable', 'BOOLEAN', true, 'Give events the attributes iodebezium....'),
  key(
    'opentelemetry.tracing.attributes.enable',
    'BOOLEAN',
    false,
    'Give events the attribute traceparent, which is taken from the header of that name.',
  ),
  key('schema.name.adjustment.mode', 'STRING', 'avro', 'Accepted: names of schemas do not show in JSON.'),
  key('schema.cloudevents.name', 'STRING', null, 'Accepted: the name of the schema does not show in JSON.'),
  key(
    'schema.data.name.source.header.enable',
    'BOOLEAN',
    false,
    'Take the name of the schema of the data from the header dataSchemaName, where metadata.source says so.',
  ),
  key(
    'metadata.source',
    'LIST',
    ['value', 'id:generate', 'type:generate', 'traceparent:header', 'dataSchemaName:generate'],
    'Where metadata come from: value or header for source, operation and transaction, and for what is not named after it; id:, type:, traceparent: and dataSchemaName: with generate or header.',
  ),
]);

/** Where an event's rows and metadata are. */
interface Parts {
  readonly source: Struct;
  readonly op: string;
  readonly transaction: Struct | null;
  readonly data: SchemaAndValue;
}

const EXTENSION = 'iodebezium';
const TRANSACTION_FIELDS = ['id', 'total_order', 'data_collection_order'];

export class CloudEventsConverter implements Converter {
  readonly #json = new JsonConverter();
  readonly #plain = new JsonConverter();
  #extensions = true;
  #tracing = false;
  #from: MetadataSources = { global: 'value', fields: new Map() };
  /** By the schema of the record. */
  readonly #dataSchemas = new WeakMap<Schema, Map<string, Schema>>();

  configure(settings: RawConfig): void {
    const { config } = cloudEventsConverterConfig.parseOrThrow(settings, () => true);
    refuseAvro(config.string('serializer.type'), config.string('data.serializer.type'));
    this.#extensions = config.boolean('extension.attributes.enable');
    this.#tracing = config.boolean('opentelemetry.tracing.attributes.enable');
    this.#from = metadataSources(config.list('metadata.source'), {
      traceparent: this.#tracing,
      dataSchemaName: config.boolean('schema.data.name.source.header.enable'),
    });
    this.#plain.configure({ 'schemas.enable': 'false' });
    this.#json.configure(config.withPrefix('json.'));
  }

  write(topic: string, headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    if (schema === null || value === null) return false;
    const parts =
      this.#from.global === 'header'
        ? this.#partsOfHeaders(headers, schema, value)
        : this.#partsOfEnvelope(headers, schema, value);
    if (parts === undefined) return false;
    const attributes = JSON.stringify(this.#attributes(headers, parts));
    out.utf8(`${attributes.slice(0, -1)},"data":`);
    this.#json.write(topic, headers, parts.data.schema, parts.data.value, out);
    out.utf8('}');
    return true;
  }

  /** The event as a map without a schema. */
  read(topic: string, headers: Headers, bytes: Buffer | null): SchemaAndValue {
    return this.#plain.read(topic, headers, bytes);
  }

  #attributes(headers: Headers, parts: Parts): Record<string, string | number | null> {
    const { source, op, transaction } = parts;
    const connector = textAt(source, 'connector');
    const millis = source.get('ts_ms');
    const attributes: Record<string, string | number | null> = {
      id: this.#metadata(headers, 'id', () => eventId(source)),
      source: `/debezium/${connector}/${textAt(source, 'name')}`,
      specversion: '1.0',
      type: this.#metadata(headers, 'type', () => `io.debezium.connector.${connector}.DataChangeEvent`),
      time: new Date(Number(millis)).toISOString(),
      datacontenttype: 'application/json',
    };
    if (this.#tracing) attributes['traceparent'] = this.#traceParent(headers);
    if (!this.#extensions) return attributes;
    attributes[`${EXTENSION}op`] = op;
    for (const { name } of source.schema.fields) attributes[extensionName(name)] = extension(source, name);
    for (const name of TRANSACTION_FIELDS)
      attributes[extensionName(`tx${name}`)] = transaction === null ? null : extension(transaction, name);
    return attributes;
  }

  /** Of the attributes that every event has. */
  #metadata(headers: Headers, name: 'id' | 'type', generated: () => string): string {
    const from = sourceOf(this.#from, name);
    if (from === 'generate') return generated();
    // As in Debezium, a row knows neither.
    return from === 'header' ? requiredHeader(headers, name) : missing(name);
  }

  #traceParent(headers: Headers): string {
    if (sourceOf(this.#from, 'traceparent') === 'header')
      return headerText(headers, 'traceparent') ?? missing('traceparent');
    throw bytesError(
      "Value for `traceparent` CloudEvents field currently can't be obtained from a record value and can only be obtained from a record header",
    );
  }

  #dataSchemaName(headers: Headers, source: Struct): string {
    return sourceOf(this.#from, 'dataSchemaName') === 'header'
      ? requiredHeader(headers, 'dataSchemaName')
      : `io.debezium.connector.${textAt(source, 'connector')}.Data`;
  }

  #partsOfEnvelope(headers: Headers, schema: Schema, value: unknown): Parts | undefined {
    if (!isEnvelope(schema) || !(value instanceof Struct)) return undefined;
    const source = value.getRaw('source');
    if (!(source instanceof Struct)) return undefined;
    const data = this.#dataSchema(schema, ENVELOPE_DATA, this.#dataSchemaName(headers, source));
    const transaction = schema.field('transaction') ? value.getRaw('transaction') : null;
    return {
      source,
      op: textAt(value, 'op'),
      transaction: transaction instanceof Struct ? transaction : null,
      data: { schema: data, value: rowOf(value, data) },
    };
  }

  /** Of records that a transform has unwrapped, which left the metadata in headers. */
  #partsOfHeaders(headers: Headers, schema: Schema, value: unknown): Parts | undefined {
    const last = (name: string): unknown => headers.findLast((header) => header.key === name)?.value;
    const source = last('source');
    const op = last('op');
    if (!(source instanceof Struct) || typeof op !== 'string') return undefined;
    if (!(value instanceof Struct)) throw bytesError('Mismatching schema');
    const transaction = last('transaction');
    const names = schema.fields.map((field) => field.name);
    const data = this.#dataSchema(schema, names, this.#dataSchemaName(headers, source));
    return {
      source,
      op,
      transaction: transaction instanceof Struct ? transaction : null,
      data: { schema: data, value: rowOf(value, data) },
    };
  }

  #dataSchema(record: Schema, names: readonly string[], name: string): Schema {
    const known = this.#dataSchemas.get(record) ?? new Map<string, Schema>();
    this.#dataSchemas.set(record, known);
    const found = known.get(name);
    if (found !== undefined) return found;
    const fields = names.flatMap((field) => {
      const own = record.field(field);
      return own ? [[field, own.schema] as const] : [];
    });
    const made = structSchema(fields, { name });
    if (known.size < 100) known.set(name, made);
    return made;
  }
}

const ENVELOPE_DATA = ['before', 'after'];

function rowOf(value: Struct, schema: Schema): Struct {
  return new ArrayStruct(
    schema,
    schema.fields.map((field) => value.getRaw(field.name)),
  );
}

/** `metadata.source`: the first entry counts for what the others do not name. */
interface MetadataSources {
  readonly global: 'value' | 'header';
  readonly fields: ReadonlyMap<string, 'header' | 'generate'>;
}

const METADATA_FIELDS = ['id', 'type', 'traceparent', 'dataSchemaName'];

const sourceOf = ({ global, fields }: MetadataSources, name: string): 'value' | 'header' | 'generate' =>
  fields.get(name) ?? global;

/** Headers of the fields in `enabled` are looked at only where that is asked for as well. @throws config.invalid */
function metadataSources(
  [first = '', ...others]: readonly string[],
  enabled: Readonly<Record<string, boolean>>,
): MetadataSources {
  const global = first.trim().toLowerCase();
  if (global !== 'value' && global !== 'header')
    throw wrongSource(`Global metadata source can't be ${global.toUpperCase()}`);
  const fields = new Map<string, 'header' | 'generate'>();
  for (const entry of others) {
    const [name = '', from = ''] = entry.split(':');
    const source = from.trim().toLowerCase();
    if (source === 'value') throw wrongSource("Field metadata source can't be VALUE");
    if (source !== 'header' && source !== 'generate')
      throw wrongSource(`Field source \`${from}\` is not valid`);
    if (!METADATA_FIELDS.includes(name))
      throw wrongSource(`Field \`${name}\` is not allowed to set custom source`);
    fields.set(name, source);
  }
  for (const [name, isOn] of Object.entries(enabled))
    if (!isOn && (fields.get(name) ?? global) === 'header') fields.set(name, 'generate');
  return { global, fields };
}

function wrongSource(text: string): MillraceError {
  return new MillraceError('config.invalid', text, {
    configKey: 'metadata.source',
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}

function headerText(headers: Headers, name: string): string | undefined {
  const header = headers.findLast((each) => each.key === name);
  return header === undefined ? undefined : javaToString(header.value, header.schema);
}

function requiredHeader(headers: Headers, name: string): string {
  const text = headerText(headers, name);
  if (text !== undefined) return text;
  throw causedBy('io.debezium.DebeziumException', `Header \`${name}\` was not provided`);
}

function missing(name: string): never {
  throw bytesError(`Invalid value: null used for required field: "${name}", schema type: STRING`);
}

function refuseAvro(events: string, data: string): void {
  if (events === 'json' && data === 'json') return;
  const isWithinAvro = data === 'json';
  throw new MillraceError(
    'config.invalid',
    isWithinAvro
      ? "Cannot use 'application/json' data content type within Avro events"
      : 'Need URL(s) for schema registry instances for CloudEvents when using Apache Avro',
    {
      configKey: isWithinAvro ? 'serializer.type' : 'data.serializer.type',
      hint: 'Use json for both: Avro needs a schema registry.',
      javaClass: isWithinAvro
        ? 'java.lang.IllegalStateException'
        : 'org.apache.kafka.connect.errors.DataException',
    },
  );
}

/** What tells events apart, by connector. */
function eventId(source: Struct): string {
  const parts = source.schema.field('lsn') ? ['name', 'lsn', 'txId', 'sequence'] : ['name', 'file', 'pos'];
  return parts.map((name) => `${name}:${textAt(source, name)}`).join(';');
}

function textAt(struct: Struct, name: string): string {
  const field = struct.schema.field(name);
  return field ? javaToString(struct.get(name), field.schema) : 'null';
}

/** CloudEvents has no 64-bit integers: they are texts. */
function extension(struct: Struct, name: string): string | number | null {
  const field = struct.schema.field(name);
  const value = field ? struct.get(name) : null;
  if (value === null || value === undefined) return null;
  return typeof value === 'number' && field?.schema.type !== 'int64' ? value : textAt(struct, name);
}

/** Attributes have letters and digits alone. */
function extensionName(field: string): string {
  return EXTENSION + field.replaceAll(/[^A-Za-z0-9]/g, '');
}
