// The replication slot: its state on the server, its creation, and whether it still serves a stored position.
import { randomUUID } from 'node:crypto';
import { MillraceError } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { type ConnectionSettings, connect, quoteIdentifier, quoteLiteral } from './connection.ts';
import { DEBEZIUM_EXCEPTION, postgresError, serverError, toPostgresError } from './errors.ts';
import { confirmablePosition, type StoredOffset } from './offset.ts';
import { formatLsn, type Lsn, parseLsn } from './protocol/lsn.ts';

export interface SlotState {
  readonly plugin: string;
  readonly database: string | null;
  readonly active: boolean;
  readonly activePid: number | null;
  readonly temporary: boolean;
  readonly twoPhase: boolean;
  readonly restartLsn: Lsn | undefined;
  readonly confirmedFlushLsn: Lsn | undefined;
  /** Why the server gave the slot up for ever, in its words, such as `wal_removed`; undefined for one in order. */
  readonly givenUp: string | undefined;
}

/** A slot as it was just made: the exact pair of a snapshot and the position from which changes follow it. */
export interface CreatedSlot {
  readonly consistentPoint: Lsn;
  /** Valid while the connection that created the slot does nothing else. */
  readonly snapshotName: string;
}

export async function readSlot(
  client: pg.Client,
  name: string,
  serverVersion: number,
): Promise<SlotState | undefined> {
  const { rows } = await client.query<{
    plugin: string;
    database: string | null;
    active: boolean;
    active_pid: number | null;
    temporary: boolean;
    two_phase: boolean;
    restart_lsn: string | null;
    confirmed_flush_lsn: string | null;
    wal_status: string | null;
    reason: string | null;
  }>(
    `select plugin, database, active, active_pid, temporary, restart_lsn, confirmed_flush_lsn,
            ${serverVersion >= 130000 ? 'wal_status' : 'null::text'} as wal_status,
            ${serverVersion >= 170000 ? 'invalidation_reason' : 'null::text'} as reason,
            ${serverVersion >= 140000 ? 'two_phase' : 'false'} as two_phase
       from pg_catalog.pg_replication_slots where slot_name = $1`,
    [name],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    plugin: row.plugin,
    database: row.database,
    active: row.active,
    activePid: row.active_pid,
    temporary: row.temporary,
    twoPhase: row.two_phase,
    restartLsn: row.restart_lsn === null ? undefined : parseLsn(row.restart_lsn),
    confirmedFlushLsn: row.confirmed_flush_lsn === null ? undefined : parseLsn(row.confirmed_flush_lsn),
    givenUp: row.reason ?? (row.wal_status === 'lost' ? 'wal_status lost' : undefined),
  };
}

/** Why the slot cannot be read by us without losing changes; undefined where it can. */
export function whyUnusable(slot: SlotState, config: PostgresConfig): string | undefined {
  const why = flawOf(slot, config.connection.database);
  return why === undefined ? undefined : `The replication slot ${config.slot.name} cannot be used: ${why}`;
}

function flawOf(slot: SlotState, database: string): string | undefined {
  if (slot.plugin !== 'pgoutput') return `its plug-in is ${slot.plugin}, not pgoutput`;
  if (slot.database !== null && slot.database !== database) return `it belongs to database ${slot.database}`;
  // Rows consumed at PREPARE would be gone after a restart.
  return slot.twoPhase ? 'it was created with two_phase' : undefined;
}

/** @throws postgres.slot_unusable */
export function requireUsable(slot: SlotState, config: PostgresConfig): void {
  const hint = whyUnusable(slot, config);
  if (hint === undefined) return;
  const { name } = config.slot;
  // Debezium does not see such a slot, and fails to make it.
  const cause = postgresError('postgres.slot_unusable', `ERROR: replication slot "${name}" already exists`, {
    javaClass: 'org.postgresql.util.PSQLException',
  });
  throw postgresError(
    'postgres.slot_unusable',
    'Creation of replication slot failed; when setting up multiple connectors for the same database host, please make sure to use a distinct replication slot name for each.',
    { cause, javaClass: DEBEZIUM_EXCEPTION, hint, context: { slot: name } },
  );
}

/**
 * Creates a slot on a replication connection, and exports the snapshot that goes with it. Never with two_phase.
 * @throws postgres.slot_active and others
 */
