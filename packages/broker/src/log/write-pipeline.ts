// From appended batches to durable bytes, for one partition. Everything appended in one turn of the event loop goes
// out in one write; one fdatasync in flight serves everything written before it started. Offsets become written and
// durable strictly in order.
//
// Small writes that will be synced take zeros with them, for later ones to write over: where a file does not grow, its
// fdatasync leaves the file system's journal alone and takes two thirds of the time (ext4). The zeros go when the segment
// is complete and when the log is closed; after a crash they are cut like a torn batch, which they look like to Kafka, too.
import { dirname } from 'node:path';
import { type Disk, isNoSpace } from '../disk.ts';
import type { Segment } from './segment.ts';

/**
 * Writes up to this size are done at once: a system call costs less than the way through the thread pool. More goes that
 * way, where another core copies it, and so does what would wait for a sync under way, which file systems let writes of
 * the same file do.
 */
const SYNC_WRITE_BYTES = 128 * 1024;
/** Before a sync not more than is quickly written: the rest is written while that is synced. */
const WRITE_BEFORE_SYNC_BYTES = 1024 * 1024;
const ASYNC_WRITE_BYTES = 16 * 1024 * 1024;
/** Writes up to this size are small. */
const SMALL_WRITE_BYTES = 64 * 1024;
/** Most zeros behind a file's end, and never more than it has bytes. */
export const MAX_ZEROS: number = 256 * 1024;
const ZEROS = Buffer.alloc(MAX_ZEROS);

/** A place in the log: the offset behind the last batch, and the bytes of all batches before it. */
export interface LogPoint {
  readonly offset: number;
  readonly bytes: number;
}

interface QueuedBatch {
  readonly segment: Segment;
  readonly bytes: Buffer;
  /** The log's point behind this batch. */
  readonly end: LogPoint;
}

/** What the pipeline needs of the log it writes. */
export interface PipelineOwner {
  /** Awaited before the first write; what it makes durable counts as older than any batch. */
  prepare(): Promise<void>;
  written(point: LogPoint): void;
  durable(point: LogPoint): void;
  /** Told of a full disk; true = room was made, try again. */
  makeRoom(): boolean;
  /** A write was refused for lack of room; everything behind `written` was dropped from the files. */
  refused(error: unknown): void;
  /** The device failed: nothing more may be written. */
  failed(error: unknown): void;
}

/** Collects the logs that got batches in this turn of the event loop, to drain each once at its end. */
export class TurnEnd {
  #waiting: WritePipeline[] = [];
  #scheduled = false;
  readonly #drain = (): void => {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const pipeline of waiting) pipeline.drain();
  };

  add(pipeline: WritePipeline): void {
    this.#waiting.push(pipeline);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#drain);
  }
}

export class WritePipeline {
  readonly #disk: Disk;
  readonly #owner: PipelineOwner;
  readonly #turnEnd: TurnEnd;
  #queue: QueuedBatch[] = [];
  #scheduled = false;
  #prepared = false;
  /** An asynchronous step is under way and drains when it ends. */
  #busy = false;
  #syncing = false;
  #stopped = false;
  #written: LogPoint;
  #durable: LogPoint;
  #syncTarget = 0;
  readonly #unsynced = new Set<Segment>();
  #sealed: { segment: Segment; finish: () => Promise<void> }[] = [];
  #directoryDirty = false;
  #idle: (() => void)[] = [];
  /** Waiting for a sync whether or not anything was written. */
  #forced: (() => void)[] = [];

  constructor(disk: Disk, turnEnd: TurnEnd, owner: PipelineOwner, start: LogPoint) {
    this.#disk = disk;
    this.#turnEnd = turnEnd;
    this.#owner = owner;
    this.#written = start;
    this.#durable = start;
  }

  get written(): LogPoint {
    return this.#written;
  }
  get durable(): LogPoint {
    return this.#durable;
  }

  enqueue(segment: Segment, bytes: Buffer, end: LogPoint): void {
    this.#queue.push({ segment, bytes, end });
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    this.#turnEnd.add(this);
  }

  /** Marks a segment as complete; `finish` runs after its sync and before anything behind it counts as durable. */
  seal(segment: Segment, finish: () => Promise<void>): void {
    this.#sealed.push({ segment, finish });
    this.#unsynced.add(segment);
  }

  /**
   * Makes the file of a segment that gets no batch yet, and completes the sealed one before it, durably. Resolves
   * also when that failed: the owner is told.
   */
  begin(segment: Segment): Promise<void> {
    this.#open(segment);
    return new Promise((resolve) => {
      this.#forced.push(resolve);
      this.#startSync();
    });
  }

