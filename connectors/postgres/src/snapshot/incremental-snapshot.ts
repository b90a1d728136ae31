// Incremental snapshots: tables are read in chunks by key while the stream goes on. Each chunk is read
// between two marks written to the signal table; what the stream shows between them is newer than what was read, so
// those rows of the chunk are dropped, and the rest is delivered where the closing mark stands in the stream.
import type { Headers, OffsetMap, SourceOffset, SourcePartition, SourceRecord } from '@millrace/connect-api';
import type { Notification, SnapshotRequest } from '@millrace/connector-common';
import type { Clock, Logger } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { quoteIdentifier, quoteTable } from '../connection.ts';
import { isRefused, toPostgresError } from '../errors.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { parseTableName, qualified, type TableName, type TypeCatalog } from '../schema/catalog.ts';
import type { SchemaRules } from '../schema/table-schema.ts';
import { momentOfNs, type SourceIdentity, sequenceText, snapshotSource } from '../source-info.ts';
import { commitVisible } from '../streaming/visible-commit.ts';
import {
  type ChunkedTable,
  type ChunkKey,
  ChunkReader,
  type ChunkRow,
  shownKey,
  type Unreadable,
} from './chunk-reader.ts';
import { type PendingCollection, parseState, type ReadKeys, stateMap } from './incremental-state.ts';
import { PassedTransactions } from './passed-transactions.ts';

export interface IncrementalSnapshotOptions {
  readonly config: PostgresConfig;
  readonly rules: SchemaRules;
  readonly types: TypeCatalog;
  readonly identity: SourceIdentity;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomId: () => string;
  /** Puts a notification into the stream of records at the position reached. */
  readonly notify: (notification: Notification) => void;
  readonly fail: (error: unknown) => void;
  readonly endOnStop: (client: pg.Client) => () => void;
}

/** Where the stream is when something passes. */
export interface StreamPlace {
  readonly lsn: Lsn;
  readonly lastCommitLsn: Lsn | null;
  /** The offset of this place, with the state of the snapshot at the time of the call. */
  readonly offset: () => SourceOffset;
  readonly processedNs: () => bigint;
}

/** The table being read. */
interface CurrentTable {
  readonly table: ChunkedTable;
  readonly maximumKey: ChunkKey;
  /** As far as the rows were delivered. */
  lastKey: ChunkKey | undefined;
  rowCount: number;
}

/** What is read between two marks: a chunk, and before it perhaps the ends of other tables. */
interface Window {
  readonly id: string;
  rows: readonly ChunkRow[];
  lastKey: ChunkKey | undefined;
  /** What queries saw when the opening mark was written, before the chunk was read. */
  snapshot: string;
  /** The opening mark was seen in the stream. */
  open: boolean;
  /** So many transactions had passed then. */
  passed: number;
  /** Rows that the stream showed since, by their identity. */
  readonly seen: Set<string>;
  /** The stream showed since that all rows are gone. */
  isVoid: boolean;
}

type Completion = Unreadable | 'EMPTY' | 'SUCCEEDED';

const OPEN = 'snapshot-window-open';
const CLOSE = 'snapshot-window-close';

export interface ClosedChunk {
  readonly records: readonly SourceRecord[];
  readonly handedOver: () => void;
}

const NO_CHUNK: ClosedChunk = { records: [], handedOver: () => undefined };

