// `millrace doctor postgres`: looks at a server with the eyes of the connector, changes nothing, and gives the SQL for
// what is missing. What can be found out is reported although something else is wrong.
import type { Finding } from '@millrace/connect-api';
import { messageOf, type RawConfig } from '@millrace/foundation';
import type pg from 'pg';
import { type PostgresConfig, resolveConfig } from '../config.ts';
import { checkValues } from '../config-check.ts';
import { upgradeConfig } from '../config-upgrade.ts';
import { connect, endOnAbort, quoteIdentifier } from '../connection.ts';
import { serverMessage, sqlStateOf } from '../errors.ts';
import { listTables } from '../schema/catalog.ts';
import { CheckList } from './check-list.ts';
import { checkPublication } from './publication-check.ts';
import { checkServer } from './server-check.ts';
import { checkSlot } from './slot-check.ts';
import { checkTables } from './table-check.ts';

export async function examine(raw: RawConfig, signal: AbortSignal): Promise<readonly Finding[]> {
  const list = new CheckList();
  const config = readConfig(raw, list);
  if (config === undefined) return list.findings;
  const client = await open(config, list);
  if (client === undefined) return list.findings;
  const release = endOnAbort(client, signal);
  try {
    await steps(client, config, list);
  } finally {
    release();
    await client.end().catch(() => undefined);
  }
  return list.findings;
}

function readConfig(raw: RawConfig, list: CheckList): PostgresConfig | undefined {
  const { config, warnings } = upgradeConfig(raw);
  for (const { key, message } of warnings) list.warning(key, message, []);
  const problems = checkValues(config);
  for (const { key, message } of problems)
    list.problem(key, message, [`Correct "${key}" in the config.`], 'config');
  if (problems.length > 0) return undefined;
  try {
    const resolved = resolveConfig(config);
    list.ok('config', `${Object.keys(raw).length} keys, all of them valid`);
    return resolved;
  } catch (error) {
    list.problem('config', messageOf(error), ['Correct that key in the config.'], 'config');
    return undefined;
  }
}

async function open(config: PostgresConfig, list: CheckList): Promise<pg.Client | undefined> {
  const { host, port, user, database } = config.connection;
  try {
    const client = await connect(config.connection);
    list.ok('connection', `${user} at ${host}:${port}, database ${database}`);
    return client;
  } catch (error) {
    const state = sqlStateOf(error);
    list.problem('connection', serverMessage(error), connectionFix(state, config));
    return undefined;
  }
}

function connectionFix(state: string | undefined, config: PostgresConfig): readonly string[] {
  const { host, port, user, database } = config.connection;
  switch (state) {
    case '28P01':
      return [`ALTER ROLE ${quoteIdentifier(user)} PASSWORD '...'; -- or correct database.password`];
    case '28000':
      return [
        `CREATE ROLE ${quoteIdentifier(user)} LOGIN REPLICATION PASSWORD '...'; -- unless there is one`,
        `# pg_hba.conf: host ${database} ${user} <address of the worker> scram-sha-256`,
        'SELECT pg_reload_conf();',
      ];
    case '3D000':
      return [`CREATE DATABASE ${quoteIdentifier(database)}; -- or correct database.dbname`];
    default:
      return [
        `Check that the server runs, that ${host}:${port} is right, and that listen_addresses and firewalls let the worker in.`,
      ];
  }
}

/** Each step is independent of the others: one that fails is a finding, too. */
async function steps(client: pg.Client, config: PostgresConfig, list: CheckList): Promise<void> {
  const attempt = async (check: string, step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (error) {
      list.problem(check, `could not be looked at: ${serverMessage(error)}`, []);
    }
  };
  await attempt('server', () => checkServer(client, config, list));
  await attempt('tables', async () => {
    const tables = (await listTables(client, config.includeBuiltin)).filter(config.captured);
    await checkTables(client, config, tables, list);
    await attempt('publication', () => checkPublication(client, config, tables, list));
  });
  await attempt('slot', () => checkSlot(client, config, list));
}
