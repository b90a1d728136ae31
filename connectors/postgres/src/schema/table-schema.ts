// The schemas and row layouts of one version of a table: what a relation message (or the catalog, for a snapshot) says
// of its columns, with what the catalog knows beyond it, filtered and changed as the config asks.
import type { ColumnChanges, NameFilter } from '@millrace/connector-common';
import {
  ArrayStruct,
  adjustNamePart,
  adjustSchemaName,
  envelopeSchema,
  type NameAdjustmentMode,
  optional,
  type RawField,
  type RowLayout,
  type Schema,
  STRING,
  Struct,
  structSchema,
  type TableKeyField,
  type TopicNaming,
} from '@millrace/data';
import { quoteTable } from '../connection.ts';
import type { ReplicaIdentity } from '../protocol/pgoutput.ts';
import { SOURCE_SCHEMA } from '../source-info.ts';
import { type CatalogTable, type PgType, qualified, type TableName, type TypeCatalog } from './catalog.ts';
import { changed, changeParameters } from './column-change.ts';
import { defaultValueOf } from './default-value.ts';
import type { MappingModes } from './mapping.ts';
import { sourceTypeName } from './source-type.ts';
import { mapType, resolveType } from './type-mapping.ts';
import { noticed, type Place, refusing, unsent } from './unconvertible.ts';

/** What the config says about tables and columns. */
export interface SchemaRules {
  readonly modes: MappingModes;
  readonly naming: TopicNaming;
  /** Table to the parts of its topic name. */
  readonly topicParts: (table: TableName) => readonly string[];
  readonly schemaNames: NameAdjustmentMode;
  readonly fieldNames: NameAdjustmentMode;
  readonly columns: NameFilter;
  readonly changes: ColumnChanges;
  /**
   * `message.key.columns`: those of a table's columns that it names, in the order of its entries; none = the key is the
   * table's own. `table` is `schema.table`.
   */
  readonly keyColumns: (table: string, columns: readonly string[]) => readonly string[];
  /** Told of a value that its field cannot hold, and that is null for it; may refuse that by throwing. */
  readonly onUnconvertible: (column: string, type: string) => void;
}

/** A column as the row at hand has it, in its order. */
export interface RowColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** Part of the replica identity; only the stream knows. */
  readonly inIdentity?: boolean;
}

export interface TableSchema extends TableName {
  readonly topic: string;
  readonly columns: readonly RowColumn[];
  /** Of the columns, as SQL names them. */
  readonly typeNames: readonly string[];
  readonly columnCount: number;
  /** Null for a table without a key. */
  readonly keySchema: Schema | null;
  readonly keyLayout: RowLayout | null;
  /** Positions of the key's columns in the row. */
  readonly keyColumns: readonly number[];
  /** The same without `message.key.columns`. */
  readonly primaryKeyColumns: readonly number[];
  readonly rowLayout: RowLayout;
  readonly envelopeSchema: Schema;
}

export interface TableSchemaInput {
  readonly table: TableName;
  readonly columns: readonly RowColumn[];
  /** Those of the table, where its rows are read without some: keys are looked for among all. */
  readonly allColumns?: readonly RowColumn[];
  /** Undefined when the table is gone: the stream is behind. */
  readonly catalog: Pick<CatalogTable, 'columns' | 'primaryKey' | 'uniqueKey'> | undefined;
  readonly types: TypeCatalog;
  readonly rules: SchemaRules;
  readonly origin: 'snapshot' | 'stream';
  /** What identifies rows; only the stream knows. */
  readonly identity?: ReplicaIdentity;
}

interface MappedColumn {
  readonly name: string;
  readonly schema: Schema;
  readonly raw: RawField;
  /** The same without what the config changes in values: keys stay. */
  readonly keySchema: Schema;
  readonly keyField: RawField;
}

