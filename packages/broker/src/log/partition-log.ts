// One partition: appends in memory, writes through its pipeline, and three offsets that only grow: end (next to be
// given), written (in the page cache) and durable (on the device). Under a durable policy the high watermark is the
// durable offset, so that no consumer reads what a crash can take back.
import { join } from 'node:path';
import { messageOf, toError } from '@millrace/foundation';
import {
  BATCH_CONTROL,
  BATCH_LOG_APPEND_TIME,
  type BatchHeader,
  KafkaErrors,
  patchBatch,
  stampLogAppendTime,
  writeBatchCrc,
} from '@millrace/kafka-protocol';
import { writeAtomically } from '../disk.ts';
import { KafkaFailure } from '../errors.ts';
import { readMarker } from './control-batch.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { loadProducers } from './load-producers.ts';
import { type LogConfig, showsUnsynced } from './log-config.ts';
import type { LogEnvironment, LogState } from './log-environment.ts';
import { segmentsFrom } from './log-reader.ts';
import { OffsetWaiters } from './offset-waiters.ts';
import type { ProducedBatch, ProducerState } from './producer-state.ts';
import { RetiredSegments } from './retired-segments.ts';
import { mustRoll } from './roll.ts';
import { offsetFileName, Segment } from './segment.ts';
import { Tail } from './tail-cache.ts';
import { type AbortedTransaction, abortedIn } from './transaction-index.ts';
import { type LogPoint, WritePipeline } from './write-pipeline.ts';

/** Where a batch landed, or already lay. */
export interface Appended {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The time the log gave the batch; -1 when it kept the producer's. */
  readonly logAppendTimeMs: number;
  readonly duplicate: boolean;
}

/** Hears of bytes that became visible, and of the end of a log. */
export interface LogListener {
  /** `bytes` more lie below the high watermark. */
  advanced(bytes: number): void;
  closed(): void;
}

/** Of the attributes in a batch. */
const ATTRIBUTES_POSITION = 21;
const MAX_READ_SEGMENTS = 4;
const DONE: Promise<void> = Promise.resolve();

