// How many requests that append to a log a task has in flight, in memory that outlives the thread it runs in: whoever
// starts the next incarnation has to know whether something of the dead one may still be stored.
import type { WriteObserver } from '@millrace/kafka-client';

/** The counter, as it crosses thread borders. */
export type SharedCount = SharedArrayBuffer;

export function newWriteCount(): SharedCount {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** Whether requests of the task were without an answer when its thread was last alive. */
export function hasWrites(count: SharedCount): boolean {
  return Atomics.load(new Int32Array(count), 0) > 0;
}

/** Keeps the count, in the thread of the task. */
export class WriteCount implements WriteObserver {
  readonly #count: Int32Array;
  readonly #timeoutMs: number;

  constructor(count: SharedCount, options: { readonly requestTimeoutMs: number }) {
    this.#count = new Int32Array(count);
    this.#timeoutMs = options.requestTimeoutMs;
  }

  sent(): void {
    Atomics.add(this.#count, 0, 1);
  }
  answered(): void {
    Atomics.sub(this.#count, 0, 1);
  }
  /** A broker may store what it has received of a connection that broke, until the request times out. */
  lost(timedOut: boolean): void {
    if (timedOut) this.answered();
    else setTimeout(() => this.answered(), this.#timeoutMs).unref();
  }
}
