// One snapshot from start to end: a slot is made for its exact pair of snapshot and position, the snapshot is taken
// over by a session of our own, and the tables are read in it.
import {
  type ActivityStep,
  type OffsetMap,
  offsetMapOf,
  type SourceOffset,
  type SourceRecord,
} from '@millrace/connect-api';
import { javaSetOrder, type Notification, type Notifications } from '@millrace/connector-common';
import type { MillraceError } from '@millrace/foundation';
import type pg from 'pg';
import { openSession, quoteLiteral } from '../connection.ts';
import { postgresError, toPostgresError } from '../errors.ts';
import type { SnapshotPosition } from '../offset.ts';
import { formatLsn, type Lsn } from '../protocol/lsn.ts';
import { type CreatedSlot, openForCreation } from '../replication-slot.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import { type Resumable, SharedSnapshot } from './shared-snapshot.ts';
import { type SnapshotOptions, SnapshotReader } from './snapshot-reader.ts';
import { estimateRows } from './table-estimates.ts';
import { tablesBySize } from './table-order.ts';

export interface SnapshotRunOptions
  extends Omit<SnapshotOptions, 'client' | 'shared' | 'onTable' | 'firstTable' | 'ordered'> {
  /** A replication session that does nothing else; ended when the snapshot was taken over. */
  readonly creator: pg.Client;
  readonly create: (creator: pg.Client) => Promise<CreatedSlot>;
  readonly tables: readonly TableName[];
  /** The tables that notifications list: the table of signals, which is not read, may be among them. */
  readonly listed: readonly TableName[];
  readonly notifications: Notifications;
  /** Told which table is being read. */
  readonly step: ActivityStep;
  /** Ends a session when the task stops; returns how to take that back. */
  readonly endOnStop: (client: pg.Client) => () => void;
  /** The offset of all records, where it is not that of an initial snapshot. */
  readonly offset?: SourceOffset;
  /** Whether this run and those before it deliver exactly once. */
  readonly exact: boolean;
  /** A later run may go on with this snapshot, from what `state` says; without `start` the stream begins at its point. */
  readonly resumable?: Omit<Resumable, 'start'> & { readonly start: Lsn | undefined };
  /** Resolves once the offset is stored that a later run goes on from. */
  readonly onBeginning?: (offset: OffsetMap) => Promise<void>;
}

export interface SnapshotResult {
  readonly rows: number;
  /** Where the stream begins. */
  readonly start: Lsn;
  readonly completeOffset: OffsetMap;
  /** Of what comes after it and before the stream goes on. */
  readonly offsetBetween: SourceOffset;
}

export async function runSnapshot(options: SnapshotRunOptions): Promise<SnapshotResult> {
  const { config, clock, logger, queue, progress, resumable } = options;
  const sessions: pg.Client[] = [];
  const releases: (() => void)[] = [];
  const keep = (session: pg.Client): pg.Client => {
    sessions.push(session);
    releases.push(options.endOnStop(session));
    return session;
  };
  let abort: (() => void) | undefined;
  try {
    const creator = keep(options.creator);
    const first = keep(await openSession(config.connection));
    const readers = [first];
    while (readers.length < Math.min(config.snapshot.threads, options.tables.length))
      readers.push(keep(await openSession(config.connection)));
    const takeOver = async (from: pg.Client): Promise<SnapshotPosition> => {
      const { consistentPoint, snapshotName } = await options.create(from);
      options.step.enter('taking over the snapshot');
      for (const session of readers) await importSnapshot(session, snapshotName);
      // The snapshot is held by the imports now; the exporter may go, and with it a temporary slot.
      await from.end().catch(() => undefined);
      return await snapshotPosition(first, consistentPoint, clock.nowMs());
    };
    const position = await takeOver(creator);
    const start = resumable?.start ?? position.lsn;
    const shared = new SharedSnapshot({
      position,
      resumable: resumable === undefined ? undefined : { ...resumable, start },
      offset: options.offset,
      exact: options.exact,
    });
    if (shared.isResumed)
      logger.info({ lsn: formatLsn(position.lsn) }, 'going on with the snapshot that was interrupted');
    // Also of a run that goes on: what it has forgotten of those before it is not to be believed after it.
    if (resumable !== undefined) {
      options.step.enter('storing where the snapshot begins');
      await options.onBeginning?.(offsetMapOf(shared.offset()));
    }
    const tables = await tablesBySize(first, options.tables, config);
    progress.started(shared.earlier(await estimateRows(first, tables)));
    const notify = notifier(options, shared);
    notify({ aggregate: 'Initial Snapshot', type: 'STARTED' });
    abort = () => notify({ aggregate: 'Initial Snapshot', type: 'ABORTED' });
    const each = {
      ...options,
      shared,
      onTable: tableTeller(options, tables, notify),
      firstTable: tables[0],
      ordered: resumable !== undefined && config.snapshot.byKey,
    };
    const read = (names: readonly TableName[]): Promise<void> => {
      const waiting = names.values();
      const next = (): TableName | undefined => waiting.next().value;
      return allOrNone(options.signal, (signal) =>
        readers.map((client) => new SnapshotReader({ ...each, client, signal }).read(next)),
      );
    };
    await read(tables);
    for (let left = shared.takeOutOfSight(); left.length > 0; left = shared.takeOutOfSight()) {
      if (resumable !== undefined) throw outOfSight(left);
      logger.warn({ tables: left.map(qualified) }, `${outOfSight(left).message}: reading them anew`);
      // What waits for a lock that these sessions hold would be waited for while the slot is made.
      for (const session of readers) await session.query('COMMIT');
      shared.position = await takeOver(keep(await openForCreation(config.connection)));
      await read(left);
    }
    shared.end();
    progress.completed();
    const { completeOffset, offsetBetween, rowCount } = shared;
    const completed = options.notifications.record(
      { aggregate: 'Initial Snapshot', type: 'COMPLETED' },
      offsetBetween,
    );
    if (completed !== undefined) queue.put({ records: [completed], bytes: 0 });
    logger.info(
      { tables: tables.length, rows: rowCount, lsn: formatLsn(position.lsn) },
      'the snapshot is complete',
    );
    return { rows: rowCount + (completed === undefined ? 0 : 1), start, completeOffset, offsetBetween };
  } catch (error) {
    // A task that is being stopped hands no record on: then only the log says it, as with Debezium.
    abort?.();
    throw error;
  } finally {
    progress.aborted();
    options.step.leave();
    for (const release of releases) release();
    for (const session of sessions) await session.end().catch(() => undefined);
  }
}

