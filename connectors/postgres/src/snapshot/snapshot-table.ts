// How one table is read by a snapshot: its schema, and the COPY that gives its rows.
import type { Headers, SourcePartition } from '@millrace/connect-api';
import type { TableEvents } from '@millrace/connector-common';
import type { Struct } from '@millrace/data';
import type pg from 'pg';
import { quoteIdentifier, quoteTable } from '../connection.ts';
import { postgresError } from '../errors.ts';
import { qualified, readTable, type TableName, type TypeCatalog } from '../schema/catalog.ts';
import { tableEvents } from '../schema/table-events.ts';
import { type SchemaRules, type TableSchema, tableSchema } from '../schema/table-schema.ts';
import { mapType } from '../schema/type-mapping.ts';
import type { SnapshotMarker } from '../source-info.ts';
import type { OrderKey } from './key-order.ts';
import { afterSql, type KeyColumn, orderSql, readShape, valueSql } from './table-key.ts';

export interface TableOptions {
  /** A session in the transaction of the snapshot. */
  readonly client: pg.Client;
  readonly rules: SchemaRules;
  readonly types: TypeCatalog;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  /** The SELECT for a table named `schema.table`, where there is one. */
  readonly select: (table: string) => string | undefined;
  /** Whether rows are read in the order of their key where that is known. */
  readonly ordered: boolean;
}

export interface OpenTable {
  readonly name: TableName;
  readonly oid: number;
  readonly schema: TableSchema;
  readonly events: TableEvents;
  readonly sources: Map<SnapshotMarker, Struct>;
  /** What the rows can be ordered by, and its columns among those that are read; undefined = they cannot. */
  readonly order: { readonly key: readonly OrderKey[]; readonly columns: readonly number[] } | undefined;
  /** Rows are those of a SELECT of the user's. */
  readonly overridden: boolean;
  /** The COPY of all rows, or of those after a key. */
  readonly copy: (after?: readonly string[]) => string;
}

/** Below that, a table is read again as a whole when a snapshot is resumed: sorting its rows would gain nothing. */
const RESUMABLE_BYTES = 1024 * 1024;

/** The table as the snapshot sees it; undefined when it is gone. */
export async function openTable(options: TableOptions, name: TableName): Promise<OpenTable | undefined> {
  const { client, rules, types, headers, sourcePartition, select, ordered } = options;
  const shape = await readShape(client, name);
  const catalog = await readTable(client, name);
  if (shape === undefined || catalog === undefined) return undefined;
  await types.load(
    client,
    catalog.columns.map((column) => column.typeOid),
  );
  const input = { table: name, catalog, types, rules, origin: 'snapshot' } as const;
  const all = tableSchema({ ...input, columns: catalog.columns });
  const keys = new Set(all.keyColumns);
  const wanted = catalog.columns.filter(
    (column, i) =>
      mapType(types, column.typeOid, column.typmod, rules.modes) !== undefined &&
      (keys.has(i) || rules.columns(`${qualified(name)}.${column.name}`)),
  );
  const schema = tableSchema({ ...input, columns: wanted, allColumns: catalog.columns });
  const names = wanted.map((column) => column.name);
  const override = select(qualified(name));
  const columns =
    override === undefined ? names.map(quoteIdentifier) : await columnsOf(client, override, names, name);
  const from = override === undefined ? quoteTable(name) : `(${override}) as t`;
  const isOrdered = ordered && override === undefined && shape.bytes >= RESUMABLE_BYTES;
  const key = isOrdered ? shape.key : undefined;
  const positions = key?.map((column) => names.indexOf(column.name));
  const order =
    key === undefined || positions === undefined || positions.includes(-1)
      ? undefined
      : { key, columns: positions };
  return {
    name,
    oid: shape.oid,
    schema,
    events: tableEvents(schema, { headers, sourcePartition, tombstones: false }),
    sources: new Map(),
    order,
    overridden: override !== undefined,
    copy: (after) =>
      `COPY (SELECT ${columns.join(', ')} FROM ${from}${orderClause(order?.key, after)}) TO STDOUT`,
  };
}

function orderClause(key: readonly KeyColumn[] | undefined, after: readonly string[] | undefined): string {
  if (key === undefined) return '';
  if (after === undefined) return ` ORDER BY ${orderSql(key)}`;
  const names = key.map((column) => quoteIdentifier(column.name));
  const values = key.map((column, i) => valueSql(column, after[i] ?? ''));
  return ` WHERE ${afterSql(key, names, values)} ORDER BY ${orderSql(key)}`;
}

/** The select list over a SELECT of the user's; columns that it does not give are null. */
async function columnsOf(
  client: pg.Client,
  select: string,
  wanted: readonly string[],
  table: TableName,
): Promise<string[]> {
  try {
    const { fields } = await client.query(`SELECT * FROM (${select}) as t LIMIT 0`);
    const given = new Set(fields.map((field) => field.name));
    return wanted.map((name) => (given.has(name) ? quoteIdentifier(name) : 'null'));
  } catch (error) {
    throw postgresError('postgres.table_unusable', `The SELECT for ${qualified(table)} fails`, {
      cause: error,
      configKey: `snapshot.select.statement.overrides.${qualified(table)}`,
    });
  }
}
