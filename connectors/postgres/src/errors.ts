// Error codes of the Postgres connector, and the mapping of what the driver and the server report.
import {
  CONNECT_EXCEPTION,
  defineErrorCodes,
  type ErrorCodeInfo,
  MillraceError,
  type MillraceErrorOptions,
  messageOf,
} from '@millrace/foundation';

export type PostgresErrorCode =
  | 'postgres.connection_failed'
  | 'postgres.connection_lost'
  | 'postgres.connection_stalled'
  | 'postgres.access_denied'
  | 'postgres.tls_failed'
  | 'postgres.server_settings'
  | 'postgres.publication_missing'
  | 'postgres.publication_conflict'
  | 'postgres.publication_empty'
  | 'postgres.slot_active'
  | 'postgres.slot_lost'
  | 'postgres.slot_ahead'
  | 'postgres.snapshot_unfinished'
  | 'postgres.slot_unusable'
  | 'postgres.lineage_changed'
  | 'postgres.protocol'
  | 'postgres.streaming_failed'
  | 'postgres.spool_full'
  | 'postgres.spool_failed'
  | 'postgres.query_failed'
  | 'postgres.table_unusable'
  | 'postgres.table_rewritten'
  | 'postgres.too_many_tables'
  | 'postgres.reselect_failed';

const CODES: Record<PostgresErrorCode, ErrorCodeInfo> = {
  'postgres.connection_failed': {
    policy: 'retry',
    remedy: 'Check that the server runs and that host, port and network let the worker reach it.',
  },
  'postgres.connection_lost': {
    policy: 'retry',
    remedy: 'The connection is opened again by itself; look at the server log if it keeps breaking.',
  },
  'postgres.connection_stalled': {
    policy: 'retry',
    remedy:
      'The connection is opened again by itself. Look at the load of the server and at the network between; where the server is only busy for so long, raise its wal_sender_timeout.',
  },
  'postgres.access_denied': {
    policy: 'needs_operator',
    remedy:
      'Correct user, password or pg_hba.conf; the user needs LOGIN and REPLICATION and SELECT on the tables.',
  },
  'postgres.tls_failed': {
    policy: 'needs_operator',
    remedy:
      'Look at database.sslmode, database.sslrootcert, database.sslcert and database.sslkey: the server must speak TLS (ssl = on), its certificate must be of an authority in the root file and, with verify-full, be for the host name in the config.',
  },
  'postgres.server_settings': {
    policy: 'needs_operator',
    remedy:
      'Set wal_level = logical (and enough max_replication_slots and max_wal_senders) and restart the server.',
  },
  'postgres.publication_missing': {
    policy: 'needs_operator',
    remedy: 'Create the publication, or let the connector do it with publication.autocreate.mode=filtered.',
  },
  'postgres.publication_conflict': {
    policy: 'needs_operator',
    remedy:
      'Drop the publication for all tables, choose another publication.name, or set publication.autocreate.mode=all_tables.',
  },
  'postgres.publication_empty': {
    policy: 'needs_operator',
    remedy: 'Let table.include.list or schema.include.list match at least one table.',
  },
  'postgres.slot_active': {
    policy: 'retry',
    remedy: 'Stop the other reader of the slot or give this connector a slot.name of its own.',
  },
  'postgres.slot_lost': {
    policy: 'needs_operator',
    remedy:
      'The server no longer has the changes after the stored offset: set snapshot.mode=when_needed to read the tables again, or reset the offsets.',
  },
  'postgres.slot_ahead': {
    policy: 'needs_operator',
    remedy:
      'The slot was moved by somebody else; changes may be missing. Set snapshot.mode=when_needed to read the tables again, or reset the offsets.',
  },
  'postgres.snapshot_unfinished': {
    policy: 'needs_operator',
    remedy:
      'Set snapshot.mode=initial to read the tables to the end, or reset the offsets to begin without them.',
  },
  'postgres.slot_unusable': {
    policy: 'needs_operator',
    remedy: 'Drop the slot or choose another slot.name; the connector creates the slot it needs.',
  },
  'postgres.lineage_changed': {
    policy: 'needs_operator',
    remedy:
      'The stored offset belongs to another server, timeline, database or slot: connect to the old one again, set snapshot.mode=when_needed to read the tables again, or stop the connector and reset its offsets with DELETE /connectors/NAME/offsets.',
  },
  'postgres.protocol': {
    policy: 'retry',
    remedy:
      'The server sent what the protocol does not allow; if it repeats, report it with the server version.',
  },
  'postgres.streaming_failed': {
    policy: 'needs_operator',
    remedy:
      'Set millrace.streaming=off until the connector is past this transaction: some servers cannot decode a transaction in progress in which a change of a table was rolled back to a savepoint. Nothing is lost.',
  },
  'postgres.spool_full': {
    policy: 'needs_operator',
    remedy:
      'Raise millrace.streaming.max.bytes where the disk has room, or set millrace.streaming=off: then the server keeps transactions until they commit.',
  },
  'postgres.spool_failed': {
    policy: 'retry',
    remedy:
      'Free space on the disk of the data folder, or set millrace.streaming=off: then the server keeps transactions until they commit. Nothing is lost: the server sends them again.',
  },
  'postgres.query_failed': {
    policy: 'needs_operator',
    remedy: 'Read the server message; the user may lack a privilege.',
  },
  'postgres.table_unusable': {
    policy: 'needs_operator',
    remedy: 'Change the table or take it out of table.include.list.',
  },
  'postgres.table_rewritten': {
    policy: 'retry',
    remedy:
      'The connector reads the table anew, and only that: restart its task where it does not do so by itself.',
  },
  'postgres.too_many_tables': {
    policy: 'needs_operator',
    remedy: 'Capture fewer tables (table.include.list), or raise guardrail.collections.max.',
  },
  'postgres.reselect_failed': {
    policy: 'needs_operator',
    remedy:
      'The row was changed or deleted since. Set NAME.reselect.error.handling.mode=warn to deliver such events with the placeholder.',
  },
};
defineErrorCodes(CODES);

