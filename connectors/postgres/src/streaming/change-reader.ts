// Reads pgoutput messages and fills the queue with records. One message at a time, in place; it stops the stream when
// the queue is full, and when a relation is met whose catalog entry has to be read first.
import type { SourceOffset, SourceRecord } from '@millrace/connect-api';
import type { ChangeContext, StreamCounts } from '@millrace/connector-common';
import type { ArrayStruct } from '@millrace/data';
import type { MessageType } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { MESSAGE, PgOutputReader, type Relation, TupleIndex } from '../protocol/pgoutput.ts';
import type { ReplicationHandler } from '../protocol/replication-stream.ts';
import { qualified } from '../schema/catalog.ts';
import { HeldChanges } from './held-changes.ts';
import { KnownTables } from './known-tables.ts';
import type { ChangeReaderOptions } from './reader-options.ts';
import { RecordBatch } from './record-batch.ts';
import { RestartPoint } from './restart-point.ts';
import { StreamPosition, type TransactionStart } from './stream-position.ts';
import type { StreamedCommit, StreamedTransactions } from './streamed-transactions.ts';
import { TableStream, type Tuple } from './table-stream.ts';
import { TransactionRecords } from './transaction-records.ts';
import { asksForSnapshot, watchRow } from './watched-rows.ts';
import { changeInWindow } from './windowed-changes.ts';

export class ChangeReader implements ReplicationHandler {
  readonly #options: ChangeReaderOptions;
  readonly #reader = new PgOutputReader();
  readonly #index = new TupleIndex();
  readonly #tables: KnownTables;
  readonly #restart: RestartPoint | undefined;
  readonly #batch: RecordBatch;
  readonly #position: StreamPosition;
  readonly #held: HeldChanges;
  readonly #transactions: TransactionRecords | undefined;
  #started = false;
  /** Whether the transaction being read is one of those that the transaction topic tells of. */
  #counted = false;
  #urgent = false;
  readonly #counts: StreamCounts;
  readonly #interrupts: (() => Promise<void>)[] = [];
  /** What the stream waits for at this place. */
  #wait: Promise<void> | undefined;

