// One transactional id: what is stored of it, and the order in which requests about it are worked off.
import type { StoredTransaction } from './records.ts';
import { isPrepared } from './states.ts';

/** A producer id and its epoch. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Epochs end here: the next producer gets a new id. 32767 is left to fence the last one. */
export const LAST_EPOCH = 32_766;
export const NO_EPOCH = -1;
export const NO_PRODUCER = -1;
export const NO_PARTITIONS: StoredTransaction['partitions'] = new Map();

export class Transaction {
  readonly id: string;
  /** What the log says: replaced once a change is durable, and by completion once it is on its way. */
  stored: StoredTransaction;
  /**
   * The epoch before the last bump, if its producer asked for the bump: a retry of that request gets the same answer.
   * Kept in memory only, as in Kafka.
   */
  lastEpoch: number = NO_EPOCH;
  /** Since when it has been open, by the clock that never goes back; undefined when it was opened before this start. */
  openSinceMs: number | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(id: string, stored: StoredTransaction) {
    this.id = id;
    this.stored = stored;
  }

  get identity(): ProducerIdentity {
    return { producerId: this.stored.producerId, producerEpoch: this.stored.producerEpoch };
  }
  get isPrepared(): boolean {
    return isPrepared(this.stored.state);
  }
  get isExhausted(): boolean {
    return this.stored.producerEpoch >= LAST_EPOCH;
  }

  has(topic: string, partition: number): boolean {
    return this.stored.partitions.get(topic)?.has(partition) ?? false;
  }

  /** Runs a step when all earlier ones have ended, well or not. */
  run<T>(step: () => T | Promise<T>): Promise<T> {
    const done = this.#tail.then(step);
    this.#tail = done.catch(() => undefined);
    return done;
  }
}
