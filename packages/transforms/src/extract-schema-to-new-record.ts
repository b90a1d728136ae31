// io.debezium.transforms.ExtractSchemaToNewRecord: adds what the columns are in the source to the event, from the
// parameters that `column.propagate.source.type` or `datatype.propagate.source.type` put into the schema.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import {
  arraySchema,
  INT32,
  isEnvelope,
  optional,
  type Schema,
  STRING,
  Struct,
  structSchema,
} from '@millrace/data';
import { ConfigDef } from '@millrace/foundation';
import { DEBEZIUM_EXCEPTION } from './debezium-keys.ts';
import { recordError } from './errors.ts';
import { basicsOf, buildStruct, fieldPairs, SchemaCache, structOf } from './side.ts';

export const extractSchemaToNewRecordConfig: ConfigDef = new ConfigDef([]);

const COLUMN = structSchema(
  [
    ['name', STRING],
    ['typeName', STRING],
    ['length', optional(INT32)],
    ['scale', optional(INT32)],
    ['comment', optional(STRING)],
  ],
  { name: 'io.debezium.connector.source.schema.Column', version: 1 },
);
const TABLE = structSchema([['columns', arraySchema(COLUMN)]], {
  name: 'io.debezium.connector.source.schema.Table',
  version: 1,
});
const SOURCE_SCHEMA = structSchema(
  [
    ['id', STRING],
    ['table', TABLE],
  ],
  { name: 'io.debezium.connector.source.Schema', version: 1 },
);
const PREFIX = '__debezium.source.column.';

export class ExtractSchemaToNewRecord implements Transformation {
  #extended = new SchemaCache(extend);

  configure(): void {
    this.#extended = new SchemaCache(extend);
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const event = record.value;
    if (!(event instanceof Struct) || !isEnvelope(record.valueSchema)) return record;
    if (!event.schema.field('after') || !event.schema.field('source')) return record;
    const source = event.getRaw('source');
    const table = source instanceof Struct && source.schema.field('table') ? source.getRaw('table') : null;
    const { schema, columns } = this.#extended.of(event.schema);
    const description = structOf(SOURCE_SCHEMA, [
      typeof table === 'string' ? table : '',
      structOf(TABLE, [columns]),
    ]);
    return record.with({ valueSchema: schema, value: structOf(schema, [...event.toArray(), description]) });
  }
}

function extend(schema: Schema): { schema: Schema; columns: readonly Struct[] } {
  const row = schema.field('after')?.schema;
  return {
    schema: buildStruct([...fieldPairs(schema), ['sourceSchema', SOURCE_SCHEMA]], basicsOf(schema)),
    columns: (row?.fields ?? []).map((field) => column(field.name, field.schema)),
  };
}

function column(name: string, schema: Schema): Struct {
  const type = schema.parameters?.get(`${PREFIX}type`);
  if (type === undefined) {
    throw recordError(
      'Ensure that enable configurations "column.propagate.source.type" or "datatype.propagate.source.type" and the value is set to ".*"',
      DEBEZIUM_EXCEPTION,
    );
  }
  const number = (key: string): number | null => {
    const text = schema.parameters?.get(PREFIX + key);
    return text === undefined ? null : Number(text);
  };
  return structOf(COLUMN, [
    schema.parameters?.get(`${PREFIX}name`) ?? name,
    type,
    number('length'),
    number('scale'),
    schema.parameters?.get(`${PREFIX}comment`) ?? null,
  ]);
}
