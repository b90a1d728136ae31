// org.apache.kafka.connect.transforms.ValueToKey: fields of the value as the key.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import type { Schema } from '@millrace/data';
import { ConfigDef, type RawConfig, validators } from '@millrace/foundation';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { recordError } from './errors.ts';
import { buildStruct, fieldValue, requireMap, requireStruct, SchemaCache, structOf } from './side.ts';
import { parseSettings } from './validated-config.ts';

const PURPOSE = 'copying fields from value to key';

export const valueToKeyConfig: ConfigDef = new ConfigDef([
  {
    name: 'fields',
    type: 'LIST',
    importance: 'HIGH',
    doc: 'Field names on the record value to extract as the record key.',
    validator: validators.list('required'),
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

export class ValueToKey implements Transformation {
  #fields: readonly string[] = [];
  #fillDefaults = true;
  #keys = new SchemaCache((schema) => this.#keyOf(schema));

  configure(settings: RawConfig): void {
    const config = parseSettings(valueToKeyConfig, settings);
    this.#fields = [...new Set(config.list('fields'))];
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#keys = new SchemaCache((schema) => this.#keyOf(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (record.valueSchema === null) {
      const map = requireMap(record.value, PURPOSE);
      const key = new Map(this.#fields.map((field) => [field, map.get(field) ?? null] as const));
      return record.with({ keySchema: null, key });
    }
    const struct = requireStruct(record.value, PURPOSE, record.valueSchema);
    const { schema, indexes } = this.#keys.of(struct.schema);
    const values = indexes.map((index) => fieldValue(struct, index, this.#fillDefaults));
    return record.with({ keySchema: schema, key: structOf(schema, values) });
  }

  #keyOf(schema: Schema): { schema: Schema; indexes: readonly number[] } {
    const fields = this.#fields.map((name) => {
      const field = schema.field(name);
      if (!field) throw recordError(`Field does not exist: ${name}`);
      return field;
    });
    return {
      schema: buildStruct(
        fields.map((field) => [field.name, field.schema] as const),
        {},
      ),
      indexes: fields.map((field) => field.index),
    };
  }
}
