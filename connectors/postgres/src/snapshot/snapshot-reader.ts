// Reads tables within one exported snapshot, by COPY, and hands their rows over as records. Several readers may share
// the tables, each with a session of its own in the same snapshot. One row is held back all the time, because the last
// one is marked as such.
import type { SourceOffset, SourceRecord } from '@millrace/connect-api';
import type { ChangeContext, ChangeQueue, SnapshotProgress } from '@millrace/connector-common';
import { RawRow, type Struct } from '@millrace/data';
import { type Clock, type Logger, MillraceError } from '@millrace/foundation';
import type { PostgresConfig } from '../config.ts';
import { quoteTable } from '../connection.ts';
import { isUndefined, toPostgresError } from '../errors.ts';
import { copyOut } from '../protocol/copy-out.ts';
import { RowIndexer } from '../protocol/copy-text.ts';
import { TupleIndex } from '../protocol/pgoutput.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import {
  type Moment,
  momentOfNs,
  momentOfUs,
  type SnapshotMarker,
  type SourceIdentity,
  snapshotSource,
} from '../source-info.ts';
import { fateOf, isOutOfSight } from './changed-table.ts';
import type { SharedSnapshot } from './shared-snapshot.ts';
import { type OpenTable, openTable, type TableOptions } from './snapshot-table.ts';

export interface SnapshotOptions extends TableOptions {
  readonly config: PostgresConfig;
  readonly identity: SourceIdentity;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly progress: SnapshotProgress;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shared: SharedSnapshot;
  readonly signal: AbortSignal;
  /** The first of all tables: Debezium marks the first row only where that one has rows. */
  readonly firstTable: TableName | undefined;
  /** Called when a table is begun, and with the number of its rows when it was read, or that it could not be. */
  readonly onTable: (table: TableName, end?: number | 'failed') => void;
}

/** A row whose marker is not known yet. */
interface HeldRow {
  readonly table: OpenTable;
  readonly bytes: Buffer;
  readonly entries: Int32Array;
  readonly base: number;
  readonly firstOfTable: boolean;
}

