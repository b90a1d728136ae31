// One snapshot from start to end: a slot is made for its exact pair of snapshot and position, the snapshot is taken
// over by a session of our own, and the tables are read in it.
import type { ActivityStep, SourceRecord } from '@millrace/connect-api';
import type { Notification, Notifications } from '@millrace/connector-common';
import type pg from 'pg';
import { openSession, quoteLiteral } from '../connection.ts';
import { toPostgresError } from '../errors.ts';
import { type SnapshotPosition, snapshotOffset } from '../offset.ts';
import { formatLsn, type Lsn } from '../protocol/lsn.ts';
import type { CreatedSlot } from '../replication-slot.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import { type SnapshotOptions, SnapshotReader } from './snapshot-reader.ts';
import { estimateRows } from './table-estimates.ts';
import { tablesBySize } from './table-order.ts';

export interface SnapshotRunOptions extends Omit<SnapshotOptions, 'client' | 'position' | 'onTable'> {
  /** A replication session that does nothing else; ended when the snapshot was taken over. */
  readonly creator: pg.Client;
  readonly create: (creator: pg.Client) => Promise<CreatedSlot>;
  readonly tables: readonly TableName[];
  readonly notifications: Notifications;
  /** Told which table is being read. */
  readonly step: ActivityStep;
  /** Ends a session when the task stops; returns how to take that back. */
  readonly endOnStop: (client: pg.Client) => () => void;
}

export interface SnapshotResult {
  readonly rows: number;
  readonly consistentPoint: Lsn;
  readonly completeOffset: ReturnType<typeof snapshotOffset>;
}

export async function runSnapshot(options: SnapshotRunOptions): Promise<SnapshotResult> {
  const { creator, config, clock, logger, queue, progress } = options;
  const client = await openSession(config.connection).catch(async (error: unknown) => {
    await creator.end().catch(() => undefined);
    throw error;
  });
  const releases = [options.endOnStop(client), options.endOnStop(creator)];
  try {
    const { consistentPoint, snapshotName } = await options.create(creator);
    options.step.enter('taking over the snapshot');
    await importSnapshot(client, snapshotName);
    // The snapshot is held by the import now; the exporter may go, and with it a temporary slot.
    await creator.end().catch(() => undefined);
    const position = await snapshotPosition(client, consistentPoint, clock.nowMs());
    const tables = await tablesBySize(client, options.tables, config);
    progress.started(await estimateRows(client, tables));
    const notify = notifier(options, position);
    notify({ aggregate: 'Initial Snapshot', type: 'STARTED' });
    const list = tables.map(qualified).join(',');
    const reader = new SnapshotReader({
      ...options,
      client,
      position,
      onTable: (table, rows) => {
        const name = qualified(table);
        options.step.enter(
          rows === undefined
            ? `reading ${name} for the snapshot`
            : 'preparing the next table of the snapshot',
          'Look in pg_stat_activity at what the query waits for, such as a lock.',
        );
        if (rows !== undefined) progress.tableDone(name);
        notify(
          rows === undefined
            ? {
                aggregate: 'Initial Snapshot',
                type: 'IN_PROGRESS',
                data: { data_collections: list, current_collection_in_progress: name },
              }
            : {
                aggregate: 'Initial Snapshot',
                type: 'TABLE_SCAN_COMPLETED',
                data: {
                  data_collections: list,
                  scanned_collection: name,
                  total_rows_scanned: String(rows),
                  status: 'SUCCEEDED',
                },
              },
        );
      },
    });
    const rows = await reader.read(tables);
    progress.completed();
    const { completeOffset } = reader;
    const completed = options.notifications.record(
      { aggregate: 'Initial Snapshot', type: 'COMPLETED' },
      completeOffset,
    );
    if (completed !== undefined) queue.put({ records: [completed], bytes: 0 });
    logger.info({ tables: tables.length, rows, lsn: formatLsn(consistentPoint) }, 'the snapshot is complete');
    return { rows: rows + (completed === undefined ? 0 : 1), consistentPoint, completeOffset };
  } finally {
    progress.aborted();
    options.step.leave();
    for (const release of releases) release();
    await client.end().catch(() => undefined);
    await creator.end().catch(() => undefined);
  }
}

function notifier(
  options: SnapshotRunOptions,
  position: SnapshotPosition,
): (notification: Notification) => void {
  const offset = options.offset ?? snapshotOffset(position, false);
  return (notification) => {
    const record: SourceRecord | undefined = options.notifications.record(notification, offset);
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

async function snapshotPosition(client: pg.Client, lsn: Lsn, nowMs: number): Promise<SnapshotPosition> {
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