export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly directory: string;
  readonly internal: boolean;
  config: LogConfig;
  readonly #env: LogEnvironment;
  readonly #segments: Segment[];
  readonly #pipeline: WritePipeline;
  readonly #tail: Tail;
  readonly #retired: RetiredSegments;
  /** The cleaner reads the segments: their files stay. */
  #pinned = false;
  /** Base of a segment whose file is there for sure, though it may be empty. */
  #begunOffset: number;
  readonly epochs: LeaderEpochs;
  #producers: ProducerState;
  #startOffset: number;
  #end: LogPoint;
  #visible: LogPoint;
  readonly #written = new OffsetWaiters();
  readonly #durable = new OffsetWaiters();
  readonly #listeners = new Set<LogListener>();
  /** Segments behind the active one that readers have open, the last used last. */
  #readSegments: Segment[] = [];
  #flushTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(env: LogEnvironment, state: LogState, config: LogConfig) {
    this.#env = env;
    this.config = config;
    this.topic = state.topic;
    this.partition = state.partition;
    this.directory = state.directory;
    this.internal = state.internal;
    this.#segments = [...state.segments];
    this.#begunOffset = state.segments.at(-1)?.baseOffset ?? -1;
    this.epochs = new LeaderEpochs(env.disk, state.directory, state.epochs, state.epochsChanged);
    this.#producers = state.producers;
    this.#startOffset = state.startOffset;
    this.#end = { offset: state.endOffset, bytes: 0 };
    this.#visible = this.#end;
    this.#producers.open.settle(state.endOffset);
    this.#tail = new Tail(env.tailCache);
    this.#retired = new RetiredSegments((error) =>
      env.logger.warn({ err: toError(error), folder: this.directory }, 'an old segment could not be removed'),
    );
    this.#pipeline = new WritePipeline(
      env.disk,
      env.turnEnd,
      {
        prepare: () => this.epochs.store(),
        written: (point) => this.#onWritten(point),
        durable: (point) => this.#onDurable(point),
        makeRoom: () => env.space.makeRoom(this),
        refused: (error) => this.#onRefused(error),
        failed: (error) => this.#onFailed(error),
      },
      this.#end,
    );
  }

  get startOffset(): number {
    return this.#startOffset;
  }
  get endOffset(): number {
    return this.#end.offset;
  }
  /** INV-12: what lies below was written, and under a durable policy synced. */
  get highWatermark(): number {
    return this.#visible.offset;
  }
  /** Everything below is visible and belongs to no open transaction: where read_committed ends. */
  get lastStableOffset(): number {
    const { offset } = this.#visible;
    const first = this.#producers.open.firstUnstable();
    return first === undefined ? offset : Math.max(this.#startOffset, Math.min(offset, first));
  }
  /** Everything below is on the device; where the next unclean start begins to check. */
  get durableOffset(): number {
    return this.#pipeline.durable.offset;
  }
  /** Bytes below the high watermark since start; differences mean something. */
  get visibleBytes(): number {
    return this.#visible.bytes;
  }
  get leaderEpoch(): number {
    return this.epochs.current;
  }
  get producers(): ProducerState {
    return this.#producers;
  }
  get segments(): readonly Segment[] {
    return this.#segments;
  }
  get tail(): Tail {
    return this.#tail;
  }
  get isClosed(): boolean {
    return this.#closed;
  }
  get sizeInBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0);
  }

  /**
   * Gives a checked batch its offsets and queues it for writing. The batch's bytes are patched in place and belong
   * to the log from here on. What a coordinator writes for a producer has no sequence of its own.
   *
   * @throws KafkaFailure when its sequence is refused or nothing can be written
   */
  append(batch: Buffer, header: BatchHeader, origin: 'client' | 'coordinator' = 'client'): Appended {
    this.#assertWritable();
    if (header.producerId >= 0 && origin === 'client') {
      const check = this.#producers.check(header);
      if (check.kind === 'refuse') throw new KafkaFailure(check.error);
      if (check.kind === 'duplicate') return duplicateOf(check.batch);
    }
    const baseOffset = this.#end.offset;
    const lastOffset = baseOffset + header.lastOffsetDelta;
    let logAppendTimeMs = -1;
    patchBatch(batch, 0, baseOffset, this.leaderEpoch);
    let placed: BatchHeader = header;
    if (this.config.logAppendTime) {
      logAppendTimeMs = this.#env.clock.nowMs();
      stampLogAppendTime(batch, 0, batch.length, logAppendTimeMs);
      placed = { ...header, maxTimestamp: logAppendTimeMs };
    } else if (header.attributes & BATCH_LOG_APPEND_TIME) {
      // Only the broker says that it gave the time.
      batch.writeInt16BE(header.attributes & ~BATCH_LOG_APPEND_TIME, ATTRIBUTES_POSITION);
      writeBatchCrc(batch, 0, batch.length);
    }
    const segment = this.#segmentFor(placed, lastOffset);
    segment.place(placed, lastOffset, this.config.indexIntervalBytes);
    if (header.producerId >= 0) this.#track(batch, placed, lastOffset, segment);
    this.epochs.noteAppend(baseOffset);
    this.#end = { offset: lastOffset + 1, bytes: this.#end.bytes + batch.length };
    this.#tail.add(placed, baseOffset, batch);
    this.#pipeline.enqueue(segment, batch, this.#end);
    return { baseOffset, lastOffset, logAppendTimeMs, duplicate: false };
  }

  #track(batch: Buffer, header: BatchHeader, lastOffset: number, segment: Segment): void {
    const now = this.#env.clock.nowMs();
    if (!(header.attributes & BATCH_CONTROL)) {
      this.#producers.append(header, lastOffset, header.maxTimestamp, now);
      return;
    }
    const marker = readMarker(batch, header);
    const aborted = marker && this.#producers.complete(marker, lastOffset, header.maxTimestamp, now);
    if (aborted) segment.transactions.append(aborted);
  }

  /** The aborted transactions with records in a range of offsets, in the order of their markers. */
  abortedIn(fromOffset: number, toOffset: number): AbortedTransaction[] {
    return abortedIn(segmentsFrom(this, fromOffset), fromOffset, toOffset);
  }

  /**
   * Resolves when the record at `offset` is as safe as `acks` asks under this log's policy. acks=0 waits for the
   * write like acks=1: nobody is told, but the sender is slowed down to what the disk takes.
   */
  whenAcknowledged(offset: number, acks: number): Promise<void> {
    const { flushPolicy } = this.config;
    const durable = flushPolicy === 'always' || (flushPolicy === 'acks-all' && acks === -1);
    return durable ? this.whenDurable(offset) : this.#wait(this.#written, offset, this.#pipeline.written);
  }

  /** Resolves once the record at `offset` is on the device; starts the sync. INV-12 */
  whenDurable(offset: number): Promise<void> {
    this.#pipeline.requestSync(offset + 1);
    return this.#wait(this.#durable, offset, this.#pipeline.durable);
  }

  /**
   * Resolves when everything appended so far is visible, so that a client sees what it just wrote. Rejects when
   * the write fails.
   */
  whenVisible(): Promise<void> {
    if (this.#visible.offset >= this.#end.offset) return DONE;
    const last = this.#end.offset - 1;
    return showsUnsynced(this.config.flushPolicy)
      ? this.#wait(this.#written, last, this.#pipeline.written)
      : this.whenDurable(last);
  }

  /** The leader epoch's end: first offset of the next one, or the log's end. -1/-1 for an epoch never used. */
  endOfEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.epochs.endOf(epoch, this.#visible.offset);
  }

  /** Notes that a segment was read, and lets go of older ones that were: a lagging reader holds few files open. */
  touch(segment: Segment): void {
    if (segment === this.#segments.at(-1) || segment === this.#readSegments.at(-1)) return;
    const others = this.#readSegments.filter((known) => known !== segment);
    this.#readSegments = [...others, segment];
    if (this.#readSegments.length > MAX_READ_SEGMENTS) this.#readSegments.shift()?.release();
  }

  subscribe(listener: LogListener): void {
    this.#listeners.add(listener);
  }
  unsubscribe(listener: LogListener): void {
    this.#listeners.delete(listener);
  }

  /** Moves the start of the log forward and deletes the segments that fall out whole. */
  advanceStart(offset: number): void {
    this.#startOffset = Math.max(this.#startOffset, offset);
    if (this.#pinned) return;
    for (;;) {
      const [first, next] = this.#segments;
      if (!first || !next || next.baseOffset > this.#startOffset || !this.#isOnDisk(next)) return;
      this.#segments.shift();
      this.#retire(first);
      this.#env.disk.remove(this.#snapshotPath(first.baseOffset));
    }
  }

  /** A log without files would start at 0 again: the last one goes only when its successor survives a crash. */
  #isOnDisk(segment: Segment): boolean {
    return segment !== this.#segments.at(-1) || this.isFollowedBy(segment);
  }

  /** Whether a segment's file is there for sure, and with it the lists and the snapshot of the one before it. */
  isFollowedBy({ baseOffset }: Segment): boolean {
    return this.durableOffset > baseOffset || this.#begunOffset === baseOffset;
  }

  /** Starts a new segment although the active one has room; not when records come in meanwhile. */
  async roll(): Promise<void> {
    if (this.#end.offset > this.durableOffset) await this.whenDurable(this.#end.offset - 1);
    const active = this.#segments.at(-1);
    if (this.#closed || this.#env.storageFailed() || !active || active.size === 0) return;
    if (this.durableOffset < this.#end.offset) return;
    const next = this.#startSegment(active);
    await this.#pipeline.begin(next);
    if (!this.#env.storageFailed()) this.#begunOffset = next.baseOffset;
  }

  get isPinned(): boolean {
    return this.#pinned;
  }
  /** Keeps the segments' files where they are until `unpin`, whatever is deleted meanwhile. */
  pin(): void {
    this.#pinned = true;
  }
  unpin(): void {
    this.#pinned = false;
    if (!this.#closed) this.advanceStart(this.#startOffset);
  }

  /**
   * Puts one segment in the place of others that follow each other. `moveIn` gives its files their names, after
   * those of the others were taken away.
   */
  exchange(replaced: readonly Segment[], replacement: Segment, moveIn: () => void): void {
    const at = replaced[0] ? this.#segments.indexOf(replaced[0]) : -1;
    const isSame = replaced.every((segment, index) => this.#segments[at + index] === segment);
    if (this.#closed || at < 0 || !isSame) throw new KafkaFailure(KafkaErrors.NOT_LEADER_OR_FOLLOWER);
    try {
      // The oldest first: after a crash in between, what is left holds no record without what superseded it.
      for (const segment of replaced) this.#retire(segment);
      moveIn();
    } catch (error) {
      // The folder is between two states, which only a start can tell apart.
      this.#onFailed(error);
      throw error;
    }
    this.#segments.splice(at, replaced.length, replacement);
    this.#tail.dropBelow(this.#segments[at + 1]?.baseOffset ?? 0);
    for (const { baseOffset } of replaced.slice(1)) this.#env.disk.remove(this.#snapshotPath(baseOffset));
  }

  /** Writes and syncs everything, then leaves the folder as a clean shutdown should. */
  async close(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#flushTimer);
    this.#pipeline.requestSync(this.#end.offset);
    await this.#pipeline.settle();
    this.#closed = true;
    this.#pipeline.stop();
    const active = this.#segments.at(-1);
    if (active && !this.#env.storageFailed()) {
      if (active.cutZeros()) await active.sync();
      await active.storeIndexes();
      await this.#storeSnapshot(this.#end.offset, this.#producers.toSnapshot());
    }
    this.#retired.close();
    this.#finish(KafkaErrors.NOT_LEADER_OR_FOLLOWER);
  }

  /** Ends the log of a deleted topic without writing anything. */
  abandon(): void {
    this.#closed = true;
    clearTimeout(this.#flushTimer);
    this.#pipeline.stop();
    this.#retired.close();
    this.#finish(KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
  }

  #finish(error: { code: number; message: string }): void {
    for (const segment of this.#segments) segment.release();
    this.#tail.clear();
    this.#rejectWaiters(new KafkaFailure(error));
    // A listener takes itself out when it hears of the end; a set may be changed while it is walked.
    for (const listener of this.#listeners) listener.closed();
    this.#listeners.clear();
  }

  #assertWritable(): void {
    if (this.#closed) throw new KafkaFailure(KafkaErrors.NOT_LEADER_OR_FOLLOWER);
    if (this.#env.storageFailed()) throw new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR);
    if (this.#env.space.full && !this.internal) {
      throw new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR, 'The disk is full.');
    }
  }

  #segmentFor(header: BatchHeader, lastOffset: number): Segment {
    const active = this.#segments.at(-1);
    return active && !mustRoll(active, header, lastOffset, this.config) ? active : this.#startSegment(active);
  }

  #startSegment(active: Segment | undefined): Segment {
    const base = this.#end.offset;
    const next = new Segment(this.#env.disk, this.directory, base, 0);
    if (active) {
      const snapshot = this.#producers.toSnapshot();
      this.#pipeline.seal(active, async () => {
        await active.storeIndexes();
        await this.#storeSnapshot(base, snapshot);
        active.release();
      });
      this.#pipeline.requestSync(base);
    }
    this.#segments.push(next);
    return next;
  }

  #retire(segment: Segment): void {
    this.#readSegments = this.#readSegments.filter((known) => known !== segment);
    this.#retired.retire(segment, this.config.fileDeleteDelayMs);
  }

  #onWritten(point: LogPoint): void {
    this.#written.resolveUpTo(point.offset);
    if (showsUnsynced(this.config.flushPolicy)) this.#advance(point);
    if (point.offset - this.durableOffset >= this.config.flushMessages)
      this.#pipeline.requestSync(point.offset);
    if (this.config.flushPolicy !== 'os' && !this.#flushTimer) {
      this.#flushTimer = setTimeout(() => {
        this.#flushTimer = undefined;
        this.#pipeline.requestSync(this.#pipeline.written.offset);
      }, this.config.flushIntervalMs);
      this.#flushTimer.unref();
    }
  }

  #onDurable(point: LogPoint): void {
    this.#advance(point);
    this.#durable.resolveUpTo(point.offset);
  }

  #advance(point: LogPoint): void {
    const bytes = point.bytes - this.#visible.bytes;
    if (point.offset <= this.#visible.offset) return;
    this.#visible = point;
    this.#producers.open.settle(point.offset);
    for (const listener of this.#listeners) listener.advanced(bytes);
  }

  /** Takes back what could not be written: offsets, indexes, producers and cache are as before it. */
  #onRefused(error: unknown): void {
    const { offset, bytes } = this.#pipeline.written;
    this.#env.logger.warn(
      { topic: this.topic, partition: this.partition, offset, reason: messageOf(error) },
      'records were refused: the disk is full',
    );
    this.#end = { offset, bytes };
    this.#tail.truncate(offset);
    while (this.#segments.length > 1 && (this.#segments.at(-1)?.baseOffset ?? 0) >= offset) {
      this.#segments.pop()?.remove();
    }
    const active = this.#segments.at(-1);
    active?.rebuild(active.writtenSize, this.config.indexIntervalBytes);
    active?.transactions.truncate(offset);
    this.#producers = this.#rebuildProducers();
    this.#producers.open.settle(this.#visible.offset);
    this.#rejectWaiters(new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR, 'The disk is full.'), offset);
  }

  #onFailed(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error));
    this.#env.onStorageFailure(cause);
    this.#rejectWaiters(new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR));
  }

  #rebuildProducers(): ProducerState {
    return loadProducers({
      disk: this.#env.disk,
      directory: this.directory,
      segments: this.#segments,
      endOffset: this.#end.offset,
      nowMs: this.#env.clock.nowMs(),
    });
  }

  async #storeSnapshot(offset: number, bytes: Buffer): Promise<void> {
    await writeAtomically(this.#env.disk, this.#snapshotPath(offset), bytes);
  }

  #snapshotPath(offset: number): string {
    return join(this.directory, offsetFileName(offset, '.snapshot'));
  }

  #wait(waiters: OffsetWaiters, offset: number, reached: LogPoint): Promise<void> {
    if (reached.offset > offset) return DONE;
    if (this.#closed || this.#env.storageFailed()) {
      return Promise.reject(new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR));
    }
    return waiters.wait(offset);
  }

  #rejectWaiters(error: Error, from: number = 0): void {
    this.#written.reject(error, from);
    this.#durable.reject(error, from);
  }
}

function duplicateOf({ lastOffset, offsetDelta, timestamp }: ProducedBatch): Appended {
  return { baseOffset: lastOffset - offsetDelta, lastOffset, logAppendTimeMs: timestamp, duplicate: true };
}