export class SnapshotReader {
  readonly #options: SnapshotOptions;
  readonly #index = new TupleIndex();
  readonly #moment: Moment;
  #records: SourceRecord[] = [];
  /** Of the rows that they point into. */
  #bytes = 0;
  #soon: NodeJS.Immediate | undefined;
  #offset: SourceOffset | undefined;
  #processed: Moment | undefined;
  #context: ChangeContext | undefined;
  #held: HeldRow | undefined;
  /** The last row among the records that are not handed over yet. */
  #emitted: HeldRow | undefined;
  /** Tables whose last row is among those records. */
  #ended: OpenTable[] = [];

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#moment = momentOfUs(options.shared.position.timestampUs);
  }

  /** Reads one table after the other until `next` has none; resolves when all rows but the one it holds are queued. */
  async read(next: () => TableName | undefined): Promise<void> {
    const { client, signal, shared } = this.#options;
    // One savepoint for all: going back to it leaves it in place.
    await client.query('SAVEPOINT before_table');
    for (let table = next(); table !== undefined; table = next()) {
      signal.throwIfAborted();
      await this.#readTable(table);
    }
    const held = this.#held;
    if (held === undefined) return;
    shared.readerDone((marker) => {
      this.#emit(held, marker);
      this.#flush();
    });
  }

  async #readTable(name: TableName): Promise<void> {
    const { client, onTable, shared, progress } = this.#options;
    let table: OpenTable | undefined;
    // The server finds tables by today's catalog, not by that of the snapshot: where it does not, the others are read.
    try {
      table = await openTable(this.#options, name).catch((error: unknown) => {
        onTable(name);
        throw error;
      });
      if (table === undefined || shared.isDone(table)) progress.tableDone(qualified(name));
      else await this.#readOpen(table);
    } catch (error) {
      const failure = this.#failed(name, error);
      if (!isUndefined(error)) throw failure;
      await client.query('ROLLBACK TO SAVEPOINT before_table');
      await this.#passBy(name, failure);
      if (table !== undefined) this.#leave(table);
    }
  }

  /** A table that cannot be read since the snapshot: one that was dropped is left out, another is read by a later one. */
  async #passBy(name: TableName, failure: unknown): Promise<void> {
    const { client, logger, progress, select, shared } = this.#options;
    const fate = await fateOf(client, name);
    if (fate === 'changed' || (fate === 'same' && select(qualified(name)) === undefined)) {
      shared.outOfSight(name);
      return;
    }
    // A SELECT of the user's that names what is not there.
    if (fate === 'same') throw failure;
    progress.tableDone(qualified(name));
    logger.warn(
      { table: qualified(name) },
      'a table was dropped before the snapshot had come to it: it is left out',
    );
  }

  /** A table is not read to the end. */
  #leave(table: OpenTable): void {
    if (this.#held?.table !== table) this.#options.shared.leave(table);
  }

  async #readOpen(table: OpenTable): Promise<void> {
    const { client, config, logger, clock, onTable, shared, progress } = this.#options;
    const { name } = table;
    const started = clock.monotonicMs();
    const after = shared.begin(table);
    if (after === undefined) progress.restarted(qualified(name));
    onTable(name);
    if (config.snapshot.locking === 'shared') {
      await client.query(`SET LOCAL lock_timeout = ${config.snapshot.lockTimeoutMs}`);
      await client.query(`LOCK TABLE ${quoteTable(name)} IN ACCESS SHARE MODE`);
    }
    const rows = await this.#copy(table, after);
    if (await isOutOfSight(client, name)) {
      shared.outOfSight(name);
      this.#leave(table);
      return;
    }
    if (this.#held?.table !== table) shared.finish(table);
    onTable(name, rows);
    logger.info(
      {
        table: qualified(name),
        rows,
        resumed: after !== undefined,
        ms: Math.round(clock.monotonicMs() - started),
      },
      'read a table for the snapshot',
    );
  }

  /** What to throw where a table cannot be read. */
  #failed(name: TableName, error: unknown): unknown {
    const { signal, onTable } = this.#options;
    if (signal.aborted) return error;
    // A value that cannot be converted is no answer of the server.
    const ofServer = !(error instanceof MillraceError) || error.code === 'postgres.table_unusable';
    if (ofServer) onTable(name, 'failed');
    return toPostgresError(error, `Cannot read table ${qualified(name)}`);
  }

  async #copy(table: OpenTable, after: readonly string[] | undefined): Promise<number> {
    const { client, queue, signal, shared, progress } = this.#options;
    const name = qualified(table.name);
    const index = this.#index;
    const indexer = new RowIndexer(table.schema.columnCount, index);
    let rows = 0;
    let told = 0;
    const row = (bytes: Buffer, start: number, end: number): void => {
      const base = indexer.read(bytes, start, end);
      const firstOfTable = rows === 0 && after === undefined;
      this.#row({ table, bytes, entries: index.entries, base, firstOfTable });
      rows++;
      shared.rowCount++;
      this.#bytes += end - start;
      if (queue.isEnough(this.#records.length)) this.#flush();
    };
    const read = (): Promise<void> | undefined => {
      progress.rowsScanned(name, rows - told);
      told = rows;
      // Short reads of one turn become one batch: what a batch costs is more than what the rows of one read do.
      this.#soon ??= setImmediate(() => this.#flush());
      // INV-5: a full queue stops the reading; the socket stops the server.
      return queue.isFull ? queue.room() : undefined;
    };
    try {
      await copyOut(client, table.copy(after), { row, read }, signal);
    } finally {
      this.#flush();
    }
    return rows;
  }

  #row(row: HeldRow): void {
    const held = this.#held;
    this.#held = row;
    if (held === undefined) return;
    const isLast = row.table !== held.table;
    this.#emit(held, isLast ? 'last_in_data_collection' : undefined);
  }

  /** Makes the record of a row; without a marker it is neither the last of its table nor of all. */
  #emit(row: HeldRow, ending: SnapshotMarker | undefined): void {
    const { shared, firstTable } = this.#options;
    const { table, bytes, entries, base } = row;
    const { keyLayout, rowLayout } = table.schema;
    const isFirst = shared.handedOver === 0 && !shared.isResumed && table.name === firstTable;
    const marker = markerOf(row, isFirst, ending);
    shared.handedOver++;
    this.#emitted = row;
    if (ending !== undefined) this.#ended.push(table);
    table.events.created(
      this.#records,
      this.#contextOf(table, marker, ending === 'last'),
      keyLayout === null ? null : new RawRow(keyLayout, bytes, entries, base),
      new RawRow(rowLayout, bytes, entries, base),
      'r',
    );
  }

  /** What a row shares with others: all but the first and last ones of a batch and table share all of it. */
  #contextOf(table: OpenTable, marker: SnapshotMarker, isLast: boolean): ChangeContext {
    const { clock, shared } = this.#options;
    this.#processed ??= momentOfNs(clock.nowNs());
    const processed = this.#processed;
    const source = this.#source(table, marker);
    const last = this.#context;
    if (!isLast && last !== undefined && last.source === source && last.processed === processed) return last;
    // INV-3: what the offset of a record says was handed over before that record.
    this.#offset ??= shared.offset();
    if (isLast) shared.finish(table);
    const offset = isLast ? shared.complete() : this.#offset;
    const context = { source, processed, offset, offsetBefore: offset, transaction: null };
    this.#context = context;
    return context;
  }

  #source(table: OpenTable, marker: SnapshotMarker): Struct {
    let source = table.sources.get(marker);
    if (source === undefined) {
      const { identity, shared } = this.#options;
      source = snapshotSource(identity, table.name, marker, {
        lsn: shared.position.lsn,
        xid: shared.position.transactionId,
        moment: this.#moment,
      });
      table.sources.set(marker, source);
    }
    return source;
  }

  #flush(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    if (this.#records.length === 0) return;
    const { queue, shared } = this.#options;
    const { table, entries, base, bytes: row } = this.#emitted ?? {};
    if (table?.order !== undefined && row !== undefined && entries !== undefined && base !== undefined) {
      const textOf = (column: number): string => {
        const start = entries[base + 2 * column] ?? 0;
        return row.toString('utf8', start, start + (entries[base + 2 * column + 1] ?? 0));
      };
      shared.advance(table, table.order.columns.map(textOf), this.#records.length);
    }
    for (const each of this.#ended) shared.finish(each);
    queue.put({
      records: this.#records,
      bytes: this.#bytes,
      after: shared.offsetAfter(),
      unfinished: shared.isUnfinished,
    });
    this.#ended = [];
    this.#emitted = undefined;
    this.#records = [];
    this.#bytes = 0;
    this.#offset = undefined;
    this.#processed = undefined;
  }
}

function markerOf(row: HeldRow, firstOfAll: boolean, ending: SnapshotMarker | undefined): SnapshotMarker {
  if (ending === 'last') return 'last';
  if (firstOfAll) return 'first';
  return ending ?? (row.firstOfTable ? 'first_in_data_collection' : 'true');
}
