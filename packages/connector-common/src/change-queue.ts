// The bounded hand-over between the reader of a source and `poll`: batches in order, counted in records and bytes.
import type { SourceOffset } from '@millrace/connect-api';

/** What a reader hands over at once. */
export interface QueuedBatch<T> {
  readonly records: readonly T[];
  /** Memory that the records keep alive, such as the chunk they point into. */
  readonly bytes: number;
  /** The offset once all of them are delivered, where that says more than the last one's. */
  readonly after?: SourceOffset | undefined;
  /** A restart from there would bring some of them again; see `SourceBatch`. */
  readonly unfinished?: boolean;
}

export interface ChangeQueueOptions {
  readonly maxRecords: number;
  /** 0 = no bound in bytes beyond the default of 16 MB. */
  readonly maxBytes: number;
}

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Records of a batch, from which on a writer gains nothing by waiting for more. */
const ENOUGH = 512;

/**
 * One reader; writers that take turns. A writer asks `isFull` before it reads on and is called back once there is room; the
 * reader takes up to a number of records and waits when there are none. The bounds hold but for the last batch that each writer puts.
 */
export class ChangeQueue<T> {
  // INV-5: no unbounded queue.
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  readonly #batches: QueuedBatch<T>[] = [];
  #records = 0;
  #bytes = 0;
  #error: unknown;
  #wakeReader: (() => void) | undefined;
  #onRoom: (() => void)[] = [];

  constructor(options: ChangeQueueOptions) {
    this.#maxRecords = options.maxRecords;
    this.#maxBytes = options.maxBytes > 0 ? options.maxBytes : DEFAULT_MAX_BYTES;
  }

  get recordCount(): number {
    return this.#records;
  }
  get byteCount(): number {
    return this.#bytes;
  }
  get isFull(): boolean {
    return this.#records >= this.#maxRecords || this.#bytes >= this.#maxBytes;
  }
  /** Whether `fail` was called: what is put now may never be taken. */
  get isFailed(): boolean {
    return this.#error !== undefined;
  }
  /** Whether so many records are a batch to put at once, without waiting for more. */
  isEnough(records: number): boolean {
    return records >= Math.min(ENOUGH, this.#maxRecords);
  }
  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  put(batch: QueuedBatch<T>): void {
    this.#batches.push(batch);
    this.#records += batch.records.length;
    this.#bytes += batch.bytes;
    this.#wake();
  }

  /** Calls back once, as soon as the queue is no longer full. */
  onRoom(callback: () => void): void {
    this.#onRoom.push(callback);
  }

  /** Resolves when the queue is no longer full, or has failed. */
  async room(): Promise<void> {
    if (!this.isFull || this.#error !== undefined) return;
    await new Promise<void>((resolve) => this.onRoom(resolve));
  }

  /** The reader's next `take` throws this once what was put before is taken. */
  fail(error: unknown): void {
    this.#error ??= error ?? new Error('unknown failure');
    this.#wake();
    this.#callBack();
  }

  /** Ends a wait of the reader early, with nothing. */
  wake(): void {
    this.#wake();
  }

  /** Whole batches, up to `maxRecords` records unless a single batch has more. Throws what `fail` was given. */
  take(maxRecords: number): QueuedBatch<T>[] {
    const taken: QueuedBatch<T>[] = [];
    let count = 0;
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      if (taken.length > 0 && count + batch.records.length > maxRecords) break;
      this.#batches.shift();
      taken.push(batch);
      count += batch.records.length;
      this.#records -= batch.records.length;
      this.#bytes -= batch.bytes;
    }
    if (taken.length === 0 && this.#error !== undefined) throw this.#error;
    if (!this.isFull) this.#callBack();
    return taken;
  }

  /** Resolves when there is something to take, the signal fires, or `timeoutMs` have passed. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.isEmpty || this.#error !== undefined || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wakeReader = undefined;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      signal.addEventListener('abort', done, { once: true });
      this.#wakeReader = done;
    });
  }

  #wake(): void {
    this.#wakeReader?.();
  }

  #callBack(): void {
    const callbacks = this.#onRoom;
    this.#onRoom = [];
    for (const callback of callbacks) callback();
  }
}
