// Carries decided transactions to their partitions: a marker in each, then the note that it is complete. What cannot be
// written now is tried again, since a decision stands.
import { type Clock, type Logger, toError } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import { KafkaFailure } from '../errors.ts';
import type { GroupCoordinator } from '../groups/coordinator.ts';
import type { TransactionMarker } from '../log/control-batch.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { Topics } from '../metadata/topics.ts';
import { writeMarker } from './markers.ts';
import { nextState } from './states.ts';
import { NO_PARTITIONS, NO_PRODUCER, type Transaction } from './transaction.ts';
import type { TransactionLog } from './transaction-log.ts';

export interface FinisherParts {
  readonly topics: Topics;
  readonly groups: GroupCoordinator;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Markers that could not be written are tried again after this, then after twice as long, and so on. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

export class TransactionFinisher {
  readonly #parts: FinisherParts;
  readonly #log: TransactionLog;
  /** When the markers of a transaction could not be written: what tries again. */
  readonly #retries = new Map<Transaction, NodeJS.Timeout>();
  #closed = false;

  constructor(parts: FinisherParts, log: TransactionLog) {
    this.#parts = parts;
    this.#log = log;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#retries.values()) clearTimeout(timer);
  }

  /** Finishes a decided transaction behind what is under way; tries again later when that fails. Never rejects. */
  async finishInTurn(txn: Transaction, retryMs: number = FIRST_RETRY_MS): Promise<void> {
    try {
      await txn.run(() => this.finish(txn));
    } catch (error) {
      this.#tryLater(txn, toError(error), retryMs);
    }
  }

  #tryLater(txn: Transaction, err: Error, retryMs: number): void {
    if (this.#closed || this.#retries.has(txn)) return;
    const { logger } = this.#parts;
    logger.warn({ err, transactionalId: txn.id }, 'a transaction could not be completed yet');
    const timer = setTimeout(() => {
      this.#retries.delete(txn);
      void this.finishInTurn(txn, Math.min(2 * retryMs, LONGEST_RETRY_MS));
    }, retryMs);
    this.#retries.set(txn, timer.unref());
  }

  /**
   * Writes the markers of a decided transaction, then notes that it is complete. INV-12: that is written behind the durable
   * markers. It need not be durable before the id goes on: whatever is stored next lies behind it in the same log, and
   * where a crash takes it back alone, a start writes the same markers again.
   *
   * @throws KafkaFailure
   */
  async finish(txn: Transaction): Promise<void> {
    if (!txn.isPrepared) return;
    const { stored } = txn;
    const { producerId, producerEpoch, nextProducerId } = stored;
    const commit = stored.state === 'PrepareCommit';
    const logs: PartitionLog[] = [];
    for (const [name, ids] of stored.partitions) {
      const topic = this.#parts.topics.get(name);
      // A deleted topic needs no marker.
      for (const id of topic ? ids : []) {
        const log = topic?.partitions[id];
        if (!log) throw new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR, `${name}-${id} is offline.`);
        logs.push(log);
      }
    }
    await Promise.all(logs.map((log) => this.#mark(log, { producerId, producerEpoch, commit })));
    const isRotated = nextProducerId >= 0;
    const complete = {
      state: nextState(stored.state, 'complete'),
      partitions: NO_PARTITIONS,
      producerId: isRotated ? nextProducerId : producerId,
      previousProducerId: producerId,
      nextProducerId: NO_PRODUCER,
      producerEpoch: isRotated ? 0 : producerEpoch,
    };
    await this.#log.note(txn, complete, (error) => this.#tryLater(txn, error, FIRST_RETRY_MS));
  }

  /** Ends the transaction on one partition, durably. */
  async #mark(log: PartitionLog, decided: Omit<TransactionMarker, 'coordinatorEpoch'>): Promise<void> {
    const { groups, clock, logger } = this.#parts;
    // There is one coordinator; a log that was taken over may know a later epoch of another one.
    const known = log.producers.get(decided.producerId)?.coordinatorEpoch ?? 0;
    const marker = { ...decided, coordinatorEpoch: Math.max(this.#log.coordinatorEpoch, known) };
    if (log.producers.checkMarker(marker)) {
      const { topic, partition } = log;
      logger.warn(
        { topic, partition, ...marker },
        'left out a marker: a newer epoch of its producer wrote here',
      );
      return;
    }
    await writeMarker(log, marker, groups, clock.nowMs());
  }
}
