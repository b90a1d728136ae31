// Reads pgoutput messages and fills the queue with records. One message at a time, in place; it stops the stream when
// the queue is full, and when a relation is met whose catalog entry has to be read first.
import type { Headers, OffsetMap, SourceOffset, SourcePartition, SourceRecord } from '@millrace/connect-api';
import {
  type ChangeContext,
  type ChangeQueue,
  type ProcessedAt,
  TableEvents,
  type TransactionMetadata,
} from '@millrace/connector-common';
import type { ArrayStruct } from '@millrace/data';
import type { Clock } from '@millrace/foundation';
import { ChangeOffset, type MessageType, type StoredOffset } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { MESSAGE, PgOutputReader, type Relation, TupleIndex } from '../protocol/pgoutput.ts';
import type { ReplicationHandler } from '../protocol/replication-stream.ts';
import type { TableName } from '../schema/catalog.ts';
import type { TableSchema } from '../schema/table-schema.ts';
import type { IncrementalSnapshot } from '../snapshot/incremental-snapshot.ts';
import { momentOfNs, type SourceIdentity } from '../source-info.ts';
import type { LogicalMessages } from './logical-messages.ts';
import type { Reselect } from './reselect.ts';
import { RestartPoint } from './restart-point.ts';
import type { SignalDesk, SignalEffect } from './signal-desk.ts';
import { TableStream, type Tuple } from './table-stream.ts';
import { StreamTransaction } from './transaction.ts';

export interface ChangeReaderOptions {
  readonly identity: SourceIdentity;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly tombstones: boolean;
  readonly skipped: ReadonlySet<string>;
  /** Leave out updates that change no captured column. */
  readonly skipUnchanged: boolean;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly clock: Clock;
  /** Whether a table is captured. */
  readonly captured: (table: TableName) => boolean;
  /** Finds what rows of a relation looked like when a transaction wrote them. */
  readonly describe: (relation: Relation, xid: number) => Promise<DescribedTable>;
  /** Goes on after this reader asked the stream to stop. */
  readonly resume: () => void;
  readonly fail: (error: unknown) => void;
  /** Where an earlier run stopped. */
  readonly stored: StoredOffset | undefined;
  readonly transactions: TransactionMetadata | undefined;
  readonly messages: LogicalMessages | undefined;
  /** The oldest transaction still running, where the config asks for it. */
  readonly xmin: () => number | null;
  /** Completes rows that lack columns, where the config asks for it. */
  readonly reselect: Reselect | undefined;
  /** Signals and incremental snapshots, where the config has them. */
  readonly signals: SignalWatch | undefined;
}

export interface DescribedTable {
  readonly schema: TableSchema;
  /** The table has been altered by this later transaction: it has to be described anew once that is reached. */
  readonly changedBy: number | undefined;
}

export interface SignalWatch {
  /** The signal table, as `schema.table`; undefined when signals do not come from one. */
  readonly table: string | undefined;
  readonly desk: SignalDesk;
  readonly incremental: IncrementalSnapshot;
}

const FLUSH_RECORDS = 1024;
export class ChangeReader implements ReplicationHandler {
  readonly #options: ChangeReaderOptions;
  readonly #reader = new PgOutputReader();
  readonly #index = new TupleIndex();
  /** By relation oid; null = not captured. */
  readonly #tables = new Map<number, TableStream | null>();
  /** Tables that later transactions have altered, by the lowest 32 bits of those. */
  #altered: { readonly relation: Relation; readonly by: number }[] = [];
  readonly #restart: RestartPoint | undefined;
  #records: SourceRecord[] = [];
  #bytes = 0;
  #lastSlab: Buffer | undefined;
  #processed: ProcessedAt | undefined;
  #transaction: StreamTransaction | undefined;
  #lastCommitLsn: Lsn | null;
  #lastOffset: SourceOffset;
  #changeLsn: Lsn = -1;
  #changesAtLsn = 0;
  #complete: Lsn | undefined;
  #started = false;
  #urgent = false;
  #ended: StreamTransaction | undefined;
  /** What the stream waits for at this place. */
  #wait: Promise<void> | undefined;
  /** Records that are being completed; they enter the queue before all others. */
  #filling: Promise<void> | undefined;

  constructor(options: ChangeReaderOptions) {
    this.#options = options;
    this.#restart = options.stored === undefined ? undefined : new RestartPoint(options.stored);
    this.#lastCommitLsn = options.stored?.lastCommitLsn ?? null;
    this.#lastOffset = options.stored?.map ?? {};
  }

  /**
   * A position before which nothing is left to come, once all records in the queue are durable; undefined within a
   * transaction and while some records are not in the queue yet.
   */
  get completeLsn(): Lsn | undefined {
    const isWaiting = this.#records.length > 0 || this.#filling !== undefined;
    return isWaiting || this.#transaction !== undefined ? undefined : this.#complete;
  }

