// org.apache.kafka.connect.transforms.InsertField$Key/$Value: adds a record's coordinates or a constant as fields.
import { type ConnectRecord, SinkRecord, type Transformation } from '@millrace/connect-api';
import { INT32, INT64, optional, type Schema, STRING, semantic } from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { recordError, settingError } from './errors.ts';
import {
  basicsOf,
  buildStruct,
  fieldPairs,
  fieldValue,
  requireMap,
  requireStruct,
  SchemaCache,
  type SideName,
  schemaOf,
  structOf,
  valueOf,
  withSide,
} from './side.ts';
import { parseSettings } from './validated-config.ts';

const PURPOSE = 'field insertion';
const FIELD_NOTE =
  'Suffix with <code>!</code> to make this a required field, or <code>?</code> to keep it optional (the default).';

export const insertFieldConfig: ConfigDef = new ConfigDef([
  {
    name: 'topic.field',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    doc: `Field name for Kafka topic. ${FIELD_NOTE}`,
  },
  {
    name: 'partition.field',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    doc: `Field name for Kafka partition. ${FIELD_NOTE}`,
  },
  {
    name: 'offset.field',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    doc: `Field name for Kafka offset - only applicable to sink connectors.<br/>${FIELD_NOTE}`,
  },
  {
    name: 'timestamp.field',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    doc: `Field name for record timestamp. ${FIELD_NOTE}`,
  },
  {
    name: 'static.field',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    doc: `Field name for static data field. ${FIELD_NOTE}`,
  },
  {
    name: 'static.value',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    doc: 'Static field value, if field name configured.',
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

/** A field to add: its name, its schema and where its value comes from. */
interface Insertion {
  readonly name: string;
  readonly schema: Schema;
  readonly valueIn: (record: ConnectRecord) => unknown;
}

/** The order in which Connect adds them. */
const SOURCES: readonly { key: string; schema: Schema; valueIn: (record: ConnectRecord) => unknown }[] = [
  { key: 'topic.field', schema: STRING, valueIn: (record) => record.topic },
  { key: 'partition.field', schema: INT32, valueIn: (record) => record.kafkaPartition },
  { key: 'offset.field', schema: INT64, valueIn: offsetOf },
  {
    key: 'timestamp.field',
    schema: semantic('org.apache.kafka.connect.data.Timestamp'),
    valueIn: (record) => record.timestamp,
  },
];

function offsetOf(record: ConnectRecord): number {
  if (record instanceof SinkRecord) return record.kafkaOffset;
  throw recordError(
    `Only SinkRecord supported for [${PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord`,
  );
}

export class InsertField implements Transformation {
  readonly #side: SideName;
  #insertions: readonly Insertion[] = [];
  #fillDefaults = true;
  #schemas = new SchemaCache((schema) => this.#extend(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(insertFieldConfig, settings);
    const insertions: Insertion[] = [];
    for (const { key, schema, valueIn } of SOURCES) {
      const spec = config.optionalString(key);
      if (spec !== undefined) insertions.push(insertion(spec, schema, valueIn));
    }
    const staticField = config.optionalString('static.field');
    if (staticField !== undefined) {
      const staticValue = config.optionalString('static.value');
      if (staticValue === undefined) {
        throw settingError(
          'static.value',
          `Invalid value null for configuration static.value: No value specified for static field: ${staticField}`,
        );
      }
      insertions.push(insertion(staticField, STRING, () => staticValue));
    }
    if (insertions.length === 0) {
      throw new MillraceError('config.invalid', 'No field insertion configured', {
        javaClass: 'org.apache.kafka.common.config.ConfigException',
        hint: 'Set one of topic.field, partition.field, offset.field, timestamp.field or static.field.',
      });
    }
    this.#insertions = insertions;
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#schemas = new SchemaCache((schema) => this.#extend(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    if (value === null) return record;
    const schema = schemaOf(this.#side, record);
    if (schema === null)
      return withSide(this.#side, record, null, this.#applyMap(record, requireMap(value, PURPOSE)));
    const struct = requireStruct(value, PURPOSE);
    const extended = this.#schemas.of(struct.schema);
    const values = struct.schema.fields.map((field) => fieldValue(struct, field.index, this.#fillDefaults));
    for (const each of this.#insertions) values.push(each.valueIn(record));
    return withSide(this.#side, record, extended, structOf(extended, values));
  }

  #applyMap(record: ConnectRecord, map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
    const result = new Map(map);
    for (const { name, schema, valueIn } of this.#insertions) {
      const value = valueIn(record);
      if (value !== null || !schema.optional) result.set(name, value);
    }
    return result;
  }

  #extend(schema: Schema): Schema {
    return buildStruct(
      [...fieldPairs(schema), ...this.#insertions.map((each) => [each.name, each.schema] as const)],
      basicsOf(schema),
    );
  }
}

function insertion(spec: string, schema: Schema, valueIn: (record: ConnectRecord) => unknown): Insertion {
  const required = spec.endsWith('!');
  const name = required || spec.endsWith('?') ? spec.slice(0, -1) : spec;
  return { name, schema: required ? schema : optional(schema), valueIn };
}
