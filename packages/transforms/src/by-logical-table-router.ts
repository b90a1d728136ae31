// io.debezium.transforms.ByLogicalTableRouter: sends the events of several physical tables to one topic, under schema
// names of that topic and with keys that tell the tables apart.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import {
  adjustSchemaName,
  isEnvelope,
  type NameAdjustmentMode,
  RawRow,
  type RowLayout,
  type Schema,
  STRING,
  Struct,
} from '@millrace/data';
import {
  ConfigDef,
  type ConfigKey,
  javaRewrite,
  type RawConfig,
  type Rewrite,
  validators,
} from '@millrace/foundation';
import { validRegex } from './config-keys.ts';
import { recordError } from './errors.ts';
import { basicsOf, buildStruct, fieldPairs, requireStruct, SchemaCache, structOf } from './side.ts';
import { unableToValidate, validated } from './validated-config.ts';

const PURPOSE = 'Updating schema';
const CACHED_TOPICS = 1000;

function key(name: string, displayName: string, doc: string, rest: Partial<ConfigKey> = {}): ConfigKey {
  return {
    name,
    type: 'STRING',
    default: null,
    importance: 'LOW',
    width: 'LONG',
    displayName,
    doc,
    orderInGroup: 1,
    ...rest,
  };
}

const required: NonNullable<ConfigKey['validator']> = (value) =>
  value === null || String(value).trim() === '' ? 'A value is required' : undefined;

export const byLogicalTableRouterConfig: ConfigDef = new ConfigDef([
  key(
    'topic.regex',
    'Topic regex',
    'The regex used for extracting the name of the logical table from the original topic name.',
    { validator: (value, name) => required(value, name) ?? validRegex(value, name) },
  ),
  key(
    'topic.replacement',
    'Topic replacement',
    'The replacement string used in conjunction with topic.regex. This will be used to create the new topic name.',
    { validator: required },
  ),
  key(
    'key.enforce.uniqueness',
    'Add source topic name into key',
    'Whether each key gets a field that says which physical table the event came from.',
    { type: 'BOOLEAN', default: true, width: 'SHORT' },
  ),
  key(
    'key.field.regex',
    'Key field regex',
    'The regex used for extracting the physical table identifier from the original topic name.',
    { validator: (value, name) => (value === null ? undefined : validRegex(value, name)) },
  ),
  key(
    'key.field.replacement',
    'Key field replacement',
    'The replacement string used in conjunction with key.field.regex: the physical table identifier in the key.',
  ),
  key(
    'logical.table.cache.size',
    'Logical table cache size',
    'Read and without effect: the schemas of the tables that are in use are kept.',
    { type: 'INT', default: 16 },
  ),
  // These two work in Debezium without being listed.
  key('key.field.name', 'Key field name', 'The name of the field that is added to the key.', {
    default: '__dbz__physicalTableIdentifier',
    internal: true,
  }),
  key('schema.name.adjustment.mode', 'Schema name adjustment', 'How schema names are made valid.', {
    default: 'none',
    validator: validators.oneOf('none', 'avro', 'avro_unicode'),
    internal: true,
  }),
]);

/** Where a topic's events go and how the table is called in their keys. */
interface Route {
  readonly topic: string;
  readonly identifier: string;
  readonly keys: SchemaCache<Schema>;
  readonly envelopes: SchemaCache<Schema>;
  readonly layouts: WeakMap<RowLayout, RowLayout>;
}

export class ByLogicalTableRouter implements Transformation {
  #topic: Rewrite = () => undefined;
  #identifier: Rewrite = () => undefined;
  #keyField: string | undefined;
  #adjustment: NameAdjustmentMode = 'none';
  /** By topic; null for topics that are left alone. */
  #routes = new Map<string, Route | null>();

