// Connections to the server: how settings become the driver's, and what every session of ours has set so that the text
// of a value never depends on role or database settings.
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { type Logger, MillraceError } from '@millrace/foundation';
import pg from 'pg';
import { postgresError, serverError, sqlStateOf, toPostgresError } from './errors.ts';

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslCert?: string | undefined;
  readonly sslKey?: string | undefined;
  readonly sslKeyPassword?: string | undefined;
  readonly sslRootCert?: string | undefined;
  readonly keepAlive: boolean;
  /** Statements to run on each new session. */
  readonly initialStatements: readonly string[];
  readonly applicationName: string;
}

/** The text forms that decoding expects, whatever the role or the database sets. */
const SESSION: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
};

const CONNECT_TIMEOUT_MS = 30_000;
/** The system's own default is two hours. */
const KEEP_ALIVE_AFTER_MS = 30_000;
const END_TIMEOUT_MS = 2_000;

/** A session whose end does not wait for a server that no longer answers: else its task could not end either. */
class Session extends pg.Client {
  override async end(): Promise<void> {
    const { connection } = this as unknown as { connection?: { stream?: Socket } };
    const timer = setTimeout(() => connection?.stream?.destroy(), END_TIMEOUT_MS);
    try {
      await super.end();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A plain session, or one that speaks the replication protocol on the database. */
export type SessionKind = 'query' | 'replication';

/**
 * Opens a session. The caller ends it. Errors on an idle session are the caller's to hear: a listener that ignores
 * them is in place, so that they never end the process.
 * @throws postgres.connection_failed, postgres.access_denied
 */
export async function connect(settings: ConnectionSettings, kind: SessionKind = 'query'): Promise<pg.Client> {
  const attempts: (TlsOptions | false)[] =
    settings.sslMode === 'disable'
      ? [false]
      : settings.sslMode === 'prefer'
        ? [tlsOptions(settings), false]
        : settings.sslMode === 'allow'
          ? [false, tlsOptions(settings)]
          : [tlsOptions(settings)];
  let failure: unknown;
  for (const ssl of attempts) {
    const client = new Session({
      host: settings.host,
      port: settings.port,
      user: settings.user,
      ...(settings.password === undefined ? {} : { password: settings.password }),
      database: settings.database,
      ssl,
      keepAlive: settings.keepAlive,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      application_name: settings.applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      options: Object.entries(SESSION)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
      ...(kind === 'replication' ? { replication: 'database' } : {}),
      client_encoding: 'UTF8',
    } as pg.ClientConfig);
    client.on('error', () => undefined);
    try {
      await client.connect();
      if (kind === 'query') for (const statement of settings.initialStatements) await client.query(statement);
      return client;
    } catch (error) {
      failure = error;
      await client.end().catch(() => undefined);
      if (!isAboutTls(error)) break;
    }
  }
  throw failure;
}

function isAboutTls(error: unknown): boolean {
  const message = error instanceof Error ? error.message : '';
  return /SSL|TLS|no pg_hba\.conf entry/i.test(message);
}

function tlsOptions(settings: ConnectionSettings): TlsOptions {
  const file = (path: string, key: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw postgresError('postgres.access_denied', `Cannot read the file of ${key}: ${path}`, {
        cause,
        configKey: key,
      });
    }
  };
  const verify = settings.sslMode === 'verify-ca' || settings.sslMode === 'verify-full';
  return {
    rejectUnauthorized: verify,
    ...(settings.sslMode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(settings.sslRootCert === undefined ? {} : { ca: file(settings.sslRootCert, 'database.sslrootcert') }),
    ...(settings.sslCert === undefined ? {} : { cert: file(settings.sslCert, 'database.sslcert') }),
    ...(settings.sslKey === undefined ? {} : { key: file(settings.sslKey, 'database.sslkey') }),
    ...(settings.sslKeyPassword === undefined ? {} : { passphrase: settings.sslKeyPassword }),
  };
}

const UNREACHED: ReadonlySet<string> = new Set(['postgres.query_failed', 'postgres.connection_lost']);

/** `connect` with errors as ours. */
export async function openSession(
  settings: ConnectionSettings,
  kind: SessionKind = 'query',
): Promise<pg.Client> {
  try {
    return await connect(settings, kind);
  } catch (error) {
    const cause = serverError(error);
    const code = UNREACHED.has(cause.code) ? 'postgres.connection_failed' : cause.code;
    throw new MillraceError(
      code,
      `Cannot connect to Postgres at ${settings.host}:${settings.port}: ${cause.message}`,
      {
        cause,
      },
    );
  }
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteTable(table: { readonly schema: string; readonly table: string }): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.table)}`;
}

/** Ends a session when the signal fires, whatever it is doing; returns how to take that back. */
export function endOnAbort(client: pg.Client, signal: AbortSignal): () => void {
  const end = (): void => void client.end().catch(() => undefined);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  return () => signal.removeEventListener('abort', end);
}

/** SQLSTATEs of a heartbeat query that ends the task: its table is gone, or the server is. */
const FATAL_FOR_HEARTBEAT: readonly string[] = ['42P01', '57P01', '57P03'];

/** Runs `heartbeat.action.query`; what else goes wrong with it is logged, since capture goes on without it. */
export async function runHeartbeatQuery(client: pg.Client, query: string, logger: Logger): Promise<void> {
  try {
    await client.query(query);
  } catch (error) {
    if (FATAL_FOR_HEARTBEAT.includes(sqlStateOf(error) ?? ''))
      throw toPostgresError(error, 'heartbeat.action.query failed');
    logger.error({ err: error }, 'heartbeat.action.query failed');
  }
}