export function tableSchema(input: TableSchemaInput): TableSchema {
  const { table, columns, rules } = input;
  const name = qualified(table);
  const parts = rules.topicParts(table);
  const topic = rules.naming.dataTopic(parts);
  const prefix = adjustSchemaName(topic, rules.schemaNames);
  const keyNames = keyColumnNames(input, name);
  const value: MappedColumn[] = [];
  const byName = new Map<string, MappedColumn>();
  columns.forEach((column, position) => {
    const mapped = mapColumn(input, column, position, { key: keyNames.includes(column.name) });
    if (mapped === undefined) return;
    byName.set(column.name, mapped);
    if (rules.columns(`${name}.${column.name}`)) value.push(mapped);
  });
  const rowSchema = optional(
    struct(
      value.map(({ name: column, schema }) => [column, schema] as const),
      `${prefix}.Value`,
      rules,
    ),
  );
  const keys = keyNames.map((key) => byName.get(key)).filter((key) => key !== undefined);
  const keyTable = rules.naming.tableKeyField(parts);
  const hasKey = keys.length > 0 || keyTable !== null;
  const keySchema = hasKey ? keyStruct(keys, `${prefix}.Key`, rules, keyTable) : null;
  return {
    schema: table.schema,
    table: table.table,
    topic,
    columns,
    typeNames: columns.map((column) => typeName(input.types.get(column.typeOid))),
    columnCount: columns.length,
    keySchema,
    keyLayout:
      keySchema === null
        ? null
        : {
            schema: keySchema,
            fields: [
              ...keys.map((key) => key.keyField),
              ...(keyTable === null ? [] : [constant(keyTable.table)]),
            ],
          },
    keyColumns: keys.map((key) => key.raw.column),
    primaryKeyColumns: ownKeyNames(input).map((key) => columns.findIndex((column) => column.name === key)),
    rowLayout: { schema: rowSchema, fields: value.map((column) => column.raw) },
    envelopeSchema: envelopeSchema(`${prefix}.Envelope`, rowSchema, SOURCE_SCHEMA),
  };
}

function typeName(type: PgType | undefined): string {
  return type === undefined ? 'text' : quoteTable({ schema: type.schema, table: type.name });
}

function struct(
  columns: readonly (readonly [name: string, schema: Schema])[],
  name: string,
  rules: SchemaRules,
): Schema {
  return structSchema(
    columns.map(([column, schema]) => [adjustNamePart(column, rules.fieldNames), schema] as const),
    { name },
  );
}

function keyStruct(
  keys: readonly MappedColumn[],
  name: string,
  rules: SchemaRules,
  keyTable: TableKeyField | null,
): Schema {
  const plain = struct(
    keys.map((key) => [key.name, key.keySchema] as const),
    name,
    rules,
  );
  if (keyTable === null) return plain;
  return structSchema(
    [...plain.fields.map((field) => [field.name, field.schema] as const), [keyTable.name, STRING] as const],
    { name },
  );
}

/** A field that is the same in every row. Its column is one every row has, and its bytes are not looked at. */
function constant(text: string): RawField {
  return { column: 0, encoding: 'decode', decode: () => text, nullValue: text, unavailableValue: text };
}

/**
 * `message.key.columns`, else the primary key, else a unique index, else, for a table that is gone, what the stream
 * calls the identity. Columns the row does not have are left out: the catalog may be ahead of the stream.
 */
function keyColumnNames(input: TableSchemaInput, table: string): readonly string[] {
  const named = input.rules.keyColumns(
    table,
    (input.allColumns ?? input.columns).map((column) => column.name),
  );
  return named.length > 0 ? named : ownKeyNames(input);
}

function ownKeyNames({ columns, allColumns, catalog, identity: kind }: TableSchemaInput): string[] {
  const present = new Set((allColumns ?? columns).map((column) => column.name));
  const inIdentity = columns.filter((column) => column.inIdentity).map((column) => column.name);
  // A whole row that identifies itself tells nothing of a key.
  const identity = kind === 'full' ? [] : inIdentity;
  for (const key of [catalog?.primaryKey ?? [], catalog?.uniqueKey ?? []]) {
    const usable = key.filter((name) => present.has(name));
    if (usable.length === key.length && key.length > 0) return usable;
    // Renamed or dropped since.
    if (usable.length < key.length && identity.length > 0) return identity;
    if (usable.length > 0) return usable;
  }
  return catalog === undefined ? identity : [];
}