  /** Asks that everything up to `offset` becomes durable, as soon as it is written. */
  requestSync(offset: number): void {
    if (offset > this.#syncTarget) this.#syncTarget = offset;
    this.#startSync();
  }

  /** Resolves when nothing is queued or under way. */
  async settle(): Promise<void> {
    this.drain();
    while (!this.#stopped && (this.#queue.length > 0 || this.#busy || this.#syncing)) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  /** Takes no more; what is queued is dropped. */
  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    for (const resolve of this.#forced.splice(0)) resolve();
    this.#notifyIdle();
  }

  drain(): void {
    this.#scheduled = false;
    while (this.#queue.length > 0 && !this.#busy && !this.#stopped) {
      if (!this.#prepared) {
        this.#run(this.#owner.prepare(), () => {
          this.#prepared = true;
        });
        return;
      }
      this.#writeNext();
    }
    this.#notifyIdle();
  }

  /** Writes what is queued for the segment at the head of the queue. */
  #writeNext(): void {
    const segment = this.#queue[0]?.segment;
    if (!segment) return;
    let count = 0;
    let size = 0;
    const most = this.#syncing ? ASYNC_WRITE_BYTES : WRITE_BEFORE_SYNC_BYTES;
    for (const item of this.#queue) {
      if (count > 0 && (item.segment !== segment || size + item.bytes.length > most)) break;
      count++;
      size += item.bytes.length;
    }
    const items = this.#queue.slice(0, count);
    const chunks = items.map((item) => item.bytes);
    const position = segment.writtenSize;
    try {
      this.#open(segment);
      // INV-12: one write in flight a partition; what is appended meanwhile waits for it.
      if (size > (this.#syncing ? SMALL_WRITE_BYTES : SYNC_WRITE_BYTES)) {
        this.#run(segment.file.write(chunks, position), () => this.#wrote(segment, items, size));
        return;
      }
      const zeros = this.#zerosBehind(segment, size);
      segment.file.writeSync(zeros ? [...chunks, zeros] : chunks, position);
      if (zeros) segment.zerosEnd = position + size + zeros.length;
    } catch (error) {
      this.#writeFailed(error);
      return;
    }
    this.#wrote(segment, items, size);
  }

  /** Zeros to write behind `size` bytes; none where there are some, and where bytes still go behind another segment. */
  #zerosBehind(segment: Segment, size: number): Buffer | undefined {
    const end = segment.writtenSize + size;
    const isSynced = this.#syncTarget > this.#durable.offset;
    if (!isSynced || size > SMALL_WRITE_BYTES || end <= segment.zerosEnd || end !== segment.size)
      return undefined;
    if (this.#sealed.some((sealed) => sealed.segment === segment)) return undefined;
    return ZEROS.subarray(0, end);
  }

  #open(segment: Segment): void {
    if (segment.isOpen) return;
    if (segment.writtenSize === 0) {
      this.#directoryDirty = true;
      this.#unsynced.add(segment);
      // Only the last file of a log may end in zeros: what follows them counts for lost after a crash.
      for (const sealed of this.#sealed) sealed.segment.cutZeros();
    }
    if (segment.file.size() !== segment.writtenSize) segment.cut();
  }

  #wrote(segment: Segment, items: readonly QueuedBatch[], size: number): void {
    segment.writtenSize += size;
    this.#unsynced.add(segment);
    this.#queue.splice(0, items.length);
    const last = items.at(-1);
    if (last) this.#written = last.end;
    this.#owner.written(this.#written);
    this.#startSync();
  }

  #writeFailed(error: unknown): void {
    if (!isNoSpace(error)) {
      this.#fail(error);
      return;
    }
    if (this.#owner.makeRoom()) return;
    // The file may hold a part of what was refused: cut it, so that a later append starts where readers expect it.
    const refused = new Set(this.#queue.map((item) => item.segment));
    this.#queue = [];
    this.#sealed = this.#sealed.filter(({ segment }) => !refused.has(segment));
    try {
      for (const segment of refused) {
        if (segment.isOpen) segment.cut();
      }
    } catch (truncateError) {
      this.#fail(truncateError);
      return;
    }
    this.#owner.refused(error);
  }

  /** Starts an asynchronous step; the queue goes on when it ends. */
  #run(step: Promise<void>, finish: () => void): void {
    this.#busy = true;
    void this.#finishStep(step, finish);
  }

  async #finishStep(step: Promise<void>, finish: () => void): Promise<void> {
    try {
      await step;
      this.#busy = false;
      finish();
    } catch (error) {
      this.#busy = false;
      this.#writeFailed(error);
    }
    this.drain();
  }

  #startSync(): void {
    if (this.#syncing || this.#stopped) return;
    const isBehind = this.#syncTarget > this.#durable.offset && this.#written.offset > this.#durable.offset;
    if (!isBehind && this.#forced.length === 0) return;
    this.#syncing = true;
    const forced = this.#forced;
    this.#forced = [];
    this.#sync().then(
      (point) => {
        this.#syncing = false;
        this.#durable = point;
        this.#owner.durable(point);
        for (const resolve of forced) resolve();
        this.#startSync();
        this.#notifyIdle();
      },
      (error: unknown) => {
        this.#syncing = false;
        for (const resolve of forced) resolve();
        // INV-12: after a failed sync nobody knows what is on the device; it is never tried again.
        this.#fail(error);
      },
    );
  }

  async #sync(): Promise<LogPoint> {
    const point = this.#written;
    const segments = [...this.#unsynced];
    // One whose last batches wait for their write is not complete yet.
    const sealed = this.#sealed.filter(({ segment }) => segment.writtenSize === segment.size);
    const directoryDirty = this.#directoryDirty;
    for (const { segment } of sealed) segment.cutZeros();
    this.#unsynced.clear();
    this.#sealed = this.#sealed.filter((it) => !sealed.includes(it));
    this.#directoryDirty = false;
    const only = segments[0];
    if (segments.length === 1 && only && sealed.length === 0 && !directoryDirty) {
      await only.sync();
      return point;
    }
    // INV-12: durable is a contiguous prefix: older segments first, and a new file counts once its folder is synced.
    for (const segment of segments.sort((a, b) => a.baseOffset - b.baseOffset)) await segment.sync();
    for (const { finish } of sealed) await finish();
    const first = segments[0];
    if ((directoryDirty || sealed.length > 0) && first)
      await this.#disk.syncDirectory(dirname(first.logPath));
    return point;
  }

  #fail(error: unknown): void {
    this.stop();
    this.#owner.failed(error);
  }

  #notifyIdle(): void {
    if (!this.#stopped && (this.#queue.length > 0 || this.#busy || this.#syncing)) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}
