// Offsets in a table of Postgres, all of a flush in one transaction.
import type { ConnectionOptions } from 'node:tls';
import { messageOf } from '@millrace/foundation';
import type pg from 'pg';
import { libraryError } from '../errors.ts';
import type { SourceOffsets } from './source-offsets.ts';

/** Where the server is, as the `pg` driver takes it; what is absent comes from `PGHOST` and the like. */
export interface PostgresConnection {
  /** Such as `postgres://user:password@127.0.0.1:5432/database`, in place of the rest. */
  readonly connectionString?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** `true`, or options of `tls.connect`. */
  readonly ssl?: boolean | ConnectionOptions;
}

export interface PostgresOffsetsOptions {
  readonly connection: PostgresConnection;
  /** Table, `SCHEMA.TABLE` or `TABLE`; `millrace_offsets` by default. It is created when it is not there. */
  readonly table?: string;
}

/**
 * Keeps offsets in a table, one row an offset. Better not in the database whose changes are read: there each save is
 * itself something to move past.
 *
 * @throws library.offsets when the server cannot be reached or refuses
 */
export function postgresOffsets({
  connection,
  table = 'millrace_offsets',
}: PostgresOffsetsOptions): SourceOffsets {
  const name = table.split('.').map(quoted).join('.');
  let client: pg.Client | undefined;

  async function asked<T>(what: string, ask: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      client ??= await connect(connection, () => {
        client = undefined;
      });
      return await ask(client);
    } catch (cause) {
      // Whatever state it is in, the next attempt begins with another.
      const broken = client;
      client = undefined;
      await broken?.end().catch(() => undefined);
      throw libraryError(
        'library.offsets',
        `Offsets cannot be ${what} the table ${table}: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  return {
    load: () =>
      asked('read from', async (connected) => {
        await connected.query(
          `create table if not exists ${name} (key text primary key, value text not null, saved timestamptz not null default now())`,
        );
        const { rows } = await connected.query<{ key: string; value: string }>(
          `select key, value from ${name}`,
        );
        return new Map(rows.map(({ key, value }) => [key, value]));
      }),
    save: (changes) =>
      asked('saved in', async (connected) => {
        await connected.query('begin');
        // Whatever the server's default: what is answered here lets the source forget.
        await connected.query('set local synchronous_commit = on');
        await connected.query(
          `insert into ${name} (key, value) select * from unnest($1::text[], $2::text[])
           on conflict (key) do update set value = excluded.value, saved = now()`,
          [[...changes.keys()], [...changes.values()]],
        );
        await connected.query('commit');
      }),
    async close() {
      await client?.end();
    },
  };
}

async function connect(settings: PostgresConnection, onLost: () => void): Promise<pg.Client> {
  const { default: driver } = await import('pg');
  const client = new driver.Client({
    connectionTimeoutMillis: 10_000,
    application_name: 'millrace',
    ...settings,
  });
  // A connection that breaks between two saves is opened anew by the next one.
  client.on('error', onLost);
  await client.connect();
  return client;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
