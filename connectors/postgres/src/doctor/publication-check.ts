// The publication: there, or to be made by the connector, and with all that is captured.
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { quoteIdentifier, quoteTable } from '../connection.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import { type CheckList, someOf } from './check-list.ts';

const CHECK = 'publication';

export async function checkPublication(
  client: pg.Client,
  config: PostgresConfig,
  tables: readonly TableName[],
  list: CheckList,
): Promise<void> {
  if (!config.snapshot.stream) return;
  const { name, mode } = config.publication;
  const { rows } = await client.query<{ all: boolean; operations: string[]; tables: string[] | null }>(
    `select p.puballtables as all,
            array_remove(array[case when not p.pubinsert then 'insert' end, case when not p.pubupdate then 'update' end,
                               case when not p.pubdelete then 'delete' end], null) as operations,
            (select array_agg(t.schemaname || '.' || t.tablename) from pg_catalog.pg_publication_tables t
              where t.pubname = p.pubname) as tables
       from pg_catalog.pg_publication p where p.pubname = $1`,
    [name],
  );
  const there = rows[0];
  if (there === undefined) {
    await checkCreation(client, config, tables, list);
    return;
  }
  if (there.operations.length > 0) {
    list.warning(CHECK, `${name} leaves out: ${there.operations.join(', ')}`, [
      `ALTER PUBLICATION ${quoteIdentifier(name)} SET (publish = 'insert, update, delete, truncate');`,
    ]);
  }
  if (mode === 'filtered' && there.all) {
    list.problem(
      CHECK,
      `${name} is for all tables, which publication.autocreate.mode=filtered cannot change`,
      [
        `DROP PUBLICATION ${quoteIdentifier(name)}; -- the connector makes it anew; drop the slot with it`,
        'Or set publication.autocreate.mode to all_tables or disabled.',
      ],
      'config',
    );
    return;
  }
  const published = new Set(there.tables ?? []);
  const missing = there.all ? [] : tables.filter((table) => !published.has(qualified(table)));
  if (missing.length === 0) list.ok(CHECK, `${name} has all of them`);
  else if (mode === 'filtered') list.ok(CHECK, `${name} will be given ${someOf(missing.map(qualified))}`);
  else {
    list.problem(CHECK, `${name} lacks ${someOf(missing.map(qualified))}: their changes will never come`, [
      `ALTER PUBLICATION ${quoteIdentifier(name)} ADD TABLE ${missing.map(quoteTable).join(', ')};`,
    ]);
  }
}

/** Whether the connector may make the publication that is not there. */
async function checkCreation(
  client: pg.Client,
  config: PostgresConfig,
  tables: readonly TableName[],
  list: CheckList,
): Promise<void> {
  const { name, mode } = config.publication;
  const quoted = quoteIdentifier(name);
  const forTables = `CREATE PUBLICATION ${quoted} FOR TABLE ${tables.map(quoteTable).join(', ')};`;
  const sql =
    mode === 'all_tables' ? `CREATE PUBLICATION ${quoted} FOR ALL TABLES; -- as a superuser` : forTables;
  if (mode === 'disabled') {
    list.problem(CHECK, `there is no ${name}, and publication.autocreate.mode is disabled`, [forTables]);
    return;
  }
  const { rows } = await client.query<{ super: boolean; creates: boolean; others: string[] | null }>(
    `select r.rolsuper as super, has_database_privilege(current_database(), 'CREATE') as creates,
            (select array_agg(n.nspname || '.' || c.relname order by 1) from pg_catalog.pg_class c
               join pg_catalog.pg_namespace n on n.oid = c.relnamespace
               join unnest($1::text[], $2::text[]) as wanted(schema, name) on wanted.schema = n.nspname and wanted.name = c.relname
              where not pg_has_role(c.relowner, 'USAGE')) as others
       from pg_catalog.pg_roles r where r.rolname = current_user`,
    [tables.map(({ schema }) => schema), tables.map(({ table }) => table)],
  );
  const rights = rows[0];
  if (rights?.super === true) {
    list.ok(CHECK, `the connector will create ${name}`);
    return;
  }
  const { user } = config.connection;
  if (mode === 'all_tables') {
    list.problem(CHECK, `there is no ${name}, and ${user} is no superuser, which FOR ALL TABLES asks for`, [
      sql,
      'Or set publication.autocreate.mode to filtered.',
    ]);
    return;
  }
  const others = mode === 'filtered' ? (rights?.others ?? []) : [];
  if (rights?.creates === true && others.length === 0) {
    list.ok(CHECK, `the connector will create ${name}`);
    return;
  }
  const why =
    others.length > 0
      ? `${user} does not own ${someOf(others)}`
      : `${user} may not create anything in database ${config.connection.database}`;
  list.problem(CHECK, `there is no ${name}, and the connector cannot create it: ${why}`, [
    `${forTables} -- as the owner of the tables`,
    'And set publication.autocreate.mode to disabled.',
  ]);
}