export const DEBEZIUM_EXCEPTION = 'io.debezium.DebeziumException';

export function postgresError(
  code: PostgresErrorCode,
  message: string,
  options?: MillraceErrorOptions,
): MillraceError {
  return new MillraceError(code, message, options);
}

/** What a driver error carries beyond its message. */
interface ServerErrorFields {
  readonly code?: unknown;
  readonly severity?: unknown;
  /** What the server was in when it met the error, such as a function. */
  readonly where?: unknown;
}

/** SQLSTATE of an error the server sent, or the errno name of a socket error. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as ServerErrorFields).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** `FATAL: password authentication failed for user "x"`, as the Java driver words it. */
export function serverMessage(error: unknown): string {
  const severity = error instanceof Error ? (error as ServerErrorFields).severity : undefined;
  return typeof severity === 'string' ? `${severity}: ${messageOf(error)}` : messageOf(error);
}

const CODE_BY_STATE: readonly (readonly [prefix: string, code: PostgresErrorCode])[] = [
  ['28', 'postgres.access_denied'],
  ['42501', 'postgres.access_denied'],
  ['55006', 'postgres.slot_active'],
  ['57P', 'postgres.connection_lost'],
  ['08', 'postgres.connection_lost'],
  ['53400', 'postgres.server_settings'],
  ['53', 'postgres.connection_failed'],
  ['ERR_TLS', 'postgres.tls_failed'],
  ['ERR_SSL', 'postgres.tls_failed'],
  ['ERR_OSSL', 'postgres.tls_failed'],
  ['CERT_', 'postgres.tls_failed'],
  ['UNABLE_TO_', 'postgres.tls_failed'],
  ['SELF_SIGNED', 'postgres.tls_failed'],
  ['DEPTH_ZERO', 'postgres.tls_failed'],
  ['E', 'postgres.connection_lost'],
];

