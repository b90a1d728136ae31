// Connections to the server: how settings become the driver's, and what every session of ours has set so that the text
// of a value never depends on role or database settings.
import type { EventEmitter } from 'node:events';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { type Logger, MillraceError } from '@millrace/foundation';
import pg from 'pg';
import { postgresError, serverError, sqlStateOf, toPostgresError } from './errors.ts';
import { silenceLimitMs } from './protocol/watchdog.ts';
import { wideSocket } from './protocol/wide-socket.ts';
import { type BackendIdentity, Session, stateOf } from './session.ts';
import { type TlsSettings, tlsAttempts } from './tls.ts';

/** Which of several servers is wanted, in the words of Java's driver, in lower case. */
export type TargetServer = 'any' | 'primary' | 'secondary' | 'preferprimary' | 'prefersecondary';

export interface ConnectionSettings extends TlsSettings {
  /** A host, or several with commas between; each may have a port of its own. */
  readonly host: string;
  /** Of hosts that have none. */
  readonly port: number;
  readonly targetServer?: TargetServer | undefined;
  /** Whether the login is bound to the server's certificate: where the server offers it, always, or never. */
  readonly channelBinding?: 'prefer' | 'require' | 'disable' | undefined;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
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
  // Of a publication that is missing, servers from 18 on do no more than warn.
  client_min_messages: 'warning',
  lc_monetary: 'C',
};

/** What a session of replication does takes as long as it takes: making a slot waits for all that is open. */
const NO_LIMITS: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
};

const CONNECT_TIMEOUT_MS = 30_000;
/** The system's own default is two hours. */
const KEEP_ALIVE_AFTER_MS = 30_000;

/** A plain session, or one that speaks the replication protocol on the database. */
export type SessionKind = 'query' | 'replication';

/**
 * Opens a session on the first server that can be reached and is of the kind wanted. The caller ends it. Errors on an
 * idle session are the caller's to hear: a listener that ignores them is in place, so that they never end the process.
 * @throws what the driver says; see `openSession`
 */
export async function connect(settings: ConnectionSettings, kind: SessionKind = 'query'): Promise<pg.Client> {
  const hosts = parseHosts(settings.host, settings.port);
  const attempts = tlsAttempts(settings);
  let failure: unknown;
  for (const wanted of wantedServers(settings.targetServer ?? 'any')) {
    for (const host of hosts) {
      try {
        return await connectTo(host, wanted, { settings, attempts, kind });
      } catch (error) {
        // What a server has answered says more than that another one cannot be reached.
        if (failure === undefined || !isUnreached(error)) failure = error;
      }
    }
  }
  throw failure;
}

/** Sessions wait for each other, however long that takes. The setting is there from Postgres 14 on. */
const SET_UP = `
  select pg_backend_pid() as pid, pg_postmaster_start_time()::text as "serverStart",
         (select setting::int from pg_catalog.pg_settings where name = 'wal_sender_timeout') as "silenceMs",
         (select set_config(name, '0', false) from pg_catalog.pg_settings where name = 'idle_session_timeout')`;

interface ConnectionAttempts {
  readonly settings: ConnectionSettings;
  readonly attempts: readonly (TlsOptions | false)[];
  readonly kind: SessionKind;
}

async function connectTo(
  host: HostAndPort,
  wanted: WantedServer,
  { settings, attempts, kind }: ConnectionAttempts,
): Promise<pg.Client> {
  let failure: unknown;
  for (const ssl of attempts) {
    const binding = ssl === false ? 'disable' : (settings.channelBinding ?? 'prefer');
    for (const bound of binding === 'prefer' ? [true, false] : [binding === 'require']) {
      const client = newSession(settings, host, ssl, { kind, bound });
      try {
        await login(client, settings);
        await checkServer(client, wanted, host);
        await setUp(client, () => newSession(settings, host, ssl, { kind: 'query', bound }));
        if (kind === 'query') await runInitialStatements(client, settings.initialStatements);
        return client;
      } catch (error) {
        failure = error;
        await client.end().catch(() => undefined);
        // The driver cannot bind to certificates of every kind of signature.
        if (!isAboutBinding(error)) break;
      }
    }
    if (!isAboutTls(failure)) break;
  }
  throw failure;
}

/** An answer about a session is waited for as long as for the session itself, within these bounds. */
const MIN_ASK_MS = 3_000;
const MAX_ASK_MS = 10_000;