export class IncrementalSnapshot {
  readonly #options: IncrementalSnapshotOptions;
  readonly #reader: ChunkReader;
  #pending: PendingCollection[] = [];
  #correlationId: string | undefined;
  #current: CurrentTable | undefined;
  #window: Window | undefined;
  /** Where the first table is gone on with, until it is open again. */
  #resumed: ReadKeys | undefined;
  readonly #transactions = new PassedTransactions();
  /** Those that have to be seen before anything is read. */
  #unseen: readonly number[] = [];
  readonly #closing = new AbortController();
  #paused = false;
  /** Patterns of tables to leave out before the next window. */
  #stopping: string[] = [];
  /** The reading of a window that is under way, or the last one. */
  #reading: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: IncrementalSnapshotOptions) {
    this.#options = options;
    this.#reader = new ChunkReader(options);
  }

  /** What offsets hold while it runs; undefined while it does not. */
  get offsetState(): OffsetMap | undefined {
    if (this.#pending.length === 0) return undefined;
    return stateMap(this.#pending, this.#correlationId, this.#current ?? this.#resumed);
  }

  /** Resolves when no window is being read: signals come between windows. */
  settled(): Promise<void> {
    return this.#reading;
  }

  /** Takes up what a stored offset holds, before the stream begins: INV-3, every offset from then on holds it too. */
  restore(offset: OffsetMap): void {
    const state = parseState(offset);
    if (state === undefined) return;
    this.#pending = [...state.collections];
    this.#correlationId = state.correlationId;
    this.#resumed = state.keys;
  }

  /** The stream has begun: goes on with what was taken up. */
  begin(): void {
    if (this.#pending.length > 0) this.#advance();
  }

  /** Reads these tables too, after those that are asked for already. Resolves when they are known. */
  async request(request: SnapshotRequest, signalId: string): Promise<void> {
    const { notify } = this.#options;
    const wanted = await this.#reader.collections(request);
    const idle = this.#pending.length === 0;
    this.#pending.push(...wanted);
    this.#correlationId = signalId;
    if (!idle) return;
    notify(this.#notification('STARTED', { data_collections: this.#names() }));
    this.#advance();
  }

  /** Forgets the tables that match, or all, before the next window. */
  stop(collections: readonly string[]): void {
    if (this.#pending.length === 0) return;
    this.#stopping.push(...(collections.length === 0 ? ['.*'] : collections));
  }

  pause(): void {
    if (this.#paused || this.#pending.length === 0) return;
    this.#paused = true;
    this.#options.notify(this.#notification('PAUSED', { data_collections: this.#names() }));
  }

  resume(): void {
    if (!this.#paused || this.#pending.length === 0) return;
    this.#paused = false;
    this.#options.notify(this.#notification('RESUMED', { data_collections: this.#names() }));
    // Where the last window is still to be closed, that goes on.
    if (this.#window === undefined) this.#advance();
  }

  /** Columns to watch in the stream when this table's rows pass; undefined when they do not matter. */
  watchedKeys(table: TableName): readonly string[] | undefined {
    const current = this.#current?.table;
    return current !== undefined &&
      this.#window?.open === true &&
      qualified(current.name) === qualified(table)
      ? current.identity
      : undefined;
  }

  /** A row of this transaction passes. */
  transactionPassed(xid: number): void {
    this.#transactions.passed(xid);
  }

  /** A row with these texts passed in the stream. */
  passed(identity: readonly (string | null)[]): void {
    this.#window?.seen.add(JSON.stringify(identity));
  }

  /** All rows of a table are gone, at a place where a window on it is open: what is there since, the stream shows. */
  truncated(table: TableName): void {
    if (this.#window !== undefined && this.watchedKeys(table) !== undefined) this.#window.isVoid = true;
  }

  /** The opening mark of a window passed in the stream. */
  opened(markId: string): void {
    const window = this.#window;
    if (window === undefined || markId !== `${window.id}-open`) return;
    window.open = true;
    window.passed = this.#transactions.count;
  }

  /**
   * The closing mark passed: the rows of the chunk that the stream did not show, and what is to be called once they are
   * in the stream.
   */
  closed(markId: string, place: StreamPlace): ClosedChunk {
    const window = this.#window;
    const current = this.#current;
    const { deletesMarks } = this.#options.config.incremental;
    if (window === undefined || markId !== `${window.id}-${deletesMarks ? 'open' : 'close'}`) return NO_CHUNK;
    this.#window = undefined;
    this.#unseen = this.#transactions.unseen(window.snapshot, window.passed);
    // INV-2: what the stream has shown of them is newer than what was read, which is read again.
    if (this.#unseen.length > 0 && current !== undefined) {
      current.rowCount -= window.rows.length;
      return { records: [], handedOver: () => this.#advance() };
    }
    const before = place.offset();
    if (current !== undefined && window.lastKey !== undefined) current.lastKey = window.lastKey;
    const records =
      current === undefined
        ? []
        : this.#records(window, current.table, { place, before, after: place.offset() });
    // The next window is read after this place in the stream has been dealt with.
    return { records, handedOver: () => this.#advance() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    this.#pending = [];
    await this.#reader.close();
  }

  #records(
    { rows, seen, isVoid }: Window,
    { name, events }: ChunkedTable,
    at: { readonly place: StreamPlace; readonly before: SourceOffset; readonly after: SourceOffset },
  ): SourceRecord[] {
    const { place, before, after } = at;
    const processed = momentOfNs(place.processedNs());
    const source = snapshotSource(this.#options.identity, name, 'incremental', {
      lsn: null,
      xid: null,
      moment: processed,
      sequence: sequenceText(place.lastCommitLsn, place.lsn),
    });
    const records: SourceRecord[] = [];
    const left = isVoid ? [] : rows.filter(({ identity }) => !seen.has(JSON.stringify(identity)));
    left.forEach(({ key, row }, i) => {
      const offset = i === left.length - 1 ? after : before;
      const context = { source, processed, offset, offsetBefore: before, transaction: null };
      events.created(records, context, key, row, 'r');
    });
    return records;
  }

  /** Reads the next window once the one before is read, unless there is nothing to read or it is paused. */
  #advance(): void {
    this.#reading = this.#reading.then(async () => {
      try {
        if (this.#closed || this.#window !== undefined) return;
        await this.#leaveOut();
        if (this.#pending.length > 0 && !this.#paused) await this.#readWindow();
      } catch (error) {
        if (!this.#closed) this.#options.fail(toPostgresError(error, 'An incremental snapshot failed'));
      }
    });
  }

  /** What signals have asked to stop. The table that is being read goes last. */
  async #leaveOut(): Promise<void> {
    const patterns = this.#stopping;
    this.#stopping = [];
    if (patterns.length === 0) return;
    const reading = this.#current === undefined ? undefined : qualified(this.#current.table.name);
    const left: string[] = [];
    const wanted = await this.#reader.expand(patterns);
    for (const name of wanted.filter((one) => one !== reading)) {
      const rest = this.#pending.filter((collection) => collection.name !== name);
      if (rest.length < this.#pending.length) left.push(name);
      if (this.#pending[0]?.name === name) this.#resumed = undefined;
      this.#pending = rest;
    }
    if (reading !== undefined && wanted.includes(reading)) {
      left.push(reading);
      this.#next();
    }
    const data = { data_collections: left.join(',') };
    this.#options.notify(this.#notification('ABORTED', data));
    if (this.#pending.length === 0) this.#correlationId = undefined;
  }

  async #readWindow(): Promise<void> {
    const { config, clock, randomId } = this.#options;
    const client = await this.#reader.session();
    const window: Window = {
      id: randomId(),
      rows: [],
      lastKey: undefined,
      snapshot: '',
      open: false,
      passed: 0,
      seen: new Set(),
      isVoid: false,
    };
    await this.#untilSeen(client);
    this.#window = window;
    const signalTable = parseTableName(config.signals.table ?? '');
    if (signalTable === undefined) throw new Error('signal.data.collection is not set');
    const marks = quoteTable(signalTable);
    const into = `INSERT INTO ${marks} VALUES ($1, $2, $3)`;
    const openedAt = isoNow(clock);
    try {
      await client.query(into, [`${window.id}-open`, OPEN, `{"openWindowTimestamp": "${openedAt}"}`]);
    } catch (error) {
      if (!isRefused(error)) throw error;
      return this.#giveUp(error);
    }
    const sql = 'select txid_current_snapshot()::text as snapshot';
    window.snapshot = (await client.query<{ snapshot: string }>(sql)).rows[0]?.snapshot ?? '';
    while (this.#pending.length > 0 && window.rows.length === 0) await this.#fill(window);
    if (config.incremental.deletesMarks) {
      const { fields } = await client.query(`SELECT * FROM ${marks} LIMIT 0`);
      const idColumn = quoteIdentifier(fields[0]?.name ?? 'id');
      await client.query(`DELETE FROM ${marks} WHERE ${idColumn} = $1`, [`${window.id}-open`]);
    } else {
      const data = `{"openWindowTimestamp": "${openedAt}", "closeWindowTimestamp": "${isoNow(clock)}"}`;
      await client.query(into, [`${window.id}-close`, CLOSE, data]);
    }
  }

  /** Waits a while for transactions that the stream has shown and queries did not see. */
  async #untilSeen(client: pg.Client): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#closing;
    for (const xid of this.#unseen) {
      const onWaiting = (): void =>
        logger.info({ xid }, 'an incremental snapshot waits for queries to see a committed transaction');
      if (await commitVisible(xid, { client, clock, signal, onWaiting })) continue;
      logger.warn(
        { xid },
        'queries do not see a committed transaction, which waits for a synchronous standby: an incremental snapshot goes on once they do',
      );
      return;
    }
  }

  /** The table of signals does not take marks: as with Debezium, the stream goes on. A signal cannot be taken back. */
  #giveUp(error: unknown): void {
    const { logger, config, notify } = this.#options;
    const table = config.signals.table;
    const tables = this.#names();
    logger.error(
      { err: error, table, tables },
      'an incremental snapshot is given up: the table of signals takes no row of three texts; correct it and send the signal again',
    );
    notify(this.#notification('ABORTED', { data_collections: tables }));
    this.#pending = [];
    this.#current = undefined;
    this.#resumed = undefined;
    this.#window = undefined;
    this.#correlationId = undefined;
  }

  /** Reads a chunk of the first table, or finds that it has no more. */
  async #fill(window: Window): Promise<void> {
    try {
      const opened = this.#current ?? (await this.#open());
      if (typeof opened === 'string') return this.#tableDone(opened, 0);
      this.#current = opened;
      this.#resumed = undefined;
      const { table, lastKey, maximumKey } = opened;
      const chunk = await this.#reader.chunk(table, lastKey, maximumKey);
      if (chunk.lastKey === undefined) return this.#tableDone('SUCCEEDED', opened.rowCount);
      window.rows = chunk.rows;
      window.lastKey = chunk.lastKey;
      opened.rowCount += chunk.rows.length;
      // INV-3: its offset is that of before the chunk, whose rows are still to come.
      this.#options.notify(
        this.#notification('IN_PROGRESS', {
          data_collections: this.#names(),
          current_collection_in_progress: qualified(table.name),
          maximum_key: shownKey(table, maximumKey),
          last_processed_key: shownKey(table, chunk.lastKey),
        }),
      );
    } catch (error) {
      if (!isRefused(error)) throw error;
      const { name } = this.#pending[0] ?? {};
      this.#options.logger.error({ err: error, table: name }, 'an incremental snapshot leaves a table out');
      this.#tableDone('SQL_EXCEPTION', this.#current?.rowCount ?? 0);
    }
  }

  async #open(): Promise<CurrentTable | Unreadable | 'EMPTY'> {
    const wanted = this.#pending[0];
    if (wanted === undefined) return 'UNKNOWN_SCHEMA';
    const table = await this.#reader.open(wanted);
    if (typeof table === 'string') return table;
    const { lastKey, maximumKey = await this.#reader.maximumKey(table) } = this.#resumed ?? {};
    if (maximumKey === undefined) return 'EMPTY';
    return { table, maximumKey, lastKey, rowCount: 0 };
  }

  #tableDone(status: Completion, rows: number): void {
    this.#options.notify(
      this.#notification('TABLE_SCAN_COMPLETED', {
        data_collections: this.#names(),
        scanned_collection: this.#pending[0]?.name ?? '',
        total_rows_scanned: String(rows),
        status,
      }),
    );
    this.#next();
  }

  #next(): void {
    this.#pending.shift();
    this.#current = undefined;
    // INV-3: the next table has keys of its own.
    this.#resumed = undefined;
    if (this.#pending.length > 0) return;
    this.#options.notify(this.#notification('COMPLETED', {}));
    this.#correlationId = undefined;
  }

  #names(): string {
    return this.#pending.map((collection) => collection.name).join(',');
  }

  #notification(type: Notification['type'], data: Readonly<Record<string, string>>): Notification {
    return {
      aggregate: 'Incremental Snapshot',
      type,
      data,
      ...(this.#correlationId === undefined ? {} : { id: this.#correlationId }),
    };
  }
}

function isoNow(clock: Clock): string {
  return new Date(clock.nowMs()).toISOString();
}
