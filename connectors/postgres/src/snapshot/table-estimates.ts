// How many rows the tables of a snapshot have, as far as the server knows: what progress is measured against.
import type { SnapshotTable } from '@millrace/connector-common';
import type pg from 'pg';
import { qualified, type TableName } from '../schema/catalog.ts';

/** The tables with their estimated rows: those at the last ANALYZE, scaled to the size of today as the planner does. */
export async function estimateRows(
  client: pg.Client,
  tables: readonly TableName[],
): Promise<SnapshotTable[]> {
  const names = tables.map(qualified);
  const { rows } = await client.query<{ name: string; rows: number }>(
    `select n.nspname || '.' || c.relname as name,
            case when c.relpages > 0
                 then greatest(c.reltuples, 0) / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::float8)
                 else -1 end::float8 as rows
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname || '.' || c.relname = any($1)`,
    [names],
  );
  const sizes = new Map(rows.map((row) => [row.name, Math.round(row.rows)]));
  return names.map((name) => {
    const size = sizes.get(name);
    return { name, estimatedRows: size === undefined || size < 0 ? undefined : size };
  });
}
