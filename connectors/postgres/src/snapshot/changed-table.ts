// What became of a table since a snapshot was taken. The snapshot has its old entry in the catalog; the functions that
// are asked here look into the catalog of now, as the server does where a query names a table.
import type pg from 'pg';
import type { TableName } from '../schema/catalog.ts';

/** `changed` = it has another name by now, or another table has its name. */
export type TableFate = 'same' | 'changed' | 'gone';

const FATE_SQL = `
  select pg_catalog.pg_table_is_visible(c.oid) is null as dropped,
         pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname))::oid::int8::float8 as named,
         c.oid::int8::float8 as oid
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relname = $2`;

/** What became of a table that this session's snapshot has. */
export async function fateOf(client: pg.Client, { schema, table }: TableName): Promise<TableFate> {
  const { rows } = await client.query<{ dropped: boolean; named: number | null; oid: number }>(FATE_SQL, [
    schema,
    table,
  ]);
  const row = rows[0];
  if (row === undefined || (row.dropped && row.named === null)) return 'gone';
  return row.named === row.oid ? 'same' : 'changed';
}

/** The table and its partitions or heirs that have other files by now than in the snapshot. */
const REWRITTEN_SQL = `
  with recursive tree(oid) as (
    select $1::pg_catalog.oid
    union select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid)
  select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name
    from tree join pg_catalog.pg_class c on c.oid = tree.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'r' and pg_catalog.pg_relation_filenode(c.oid) is distinct from c.relfilenode`;

/**
 * Whether rows of a table may be out of the sight of the snapshot that this session has. To be asked once the table was
 * read, since from then on nobody can change it. A table that is rewritten (ALTER TABLE with another type, for one) has
 * no row for a snapshot that is older than that, as the server's manual says: what was read of it is nothing, although
 * it had rows. One that was truncated looks the same.
 */
export async function isOutOfSight(
  client: pg.Client,
  { name, oid }: { readonly name: TableName; readonly oid: number },
): Promise<boolean> {
  if ((await fateOf(client, name)) !== 'same') return true;
  const { rows } = await client.query<{ name: string }>(REWRITTEN_SQL, [oid]);
  for (const { name: part } of rows)
    if ((await client.query(`select from only ${part} limit 1`)).rowCount === 0) return true;
  return false;
}
