// org.apache.kafka.connect.transforms.HeaderFrom$Key/$Value: moves or copies fields into headers.
import type { ConnectRecord, Header, Transformation } from '@millrace/connect-api';
import type { Schema, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig, validators } from '@millrace/foundation';
import { nonEmptyList, REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { recordError, settingError } from './errors.ts';
import {
  basicsOf,
  buildStruct,
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

export const headerFromConfig: ConfigDef = new ConfigDef([
  {
    name: 'fields',
    type: 'LIST',
    importance: 'HIGH',
    doc: 'Comma-separated list of field names in the record whose values are to be copied or moved to headers.',
    validator: nonEmptyList,
  },
  {
    name: 'headers',
    type: 'LIST',
    importance: 'HIGH',
    doc: 'Comma-separated list of header names, in the same order as the field names listed in the fields configuration property.',
    validator: nonEmptyList,
  },
  {
    name: 'operation',
    type: 'STRING',
    importance: 'HIGH',
    doc: 'Either <code>move</code> if the fields are to be moved to the headers (removed from the key/value), or <code>copy</code> if the fields are to be copied to the headers (retained in the key/value).',
    validator: validators.oneOf('move', 'copy'),
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

export class HeaderFrom implements Transformation {
  readonly #side: SideName;
  #fields: readonly string[] = [];
  #headers: readonly string[] = [];
  #moves = false;
  #purpose = '';
  #fillDefaults = true;
  #rest = new SchemaCache((schema) => this.#without(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(headerFromConfig, settings);
    this.#fields = config.list('fields');
    this.#headers = config.list('headers');
    if (this.#fields.length !== this.#headers.length) {
      throw settingError(
        'headers',
        "'fields' config must have the same number of elements as 'headers' config.",
      );
    }
    this.#moves = config.string('operation') === 'move';
    this.#purpose = `header ${config.string('operation')}`;
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#rest = new SchemaCache((schema) => this.#without(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    const schema = schemaOf(this.#side, record);
    if (schema === null) return this.#fromMap(record, requireMap(value, this.#purpose));
    const struct = requireStruct(value, this.#purpose, schema);
    const headers = [...record.headers, ...this.#headersOf(struct)];
    if (!this.#moves) return record.with({ headers });
    const { schema: rest, indexes } = this.#rest.of(struct.schema);
    const values = indexes.map((index) => fieldValue(struct, index, this.#fillDefaults));
    return withSide(this.#side, record.with({ headers }), rest, structOf(rest, values));
  }

  #fromMap<R extends ConnectRecord>(record: R, map: ReadonlyMap<unknown, unknown>): R {
    const added = this.#fields.map(
      (field, i): Header => ({ key: this.#headers[i] ?? field, schema: null, value: map.get(field) ?? null }),
    );
    const rest = new Map(map);
    if (this.#moves) for (const field of this.#fields) rest.delete(field);
    return withSide(this.#side, record.with({ headers: [...record.headers, ...added] }), null, rest);
  }

  #headersOf(struct: Struct): Header[] {
    return this.#fields.map((name, i) => {
      const field = struct.schema.field(name);
      if (!field) {
        throw recordError(
          `There is no field ${name} to ${this.#purpose}; fields are ${struct.schema.fields.map((each) => each.name).join(', ')}`,
          'java.lang.NullPointerException',
        );
      }
      return {
        key: this.#headers[i] ?? name,
        schema: field.schema,
        value: fieldValue(struct, field.index, this.#fillDefaults),
      };
    });
  }

  #without(schema: Schema): { schema: Schema; indexes: readonly number[] } {
    const kept = schema.fields.filter((field) => !this.#fields.includes(field.name));
    return {
      schema: buildStruct(
        kept.map((field) => [field.name, field.schema] as const),
        basicsOf(schema),
      ),
      indexes: kept.map((field) => field.index),
    };
  }
}