  configure(settings: RawConfig): void {
    const config = validated(byLogicalTableRouterConfig, settings);
    this.#topic = javaRewrite(config.string('topic.regex'), config.string('topic.replacement'));
    const keyRegex = config.optionalString('key.field.regex') ?? '';
    const keyReplacement = config.optionalString('key.field.replacement') ?? '';
    if (keyRegex !== '' && keyReplacement === '') {
      throw unableToValidate(
        'key.field.replacement must be non-empty if key.field.regex is set.',
        'key.field.replacement',
      );
    }
    this.#identifier = keyRegex === '' ? () => undefined : javaRewrite(keyRegex, keyReplacement);
    this.#keyField = config.boolean('key.enforce.uniqueness') ? config.string('key.field.name') : undefined;
    this.#adjustment = config.string('schema.name.adjustment.mode') as NameAdjustmentMode;
    this.#routes = new Map();
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const route = this.#routeOf(record.topic);
    if (!route) return record;
    const { topic } = route;
    const keyed = { topic, ...this.#keyOf(record, route) };
    if (record.value === null || !isEnvelope(record.valueSchema)) return record.with(keyed);
    const envelope = requireStruct(record.value, PURPOSE, record.valueSchema);
    const valueSchema = route.envelopes.of(envelope.schema);
    return record.with({ ...keyed, valueSchema, value: renamed(valueSchema, envelope, route.layouts) });
  }

  #routeOf(topic: string): Route | null {
    let route = this.#routes.get(topic);
    if (route === undefined) {
      route = this.#makeRoute(topic);
      if (this.#routes.size < CACHED_TOPICS) this.#routes.set(topic, route);
    }
    return route;
  }

  #makeRoute(from: string): Route | null {
    const topic = this.#topic(from) ?? '';
    if (topic === '') return null;
    return {
      topic,
      identifier: this.#identifier(from) ?? from,
      keys: new SchemaCache((schema) => this.#keySchema(schema, topic)),
      envelopes: new SchemaCache((schema) => this.#envelopeSchema(schema, topic)),
      layouts: new WeakMap(),
    };
  }

  #keyOf(record: ConnectRecord, route: Route): { keySchema: Schema | null; key: unknown } {
    if (record.key === null) return { keySchema: null, key: null };
    const key = requireStruct(record.key, PURPOSE, record.keySchema);
    const keySchema = route.keys.of(key.schema);
    const values = key.toArray();
    if (this.#keyField !== undefined) values.push(route.identifier);
    return { keySchema, key: structOf(keySchema, values) };
  }

  #keySchema(schema: Schema, topic: string): Schema {
    const fields = fieldPairs(schema);
    if (this.#keyField !== undefined) fields.push([this.#keyField, STRING]);
    return buildStruct(fields, {
      ...basicsOf(schema),
      optional: schema.optional,
      name: this.#nameOf(topic, 'Key'),
    });
  }

  #envelopeSchema(schema: Schema, topic: string): Schema {
    const row = schema.field('before')?.schema ?? schema.field('after')?.schema;
    if (row?.type !== 'struct') throw recordError('Cannot list fields on non-struct type');
    const renamedRow = row.with({ name: this.#nameOf(topic, 'Value') });
    return buildStruct(
      fieldPairs(schema).map(([name, field]) =>
        name === 'before' || name === 'after' ? ([name, renamedRow] as const) : ([name, field] as const),
      ),
      { ...basicsOf(schema), name: this.#nameOf(topic, 'Envelope') },
    );
  }

  #nameOf(topic: string, ending: string): string {
    return adjustSchemaName(`${topic}.${ending}`, this.#adjustment);
  }
}

/** The event under the renamed schema, its rows too; raw rows stay raw. */
function renamed(schema: Schema, envelope: Struct, layouts: WeakMap<RowLayout, RowLayout>): Struct {
  const values = schema.fields.map(({ name, index, schema: field }) => {
    const value = envelope.at(index);
    if (name !== 'before' && name !== 'after') return value;
    if (value instanceof RawRow) {
      let layout = layouts.get(value.layout);
      if (!layout) {
        layout = { schema: field, fields: value.layout.fields };
        layouts.set(value.layout, layout);
      }
      return new RawRow(layout, value.bytes, value.index, value.base);
    }
    return value instanceof Struct ? structOf(field, value.toArray()) : value;
  });
  return structOf(schema, values);
}
