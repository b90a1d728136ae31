// What the connector needs to know of the server before it starts.
import type pg from 'pg';
import { postgresError } from './errors.ts';
import { type Lsn, parseLsn } from './protocol/lsn.ts';

export interface ServerFacts {
  /** Such as 150018. */
  readonly version: number;
  readonly walLevel: string;
  /** 0 = the server never gives a silent reader up. */
  readonly walSenderTimeoutMs: number;
  readonly encoding: string;
  readonly databaseOid: number;
  /** Where its WAL ends now. */
  readonly walEnd: Lsn;
}

export async function readServerFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<{
    version: number;
    wal_level: string;
    timeout: string;
    encoding: string;
    database_oid: string;
    wal_end: string;
  }>(
    `select current_setting('server_version_num')::int as version, current_setting('wal_level') as wal_level,
            (select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout') as timeout,
            current_setting('server_encoding') as encoding,
            (select oid from pg_catalog.pg_database where datname = current_database())::text as database_oid,
            case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text as wal_end`,
  );
  const row = rows[0];
  if (row === undefined)
    throw postgresError('postgres.query_failed', 'The server did not report its settings');
  return {
    version: row.version,
    walLevel: row.wal_level,
    walSenderTimeoutMs: Number(row.timeout),
    encoding: row.encoding,
    databaseOid: Number(row.database_oid),
    walEnd: parseLsn(row.wal_end) ?? 0,
  };
}

/** @throws postgres.server_settings */
export function requireLogicalWal(facts: ServerFacts): void {
  if (facts.walLevel === 'logical') return;
  throw postgresError(
    'postgres.server_settings',
    `Postgres server wal_level property must be 'logical' but is: '${facts.walLevel}'`,
    { javaClass: 'io.debezium.DebeziumException', context: { walLevel: facts.walLevel } },
  );
}
