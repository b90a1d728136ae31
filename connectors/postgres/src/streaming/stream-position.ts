// How far the stream has come: the transaction being read, and the offsets that belong to its records.
import type { OffsetMap, SourceOffset } from '@millrace/connect-api';
import {
  ChangeOffset,
  confirmablePosition,
  MarkOffset,
  type MessageType,
  type TransactionPosition,
} from '../offset.ts';
import { type Lsn, maxLsn } from '../protocol/lsn.ts';
import type { ChangeReaderOptions } from './reader-options.ts';
import type { SnapshotWindow } from './snapshot-window.ts';
import { StreamTransaction } from './transaction.ts';

export type StreamPositionOptions = Pick<
  ChangeReaderOptions,
  'stored' | 'window' | 'transactions' | 'signals' | 'resting' | 'xmin'
>;

/** What a BEGIN message tells. */
export interface TransactionStart {
  readonly xid: number;
  readonly commitLsn: Lsn;
  readonly commitTimeUs: number;
}

export class StreamPosition {
  readonly #options: StreamPositionOptions;
  /** The one being read; undefined between two. */
  transaction: StreamTransaction | undefined;
  /** Where the rows that were read and those that are streamed overlap; undefined once the stream is past it. */
  window: SnapshotWindow | undefined;
  /** The end of the last transaction, or message outside of one, that had something for us. */
  lastCommitLsn: Lsn | null;
  /** The offset of the last record, or of a position after it. */
  lastOffset: SourceOffset;
  /** As far as all was read; undefined before the first commit or keepalive. */
  readLsn: Lsn | undefined;
  /** Whether records were made since the position that offsets can tell. */
  isBehind = false;
  /** The furthest position that may be confirmed by now. */
  #handedOutLsn: Lsn;
  #changeLsn: Lsn = -1;
  #changesAtLsn = 0;
  #ended: StreamTransaction | undefined;

  constructor(options: StreamPositionOptions) {
    const { stored, window } = options;
    this.#options = options;
    this.lastCommitLsn = stored?.lastCommitLsn ?? null;
    this.lastOffset = stored?.map ?? {};
    this.#handedOutLsn = stored === undefined ? 0 : confirmablePosition(stored);
    this.window = window;
  }

  /** Whether something is left to come before `readLsn`. */
  get isWithin(): boolean {
    return this.window !== undefined || this.transaction !== undefined;
  }

  /**
   * The offset of the last transaction that ended, for records that carry a position and no change; undefined within a
   * transaction, which has gone further.
   */
  get completeOffset(): ChangeOffset | undefined {
    const ended = this.#ended;
    const { lastCommitLsn } = this;
    if (ended === undefined || lastCommitLsn === null || this.isWithin) return undefined;
    const { xid, commitTimeUs, xmin } = ended;
    const position = { xid, commitTimeUs, lastCommitLsn, handedOutLsn: this.#handedOutLsn, xmin };
    return new ChangeOffset(position, lastCommitLsn, 'COMMIT', 1, this.#extra());
  }

  /** The position `readLsn` was handed out as an offset: no later one may lie before it. */
  handedOut(lsn: Lsn, offset: SourceOffset): void {
    this.#handedOutLsn = maxLsn(this.#handedOutLsn, lsn);
    this.lastOffset = offset;
    this.isBehind = false;
  }

  begin(xid: number, commitLsn: Lsn, commitTimeUs: number, announced: boolean): void {
    this.transaction = new StreamTransaction({
      xid,
      commitLsn,
      commitTimeUs,
      lastCommitLsn: this.lastCommitLsn,
      handedOutLsn: this.#handedOutLsn,
      xmin: this.#options.xmin(),
      announced,
    });
    this.#changeLsn = -1;
  }

  /** What ended had something for us. */
  ended(transaction: StreamTransaction, endLsn: Lsn): void {
    this.lastCommitLsn = endLsn;
    this.#ended = transaction;
  }

  /** A message outside of transactions, which nothing is left to come before: as from Debezium it counts as an end, too. */
  endedOutside(lsn: Lsn): void {
    this.lastCommitLsn = maxLsn(this.lastCommitLsn ?? lsn, lsn);
  }

  /** Several rows of one COPY share a position. */
  countChange(lsn: Lsn): void {
    if (lsn === this.#changeLsn) this.#changesAtLsn++;
    else {
      this.#changeLsn = lsn;
      this.#changesAtLsn = 1;
    }
  }

  /** The offset of a change of the transaction being read, unless the stream has to begin before it again. */
  offset(transaction: StreamTransaction, lsn: Lsn, type: MessageType): SourceOffset {
    return this.#unlessBehind(new ChangeOffset(transaction, lsn, type, this.#changesAtLsn, this.#extra()));
  }

  /** The same for what counts by itself: the end of a transaction, or what was written outside of one. */
  offsetOfOne(position: TransactionPosition, lsn: Lsn, type: MessageType): SourceOffset {
    return this.#unlessBehind(new ChangeOffset(position, lsn, type, 1, this.#extra()));
  }

  /** The offset of the end of a transaction. */
  endOffset({ xid, commitTimeUs, handedOutLsn, xmin }: TransactionPosition, endLsn: Lsn): SourceOffset {
    const end = { xid, commitTimeUs, handedOutLsn, xmin, lastCommitLsn: endLsn };
    return this.offsetOfOne(end, endLsn, 'COMMIT');
  }

  /** What stands for the transaction of something that was written outside of one. */
  outside(commitTimeUs: number): TransactionPosition {
    const { lastCommitLsn } = this;
    return { xid: 0, commitTimeUs, lastCommitLsn, handedOutLsn: this.#handedOutLsn, xmin: null };
  }

  /** The offset of a record of another kind at the place reached. */
  offsetHere(): SourceOffset {
    const last = this.lastOffset;
    const isOurs = last instanceof ChangeOffset || last instanceof MarkOffset;
    return isOurs ? last.withExtra(this.#extra()) : last;
  }

  #unlessBehind(offset: ChangeOffset): SourceOffset {
    this.isBehind = this.window !== undefined && !this.window.exact;
    return this.isBehind ? this.lastOffset : offset;
  }

  /** What offsets hold beyond the position. */
  #extra(): OffsetMap | undefined {
    const { transactions, signals, resting } = this.#options;
    const incremental = signals?.incremental.offsetState ?? resting;
    const window = this.window?.exact === true ? this.window.state : undefined;
    if (transactions === undefined && window === undefined) return incremental;
    return { ...transactions?.offsetState(), ...incremental, ...window };
  }
}
