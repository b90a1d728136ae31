// What became of a table since a snapshot was taken. The snapshot has its old entry in the catalog; the functions that
// are asked here look into the catalog of now, as the server does where a query names a table.
import type pg from 'pg';
import type { TableName } from '../schema/catalog.ts';

/** `changed` = it has another name by now, or another table has its name. */
export type TableFate = 'same' | 'changed' | 'gone';

/** `rewritten`: the table, its partitions and heirs that have other files by now than in the snapshot. */
const SQL = `
  select pg_catalog.pg_table_is_visible(c.oid) is null as dropped,
         pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname))::oid::int8::float8 as named,
         c.oid::int8::float8 as oid,
         array(
           with recursive tree(oid) as (
             select c.oid union select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid)
           select pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname)
             from tree join pg_catalog.pg_class p on p.oid = tree.oid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
            where p.relkind = 'r' and pg_catalog.pg_relation_filenode(p.oid) is distinct from p.relfilenode) as rewritten
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relname = $2`;

interface Found {
  readonly dropped: boolean;
  readonly named: number | null;
  readonly oid: number;
  readonly rewritten: readonly string[];
}

async function find(client: pg.Client, { schema, table }: TableName): Promise<Found | undefined> {
  return (await client.query<Found>(SQL, [schema, table])).rows[0];
}

function fate(found: Found | undefined): TableFate {
  if (found === undefined || (found.dropped && found.named === null)) return 'gone';
  return found.named === found.oid ? 'same' : 'changed';
}

/** What became of a table that this session's snapshot has. */
export async function fateOf(client: pg.Client, name: TableName): Promise<TableFate> {
  return fate(await find(client, name));
}

/**
 * Whether rows of a table may be out of the sight of the snapshot that this session has. To be asked once the table was
 * read, since from then on nobody can change it. A table that is rewritten (ALTER TABLE with another type, for one) has
 * no row for a snapshot that is older than that, as the server's manual says: what was read of it is nothing, although
 * it had rows. One that was truncated looks the same.
 */
export async function isOutOfSight(client: pg.Client, name: TableName): Promise<boolean> {
  const found = await find(client, name);
  if (found === undefined || fate(found) !== 'same') return true;
  for (const part of found.rewritten)
    if ((await client.query(`select from only ${part} limit 1`)).rowCount === 0) return true;
  return false;
}
