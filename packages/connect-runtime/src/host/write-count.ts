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

/** Adds to the count, wherever it is kept. */
export type Counter = (change: 1 | -1) => void;

export function sharedCounter(count: SharedCount): Counter {
  const counts = new Int32Array(count);
  return (change) => void Atomics.add(counts, 0, change);
}

/** Keeps the count, where the task runs. */
export class WriteCount implements WriteObserver {
  readonly #add: Counter;
  readonly #timeoutMs: number;

  constructor(add: Counter, options: { readonly requestTimeoutMs: number }) {
    this.#add = add;
    this.#timeoutMs = options.requestTimeoutMs;
  }

  sent(): void {
    this.#add(1);
  }
  answered(): void {
    this.#add(-1);
  }
  /** A broker may store what it has received of a connection that broke, until the request times out. */
  lost(timedOut: boolean): void {
    if (timedOut) this.answered();
    else setTimeout(() => this.answered(), this.#timeoutMs).unref();
  }
}
