// The captured tables: whether there are any, may be read, and say enough when rows change.
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { quoteIdentifier, quoteTable } from '../connection.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import { type CheckList, someOf } from './check-list.ts';

interface TableFacts extends TableName {
  readonly readable: boolean;
  readonly usable: boolean;
  readonly identity: string;
  readonly hasKey: boolean;
  readonly logged: boolean;
  /** Has columns whose large values are stored apart. */
  readonly toasts: boolean;
}

/** Statements shown for one finding. */
const MOST_FIXES = 20;

export async function checkTables(
  client: pg.Client,
  config: PostgresConfig,
  tables: readonly TableName[],
  list: CheckList,
): Promise<void> {
  if (tables.length === 0) {
    list.problem(
      'tables',
      `none of database ${config.connection.database} matches the config`,
      [
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');",
        'Correct table.include.list or schema.include.list: regular expressions over schema.table, matched as a whole.',
      ],
      'config',
    );
    return;
  }
  list.ok('tables', `${tables.length}: ${someOf(tables.map(qualified))}`);
  const facts = await readFacts(client, tables);
  checkRights(config, facts, list);
  const named = config.identities;
  const identified = facts.filter((table) => !named.some(({ tables: matches }) => matches(qualified(table))));
  checkIdentities(identified, list);
}

async function readFacts(client: pg.Client, tables: readonly TableName[]): Promise<TableFacts[]> {
  const { rows } = await client.query<TableFacts>(
    `select n.nspname as schema, c.relname as table,
            has_table_privilege(c.oid, 'SELECT') as readable, has_schema_privilege(n.oid, 'USAGE') as usable,
            c.relreplident as identity, c.relpersistence = 'p' as logged,
            exists (select from pg_catalog.pg_index i where i.indrelid = c.oid
                     and (i.indisprimary or (c.relreplident = 'i' and i.indisreplident))) as "hasKey",
            exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                     and not a.attisdropped and a.attstorage in ('x', 'e')) as toasts
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join unnest($1::text[], $2::text[]) as wanted(schema, name) on wanted.schema = n.nspname and wanted.name = c.relname
      order by n.nspname collate "C", c.relname collate "C"`,
    [tables.map(({ schema }) => schema), tables.map(({ table }) => table)],
  );
  return rows;
}

function checkRights(config: PostgresConfig, facts: readonly TableFacts[], list: CheckList): void {
  const refused = facts.filter(({ readable, usable }) => !readable || !usable);
  const role = quoteIdentifier(config.connection.user);
  if (refused.length === 0) {
    list.ok('rights', 'all of them may be read');
    return;
  }
  const schemas = [...new Set(refused.filter(({ usable }) => !usable).map(({ schema }) => schema))];
  list.problem('rights', `${someOf(refused.map(qualified))} may not be read by ${config.connection.user}`, [
    ...schemas.map((schema) => `GRANT USAGE ON SCHEMA ${quoteIdentifier(schema)} TO ${role};`),
    ...fixes(
      refused.filter(({ readable }) => !readable),
      (table) => `GRANT SELECT ON ${table} TO ${role};`,
    ),
  ]);
}

function checkIdentities(facts: readonly TableFacts[], list: CheckList): void {
  const unlogged = facts.filter(({ logged }) => !logged);
  if (unlogged.length > 0) {
    list.warning(
      'unlogged tables',
      `${someOf(unlogged.map(qualified))}: their changes are in no WAL`,
      fixes(unlogged, (table) => `ALTER TABLE ${table} SET LOGGED;`),
    );
  }
  const silent = facts.filter(({ identity, hasKey }) => identity === 'n' || (identity !== 'f' && !hasKey));
  if (silent.length > 0) {
    list.warning(
      'replica identity',
      `${someOf(silent.map(qualified))}: the server refuses updates and deletes once the table is published`,
      fixes(silent, (table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL; -- or give it a primary key`),
    );
  }
  const partial = facts.filter((table) => table.toasts && table.identity !== 'f' && !silent.includes(table));
  if (partial.length > 0) {
    list.warning(
      'large values',
      `${someOf(partial.map(qualified))}: where an update leaves a large value as it was, its event has a placeholder; sinks of Millrace keep what they have`,
      fixes(
        partial,
        (table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL; -- only if the value must be in every event`,
      ),
    );
  }
  if (silent.length === 0) list.ok('replica identity', 'all of them have a key or are FULL');
}

function fixes(tables: readonly TableName[], statement: (table: string) => string): string[] {
  const shown = tables.slice(0, MOST_FIXES).map((table) => statement(quoteTable(table)));
  const left = tables.length - shown.length;
  return left > 0 ? [...shown, `-- and the same for ${left} more tables`] : shown;
}
