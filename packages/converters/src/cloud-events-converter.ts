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
  key('opentelemetry.tracing.attributes.enable', 'BOOLEAN', false, 'Accepted without effect.'),
  key('schema.name.adjustment.mode', 'STRING', 'avro', 'Accepted: names of schemas do not show in JSON.'),
  key('schema.cloudevents.name', 'STRING', null, 'Accepted: the name of the schema does not show in JSON.'),
  key(
    'schema.data.name.source.header.enable',
    'BOOLEAN',
    false,
    'Take the name of the schema of the data from the header dataSchemaName.',
  ),
  key(
    'metadata.source',
    'LIST',
    ['value', 'id:generate', 'type:generate', 'traceparent:header', 'dataSchemaName:generate'],
    'Where metadata come from: value or header for source, operation and transaction; id:, type: and dataSchemaName: with generate or header.',
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
  /** What is taken from headers: `source` (with operation and transaction), `id`, `type`, `dataSchemaName`. */
  #fromHeaders: ReadonlySet<string> = new Set();
  /** By envelope schema. */
  readonly #dataSchemas = new WeakMap<Schema, Map<string, Schema>>();

  configure(settings: RawConfig): void {
    const { config } = cloudEventsConverterConfig.parseOrThrow(settings, () => true);
    refuseAvro(config.string('serializer.type'), config.string('data.serializer.type'));
    this.#extensions = config.boolean('extension.attributes.enable');
    const fromHeaders = new Set<string>();
    for (const entry of config.list('metadata.source')) {
      const [name = '', from] = entry.split(':');
      if (from === undefined ? name === 'header' : from === 'header')
        fromHeaders.add(from === undefined ? 'source' : name);
    }
    this.#fromHeaders = fromHeaders;
    this.#plain.configure({ 'schemas.enable': 'false' });
    this.#json.configure(config.withPrefix('json.'));
  }

  write(topic: string, headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    if (schema === null || value === null) return false;
    const parts = this.#fromHeaders.has('source')
      ? partsOfHeaders(headers, schema, value)
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
      id: this.#header(headers, 'id') ?? eventId(source),
      source: `/debezium/${connector}/${textAt(source, 'name')}`,
      specversion: '1.0',
      type: this.#header(headers, 'type') ?? `io.debezium.connector.${connector}.DataChangeEvent`,
      time: new Date(Number(millis)).toISOString(),
      datacontenttype: 'application/json',
    };
    if (!this.#extensions) return attributes;
    attributes[`${EXTENSION}op`] = op;
    for (const { name } of source.schema.fields) attributes[extensionName(name)] = extension(source, name);
    for (const name of TRANSACTION_FIELDS)
      attributes[extensionName(`tx${name}`)] = transaction === null ? null : extension(transaction, name);
    return attributes;
  }

  #header(headers: Headers, name: string): string | undefined {
    if (!this.#fromHeaders.has(name)) return undefined;
    const header = headers.findLast((each) => each.key === name);
    return header === undefined ? undefined : javaToString(header.value, header.schema);
  }

  #partsOfEnvelope(headers: Headers, schema: Schema, value: unknown): Parts | undefined {
    if (!isEnvelope(schema) || !(value instanceof Struct)) return undefined;
    const source = value.getRaw('source');
    if (!(source instanceof Struct)) return undefined;
    const name =
      this.#header(headers, 'dataSchemaName') ?? `io.debezium.connector.${textAt(source, 'connector')}.Data`;
    const data = this.#dataSchema(schema, name);
    const transaction = schema.field('transaction') ? value.getRaw('transaction') : null;
    return {
      source,
      op: textAt(value, 'op'),
      transaction: transaction instanceof Struct ? transaction : null,
      data: {
        schema: data,
        value: new ArrayStruct(
          data,
          data.fields.map((field) => value.getRaw(field.name)),
        ),
      },
    };
  }

  #dataSchema(envelope: Schema, name: string): Schema {
    const known = this.#dataSchemas.get(envelope) ?? new Map<string, Schema>();
    this.#dataSchemas.set(envelope, known);
    const found = known.get(name);
    if (found !== undefined) return found;
    const fields = ['before', 'after'].flatMap((field) => {
      const own = envelope.field(field);
      return own ? [[field, own.schema] as const] : [];
    });
    const made = structSchema(fields, { name });
    if (known.size < 100) known.set(name, made);
    return made;
  }
}

/** Of records that a transform has unwrapped, which left the metadata in headers. */
function partsOfHeaders(headers: Headers, schema: Schema, value: unknown): Parts | undefined {
  const last = (name: string): unknown => headers.findLast((header) => header.key === name)?.value;
  const source = last('source');
  const op = last('op');
  if (!(source instanceof Struct) || typeof op !== 'string') return undefined;
  const transaction = last('transaction');
  return {
    source,
    op,
    transaction: transaction instanceof Struct ? transaction : null,
    data: { schema, value },
  };
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
