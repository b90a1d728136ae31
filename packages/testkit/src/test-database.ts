// A Postgres database of a test's own on the server of the run, with its slots cleared away at the end.
import pg from 'pg';
import { inject } from 'vitest';
import { eventually } from './waiting.ts';

/** Connection facts and a query function; dispose drops the database and every slot in it. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly url: string;
  /** Runs one or more statements on one connection; the rows of the last one that gives rows. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

let created = 0;

/** Creates a database on the server of this run, or on `serverUrl`. */
export async function testDatabase(serverUrl: string = inject('postgresUrl')): Promise<TestDatabase> {
  const server = new URL(serverUrl);
  const name = `t_${process.pid}_${++created}_${Date.now().toString(36)}`;
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`create database "${name}"`);
  server.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: server.href });
  client.on('error', () => undefined); // a server that a test stops ends this connection too
  admin.on('error', () => undefined);
  await client.connect();
  return {
    name,
    host: server.hostname,
    port: Number(server.port),
    user: server.username,
    password: server.password,
    url: server.href,
    async query(sql, values) {
      const result: unknown = await client.query(sql, values);
      const last = (Array.isArray(result) ? result.at(-1) : result) as
        | { rows?: Record<string, unknown>[] }
        | undefined;
      return last?.rows ?? [];
    },
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => undefined);
      await dropDatabase(serverUrl, name);
      await admin.end().catch(() => undefined);
    },
  };
}

/** A slot stays active until its walsender, which was told to end, has come to look. */
const DROP_WITHIN_MS = 60_000;

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  const admin = new pg.Client({ connectionString: serverUrl });
  admin.on('error', () => undefined);
  await admin.connect();
  await eventually(
    `the database ${name} is dropped`,
    async () => {
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
      await admin.query(
        'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1',
        [name],
      );
      await admin.query(`drop database if exists "${name}" with (force)`);
      return true;
    },
    DROP_WITHIN_MS,
  );
  await admin.end();
}