  /**
   * The offset of the last transaction that ended, for records that carry a position and no change; undefined within a
   * transaction, which has gone further.
   */
  get completeOffset(): ChangeOffset | undefined {
    const ended = this.#ended;
    const lastCommitLsn = this.#lastCommitLsn;
    if (ended === undefined || lastCommitLsn === null || this.#transaction !== undefined) return undefined;
    const { xid, commitTimeUs, xmin } = ended;
    return new ChangeOffset({ xid, commitTimeUs, lastCommitLsn, xmin }, lastCommitLsn, 'COMMIT', 1);
  }

  /** Whether the server waits for its position to be confirmed; asking resets it. */
  takeUrgent(): boolean {
    const urgent = this.#urgent;
    this.#urgent = false;
    return urgent;
  }

  /** The offset of the last record. */
  get lastOffset(): SourceOffset {
    return this.#lastOffset;
  }

  /** The end of the last transaction that had something for us. */
  get lastCommitLsn(): Lsn | null {
    return this.#lastCommitLsn;
  }

  change(lsn: Lsn, bytes: Buffer, start: number, end: number): boolean {
    const reader = this.#reader;
    const type = reader.open(bytes, start, end);
    switch (type) {
      case MESSAGE.I:
      case MESSAGE.U:
      case MESSAGE.D:
        this.#row(type, lsn);
        break;
      case MESSAGE.B:
        this.#begin();
        break;
      case MESSAGE.C:
        this.#commit();
        break;
      case MESSAGE.R:
        return this.#relation(reader.relation());
      case MESSAGE.T:
        this.#truncate(lsn);
        break;
      case MESSAGE.M:
        this.#message(lsn);
        break;
      case MESSAGE.O:
        this.#origin();
        break;
      case MESSAGE.Y:
        break; // types are read from the catalog by oid
      default:
        reader.fail(`a message of unknown kind ${type}`);
    }
    if (this.#wait !== undefined) return this.#startWaiting(this.#wait);
    if (this.#records.length < FLUSH_RECORDS) return true;
    this.#flush();
    return !this.#stopWhileFull();
  }

  /** Puts a record of another kind at the place reached; `make` is given the offset that belongs there. */
  inject(make: (offset: SourceOffset) => SourceRecord | undefined): void {
    const last = this.#lastOffset;
    const offset = last instanceof ChangeOffset ? last.withExtra(this.#extra()) : last;
    const record = make(offset);
    if (record === undefined) return;
    this.#lastOffset = offset;
    this.#records.push(record);
    if (this.#processed === undefined) this.#flush();
  }

  keepalive(lsn: Lsn, urgent: boolean): void {
    if (urgent) this.#urgent = true;
    // Within a transaction the server's position may lie past rows that are still to come.
    if (this.#transaction === undefined && (this.#complete === undefined || lsn > this.#complete))
      this.#complete = lsn;
  }

  caughtUp(): boolean {
    this.#flush();
    return !this.#stopWhileFull();
  }

  failed(error: unknown): void {
    this.#flush();
    this.#options.fail(error);
  }

  #flush(): void {
    if (this.#records.length === 0 || this.#filling !== undefined) return;
    const records = this.#records;
    const bytes = this.#bytes;
    this.#records = [];
    this.#bytes = 0;
    this.#lastSlab = undefined;
    this.#processed = undefined;
    const filling = this.#options.reselect?.fill(records, bytes);
    if (filling === undefined) this.#options.queue.put({ records, bytes });
    // INV-2: what is made meanwhile waits here.
    else
      this.#filling = filling.then(() => {
        this.#filling = undefined;
        this.#flush();
      });
  }

  #startWaiting(wait: Promise<void>): boolean {
    this.#wait = undefined;
    this.#flush();
    this.#resumeAfter(Promise.all([this.#filling, wait]));
    return false;
  }

  #resumeAfter(wait: Promise<unknown>): void {
    wait.then(this.#options.resume, this.#options.fail);
  }

  #stopWhileFull(): boolean {
    const { queue, resume } = this.#options;
    if (this.#filling !== undefined) {
      this.#resumeAfter(this.#filling);
      return true;
    }
    if (!queue.isFull) return false;
    queue.onRoom(resume);
    return true;
  }

  #begin(): void {
    const reader = this.#reader;
    const commitLsn = reader.lsn();
    const commitTimeUs = reader.timestampUs();
    const xid = reader.uint32();
    const resumed = this.#restart?.begin(xid, commitLsn) === 'partial';
    this.#transaction = new StreamTransaction({
      xid,
      commitLsn,
      commitTimeUs,
      lastCommitLsn: this.#lastCommitLsn,
      xmin: this.#options.xmin(),
      announced: resumed,
    });
    this.#changeLsn = -1;
    if (this.#altered.length > 0) this.#describeAltered(xid);
  }

