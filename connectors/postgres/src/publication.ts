// The publication: created before the slot, because a slot older than its publication fails on every decode
//, and kept in step with the captured tables where the config asks for it.
import type { Logger } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { quoteIdentifier, quoteTable } from './connection.ts';
import { DEBEZIUM_EXCEPTION, postgresError, toPostgresError } from './errors.ts';
import { qualified, type TableName } from './schema/catalog.ts';

/**
 * Makes sure that there is a publication as the config wants it; `keepsOthers` = tables that it does not want are not
 * taken out yet. @throws postgres.publication_*
 */
export async function preparePublication(
  client: pg.Client,
  config: PostgresConfig,
  tables: readonly TableName[],
  logger: Logger,
  { keepsOthers }: { readonly keepsOthers: boolean },
): Promise<void> {
  const { name, mode } = config.publication;
  const { rows } = await client.query<{ all: boolean }>(
    'select puballtables as all from pg_catalog.pg_publication where pubname = $1',
    [name],
  );
  const existing = rows[0];
  const how = optionsOf(config);
  const quoted = quoteIdentifier(name);
  const run = (sql: string): Promise<void> => execute(client, sql, `Unable to create publication ${name}`);
  switch (mode) {
    case 'disabled':
      if (existing !== undefined) return;
      throw postgresError(
        'postgres.publication_missing',
        'Publication autocreation is disabled, please create one and restart the connector.',
        { context: { publication: name } },
      );
    case 'all_tables':
      if (existing === undefined) {
        await run(`CREATE PUBLICATION ${quoted} FOR ALL TABLES${how}`);
        logger.info({ publication: name }, 'created a publication for all tables');
      }
      return;
    case 'no_tables':
      if (existing === undefined) await run(`CREATE PUBLICATION ${quoted}${how}`);
      return;
    case 'filtered':
      await prepareFiltered(client, config, tables, { existing, keepsOthers });
      return;
    default:
      mode satisfies never;
  }
}

function optionsOf({ publication: { operations, viaRoot } }: PostgresConfig): string {
  const options = [
    ...(operations === undefined ? [] : [`publish = '${operations.join(', ')}'`]),
    ...(viaRoot ? ['publish_via_partition_root = true'] : []),
  ];
  return options.length === 0 ? '' : ` WITH (${options.join(', ')})`;
}

async function prepareFiltered(
  client: pg.Client,
  config: PostgresConfig,
  tables: readonly TableName[],
  options: { readonly existing: { readonly all: boolean } | undefined; readonly keepsOthers: boolean },
): Promise<void> {
  const { name } = config.publication;
  const { existing, keepsOthers } = options;
  const quoted = quoteIdentifier(name);
  if (existing?.all) {
    throw postgresError(
      'postgres.publication_conflict',
      `A logical publication for all tables named '${name}' for plugin 'PGOUTPUT' and database '${config.connection.database}' is already active on the server and can not be altered. If you need to exclude some tables or include only specific subset, please recreate the publication with necessary configuration or let plugin recreate it by dropping existing publication. Otherwise please change the 'publication.autocreate.mode' property to 'all_tables'.`,
      { javaClass: DEBEZIUM_EXCEPTION },
    );
  }
  // A row filter or a column list that somebody gave it stays, and so does the need to own it.
  if (existing !== undefined && (await isUpToDate(client, name, tables))) return;
  const others = existing !== undefined && keepsOthers ? await othersOf(client, name, tables) : [];
  const list = [...tables, ...others].map(quoteTable).join(', ');
  if (tables.length === 0) {
    const cause = postgresError(
      'postgres.publication_empty',
      `No table filters found for filtered publication ${name}`,
      { javaClass: DEBEZIUM_EXCEPTION },
    );
    throw postgresError(
      'postgres.publication_empty',
      `Unable to create filtered publication ${name} for ${list}`,
      {
        cause,
      },
    );
  }
  const failing = `Unable to ${existing === undefined ? 'create' : 'update'} filtered publication ${name} for ${tables.map(qualified).join(', ')}`;
  const sql =
    existing === undefined
      ? `CREATE PUBLICATION ${quoted} FOR TABLE ${list}${optionsOf(config)}`
      : `ALTER PUBLICATION ${quoted} SET TABLE ${list}`;
  await execute(client, sql, failing);
}

/** Whether the publication is of just these tables, or there is none to change it to. */
async function isUpToDate(client: pg.Client, name: string, tables: readonly TableName[]): Promise<boolean> {
  if (tables.length === 0) return true;
  const { rows } = await client.query<TableName>(
    'select schemaname as schema, tablename as table from pg_catalog.pg_publication_tables where pubname = $1',
    [name],
  );
  const published = new Set(rows.map(qualified));
  return published.size === tables.length && tables.every((table) => published.has(qualified(table)));
}

/** The tables that a publication has besides. */
async function othersOf(
  client: pg.Client,
  name: string,
  tables: readonly TableName[],
): Promise<readonly TableName[]> {
  const { rows } = await client.query<TableName>(
    `select n.nspname as schema, c.relname as table
       from pg_catalog.pg_publication p join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
       join pg_catalog.pg_class c on c.oid = r.prrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where p.pubname = $1`,
    [name],
  );
  const wanted = new Set(tables.map(qualified));
  return rows.filter((table) => !wanted.has(qualified(table)));
}

async function execute(client: pg.Client, sql: string, failing: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    throw toPostgresError(error, failing);
  }
}

/** Gives captured tables the replica identity that the config names for them. One that cannot be given is logged. */
export async function prepareIdentities(
  client: pg.Client,
  config: PostgresConfig,
  tables: readonly TableName[],
  logger: Logger,
): Promise<void> {
  for (const table of tables) {
    const [rule, another] = config.identities.filter(({ tables: matches }) => matches(qualified(table)));
    if (rule === undefined) continue;
    if (another !== undefined) {
      const why = 'several entries name a table, whose replica identity is left as it is';
      logger.error({ table: qualified(table), key: 'replica.identity.autoset.values' }, why);
      continue;
    }
    const index = /^INDEX\s+(.+)$/i.exec(rule.identity)?.[1]?.trim();
    const wanted =
      index === undefined ? rule.identity.toUpperCase() : `USING INDEX ${quoteIdentifier(index)}`;
    if (index === undefined && !['DEFAULT', 'FULL', 'NOTHING'].includes(wanted)) {
      throw postgresError('postgres.table_unusable', `${rule.identity} is no replica identity`, {
        configKey: 'replica.identity.autoset.values',
      });
    }
    try {
      if ((await identityOf(client, table)) === wanted) continue;
      await client.query(`ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY ${wanted}`);
    } catch (error) {
      logger.error(
        { err: error, table: qualified(table), key: 'replica.identity.autoset.values' },
        'the replica identity of a table cannot be set',
      );
    }
  }
}

/** The identity of a table, as ALTER TABLE has it. */
async function identityOf(client: pg.Client, { schema, table }: TableName): Promise<string | undefined> {
  const { rows } = await client.query<{ kind: string; index: string | null }>(
    `select c.relreplident as kind,
            (select ic.relname from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid
              where i.indrelid = c.oid and i.indisreplident) as index
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2`,
    [schema, table],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  if (row.kind === 'i') return row.index === null ? undefined : `USING INDEX ${quoteIdentifier(row.index)}`;
  return { d: 'DEFAULT', f: 'FULL', n: 'NOTHING' }[row.kind];
}
