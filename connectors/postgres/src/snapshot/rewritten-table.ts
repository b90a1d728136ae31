// A table that is rewritten (ALTER TABLE with another type, for one) has no row for a snapshot that is older than that, as
// the server's manual says: what was read of it is nothing, although it had rows.
import type pg from 'pg';

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
 * read, since from then on nobody can rewrite it. A table that was truncated looks the same.
 */
export async function isOutOfSight(client: pg.Client, oid: number): Promise<boolean> {
  const { rows } = await client.query<{ name: string }>(REWRITTEN_SQL, [oid]);
  for (const { name } of rows)
    if ((await client.query(`select from only ${name} limit 1`)).rowCount === 0) return true;
  return false;
}
