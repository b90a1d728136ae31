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
import type pg from 'pg';
import { openSession, quoteLiteral } from '../connection.ts';
import { postgresError, toPostgresError } from '../errors.ts';
import type { SnapshotPosition } from '../offset.ts';
import { formatLsn, type Lsn } from '../protocol/lsn.ts';
import type { CreatedSlot } from '../replication-slot.ts';
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
  const { creator, config, clock, logger, queue, progress, resumable } = options;
  const sessions: pg.Client[] = [creator];
  const releases = [options.endOnStop(creator)];
  let abort: (() => void) | undefined;
  try {
    for (let i = Math.max(1, Math.min(config.snapshot.threads, options.tables.length)); i > 0; i--) {
      const session = await openSession(config.connection);
      sessions.push(session);
      releases.push(options.endOnStop(session));
    }
    const [, first, ...others] = sessions;
    if (first === undefined) throw new Error('no session');
    const { consistentPoint, snapshotName } = await options.create(creator);
    options.step.enter('taking over the snapshot');
    for (const session of [first, ...others]) await importSnapshot(session, snapshotName);
    // The snapshot is held by the imports now; the exporter may go, and with it a temporary slot.
    await creator.end().catch(() => undefined);
    const position = await snapshotPosition(first, consistentPoint, clock.nowMs());
    const start = resumable?.start ?? consistentPoint;
    const shared = new SharedSnapshot({
      position,
      resumable: resumable === undefined ? undefined : { ...resumable, start },
      offset: options.offset,
      exact: options.exact,
    });
    if (shared.isResumed)
      logger.info({ lsn: formatLsn(consistentPoint) }, 'going on with the snapshot that was interrupted');
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
    const [read, listed] = [
      javaSetOrder(tables.map(qualified)).join(','),
      options.listed.map(qualified).join(','),
    ];
    const onTable = (table: TableName, end?: number | 'failed'): void => {
      const name = qualified(table);
      const hint = 'Look in pg_stat_activity at what the query waits for, such as a lock.';
      const tell = (type: Notification['type'], data: NonNullable<Notification['data']>): void =>
        notify({ aggregate: 'Initial Snapshot', type, data });
      if (end === undefined) {
        options.step.enter(`reading ${name} for the snapshot`, hint);
        tell('IN_PROGRESS', { data_collections: read, current_collection_in_progress: name });
      } else if (end === 'failed') {
        tell('TABLE_SCAN_COMPLETED', { scanned_collection: name, status: 'SQL_EXCEPTION' });
      } else {
        options.step.enter('preparing the next table of the snapshot', hint);
        progress.tableDone(name);
        tell('TABLE_SCAN_COMPLETED', {
          data_collections: listed,
          scanned_collection: name,
          total_rows_scanned: String(end),
          status: 'SUCCEEDED',
        });
      }
    };
    const waiting = tables.values();
    const next = (): TableName | undefined => waiting.next().value;
    const [firstTable] = tables;
    const each = {
      ...options,
      shared,
      onTable,
      firstTable,
      ordered: resumable !== undefined && config.snapshot.byKey,
    };
    await allOrNone(options.signal, (signal) =>
      [first, ...others].map((client) => new SnapshotReader({ ...each, client, signal }).read(next)),
    );
    requireSeen(shared, options);
    shared.end();
    progress.completed();
    const { completeOffset, offsetBetween, rowCount } = shared;
    const completed = options.notifications.record(
      { aggregate: 'Initial Snapshot', type: 'COMPLETED' },
      offsetBetween,
    );
    if (completed !== undefined) queue.put({ records: [completed], bytes: 0 });
    logger.info(
      { tables: tables.length, rows: rowCount, lsn: formatLsn(consistentPoint) },
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

/** Where another run goes on, it reads what this one could not see. @throws postgres.table_rewritten */
function requireSeen({ tablesOutOfSight: tables }: SharedSnapshot, options: SnapshotRunOptions): void {
  if (tables.length === 0) return;
  const text = `Rows of ${tables.join(', ')} are out of the sight of the snapshot, since a table was rewritten after it was begun`;
  if (options.resumable !== undefined) throw postgresError('postgres.table_rewritten', text);
  options.logger.error({ tables }, `${text}: they are missing; take the snapshot of these tables again`);
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