  constructor(options: ChangeReaderOptions) {
    this.#options = options;
    const position = new StreamPosition(options);
    this.#position = position;
    this.#batch = new RecordBatch({ ...options, isUnfinished: () => position.isBehind });
    const { transactions } = options;
    this.#transactions = transactions && new TransactionRecords(transactions, position, this.#batch);
    this.#tables = new KnownTables(options);
    this.#held = new HeldChanges({
      tables: this.#tables,
      position,
      askPlaces: options.askPlaces,
      undelayed: (records) => void this.#batch.records.push(...records),
      handle: (lsn, bytes, start, end) => this.#pace(this.#handled(lsn, bytes, start, end)),
      keepalive: (lsn) => this.keepalive(lsn, false),
    });
    this.#counts = options.counts;
    this.#restart = options.stored && new RestartPoint(options.stored, options.walEnd);
  }

  /**
   * A position before which nothing is left to come, once all records in the queue are durable; undefined within a
   * transaction and while some records are not in the queue yet.
   */
  get completeLsn(): Lsn | undefined {
    const { readLsn, isWithin } = this.#position;
    if (readLsn === undefined || isWithin || !this.#batch.isHandedOver) return undefined;
    return this.#restart?.isBehind(readLsn) === true ? undefined : readLsn;
  }

  /** How far the stream has come. */
  get position(): StreamPosition {
    return this.#position;
  }

  /** Whether the server waits for its position to be confirmed; asking resets it. */
  takeUrgent(): boolean {
    const urgent = this.#urgent;
    this.#urgent = false;
    return urgent;
  }

  /** The position `completeLsn` was handed out as an offset: no later one may lie before it. */
  handedOut(lsn: Lsn, offset: SourceOffset): void {
    this.#position.handedOut(lsn, offset);
  }

  change(lsn: Lsn, bytes: Buffer, start: number, end: number): boolean {
    const { streamed } = this.#options;
    if (streamed !== undefined) {
      const taken = streamed.take(lsn, bytes, start, end);
      if (taken === 'kept') return true;
      if (taken instanceof Promise) return this.#startWaiting(taken);
      if (taken !== 'other') return this.#startWaiting(this.#replay(streamed, taken));
    }
    const wait = this.#next(lsn, bytes, start, end);
    if (wait !== undefined) return this.#startWaiting(wait);
    if (!this.#batch.isLarge) return true;
    this.#batch.flush();
    return !this.#stopWhileFull();
  }

  /** Handles a message, unless it has to wait for what the server says of its row; undefined = the next one may come. */
  #next(lsn: Lsn, bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    const held = this.#position.window === undefined ? undefined : this.#held;
    if (held?.take(lsn, bytes, start, end) !== true) return this.#handled(lsn, bytes, start, end);
    return held.isFull ? held.release() : undefined;
  }

  #handled(lsn: Lsn, bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    this.#handle(lsn, bytes, start, end);
    const wait = this.#wait;
    this.#wait = undefined;
    return wait;
  }

  #handle(lsn: Lsn, bytes: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    const type = reader.open(bytes, start, end);
    switch (type) {
      case MESSAGE.insert:
      case MESSAGE.update:
      case MESSAGE.delete:
        this.#row(type, lsn);
        break;
      case MESSAGE.begin:
        this.#begin();
        break;
      case MESSAGE.commit:
        this.#commit();
        break;
      case MESSAGE.relation:
        this.#relation(reader.relation());
        break;
      case MESSAGE.truncate:
        this.#truncate(lsn);
        break;
      case MESSAGE.message:
        this.#message(lsn);
        break;
      case MESSAGE.origin:
        this.#origin();
        break;
      case MESSAGE.type:
        break; // types are read from the catalog by oid
      default:
        reader.fail(`a message of unknown kind ${type}`);
    }
  }

  /** What a transaction has sent while it was in progress, now that it has committed: as if it came now. */
  async #replay(streamed: StreamedTransactions, commit: StreamedCommit): Promise<void> {
    const { xid, commitLsn, commitTimeUs, endLsn } = commit;
    await this.#held.release();
    if (commit.isEmpty) {
      await streamed.replay(xid, () => undefined);
      this.#position.readLsn = endLsn;
      return;
    }
    this.#beginTransaction({ xid, commitLsn, commitTimeUs });
    await this.#wait;
    this.#wait = undefined;
    await streamed.replay(xid, (lsn, bytes, start, end) => this.#pace(this.#next(lsn, bytes, start, end)));
    await this.#held.release();
    this.#commitTransaction(endLsn);
  }

  /** After each message of many that do not come from the server itself: when the next one may follow. */
  #pace(wait: Promise<void> | undefined): Promise<void> | undefined {
    const { queue } = this.#options;
    // Nobody takes what comes now; the queue would grow without end.
    if (queue.isFailed) throw new Error('the stream is over');
    if (wait === undefined && !this.#batch.isLarge) return undefined;
    this.#batch.flush();
    const isWaiting = wait !== undefined || this.#batch.filling !== undefined || queue.isFull;
    return isWaiting ? Promise.resolve(wait).then(() => this.#batch.handedOver()) : undefined;
  }

  /** Puts a record of another kind at the place reached; `make` is given the offset that belongs there. */
  inject(make: (offset: SourceOffset) => SourceRecord | undefined): void {
    const offset = this.#position.offsetHere();
    const record = make(offset);
    if (record === undefined) return;
    this.#position.lastOffset = offset;
    this.#batch.records.push(record);
    if (!this.#batch.isStamped) this.#batch.flush();
  }

  keepalive(lsn: Lsn, urgent: boolean): void {
    if (urgent) this.#urgent = true;
    if (this.#held.keepsBack(lsn)) return;
    // Within a transaction the server's position may lie past rows that are still to come.
    const position = this.#position;
    if (position.transaction !== undefined) return;
    if (position.readLsn === undefined || lsn > position.readLsn) position.readLsn = lsn;
    this.#closeWindow(lsn);
  }

  /** Does something while the stream stands still between two messages; it goes on when that is done. */
  interrupt(work: () => Promise<void>): void {
    this.#interrupts.push(work);
    this.#options.nudge();
  }

  caughtUp(): boolean {
    if (!this.#held.isEmpty) return this.#startWaiting(this.#held.release());
    const work = this.#interrupts.shift();
    if (work !== undefined) return this.#startWaiting(work());
    this.#batch.flushSoon();
    return !this.#stopWhileFull();
  }

  failed(error: unknown): void {
    if (error instanceof Error && 'code' in error && error.code === 'postgres.protocol')
      this.#counts.erroneous++;
    this.#batch.flush();
    this.#options.fail(error);
  }

  #startWaiting(wait: Promise<void>): boolean {
    this.#wait = undefined;
    this.#batch.flush();
    this.#resumeAfter(Promise.all([this.#batch.filling, wait]));
    return false;
  }

  #resumeAfter(wait: Promise<unknown>): void {
    wait.then(this.#options.resume, this.#options.fail);
  }

  #stopWhileFull(): boolean {
    const { queue, resume } = this.#options;
    if (this.#batch.filling !== undefined) {
      this.#resumeAfter(this.#batch.filling);
      return true;
    }
    if (!queue.isFull) return false;
    queue.onRoom(resume);
    return true;
  }

  #begin(): void {
    const reader = this.#reader;
    this.#beginTransaction({
      commitLsn: reader.lsn(),
      commitTimeUs: reader.timestampUs(),
      xid: reader.uint32(),
    });
  }

  #beginTransaction({ xid, commitLsn, commitTimeUs }: TransactionStart): void {
    this.#counts.lastTransactionId = xid;
    this.#closeWindow(commitLsn);
    const verdict = this.#restart?.begin(xid, commitLsn);
    this.#position.begin(xid, commitLsn, commitTimeUs, verdict === 'partial');
    // Those of a window are in the rows that were read.
    this.#counted = verdict !== 'skip' && this.#position.window === undefined;
    this.#wait = this.#tables.begin(xid);
  }

  /** Once the stream has come as far as the rows that were read: every change counts, and moves the offset. */
  #closeWindow(lsn: Lsn): void {
    const { window } = this.#position;
    if (window === undefined || lsn < window.end) return;
    const waiting = window.close();
    if (waiting.length > 0) this.#position.isBehind = true;
    this.#batch.records.push(...waiting);
    this.#position.window = undefined;
  }

  #commit(): void {
    const reader = this.#reader;
    reader.byte();
    reader.lsn();
    this.#commitTransaction(reader.lsn());
  }

  #commitTransaction(endLsn: Lsn): void {
    const position = this.#position;
    // One that has nothing for us has a BEGIN and an END, too.
    if (this.#counted) this.#transactions?.begin(endLsn);
    const { transaction } = position;
    position.transaction = undefined;
    if (transaction === undefined) return this.#reader.fail('a commit without its begin');
    this.#counts.committedTransactions++;
    position.readLsn = endLsn;
    // Debezium counts commits from the first change on that it was not told to skip.
    if (!this.#started && !transaction.announced) return;
    position.ended(transaction, endLsn);
    this.#transactions?.end(transaction, endLsn);
  }

  #origin(): void {
    const { transaction } = this.#position;
    if (transaction === undefined) return;
    const lsn = this.#reader.lsn();
    transaction.originLsn = lsn;
    transaction.origin = this.#reader.text();
  }

  #relation(relation: Relation): void {
    const xid = (): number =>
      this.#position.transaction?.xid ?? this.#reader.fail('a relation outside a transaction');
    this.#wait = this.#tables.told(relation, xid);
  }

  /** The table of a change that is to be delivered; undefined when it is not. */
  #table(oid: number, op: string, lsn: Lsn): TableStream | undefined {
    const table = this.#tables.get(oid);
    if (table === undefined) return this.#reader.fail(`a change of relation ${oid}, which was not described`);
    this.#position.countChange(lsn);
    if (this.#restart !== undefined && !this.#restart.isNew(lsn)) return undefined;
    const skipped = this.#options.skipped.has(op);
    if (!skipped || op === 't') this.#started = true;
    // An update may yet be a delete and an insert.
    if (table !== null && (!skipped || op === 'u')) return table;
    this.#counts.filtered++;
    return undefined;
  }

  #row(type: number, lsn: Lsn): void {
    const reader = this.#reader;
    const op = type === MESSAGE.insert ? 'c' : type === MESSAGE.update ? 'u' : 'd';
    const table = this.#table(reader.uint32(), op, lsn);
    if (table === undefined) return;
    const kind = reader.tupleKind();
    const first = this.#tuple(table);
    const out = this.#batch.records;
    if (type === MESSAGE.insert) {
      this.#counts.created++;
      const isAsking = asksForSnapshot(this.#options.signals, table, first);
      if (!isAsking) this.#insert(table, lsn, first);
      this.#observe(table, lsn, 'INSERT', first);
      // INV-3: a signal whose record is stored does not come again. So that comes when its offset holds what is left to read.
      if (isAsking) this.#wait = Promise.resolve(this.#wait).then(() => this.#insert(table, lsn, first));
    } else if (type === MESSAGE.update) {
      const before = kind === 'N' ? undefined : first;
      if (before !== undefined && reader.tupleKind() !== 'N') reader.fail('an update without its new row');
      const after = before === undefined ? first : this.#tuple(table);
      if (before !== undefined) table.fillUnchanged(before, after);
      const { skipped, skipUnchanged } = this.#options;
      const skipsMoves = skipped.has('c') && skipped.has('d');
      if (skipped.has('u') || skipsMoves) {
        const moves = before !== undefined && table.movesKey(before, after);
        if (moves ? skipsMoves : skipped.has('u')) {
          this.#counts.filtered++;
          return;
        }
      }
      if (before !== undefined && skipUnchanged && table.isUnchanged(before, after)) {
        this.#counts.unchanged++;
        return;
      }
      this.#counts.updated++;
      if (!this.#windowed(table, lsn, 'UPDATE', before, after)) {
        const context = this.#context(table, lsn, 'UPDATE');
        table.updated(out, context, () => ({ ...context, transaction: this.#block(table, lsn) }), {
          before,
          after,
        });
        this.#options.reselect?.note(table.schema, after, out.length - 1, this.#xid());
      }
      this.#observe(table, lsn, 'UPDATE', after, before);
    } else {
      this.#counts.deleted++;
      if (!this.#windowed(table, lsn, 'DELETE', first, undefined))
        table.deleted(out, this.#context(table, lsn, 'DELETE'), first);
      this.#observe(table, lsn, 'DELETE', first);
    }
  }

  #insert(table: TableStream, lsn: Lsn, row: Tuple): void {
    if (this.#windowed(table, lsn, 'INSERT', undefined, row)) return;
    const out = this.#batch.records;
    table.inserted(out, this.#context(table, lsn, 'INSERT'), row);
    this.#options.reselect?.note(table.schema, row, out.length - 1, this.#xid());
  }

  /** Delivers what a window leaves of a change; false when it leaves the change as it is. */
  #windowed(
    table: TableStream,
    lsn: Lsn,
    type: MessageType,
    before: Tuple | undefined,
    after: Tuple | undefined,
  ): boolean {
    const { transaction, window } = this.#position;
    if (window === undefined || transaction === undefined) return false;
    const offset = this.#position.offset(transaction, lsn, type);
    const context = (): ChangeContext => ({
      source: table.source(transaction, lsn),
      processed: this.#batch.now(),
      offset,
      offsetBefore: this.#position.lastOffset,
      transaction: null,
    });
    const { commitLsn } = transaction;
    const records = changeInWindow(window, table, { type, commitLsn, before, after, context });
    if (records === undefined) return false;
    this.#batch.keep(this.#reader.bytes);
    this.#batch.records.push(...records);
    if (records.length > 0) this.#position.lastOffset = offset;
    return true;
  }

  /** Lets signals and incremental snapshots see a row that passes. */
  #observe(table: TableStream, lsn: Lsn, type: MessageType, row: Tuple, before?: Tuple): void {
    const { signals, clock } = this.#options;
    if (signals === undefined) return;
    const position = this.#position;
    const processedNs = (): bigint => clock.nowNs();
    const effects = watchRow(signals, { table, lsn, type, row, before, position, processedNs });
    for (const { records, handedOver, wait } of effects) {
      this.#batch.records.push(...records);
      const last = records.at(-1);
      if (last !== undefined) position.lastOffset = last.sourceOffset;
      handedOver?.();
      const before = this.#wait;
      this.#wait = before === undefined ? wait : before.then(() => wait);
    }
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
      if (table === undefined) continue;
      this.#counts.truncated++;
      // What comes after it fills an empty table.
      this.#batch.records.push(...(this.#position.window?.release(qualified(table.schema)) ?? []));
      table.truncated(this.#batch.records, this.#context(table, lsn, 'TRUNCATE'));
      this.#options.signals?.incremental.truncated(table.schema);
    }
  }

  #message(lsn: Lsn): void {
    const { messages } = this.#options;
    const reader = this.#reader;
    const transactional = (reader.byte() & 1) === 1;
    const at = reader.lsn();
    const prefix = reader.text();
    const content = reader.blob();
    const transaction = transactional ? this.#position.transaction : undefined;
    if (messages === undefined || !messages.captured(prefix)) return;
    if (transaction !== undefined) this.#position.countChange(lsn);
    if (this.#restart !== undefined) {
      if (!(transaction === undefined ? this.#restart.isNewOutside(at) : this.#restart.isNew(lsn))) return;
    }
    this.#started = true;
    this.#counts.messages++;
    const processed = this.#batch.now();
    if (transaction === undefined) this.#position.endedOutside(lsn);
    const { lastCommitLsn } = this.#position;
    this.#batch.keep(reader.bytes);
    const block = transaction === undefined ? null : (this.#transactions?.block(null, lsn) ?? null);
    const offset =
      transaction === undefined
        ? this.#position.offsetOfOne(this.#position.outside(processed.us), lsn, 'MESSAGE')
        : this.#position.offset(transaction, lsn, 'MESSAGE');
    const place = { lsn, transaction, block, processed, lastCommitLsn, offset };
    this.#batch.records.push(messages.record({ prefix, content, ...place }));
    this.#position.lastOffset = offset;
  }

  #xid(): number {
    return this.#position.transaction?.xid ?? this.#reader.fail('a change outside a transaction');
  }

  #context(table: TableStream, lsn: Lsn, messageType: MessageType): ChangeContext {
    const transaction = this.#position.transaction ?? this.#reader.fail('a change outside a transaction');
    this.#batch.keep(this.#reader.bytes);
    const block = this.#block(table, lsn);
    const offset = this.#position.offset(transaction, lsn, messageType);
    const offsetBefore = this.#position.lastOffset;
    this.#position.lastOffset = offset;
    return {
      source: table.source(transaction, lsn),
      processed: this.#batch.now(),
      offset,
      offsetBefore,
      transaction: block,
    };
  }

  /** What a change of a table says of its transaction. */
  #block(table: TableStream, lsn: Lsn): ArrayStruct | null {
    return this.#transactions?.block(qualified(table.schema), lsn) ?? null;
  }
}