/** What the driver says of a server without TLS. */
const NO_TLS = /does not support SSL|establishing an SSL connection/i;

/** What the driver says of a connection that broke: such errors have no SQLSTATE. */
const LOST = /terminat|ended|closed|timeout|connection error/i;

/**
 * Any error of the driver or the server as ours, with the driver's as its cause. Errors that already are ours pass
 * through.
 */
export function toPostgresError(error: unknown, doing: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const cause = serverError(error);
  return new MillraceError(cause.code, `${doing}: ${cause.message}`, { cause, javaClass: CONNECT_EXCEPTION });
}

/** `toPostgresError` for what the driver or the server has thrown; any other error stays as it is. */
export function fromServer(error: unknown, doing: string): unknown {
  const isOfDriver = error instanceof Error && (sqlStateOf(error) !== undefined || LOST.test(error.message));
  return isOfDriver ? toPostgresError(error, doing) : error;
}

/** What the server reports of its own insides while it decodes transactions in progress. */
export function streamingError(error: unknown): unknown {
  const state = error instanceof MillraceError ? error.context?.['sqlState'] : undefined;
  const cause =
    error instanceof MillraceError && error.cause instanceof MillraceError ? error.cause : undefined;
  if (state !== INTERNAL_ERROR && cause?.context?.['sqlState'] !== INTERNAL_ERROR) return error;
  return postgresError(
    'postgres.streaming_failed',
    `${messageOf(error)}, while it sent transactions in progress`,
    {
      cause: error,
      configKey: 'millrace.streaming',
    },
  );
}
const INTERNAL_ERROR = 'XX000';

/** Whether the server refused a query for what it says: another try would be refused too. */
export function isRefused(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return REFUSED.test(sqlStateOf(error) ?? '');
  const state = error.context?.['sqlState'];
  return (typeof state === 'string' && REFUSED.test(state)) || isRefused(error.cause);
}
const REFUSED = /^(0A|22|38|39|42|54|P0)[0-9A-Z]{3}$/;

/** Whether the server knows no such table or column as a query names itself, not a function that it calls. */
export function isUndefined(error: unknown): boolean {
  if (error instanceof MillraceError) return isUndefined(error.cause);
  const isOwn = error instanceof Error && (error as ServerErrorFields).where === undefined;
  return isOwn && UNDEFINED.test(sqlStateOf(error) ?? '');
}
const UNDEFINED = /^42(P01|703)$/;

/** Asks the server; the error says what was being done. @throws what `toPostgresError` makes of the answer */
export async function ask<T>(query: () => Promise<T>, doing: string): Promise<T> {
  try {
    return await query();
  } catch (error) {
    throw toPostgresError(error, doing);
  }
}

/** An error of the driver or the server in the Java driver's guise: its class, its words, its SQLSTATE. */
export function serverError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const state = sqlStateOf(error) ?? '';
  const text = messageOf(error);
  const code =
    CODE_BY_STATE.find(([prefix]) => state.startsWith(prefix))?.[1] ??
    (NO_TLS.test(text) ? 'postgres.tls_failed' : undefined) ??
    (LOST.test(text) ? 'postgres.connection_lost' : 'postgres.query_failed');
  return postgresError(code, serverMessage(error), {
    javaClass: 'org.postgresql.util.PSQLException',
    context: { sqlState: state },
  });
}

/** Debezium's words around what ends its reader. */
export function producerError(cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return postgresError(
    (code.startsWith('postgres.') ? code : 'postgres.connection_lost') as 'postgres.connection_lost',
    'An exception occurred in the change event producer. This connector will be stopped.',
    { cause, context: { cause: messageOf(cause) } },
  );
}

/** Whether the connection broke or the server ended the session, rather than answered. */
export function isAboutSession(error: unknown): boolean {
  const fromServer = error instanceof Error && 'severity' in error;
  return !fromServer || (sqlStateOf(error) ?? '').startsWith('57P');
}
