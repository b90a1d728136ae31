// A producer whose records and consumed offsets become visible together, or not at all.
import { BatchProducer } from './batch-producer.ts';
import type { BatchProducerOptions, OutgoingRecord, RecordPlace } from './batch-producer-options.ts';
import { clientError } from './errors.ts';
import type { CommittingMember, OffsetToCommit } from './group-offsets.ts';
import type { TopicPartition } from './topic-partition.ts';
import { type TransactionOptions, type TransactionPhase, Transactions } from './transactions.ts';

export type TransactionalProducerOptions = Omit<BatchProducerOptions, 'transactions' | 'idempotent'> & {
  readonly transaction: TransactionOptions;
};

/**
 * `init` once, then `begin`, write, `commit` or `abort`, again and again; one transaction at a time. After an error
 * of any of them but `kafka.producer_fenced` and `kafka.transaction_misused`, `abort` makes it usable again.
 */
export class TransactionalProducer implements AsyncDisposable {
  /** Writes records; refuses them while no transaction is open. */
  readonly producer: BatchProducer;
  readonly #transactions: Transactions;

  constructor({ transaction, ...options }: TransactionalProducerOptions) {
    this.#transactions = new Transactions(options.cluster, transaction);
    this.producer = new BatchProducer({ ...options, transactions: this.#transactions });
  }

  get phase(): TransactionPhase {
    return this.#transactions.phase;
  }

  /**
   * Gets the identity of the transactional id: fences earlier producers of it and aborts what they left open.
   *
   * @throws kafka.refused, kafka.unavailable, kafka.unreachable
   */
  async init(): Promise<void> {
    if (this.phase !== 'new')
      throw clientError('kafka.transaction_misused', 'The producer has its identity already.', {
        context: { transactionalId: this.#transactions.id },
      });
    await this.#transactions.init();
  }

  /** `expected`: partitions that will be written to as well, where that is known; it saves asking for them later. */
  begin(expected: readonly TopicPartition[] = []): void {
    this.#transactions.begin(expected);
  }

  /** Writes one record within the transaction; resolves when it is durable, though not yet visible. */
  send(record: OutgoingRecord): Promise<RecordPlace> {
    return this.producer.send(record);
  }

  /**
   * Makes offsets of a group part of the transaction. `member` is who consumed; without it the group must be empty.
   *
   * @throws kafka.group_stale, kafka.producer_fenced, kafka.refused, kafka.unavailable
   */
  async sendOffsets(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    member?: CommittingMember,
  ): Promise<void> {
    await this.#transactions.sendOffsets(groupId, offsets, member);
  }

  /**
   * Makes everything durable, then visible.
   *
   * @throws what made a record fail, kafka.producer_fenced, kafka.unavailable, kafka.unreachable
   */
  async commit(): Promise<void> {
    await this.producer.flush();
    await this.#transactions.end(true);
  }

  /**
   * Takes everything back. Nothing of the transaction can reach a log once it has resolved.
   *
   * @throws kafka.producer_fenced, kafka.unavailable, kafka.unreachable
   */
  async abort(): Promise<void> {
    const transactions = this.#transactions;
    if (transactions.phase === 'open')
      transactions.fail(clientError('kafka.transaction_aborted', 'The transaction was aborted.'));
    if (transactions.phase === 'failed') await this.producer.discard();
    const isNextEpoch = await transactions.end(false);
    // Records that were given up left a hole in the sequence; the next epoch counts from 0.
    if (!isNextEpoch) await transactions.init();
  }

  /** Aborts what is open, and closes. */
  async close(): Promise<void> {
    if (this.phase === 'open' || this.phase === 'failed') await this.abort().catch(() => undefined);
    await this.producer.abort('it was closed');
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
