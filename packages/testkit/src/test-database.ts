// A Postgres database of a test's own on the server of the run, with its slots cleared away at the end.
import pg from 'pg';
import { inject } from 'vitest';

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

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
      await admin.query(
        'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1',
        [name],
      );
      await admin.query(`drop database if exists "${name}" with (force)`);
      break;
    } catch (error) {
      // A slot stays active for a moment after its walsender was told to end.
      if (Date.now() > deadline) throw error;
    }
  }
  await admin.end();
}
