// The order in which a snapshot reads tables: by name, or by estimated size where the config
// asks for it and several readers share them.
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { qualified, type TableName } from '../schema/catalog.ts';

export async function tablesBySize(
  client: pg.Client,
  tables: readonly TableName[],
  config: PostgresConfig,
): Promise<readonly TableName[]> {
  const { order } = config.snapshot;
  // As in Debezium, where one reader reads one table after the other, in the order of names.
  if (order === 'disabled' || config.snapshot.threads === 1) return tables;
  const { rows } = await client.query<{ name: string; rows: number }>(
    `select n.nspname || '.' || c.relname as name, c.reltuples::float8 as rows
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p')`,
  );
  const sizes = new Map(rows.map((row) => [row.name, row.rows]));
  const size = (table: TableName): number => sizes.get(qualified(table)) ?? 0;
  const sign = order === 'ascending' ? 1 : -1;
  return [...tables].sort((a, b) => sign * (size(a) - size(b)));
}
