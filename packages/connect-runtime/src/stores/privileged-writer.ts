// Writes to the config topic that only the leader may make, in transactions of one id for the group: whoever leads next
// fences the one before, whose writes are then refused and never read (KIP-618).
import { type Clock, type Logger, toError } from '@millrace/foundation';
import { type Cluster, TransactionalProducer } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import type { RecordText } from './config-records.ts';

export interface PrivilegedWriterOptions {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly topic: string;
  readonly transactionalId: string;
  /** Whether this worker leads the group, by what it has heard of it last. */
  readonly leads: () => boolean;
}

const WRITE_FAILED =
  'Failed to write to config topic; this may be due to a transient error and the request can be safely retried';

/** One write after another; the right to write is claimed before the first, and again after one that failed. */
export class PrivilegedWriter {
  readonly #options: PrivilegedWriterOptions;
  #producer: TransactionalProducer | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PrivilegedWriterOptions) {
    this.#options = options;
  }

  /** Fences who led before. @throws connect.config_write_failed */
  claim(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#claimed();
    });
  }

  /** Gives the right up: another worker leads, or this one ends. */
  release(): Promise<void> {
    return this.#inTurn(() => this.#drop());
  }

  /** All of them become visible together, or none. @throws connect.config_write_failed, after which it may be tried again */
  write(records: readonly RecordText[]): Promise<void> {
    return this.#inTurn(async () => {
      const { topic } = this.#options;
      const producer = await this.#claimed();
      try {
        producer.begin();
        await Promise.all(
          records.map(({ key, value }) =>
            producer.send({
              topic,
              partition: 0,
              key: Buffer.from(key),
              value: value === null ? null : Buffer.from(value),
            }),
          ),
        );
        await producer.commit();
      } catch (error) {
        await this.#drop();
        throw this.#failure(error);
      }
    });
  }

  async #claimed(): Promise<TransactionalProducer> {
    if (this.#producer) return this.#producer;
    const { cluster, logger, clock, transactionalId } = this.#options;
    const transaction = { id: transactionalId };
    const producer = new TransactionalProducer({
      cluster,
      logger,
      clock,
      transaction,
      autoCreateTopics: false,
    });
    this.#producer = producer;
    try {
      await producer.init();
      // A leader that stood still while it claimed may have fenced the one that took its place. That one claims again;
      // this one must not write.
      if (!this.#options.leads()) throw connectError('connect.rebalance', 'This worker no longer leads');
    } catch (error) {
      await this.#drop();
      throw this.#failure(error);
    }
    return producer;
  }

  async #drop(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close();
  }

  #failure(cause: unknown): Error {
    this.#options.logger.warn({ err: toError(cause) }, 'the config topic could not be written as leader');
    return connectError('connect.config_write_failed', WRITE_FAILED, { cause });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