  /** Describes anew what was altered by this transaction or an earlier one. */
  #describeAltered(xid: number): void {
    const due = this.#altered.filter(({ by }) => ((xid - by) | 0) >= 0);
    if (due.length === 0) return;
    this.#altered = this.#altered.filter((table) => !due.includes(table));
    this.#wait = Promise.all(due.map(({ relation }) => this.#describe(relation, xid))).then(() => undefined);
  }

  #commit(): void {
    const reader = this.#reader;
    reader.byte();
    reader.lsn();
    const endLsn = reader.lsn();
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction === undefined) return reader.fail('a commit without its begin');
    const { transactions } = this.#options;
    this.#complete = endLsn;
    // Debezium counts commits from the first change on that it was not told to skip.
    if (!this.#started) return;
    this.#lastCommitLsn = endLsn;
    this.#ended = transaction;
    if (transactions !== undefined && transaction.announced) {
      const id = `${transaction.xid}:${endLsn}`;
      const offset = new ChangeOffset(transaction, endLsn, 'COMMIT', 1, this.#extra());
      this.#keep(this.#reader.bytes);
      this.#records.push(transactions.end(id, transaction.committed.ms, offset));
      this.#lastOffset = offset;
    }
  }

  #origin(): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const lsn = this.#reader.lsn();
    transaction.originLsn = lsn;
    transaction.origin = this.#reader.text();
  }

  #relation(relation: Relation): boolean {
    this.#altered = this.#altered.filter((table) => table.relation.oid !== relation.oid);
    if (!this.#options.captured(relation)) {
      this.#tables.set(relation.oid, null);
      return true;
    }
    const xid = this.#transaction?.xid ?? this.#reader.fail('a relation outside a transaction');
    return this.#startWaiting(this.#describe(relation, xid));
  }

  async #describe(relation: Relation, xid: number): Promise<void> {
    const { describe, identity } = this.#options;
    const { schema, changedBy } = await describe(relation, xid);
    this.#tables.set(relation.oid, new TableStream(schema, relation, this.#events(schema), identity));
    if (changedBy !== undefined) this.#altered.push({ relation, by: changedBy % 2 ** 32 });
  }

  #events(schema: TableSchema): TableEvents {
    const { headers, sourcePartition, tombstones } = this.#options;
    const { topic, keySchema, envelopeSchema } = schema;
    return new TableEvents({ topic, keySchema, envelopeSchema, headers, sourcePartition, tombstones });
  }

  /** The table of a change that is to be delivered; undefined when it is not. */
  #table(oid: number, op: string, lsn: Lsn): TableStream | undefined {
    const table = this.#tables.get(oid);
    if (table === undefined) return this.#reader.fail(`a change of relation ${oid}, which was not described`);
    this.#countChange(lsn);
    if (this.#restart !== undefined && !this.#restart.isNew(lsn)) return undefined;
    const skipped = this.#options.skipped.has(op);
    if (!skipped || op === 't') this.#started = true;
    return table === null || skipped ? undefined : table;
  }

  #countChange(lsn: Lsn): void {
    if (lsn === this.#changeLsn) this.#changesAtLsn++;
    else {
      this.#changeLsn = lsn;
      this.#changesAtLsn = 1;
    }
  }

  #row(type: number, lsn: Lsn): void {
    const reader = this.#reader;
    const op = type === MESSAGE.I ? 'c' : type === MESSAGE.U ? 'u' : 'd';
    const table = this.#table(reader.uint32(), op, lsn);
    if (table === undefined) return;
    const kind = reader.tupleKind();
    const first = this.#tuple(table);
    const out = this.#records;
    if (type === MESSAGE.I) {
      table.inserted(out, this.#context(table, lsn, 'INSERT'), first);
      this.#options.reselect?.note(table.schema, first, out.length - 1);
      this.#observe(table, lsn, 'INSERT', first);
    } else if (type === MESSAGE.U) {
      const before = kind === 'N' ? undefined : first;
      if (before !== undefined && reader.tupleKind() !== 'N') reader.fail('an update without its new row');
      const after = before === undefined ? first : this.#tuple(table);
      if (before !== undefined && this.#options.skipUnchanged && table.isUnchanged(before, after)) return;
      const context = this.#context(table, lsn, 'UPDATE');
      table.updated(out, context, () => ({ ...context, transaction: this.#block(table, lsn) }), {
        before,
        after,
      });
      this.#options.reselect?.note(table.schema, after, out.length - 1);
      this.#observe(table, lsn, 'UPDATE', after, before);
    } else {
      table.deleted(out, this.#context(table, lsn, 'DELETE'), first);
      this.#observe(table, lsn, 'DELETE', first);
    }
  }

  /** Lets signals and incremental snapshots see a row that passes. */
  #observe(table: TableStream, lsn: Lsn, type: MessageType, row: Tuple, before?: Tuple): void {
    const { signals } = this.#options;
    if (signals === undefined) return;
    const keys = signals.incremental.watchedKeys(table.schema);
    if (keys !== undefined) {
      signals.incremental.passed(table.texts(row, keys));
      if (before !== undefined) signals.incremental.passed(table.texts(before, keys));
    }
    if (`${table.schema.schema}.${table.schema.table}` !== signals.table) return;
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const place = {
      lsn,
      lastCommitLsn: transaction.lastCommitLsn,
      offset: () => new ChangeOffset(transaction, lsn, type, this.#changesAtLsn, this.#extra()),
      processedNs: () => this.#options.clock.nowNs(),
    };
    const columns = table.firstTexts(row, 3);
    if (type === 'INSERT') this.#apply(signals.desk.inserted(columns, place));
    else if (type === 'DELETE') this.#apply(signals.desk.deleted(columns[0] ?? null, place));
  }

  #apply(effect: SignalEffect): void {
    this.#records.push(...effect.records);
    const last = effect.records.at(-1);
    if (last !== undefined) this.#lastOffset = last.sourceOffset;
    this.#wait = effect.wait;
  }

  /** What offsets hold beyond the position. */
  #extra(): OffsetMap | undefined {
    const { transactions, signals } = this.#options;
    const incremental = signals?.incremental.offsetState;
    if (transactions === undefined) return incremental;
    return { ...transactions.offsetState(), ...incremental };
  }

  #tuple(table: TableStream): Tuple {
    const base = this.#reader.tuple(this.#index, table.columnCount);
    return { bytes: this.#reader.bytes, entries: this.#index.entries, base };
  }

  #truncate(lsn: Lsn): void {
    const reader = this.#reader;
    const count = reader.int32();
    reader.byte();
    for (let i = 0; i < count; i++) {
      const table = this.#table(reader.uint32(), 't', lsn);
      if (table !== undefined) table.truncated(this.#records, this.#context(table, lsn, 'TRUNCATE'));
    }
  }

  #message(lsn: Lsn): void {
    const { messages } = this.#options;
    const reader = this.#reader;
    const transactional = (reader.byte() & 1) === 1;
    const at = reader.lsn();
    const prefix = reader.text();
    const content = reader.blob();
    const transaction = transactional ? this.#transaction : undefined;
    if (messages === undefined || !messages.captured(prefix)) return;
    if (transaction !== undefined) this.#countChange(lsn);
    if (this.#restart !== undefined) {
      if (!(transaction === undefined ? this.#restart.isNewOutside(at) : this.#restart.isNew(lsn))) return;
    }
    this.#started = true;
    const processed = this.#now();
    const position = transaction ?? {
      xid: 0,
      commitTimeUs: processed.us,
      lastCommitLsn: this.#lastCommitLsn,
      xmin: null,
    };
    const offset = new ChangeOffset(
      position,
      lsn,
      'MESSAGE',
      transaction === undefined ? 1 : this.#changesAtLsn,
    );
    this.#keep(reader.bytes);
    this.#records.push(
      messages.record({
        prefix,
        content,
        lsn,
        transaction,
        processed,
        lastCommitLsn: this.#lastCommitLsn,
        offset,
      }),
    );
    this.#lastOffset = offset;
  }

  #context(table: TableStream, lsn: Lsn, messageType: MessageType): ChangeContext {
    const transaction = this.#transaction ?? this.#reader.fail('a change outside a transaction');
    this.#keep(this.#reader.bytes);
    const block = this.#block(table, lsn);
    const offset = new ChangeOffset(transaction, lsn, messageType, this.#changesAtLsn, this.#extra());
    const offsetBefore = this.#lastOffset;
    this.#lastOffset = offset;
    return {
      source: table.source(transaction, lsn),
      processed: this.#now(),
      offset,
      offsetBefore,
      transaction: block,
    };
  }

  #block(table: TableStream, lsn: Lsn): ArrayStruct | null {
    const { transactions } = this.#options;
    const transaction = this.#transaction;
    if (transactions === undefined || transaction === undefined) return null;
    const id = `${transaction.xid}:${lsn}`;
    if (!transaction.announced) {
      transaction.announced = true;
      this.#records.push(transactions.begin(id, transaction.committed.ms, this.#lastOffset));
    }
    return transactions.event(id, `${table.schema.schema}.${table.schema.table}`);
  }

  #now(): ProcessedAt {
    this.#processed ??= momentOfNs(this.#options.clock.nowNs());
    return this.#processed;
  }

  /** Accounts for the slab that records point into, once. */
  #keep(slab: Buffer): void {
    if (slab === this.#lastSlab) return;
    this.#lastSlab = slab;
    this.#bytes += slab.length;
  }
}