function mapColumn(
  input: TableSchemaInput,
  column: RowColumn,
  position: number,
  use: { readonly key: boolean },
): MappedColumn | undefined {
  const { rules, types, catalog } = input;
  const resolved = resolveType(types, column.typeOid, column.typmod);
  const mapping = mapType(types, column.typeOid, column.typmod, rules.modes);
  if (resolved === undefined || mapping === undefined) return undefined;
  const known = catalog?.columns.find((candidate) => candidate.name === column.name);
  const type = types.get(column.typeOid);
  // A key column of a table that is gone is sure not to be null; of the others nobody knows.
  const notNull = known?.notNull ?? (catalog === undefined && use.key);
  const isDomain = type?.kind === 'd';
  const defaultValue = defaultValueOf(known?.defaultExpression ?? null, resolved, isDomain, mapping);
  const table = qualified(input.table);
  // INV-4: keys are never changed, so that rows keep their place.
  const typeNamed = type === undefined ? '' : sourceTypeName(type, known, input.origin);
  const change = rules.changes(`${table}.${column.name}`, `${table}.${typeNamed}`);
  const parameters = change === undefined ? {} : changeParameters(change, resolved, input, column, known);
  const keySchema = mapping.schema.with({
    optional: !notNull || mapping.alwaysOptional === true,
    ...(defaultValue === undefined ? {} : { defaultValue }),
  });
  const schema =
    Object.keys(parameters).length === 0
      ? keySchema
      : keySchema.with({
          parameters: { ...Object.fromEntries(mapping.schema.parameters ?? []), ...parameters },
        });
  const nullValue = notNull ? (defaultValue ?? mapping.zero) : null;
  const isRequired = !keySchema.optional && defaultValue === undefined;
  const place: Place = {
    column: `${table}.${column.name}`,
    columnType: resolved.type.name,
    field: { name: adjustNamePart(column.name, rules.fieldNames), type: mapping.schema.type },
  };
  const tell = (): void => rules.onUnconvertible(place.column, place.columnType);
  const required = refusing(mapping, tell, place);
  const raw: RawField = {
    column: position,
    encoding: mapping.encoding,
    decode: isRequired ? required : noticed(mapping, tell),
    ...(mapping.print === undefined ? {} : { print: mapping.print }),
    nullValue,
    unavailableValue: mapping.unavailable ?? nullValue,
    ...(mapping.unavailable === undefined ? { onUnavailable: isRequired ? unsent(tell, place) : tell } : {}),
  };
  const own = streamsAsNull(input, resolved.type.name) ? nothing(raw) : raw;
  const field = change === undefined ? own : changed(own, change, resolved);
  // INV-4: rows whose values a key cannot hold would be one.
  const keyField = own === raw ? { ...raw, decode: required } : own;
  return { name: column.name, schema, keySchema, raw: ofSchema(field, schema, mapping.schema), keyField };
}

/** A struct names its schema: where parameters were added, the value has to be of the schema that has them. */
function ofSchema(raw: RawField, schema: Schema, plain: Schema): RawField {
  if (plain.type !== 'struct' || schema.parameters === plain.parameters) return raw;
  const again = (value: unknown): unknown =>
    value instanceof Struct ? new ArrayStruct(schema, value.toArray()) : value;
  return {
    ...raw,
    decode: (bytes, start, end) => again(raw.decode(bytes, start, end)),
    nullValue: again(raw.nullValue),
    unavailableValue: again(raw.unavailableValue),
  };
}

/**
 * Debezium's stream takes the server's internal type `name` for an unknown one: held by recorded cases, with a value
 * only where unknown types are asked for.
 */
function streamsAsNull(input: TableSchemaInput, typeName: string): boolean {
  return input.origin === 'stream' && typeName === 'name' && !input.rules.modes.includeUnknown;
}
function nothing(raw: RawField): RawField {
  return { ...raw, encoding: 'decode', decode: () => raw.nullValue, unavailableValue: raw.nullValue };
}
