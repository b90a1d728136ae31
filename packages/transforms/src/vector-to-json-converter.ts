// io.debezium.transforms.VectorToJsonConverter: vectors as JSON text, for sinks that know no arrays.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { javaDouble, javaFloat, primitive, type Schema, Struct } from '@millrace/data';
import { ConfigDef } from '@millrace/foundation';
import {
  basicsOf,
  buildStruct,
  fieldPairs,
  fieldValue,
  requireStruct,
  SchemaCache,
  structOf,
} from './side.ts';

export const vectorToJsonConverterConfig: ConfigDef = new ConfigDef([]);

const JSON_TYPE = { name: 'io.debezium.data.Json', version: 1 } as const;
const REQUIRED_JSON = primitive('string', JSON_TYPE);
const OPTIONAL_JSON = primitive('string', { ...JSON_TYPE, optional: true });

const PRINTERS: Readonly<Record<string, (value: unknown) => string>> = {
  'io.debezium.data.DoubleVector': (value) => values(value, javaDouble),
  'io.debezium.data.FloatVector': (value) => values(value, javaFloat),
  'io.debezium.data.SparseDoubleVector': sparse,
  'io.debezium.data.SparseVector': sparse,
};

function values(value: unknown, print: (value: number) => string): string {
  const items = Array.isArray(value)
    ? value.map((item) => (item === null ? 'null' : print(Number(item))))
    : [];
  return `{ "values": [${items.join(', ')}] }`;
}

function sparse(value: unknown): string {
  if (!(value instanceof Struct)) return 'null';
  const vector = value.schema.field('vector') ? value.getRaw('vector') : null;
  const entries =
    vector instanceof Map ? [...vector].map(([key, item]) => `"${key}": ${javaDouble(Number(item))}`) : [];
  const dimensions = value.schema.field('dimensions') ? value.getRaw('dimensions') : null;
  return `{ "dimensions": ${String(dimensions)}, "vector": { ${entries.join(', ')} } }`;
}

function printerOf(schema: Schema): ((value: unknown) => string) | undefined {
  return schema.name === null ? undefined : PRINTERS[schema.name];
}

export class VectorToJsonConverter implements Transformation {
  readonly #schemas = new SchemaCache(convertSchema);

  configure(): void {
    // It has no settings.
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (record.value === null) return record;
    const value = requireStruct(record.value, 'Value should be a struct', record.valueSchema);
    const valueSchema = this.#schemas.of(record.valueSchema ?? value.schema);
    return record.with({ valueSchema, value: convert(value, valueSchema) });
  }
}

function convertSchema(schema: Schema): Schema {
  return buildStruct(
    fieldPairs(schema).map(([name, field]) => {
      if (printerOf(field)) return [name, field.optional ? OPTIONAL_JSON : REQUIRED_JSON] as const;
      return [name, field.type === 'struct' ? convertSchema(field) : field] as const;
    }),
    { ...basicsOf(schema), optional: schema.optional },
  );
}

/** Rows of events are structs in a struct, hence all the way down. Defaults stand in for null, as in Debezium. */
function convert(struct: Struct, schema: Schema): Struct {
  return structOf(
    schema,
    struct.schema.fields.map((field) => {
      const value = fieldValue(struct, field.index, true);
      const print = printerOf(field.schema);
      if (print) return value === null ? null : print(value);
      const target = schema.fields[field.index]?.schema;
      return value instanceof Struct && target ? convert(value, target) : value;
    }),
  );
}
