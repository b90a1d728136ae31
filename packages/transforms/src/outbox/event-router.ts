// io.debezium.transforms.outbox.EventRouter: a row inserted into an outbox table becomes the event it describes.
import { type ConnectRecord, type Header, SinkRecord, type Transformation } from '@millrace/connect-api';
import {
  adjustNamePart,
  isEnvelope,
  javaToString,
  type NameAdjustmentMode,
  type Schema,
  type SchemaType,
  STRING,
  Struct,
} from '@millrace/data';
import {
  CONNECT_EXCEPTION,
  type ConfigDef,
  javaRewrite,
  type RawConfig,
  type ResolvedConfig,
  type Rewrite,
} from '@millrace/foundation';
import { noSuchField, recordError } from '../errors.ts';
import { buildStruct, requireStruct, SchemaCache, structOf } from '../side.ts';
import { validatedByKey } from '../validated-config.ts';
import { JsonPayload } from './json-payload.ts';
import { outboxConfig, type Placement, parsePlacements } from './outbox-config.ts';

export const eventRouterConfig: ConfigDef = outboxConfig('table');
const CACHED_TOPICS = 1000;

/** Divisors to milliseconds by the name of the timestamp's type. */
const MILLIS: Readonly<Record<string, number>> = {
  'io.debezium.time.Timestamp': 1,
  'io.debezium.time.MicroTimestamp': 1000,
  'io.debezium.time.NanoTimestamp': 1_000_000,
};

/** Turns the `after` of an event into the outbox row; for tables it is that already. */
export type ReadOutboxRow = (event: Struct) => unknown;

const rowOf: ReadOutboxRow = (event) => event.getRaw('after');

/** What both routers do. `prefix` is that of the setting names. */
export class OutboxRouter implements Transformation {
  readonly #def: ConfigDef;
  readonly #prefix: 'table' | 'collection';
  readonly #read: ReadOutboxRow;
  #settings: Settings | undefined;

  constructor(def: ConfigDef, prefix: 'table' | 'collection', read: ReadOutboxRow) {
    this.#def = def;
    this.#prefix = prefix;
    this.#read = read;
  }

  configure(raw: RawConfig): void {
    this.#settings = new Settings(validatedByKey(this.#def, raw), this.#prefix);
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const settings = this.#settings;
    if (!settings) throw new Error('configure comes first');
    if (record.value === null) return null;
    if (!isEnvelope(record.valueSchema)) return record;
    const event = requireStruct(record.value, 'Detect Debezium Operation', record.valueSchema);
    const op = event.schema.field('op') ? event.getRaw('op') : null;
    if (op === 'd') return null;
    if (op === 'u') {
      if (!settings.updatesFail) return null;
      const shown = javaToString(record.key, record.keySchema);
      throw recordError(
        `Unexpected update message received ${shown}, fail.`,
        'java.lang.IllegalStateException',
      );
    }
    if (record instanceof SinkRecord) {
      throw recordError(
        'The outbox router works on records of a source connector; a sink cannot change the partition.',
        'java.lang.NullPointerException',
      );
    }
    const row = requireStruct(this.#read(event), 'Read Outbox Event');
    return settings.route(record, event, row);
  }
}

export class EventRouter extends OutboxRouter {
  constructor() {
    super(eventRouterConfig, 'table', rowOf);
  }
}

class Settings {
  readonly updatesFail: boolean;
  readonly #id: string;
  readonly #key: string | undefined;
  readonly #timestamp: string | undefined;
  readonly #payload: string;
  readonly #version: string | undefined;
  readonly #routeBy: string;
  readonly #rewrite: Rewrite;
  readonly #tombstones: boolean;
  readonly #placements: readonly Placement[];
  readonly #hasEnvelope: boolean;
  readonly #missingIsError: boolean;
  readonly #json: JsonPayload | undefined;
  readonly #topics = new Map<string, string>();
  /** Row schema -> payload schema -> envelope schema by routed value and version. */
  readonly #envelopes = new SchemaCache(
    (_row: Schema) => new SchemaCache((_payload: Schema) => new Map<string, Schema>()),
  );