/** Waits for all; when one fails the others are told to stop, and its error is thrown once they have. */
async function allOrNone(
  outer: AbortSignal,
  begin: (signal: AbortSignal) => readonly Promise<void>[],
): Promise<void> {
  const failing = new AbortController();
  let failure: { readonly error: unknown } | undefined;
  const all = begin(AbortSignal.any([outer, failing.signal])).map((one) =>
    one.catch((error: unknown) => {
      failure ??= { error };
      failing.abort();
    }),
  );
  await Promise.all(all);
  if (failure !== undefined) throw failure.error;
}

/** Where another run goes on, it reads what this one could not see. */
function outOfSight(tables: readonly TableName[]): MillraceError {
  return postgresError(
    'postgres.table_rewritten',
    `Rows of ${tables.map(qualified).join(', ')} are out of the sight of the snapshot, since a table was rewritten, altered or renamed after it was begun`,
  );
}

/** What is told when a table is begun, and when it was read or could not be. */
function tableTeller(
  { step, progress, listed }: SnapshotRunOptions,
  tables: readonly TableName[],
  notify: (notification: Notification) => void,
): SnapshotOptions['onTable'] {
  const inProgress = javaSetOrder(tables.map(qualified)).join(',');
  const hint = 'Look in pg_stat_activity at what the query waits for, such as a lock.';
  const tell = (type: Notification['type'], data: NonNullable<Notification['data']>): void =>
    notify({ aggregate: 'Initial Snapshot', type, data });
  return (table, end) => {
    const name = qualified(table);
    if (end === undefined) {
      step.enter(`reading ${name} for the snapshot`, hint);
      tell('IN_PROGRESS', { data_collections: inProgress, current_collection_in_progress: name });
    } else if (end === 'failed') {
      tell('TABLE_SCAN_COMPLETED', { scanned_collection: name, status: 'SQL_EXCEPTION' });
    } else {
      step.enter('preparing the next table of the snapshot', hint);
      progress.tableDone(name);
      tell('TABLE_SCAN_COMPLETED', {
        data_collections: listed.map(qualified).join(','),
        scanned_collection: name,
        total_rows_scanned: String(end),
        status: 'SUCCEEDED',
      });
    }
  };
}

function notifier(options: SnapshotRunOptions, shared: SharedSnapshot): (notification: Notification) => void {
  return (notification) => {
    const record: SourceRecord | undefined = options.notifications.record(notification, shared.offset());
    if (record !== undefined) options.queue.put({ records: [record], bytes: 0 });
  };
}

/** The only isolation that can import a snapshot is repeatable read or higher. */
async function importSnapshot(client: pg.Client, name: string): Promise<void> {
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(name)}`);
    await client.query('SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
  } catch (error) {
    throw toPostgresError(error, 'Cannot take over the snapshot of the slot');
  }
}

/** Of what is read in the transaction of this session, and where the changes after that begin. */
export async function snapshotPosition(
  client: pg.Client,
  lsn: Lsn,
  nowMs: number,
): Promise<SnapshotPosition> {
  const { rows } = await client.query<{ xid: string; us: string }>(
    'select txid_snapshot_xmin(txid_current_snapshot())::text as xid, (extract(epoch from now()) * 1000000)::int8::text as us',
  );
  const row = rows[0];
  return {
    kind: 'INITIAL',
    lsn,
    transactionId: Number(row?.xid ?? 0),
    timestampUs: row === undefined ? nowMs * 1000 : Number(row.us),
  };
}
