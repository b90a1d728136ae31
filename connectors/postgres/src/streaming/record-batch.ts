// The records that are being made, until they go into the queue together: what they keep in memory, when they were
// processed, and the completion of rows that lack columns.
import type { SourceRecord } from '@millrace/connect-api';
import type { ChangeQueue, ProcessedAt } from '@millrace/connector-common';
import type { Clock } from '@millrace/foundation';
import { momentOfNs } from '../source-info.ts';
import type { Reselect } from './reselect.ts';

export interface RecordBatchOptions {
  readonly queue: ChangeQueue<SourceRecord>;
  readonly clock: Clock;
  /** Completes rows that lack columns, where the config asks for it. */
  readonly reselect: Reselect | undefined;
  /** Whether a restart from the offset of the last record would bring some again. */
  readonly isUnfinished: () => boolean;
}

export class RecordBatch {
  readonly #options: RecordBatchOptions;
  #records: SourceRecord[] = [];
  #bytes = 0;
  #lastSlab: Buffer | undefined;
  #processed: ProcessedAt | undefined;
  #soon: NodeJS.Immediate | undefined;
  /** Records that are being completed; they enter the queue before all others. */
  #filling: Promise<void> | undefined;

  constructor(options: RecordBatchOptions) {
    this.#options = options;
  }

  /** To append to, until the next flush. */
  get records(): SourceRecord[] {
    return this.#records;
  }
  /** Whether it is time to flush. */
  get isLarge(): boolean {
    return this.#options.queue.isEnough(this.#records.length);
  }
  /** Whether all records that were made are in the queue. */
  get isHandedOver(): boolean {
    return this.#records.length === 0 && this.#filling === undefined;
  }
  /** Whether rows of this batch were processed since the last flush. */
  get isStamped(): boolean {
    return this.#processed !== undefined;
  }
  /** Resolves when what is being completed is in the queue; undefined when nothing is. */
  get filling(): Promise<void> | undefined {
    return this.#filling;
  }

  /** When the records of this batch are processed: one moment for all. */
  now(): ProcessedAt {
    this.#processed ??= momentOfNs(this.#options.clock.nowNs());
    return this.#processed;
  }

  /** Accounts for the slab that records point into, once. */
  keep(slab: Buffer): void {
    if (slab === this.#lastSlab) return;
    this.#lastSlab = slab;
    this.#bytes += slab.length;
  }

  /**
   * Flushes once what lies in the socket was read, as far as it fits into one batch: what a batch costs is more than what
   * the records of one read do. At once where records may have to be completed, for which the caller waits.
   */
  flushSoon(): void {
    if (this.isLarge || this.#options.reselect !== undefined) this.flush();
    else if (this.#records.length > 0) this.#soon ??= setImmediate(() => this.flush());
  }

  /** Puts the records into the queue, or begins to complete them. */
  flush(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    if (this.#records.length === 0 || this.#filling !== undefined) return;
    const records = this.#records;
    const bytes = this.#bytes;
    this.#records = [];
    this.#bytes = 0;
    this.#lastSlab = undefined;
    this.#processed = undefined;
    const unfinished = this.#options.isUnfinished();
    const filling = this.#options.reselect?.fill(records, bytes, unfinished);
    if (filling === undefined) this.#options.queue.put({ records, bytes, unfinished });
    // INV-2: what is made meanwhile waits here.
    else
      this.#filling = filling.then(() => {
        this.#filling = undefined;
        this.flush();
      });
  }

  /** Resolves when what was flushed is in the queue, which has room for more. */
  async handedOver(): Promise<void> {
    while (this.#filling !== undefined) await this.#filling;
    await this.#options.queue.room();
  }
}