  constructor(config: ResolvedConfig, prefix: 'table' | 'collection') {
    this.updatesFail = config.string('table.op.invalid.behavior').toLowerCase() === 'fatal';
    this.#id = config.string(`${prefix}.field.event.id`);
    this.#key = config.optionalString(`${prefix}.field.event.key`);
    this.#timestamp = config.optionalString(`${prefix}.field.event.timestamp`);
    this.#payload = config.string(`${prefix}.field.event.payload`);
    this.#version = config.optionalString(`${prefix}.field.event.schema.version`);
    this.#routeBy = config.string('route.by.field');
    this.#rewrite = javaRewrite(config.string('route.topic.regex'), config.string('route.topic.replacement'));
    this.#tombstones = config.boolean('route.tombstone.on.empty.payload');
    this.#placements = parsePlacements(config.list(`${prefix}.fields.additional.placement`)) ?? [];
    this.#hasEnvelope = this.#placements.some(({ place }) => place === 'envelope');
    this.#missingIsError = config.string(`${prefix}.field.additional.missing`).toLowerCase() === 'error';
    if (config.boolean(`${prefix}.expand.json.payload`)) {
      const nulls =
        prefix === 'table' &&
        config.string('table.json.payload.null.behavior').toLowerCase() === 'optional_bytes';
      const mode = adjustmentOf(config.raw['field.name.adjustment.mode']);
      this.#json = new JsonPayload(nulls ? 'optional_bytes' : 'ignore', (name) => adjustNamePart(name, mode));
    }
  }