/** `another` makes a session on the same server. */
async function setUp(client: Session, another: () => Session): Promise<void> {
  const { rows } = await client.query<BackendIdentity & { silenceMs: number }>(SET_UP);
  const [row] = rows;
  if (row === undefined)
    throw postgresError('postgres.protocol', 'The server did not say which session this is');
  const limitMs = silenceLimitMs(row.silenceMs);
  client.watch(limitMs, () => stateOf(row, another(), Math.max(MIN_ASK_MS, Math.min(MAX_ASK_MS, limitMs))));
}

const isAboutBinding = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('SASL channel binding');

const isUnreached = (error: unknown): boolean => /^E[A-Z]+$/.test(sqlStateOf(error) ?? '');

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** `a,b:5433,[::1]:5434` */
export function parseHosts(text: string, port: number): HostAndPort[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [, bracketed, plain, own] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
      // More than one colon and no brackets: an address of version 6 as it is.
      return { host: bracketed ?? plain ?? entry, port: own === undefined ? port : Number(own) };
    });
}

type WantedServer = 'any' | 'primary' | 'secondary';

/** One round through all hosts for each. */
function wantedServers(target: TargetServer): readonly WantedServer[] {
  if (target === 'preferprimary') return ['primary', 'any'];
  if (target === 'prefersecondary') return ['secondary', 'any'];
  return [target];
}

async function checkServer(
  client: pg.Client,
  wanted: WantedServer,
  { host, port }: HostAndPort,
): Promise<void> {
  if (wanted === 'any') return;
  const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
  const found = rows[0]?.standby === true ? 'secondary' : 'primary';
  if (found === wanted) return;
  throw postgresError(
    'postgres.connection_failed',
    `${host}:${port} is a ${found} server, wanted is a ${wanted} one`,
    {
      configKey: 'driver.targetServerType',
    },
  );
}

function newSession(
  settings: ConnectionSettings,
  { host, port }: HostAndPort,
  ssl: TlsOptions | false,
  { kind, bound }: { readonly kind: SessionKind; readonly bound: boolean },
): Session {
  const client = new Session({
    host,
    port,
    user: settings.user,
    ...(settings.password === undefined ? {} : { password: settings.password }),
    database: settings.database,
    ssl,
    // TLS reads from the socket by itself.
    ...(ssl === false ? { stream: wideSocket } : {}),
    enableChannelBinding: bound,
    keepAlive: settings.keepAlive,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    application_name: settings.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    options: Object.entries({ ...SESSION, ...(kind === 'replication' ? NO_LIMITS : {}) })
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    ...(kind === 'replication' ? { replication: 'database' } : {}),
    client_encoding: 'UTF8',
  } as pg.ClientConfig);
  client.on('error', () => undefined);
  return client;
}

const BOUND = 'SCRAM-SHA-256-PLUS';

/** @throws postgres.tls_failed where the login had to be bound to the certificate and could not */
async function login(client: pg.Client, { channelBinding }: ConnectionSettings): Promise<void> {
  if (channelBinding !== 'require') {
    await client.connect();
    return;
  }
  let offered: readonly string[] = [];
  const { connection } = client as unknown as { connection?: EventEmitter };
  connection?.once('authenticationSASL', (message: { readonly mechanisms?: readonly string[] }) => {
    offered = message.mechanisms ?? [];
  });
  await client.connect();
  if (offered.includes(BOUND)) return;
  throw postgresError('postgres.tls_failed', `The server did not offer ${BOUND}`, {
    configKey: 'driver.channelBinding',
  });
}

/** What follows the statements holds whatever they set: the text of values must not depend on it. */
async function runInitialStatements(client: pg.Client, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    try {
      await client.query(statement);
    } catch (cause) {
      throw postgresError('postgres.query_failed', 'A statement of database.initial.statements fails', {
        cause,
        configKey: 'database.initial.statements',
      });
    }
  }
  if (statements.length === 0) return;
  const again = Object.entries(SESSION).map(([name, value]) => `set ${name} = ${quoteLiteral(value)}`);
  await client.query(again.join('; '));
}

function isAboutTls(error: unknown): boolean {
  const message = error instanceof Error ? error.message : '';
  return /SSL|TLS|no pg_hba\.conf entry/i.test(message);
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
    // Such an error says itself what it is about.
    if (cause.configKey !== undefined) throw cause;
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

/** A text of any content, whatever `standard_conforming_strings` is; not for commands of replication. */
export function quoteText(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
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
