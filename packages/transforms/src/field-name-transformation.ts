// io.debezium.connector.jdbc.transforms.FieldNameTransformation: another style for the names of columns, in keys, rows
// and change events.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { isEnvelope, type Schema, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { namer, namingKey } from './naming-style.ts';
import { basicsOf, buildStruct, fieldPairs, SchemaCache, structOf } from './side.ts';
import { parseSettings } from './validated-config.ts';

const PART = { orderInGroup: 1 };

export const fieldNameTransformationConfig: ConfigDef = new ConfigDef([
  namingKey('column', 'prefix', { ...PART, displayName: 'Column Name Prefix' }),
  namingKey('column', 'suffix', { ...PART, displayName: 'Column Name Suffix' }),
  namingKey('column', 'style', { ...PART, displayName: 'Column Naming Style' }),
]);

export class FieldNameTransformation implements Transformation {
  #rename = (name: string): string => name;
  #rows = new SchemaCache((schema) => this.#rowSchema(schema));
  #events = new SchemaCache((schema) => this.#eventSchema(schema));

  configure(settings: RawConfig): void {
    const config = parseSettings(fieldNameTransformationConfig, settings);
    this.#rename = namer(
      config.string('column.naming.style'),
      config.string('column.naming.prefix'),
      config.string('column.naming.suffix'),
      'column.naming.style',
    );
    this.#rows = new SchemaCache((schema) => this.#rowSchema(schema));
    this.#events = new SchemaCache((schema) => this.#eventSchema(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const { key, keySchema: keyIn, value } = record;
    let result = record;
    if (key instanceof Struct) {
      const keySchema = this.#rows.of(keyIn ?? key.schema);
      result = result.with({ keySchema, key: structOf(keySchema, key.toArray()) });
    }
    if (!(value instanceof Struct)) return result;
    const valueSchema = isEnvelope(value.schema)
      ? this.#events.of(value.schema)
      : this.#rows.of(record.valueSchema ?? value.schema);
    return result.with({
      valueSchema,
      value: isEnvelope(value.schema)
        ? renamedEvent(value, valueSchema)
        : structOf(valueSchema, value.toArray()),
    });
  }

  #rowSchema(schema: Schema): Schema {
    return buildStruct(
      fieldPairs(schema).map(([name, field]) => [this.#rename(name), field] as const),
      { ...basicsOf(schema), optional: schema.optional },
    );
  }

  #eventSchema(schema: Schema): Schema {
    return buildStruct(
      fieldPairs(schema).map(
        ([name, field]) => [name, isRow(name, field) ? this.#rows.of(field) : field] as const,
      ),
      { ...basicsOf(schema), optional: schema.optional },
    );
  }
}

function isRow(name: string, schema: Schema): boolean {
  return (name === 'before' || name === 'after') && schema.type === 'struct';
}

function renamedEvent(event: Struct, schema: Schema): Struct {
  return structOf(
    schema,
    schema.fields.map(({ name, index, schema: field }) => {
      const value = event.at(index);
      return value instanceof Struct && isRow(name, field) ? structOf(field, value.toArray()) : value;
    }),
  );
}