  route<R extends ConnectRecord>(record: R, event: Struct, row: Struct): R {
    const payloadField = row.schema.field(this.#payload);
    if (!payloadField) {
      throw recordError(`Unable to find payload field ${this.#payload} in event`, CONNECT_EXCEPTION);
    }
    const timestamp = this.#timestampOf(event, row);
    const idField = row.schema.field(this.#id);
    if (!idField) throw noSuchField(this.#id);
    const headers: Header[] = [
      ...record.headers,
      { key: 'id', schema: idField.schema, value: row.get(this.#id) },
    ];
    let payload: unknown = row.get(this.#payload);
    let payloadSchema: Schema | null = payloadField.schema;
    if (this.#json && typeof payload === 'string') {
      const expanded = this.#json.expand(this.#payload, payload);
      if (expanded) ({ schema: payloadSchema, value: payload } = expanded);
    }
    const topic = typed(row, this.#routeBy, 'string');
    const envelopeSchema = this.#hasEnvelope ? this.#envelopeSchema(row, payloadSchema, topic) : undefined;
    if (envelopeSchema) requireFit(payload, payloadSchema);
    const values: unknown[] = [payload];
    let partition: number | null = null;
    for (const { field, place, alias } of this.#placements) {
      const column = row.schema.field(field);
      if (!column) {
        if (!this.#missingIsError) continue;
        throw noSuchField(field);
      }
      if (place === 'envelope') values.push(row.get(field));
      else if (place === 'header') headers.push({ key: alias, schema: column.schema, value: row.get(field) });
      else partition = typed(row, field, 'int32') as number | null;
    }
    const isEmpty = payload === null || (typeof payload === 'string' && payload.trim() === '');
    const value = isEmpty && this.#tombstones ? { valueSchema: null, value: null } : undefined;
    if (typeof topic !== 'string') {
      throw recordError(
        `The field ${this.#routeBy} that names the topic is null`,
        'java.lang.NullPointerException',
      );
    }
    return record.with({
      topic: this.#topicOf(topic),
      kafkaPartition: partition,
      ...this.#keyOf(row),
      ...(value ??
        (envelopeSchema
          ? { valueSchema: envelopeSchema, value: structOf(envelopeSchema, values) }
          : { valueSchema: payloadSchema, value: payload })),
      timestamp,
      headers,
    });
  }

  #keyOf(row: Struct): { keySchema: Schema; key: unknown } {
    if (this.#key === undefined) return { keySchema: STRING, key: null };
    const field = row.schema.field(this.#key);
    if (!field) throw noSuchField(this.#key);
    return { keySchema: field.schema, key: row.get(this.#key) };
  }

  #timestampOf(event: Struct, row: Struct): number | null {
    const fallback = event.schema.field('ts_ms') ? (event.get('ts_ms') as number | null) : null;
    if (this.#timestamp === undefined) return fallback;
    const field = row.schema.field(this.#timestamp);
    if (!field) {
      throw recordError(`Unable to find timestamp field ${this.#timestamp} in event`, CONNECT_EXCEPTION);
    }
    const value = typed(row, this.#timestamp, 'int64') as number | bigint | null;
    if (value === null) return fallback;
    const { name, type } = field.schema;
    if (name === null) {
      throw recordError(
        `Unsupported field type ${type.toUpperCase()} (without logical schema name) for event timestamp`,
        CONNECT_EXCEPTION,
      );
    }
    const divisor = MILLIS[name];
    if (divisor === undefined) {
      throw recordError(`Unsupported field type ${name} for event timestamp`, CONNECT_EXCEPTION);
    }
    return Number(BigInt(value) / BigInt(divisor));
  }

  #topicOf(routed: string): string {
    let topic = this.#topics.get(routed);
    if (topic === undefined) {
      topic = this.#rewrite(routed) ?? routed;
      if (this.#topics.size < CACHED_TOPICS) this.#topics.set(routed, topic);
    }
    return topic;
  }

  #envelopeSchema(row: Struct, payload: Schema | null, routed: unknown): Schema {
    const payloadSchema = payload ?? STRING;
    const version =
      this.#version === undefined ? null : (typed(row, this.#version, 'int32') as number | null);
    const known = this.#envelopes.of(row.schema).of(payloadSchema);
    const id = `${String(version)} ${String(routed)}`;
    let schema = known.get(id);
    if (!schema) {
      schema = this.#buildEnvelope(row.schema, payloadSchema, String(routed), version);
      if (known.size < CACHED_TOPICS) known.set(id, schema);
    }
    return schema;
  }

  #buildEnvelope(row: Schema, payload: Schema, routed: string, version: number | null): Schema {
    const fields: (readonly [string, Schema])[] = [['payload', payload]];
    for (const { field, place, alias } of this.#placements) {
      if (place !== 'envelope') continue;
      const column = row.field(field);
      if (column) fields.push([alias, column.schema]);
      else if (this.#missingIsError)
        throw recordError(`Unable to find field ${field} in event`, CONNECT_EXCEPTION);
    }
    return buildStruct(fields, { name: envelopeName(row.name, routed), version });
  }
}

/** The row's schema name with the routed value before its last part. */
function envelopeName(row: string | null, routed: string): string {
  if (row === null) return routed;
  const dot = row.lastIndexOf('.');
  return dot < 0 ? `${routed}.${row}` : `${row.slice(0, dot + 1)}${routed}.${row.slice(dot + 1)}`;
}

function adjustmentOf(mode: string | null | undefined): NameAdjustmentMode {
  return mode === 'avro' || mode === 'avro_unicode' ? mode : 'none';
}

/** A field's value that must be of a type, as `Struct.getString`, `getInt32` and `getInt64`. */
function typed(row: Struct, name: string, type: SchemaType): unknown {
  const field = row.schema.field(name);
  if (!field) throw noSuchField(name);
  if (field.schema.type !== type) {
    throw recordError(`Field '${name}' is not of type ${type.toUpperCase()}`);
  }
  return row.get(name);
}

/** Text under the schema of an object cannot be put into an envelope. */
function requireFit(payload: unknown, schema: Schema | null): void {
  if (typeof payload !== 'string' || schema === null || schema.type === 'string') return;
  throw recordError(
    `Invalid Java object for schema "${schema.name ?? 'null'}" with type ${schema.type.toUpperCase()}: class java.lang.String for field: "payload"`,
  );
}
