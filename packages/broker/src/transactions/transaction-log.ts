// `__transaction_state`: what is durable of every transactional id.
import { type Clock, type Logger, toError } from '@millrace/foundation';
import { KafkaErrors, readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import { KafkaFailure } from '../errors.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { replayLog } from '../log/replay-log.ts';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import { partitionOfId } from '../metadata/partition-of-id.ts';
import { type Topic, type Topics, TRANSACTIONS_TOPIC } from '../metadata/topics.ts';
import { decodeTransaction, encodeTransaction, type StoredTransaction } from './records.ts';
import { Transaction } from './transaction.ts';

export interface TransactionLogParts {
  readonly topics: Topics;
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TransactionLog {
  readonly #parts: TransactionLogParts;

  constructor(parts: TransactionLogParts) {
    this.#parts = parts;
  }

  /** The topic; made at first use. */
  topic(): Promise<Topic> {
    return this.#parts.topics.internal(TRANSACTIONS_TOPIC);
  }

  /** What markers call the epoch of their coordinator: it rises with each unclean start. */
  get coordinatorEpoch(): number {
    return Math.max(0, ...this.#logs().map((log) => log?.leaderEpoch ?? 0));
  }

  /** Every id that is stored. */
  async read(): Promise<Map<string, Transaction>> {
    const transactions = new Map<string, Transaction>();
    for (const log of this.#logs()) {
      if (!log) continue;
      await replayLog(log, {
        record: ({ key, value }) => {
          const record = key && this.#decode(key, value);
          if (!record) return;
          const { transactionalId: id, stored } = record;
          if (stored && stored.state !== 'Dead') transactions.set(id, new Transaction(id, stored));
          else transactions.delete(id);
        },
      });
    }
    return transactions;
  }

  /** Changes what is stored of an id; it counts once it is durable. INV-12 @throws KafkaFailure */
  async store(txn: Transaction, change: Partial<StoredTransaction>): Promise<void> {
    const next = this.#changed(txn, change);
    const { log, lastOffset } = await this.#append(txn.id, next);
    await log.whenDurable(lastOffset);
    txn.stored = next;
  }

  /**
   * Changes what is stored of an id in a way that a start finds out by itself: it counts at once, and is durable with
   * whatever is stored next, or after `flush.ms`. `onLost` runs when it cannot be written and nothing has followed it.
   *
   * @throws KafkaFailure
   */
  async note(
    txn: Transaction,
    change: Partial<StoredTransaction>,
    onLost: (error: Error) => void,
  ): Promise<void> {
    const before = txn.stored;
    const next = this.#changed(txn, change);
    const { log, lastOffset } = await this.#append(txn.id, next);
    txn.stored = next;
    log.whenAcknowledged(lastOffset, 1).catch((error: unknown) => {
      if (txn.stored !== next) return;
      txn.stored = before;
      onLost(toError(error));
    });
  }

  #changed(txn: Transaction, change: Partial<StoredTransaction>): StoredTransaction {
    return { ...txn.stored, ...change, lastUpdateMs: this.#parts.clock.nowMs() };
  }

  /** Forgets an id. @throws KafkaFailure */
  async forget(id: string): Promise<void> {
    const { log, lastOffset } = await this.#append(id, undefined);
    await log.whenDurable(lastOffset);
  }

  async #append(
    id: string,
    stored: StoredTransaction | undefined,
  ): Promise<{ readonly log: PartitionLog; readonly lastOffset: number }> {
    const { partitions } = await this.topic();
    const log = partitions[partitionOfId(id, partitions.length)];
    if (!log) throw new KafkaFailure(KafkaErrors.COORDINATOR_NOT_AVAILABLE);
    const batch = simpleBatch([encodeTransaction(id, stored, this.#parts.clock.nowMs())]);
    const { lastOffset } = log.append(batch, readBatchHeader(batch, 0));
    return { log, lastOffset };
  }

  /** One, but for a log folder that was taken over from a cluster. */
  #logs(): readonly (PartitionLog | undefined)[] {
    return this.#parts.topics.get(TRANSACTIONS_TOPIC)?.partitions ?? [];
  }

  #decode(key: Buffer, value: Buffer | null): ReturnType<typeof decodeTransaction> {
    try {
      return decodeTransaction(key, value);
    } catch (error) {
      this.#parts.logger.warn(
        { err: toError(error) },
        'skipped an unreadable record of the transaction topic',
      );
      return undefined;
    }
  }
}