export async function createSlot(
  replication: pg.Client,
  name: string,
  options: { readonly temporary: boolean; readonly failover: boolean; readonly serverVersion: number },
): Promise<CreatedSlot> {
  const { temporary, failover, serverVersion } = options;
  const modern = serverVersion >= 150000;
  const settings = modern
    ? `(SNAPSHOT 'export'${failover && !temporary && serverVersion >= 170000 ? ', FAILOVER true' : ''})`
    : 'EXPORT_SNAPSHOT';
  const sql = `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)}${temporary ? ' TEMPORARY' : ''} LOGICAL pgoutput ${settings}`;
  try {
    const { rows } = await replication.query<{ consistent_point: string; snapshot_name: string }>(sql);
    const row = rows[0];
    const consistentPoint = row === undefined ? undefined : parseLsn(row.consistent_point);
    if (row === undefined || consistentPoint === undefined) {
      throw postgresError('postgres.protocol', 'The server did not say where the new slot starts');
    }
    return { consistentPoint, snapshotName: row.snapshot_name };
  } catch (error) {
    throw creationFailed(error);
  }
}

/** A name for a slot that lives as long as its session. */
export function temporaryName(): string {
  return `millrace_${process.pid}_${randomUUID().replaceAll('-', '')}`;
}

/** Opens the connection that is to create a slot. @throws what keeps the user from replicating */
export async function openForCreation(settings: ConnectionSettings): Promise<pg.Client> {
  try {
    return await connect(settings, 'replication');
  } catch (error) {
    throw creationFailed(error);
  }
}

function creationFailed(error: unknown): MillraceError {
  const cause = serverError(error);
  return new MillraceError(cause.code, 'Creation of replication slot failed', {
    cause,
    javaClass: DEBEZIUM_EXCEPTION,
  });
}

/** Drops a slot if it is there; waits a little for its reader to let go. */
export async function dropSlot(client: pg.Client, name: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await client.query(
        'select pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1',
        [name],
      );
      return;
    } catch (error) {
      if (attempt >= DROP_ATTEMPTS) throw toPostgresError(error, `Cannot drop the replication slot ${name}`);
      await client.query(`select pg_sleep(${DROP_WAIT_S})`);
    }
  }
}
const DROP_ATTEMPTS = 20;
const DROP_WAIT_S = 0.1;

export type PositionCheck = 'available' | 'lost' | 'ahead';

/** Whether the server still has every change after a stored offset. `walEnd` is where its WAL ends. */
export function checkPosition(slot: SlotState | undefined, stored: StoredOffset, walEnd: Lsn): PositionCheck {
  if (slot === undefined || slot.givenUp !== undefined || slot.restartLsn === undefined) return 'lost';
  // A server that has not written that far was restored or took over from another: its changes are not those we know.
  if (walEnd < maxPosition(stored)) return 'lost';
  const needed = confirmablePosition(stored);
  if (slot.restartLsn > needed) return 'lost';
  // INV-3: the server streams from confirmed_flush. Our own confirmations never pass the stored offset.
  return slot.confirmedFlushLsn !== undefined && slot.confirmedFlushLsn > maxPosition(stored)
    ? 'ahead'
    : 'available';
}

/** The furthest position of a stored offset. */
export function maxPosition(stored: StoredOffset): Lsn {
  const { lsn, lastCommitLsn } = stored;
  return lastCommitLsn !== undefined && lastCommitLsn > lsn ? lastCommitLsn : lsn;
}

/** Whether the server is to send transactions while they are in progress. */
export function streamsInProgress(config: PostgresConfig, serverVersion: number): boolean {
  return config.slot.streaming !== undefined && serverVersion >= STREAMING_VERSION;
}
const STREAMING_VERSION = 140000;

/** The START_REPLICATION command for the slot, from `lsn` on. */
export function startCommand(config: PostgresConfig, lsn: Lsn, serverVersion: number): string {
  const streams = streamsInProgress(config, serverVersion);
  const options: [string, string][] = [
    ['proto_version', streams ? '2' : '1'],
    ['publication_names', quoteIdentifier(config.publication.name)],
  ];
  if (serverVersion >= 140000) options.push(['messages', 'true']);
  if (streams) options.push(['streaming', 'on']);
  const list = [...new Map([...config.slot.streamParams, ...options])]
    .map(([name, value]) => `${quoteIdentifier(name)} ${quoteLiteral(value)}`)
    .join(', ');
  return `START_REPLICATION SLOT ${quoteIdentifier(config.slot.name)} LOGICAL ${formatLsn(lsn)} (${list})`;
}
