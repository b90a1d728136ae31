// The coordinator of all transactions: `__transaction_state`, and the markers that end a transaction on its
// partitions. INV-12, in this order: a partition is in the log of transactions before its first record is in its own;
// the decision is durable before it is answered and before the first marker; every marker is durable before the
// transaction counts as complete. A start finishes what was decided.
import { type Clock, type Logger, toError } from '@millrace/foundation';
import { KafkaErrors, readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import type { GroupCoordinator } from '../groups/coordinator.ts';
import type { TransactionMarker } from '../log/control-batch.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { replayLog } from '../log/replay-log.ts';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import { OFFSETS_TOPIC, type Topic, type Topics, TRANSACTIONS_TOPIC } from '../metadata/topics.ts';
import type { ProducerIds } from '../producer-ids.ts';
import { writeMarker } from './markers.ts';
import { decodeTransaction, encodeTransaction, type StoredTransaction } from './records.ts';
import { endStepV1, endStepV2, identityProblem, initStep } from './rules.ts';
import { nextState } from './states.ts';
import { LAST_EPOCH, NO_EPOCH, NO_PRODUCER, type ProducerIdentity, Transaction } from './transaction.ts';

/** What the coordinator is made of. */
export interface TransactionParts {
  readonly topics: Topics;
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly producerIds: ProducerIds;
  readonly groups: GroupCoordinator;
}

/** A partition that takes part, by topic name and number. */
export type TopicPartition = readonly [topic: string, partition: number];

/** Markers that could not be written are tried again after this. */
const RETRY_MS = 1000;
/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 2_147_483_647;
/** Protocol of the client: 2 since KIP-890. */
const CLIENT_V2 = 2;
const NO_PARTITIONS: StoredTransaction['partitions'] = new Map();

export class TransactionCoordinator {
  readonly #parts: TransactionParts;
  readonly #transactions = new Map<string, Transaction>();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** The last step in order of each transactional id that has one under way. */
  readonly #inOrder = new Map<string, Promise<unknown>>();
  #timers: NodeJS.Timeout[] = [];
  #closed = false;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** The topic that keeps transactions; made at first use. */
  stateTopic(): Promise<Topic> {
    // Small segments, since the active one is never cleaned.
    return this.#parts.topics.internal(TRANSACTIONS_TOPIC, {
      'cleanup.policy': 'compact',
      'segment.bytes': '16777216',
      'segment.ms': '600000',
    });
  }

  /** The transaction of an id that a producer has used. */
  get(id: string): Transaction | undefined {
    const txn = this.#transactions.get(id);
    return txn && txn.stored.producerEpoch !== NO_EPOCH ? txn : undefined;
  }
  *all(): Generator<Transaction> {
    for (const txn of this.#transactions.values()) if (txn.stored.producerEpoch !== NO_EPOCH) yield txn;
  }

  /** Reads the log and finishes what was decided; to be awaited before clients come. */
  async load(): Promise<void> {
    const { topics, producerIds, config, logger } = this.#parts;
    const log = topics.get(TRANSACTIONS_TOPIC)?.partitions[0];
    if (log) {
      await replayLog(log, {
        record: ({ key, value }) => {
          if (key) this.#restore(key, value);
        },
      });
      let next = 0;
      for (const { stored } of this.#transactions.values()) {
        next = Math.max(next, stored.producerId + 1, stored.nextProducerId + 1);
      }
      producerIds.skipTo(next);
      const decided = [...this.all()].filter((txn) => txn.isPrepared);
      if (decided.length > 0) logger.info({ transactions: decided.length }, 'finishing decided transactions');
      await Promise.all(decided.map((txn) => this.#finishInTurn(txn)));
    }
    const every = (key: string, task: () => Promise<void>): NodeJS.Timeout => {
      const run = (): void => {
        task().catch((error: unknown) =>
          logger.warn({ err: toError(error) }, 'transactions were not checked'),
        );
      };
      return setInterval(run, Math.min(config.number(key), MAX_TIMER_MS)).unref();
    };
    this.#timers = [
      every('transaction.abort.timed.out.transaction.cleanup.interval.ms', () => this.abortTimedOut()),
      every('transaction.remove.expired.transaction.cleanup.interval.ms', () => this.expireIds()),
    ];
  }

  /** Starts nothing any more; what is decided is finished by the next start. */
  close(): void {
    this.#closed = true;
    for (const timer of [...this.#timers, ...this.#retries]) clearTimeout(timer);
  }

  /**
   * Gives a producer its identity. Whoever had the id before is fenced, and its open transaction aborted.
   *
   * @throws KafkaFailure
   */
  async initProducerId(
    id: string,
    timeoutMs: number,
    expected: ProducerIdentity | undefined,
  ): Promise<ProducerIdentity> {
    const { config } = this.#parts;
    if (timeoutMs <= 0 || timeoutMs > config.number('transaction.max.timeout.ms')) {
      throw new KafkaFailure(KafkaErrors.INVALID_TRANSACTION_TIMEOUT);
    }
    for (;;) {
      const txn = this.#transactions.get(id) ?? this.#create(id);
      try {
        const identity = await txn.run(() => this.#init(txn, timeoutMs, expected));
        if (identity) return identity;
      } finally {
        // When it fails in the middle of an abort.
        if (txn.isPrepared) void this.#finishInTurn(txn);
      }
    }
  }

  /**
   * Adds partitions to a producer's transaction, which begins with the first.
   *
   * @throws KafkaFailure
   */
  addPartitions(
    id: string,
    asked: ProducerIdentity,
    partitions: readonly TopicPartition[],
    clientVersion: number,
  ): Promise<void> {
    const txn = this.#find(id);
    return txn.run(async () => {
      throwIf(identityProblem(txn, asked));
      // Only markers that could not be written yet are left of it here.
      if (txn.isPrepared) throw new KafkaFailure(KafkaErrors.CONCURRENT_TRANSACTIONS);
      const isOngoing = txn.stored.state === 'Ongoing';
      if (isOngoing && partitions.every(([topic, partition]) => txn.has(topic, partition))) return;
      const union = new Map([...txn.stored.partitions].map(([topic, ids]) => [topic, new Set(ids)]));
      for (const [topic, partition] of partitions) {
        const ids = union.get(topic) ?? new Set();
        union.set(topic, ids.add(partition));
      }
      const state = nextState(txn.stored.state, 'add');
      const startMs = isOngoing ? txn.stored.startMs : this.#parts.clock.nowMs();
      await this.#store(txn, { state, partitions: union, startMs, clientVersion });
    });
  }

  /** Runs a step at once, or behind the steps of the same id that still wait for something. */
  inOrder<T>(id: string, step: () => T | Promise<T>): T | Promise<T> {
    const before = this.#inOrder.get(id);
    const result = before ? before.then(step) : step();
    if (!(result instanceof Promise)) return result;
    const tail: Promise<unknown> = result
      .catch(() => undefined)
      .finally(() => {
        if (this.#inOrder.get(id) === tail) this.#inOrder.delete(id);
      });
    this.#inOrder.set(id, tail);
    return result;
  }

  /** Adds the partition that keeps committed offsets. @throws KafkaFailure */
  async addOffsets(id: string, asked: ProducerIdentity, clientVersion: number): Promise<void> {
    await this.#parts.groups.offsetsTopic();
    await this.addPartitions(id, asked, [[OFFSETS_TOPIC, 0]], clientVersion);
  }

  /** Resolves when the markers of a decided transaction were tried; undefined when none are due. */
  whenFinished(id: string): Promise<void> | undefined {
    const txn = this.get(id);
    return txn?.isPrepared ? txn.run(() => undefined) : undefined;
  }

  /** Whether a partition is part of a producer's open transaction; `missing` is the answer when it is not. */
  verify(
    id: string,
    asked: ProducerIdentity,
    [topic, partition]: TopicPartition,
    missing: ErrorAnswer,
  ): ErrorAnswer | undefined {
    const txn = this.get(id);
    if (!txn) return KafkaErrors.INVALID_PRODUCER_ID_MAPPING;
    const problem = identityProblem(txn, asked);
    if (problem) return problem;
    if (txn.isPrepared) return KafkaErrors.CONCURRENT_TRANSACTIONS;
    return txn.has(topic, partition) ? undefined : missing;
  }

  /**
   * Ends a transaction; resolves with who the producer is from now on, once the decision is durable. The markers follow.
   *
   * @throws KafkaFailure
   */
  end(
    id: string,
    asked: ProducerIdentity,
    options: { readonly commit: boolean; readonly clientVersion: number },
  ): Promise<ProducerIdentity> {
    const txn = this.#find(id);
    const { commit, clientVersion } = options;
    const isV2 = clientVersion >= CLIENT_V2;
    const decided = txn.run(async () => {
      const step = isV2 ? endStepV2(txn, asked, commit) : endStepV1(txn, asked, commit);
      if (step.kind === 'refuse') throw new KafkaFailure(step.error);
      if (step.kind === 'prepare') await this.#prepare(txn, commit, clientVersion);
      const { nextProducerId } = txn.stored;
      return nextProducerId >= 0 ? { producerId: nextProducerId, producerEpoch: 0 } : txn.identity;
    });
    void this.#finishInTurn(txn);
    return decided;
  }

  /** Aborts what has been open for longer than its producer allowed, and fences the producer. */
  async abortTimedOut(): Promise<void> {
    const { clock, logger } = this.#parts;
    const isLate = ({ stored }: Transaction): boolean =>
      stored.state === 'Ongoing' && stored.startMs + stored.timeoutMs < clock.nowMs();
    for (const txn of [...this.all()].filter(isLate)) {
      await txn.run(async () => {
        if (!isLate(txn)) return;
        logger.info({ transactionalId: txn.id, ...txn.identity }, 'aborted a transaction that took too long');
        await this.#fence(txn);
      });
      await this.#finishInTurn(txn);
    }
  }

  /** Forgets ids that nobody used for `transactional.id.expiration.ms`. */
  async expireIds(): Promise<void> {
    const { clock, config } = this.#parts;
    const limit = clock.nowMs() - config.number('transactional.id.expiration.ms');
    const isOld = ({ stored }: Transaction): boolean =>
      stored.state !== 'Ongoing' && stored.lastUpdateMs < limit;
    for (const txn of [...this.all()].filter((candidate) => !candidate.isPrepared && isOld(candidate))) {
      await txn.run(async () => {
        if (txn.isPrepared || !isOld(txn)) return;
        await this.#append(txn.id, undefined);
        txn.stored = { ...txn.stored, state: nextState(txn.stored.state, 'expire') };
        this.#transactions.delete(txn.id);
      });
    }
  }

  #create(id: string): Transaction {
    const txn = new Transaction(id, {
      producerId: NO_PRODUCER,
      previousProducerId: NO_PRODUCER,
      nextProducerId: NO_PRODUCER,
      producerEpoch: NO_EPOCH,
      timeoutMs: 0,
      state: 'Empty',
      partitions: NO_PARTITIONS,
      lastUpdateMs: 0,
      startMs: -1,
      clientVersion: 0,
    });
    this.#transactions.set(id, txn);
    return txn;
  }

  #restore(key: Buffer, value: Buffer | null): void {
    try {
      const record = decodeTransaction(key, value);
      if (!record) return;
      const { transactionalId: id, stored } = record;
      if (stored && stored.state !== 'Dead') this.#transactions.set(id, new Transaction(id, stored));
      else this.#transactions.delete(id);
    } catch (error) {
      this.#parts.logger.warn(
        { err: toError(error) },
        'skipped an unreadable record of the transaction topic',
      );
    }
  }

  #find(id: string): Transaction {
    const txn = this.get(id);
    if (!txn) throw new KafkaFailure(KafkaErrors.INVALID_PRODUCER_ID_MAPPING);
    return txn;
  }

  /** One step of InitProducerId; undefined when the id was forgotten meanwhile. */
  async #init(
    txn: Transaction,
    timeoutMs: number,
    expected: ProducerIdentity | undefined,
  ): Promise<ProducerIdentity | undefined> {
    if (this.#transactions.get(txn.id) !== txn) return undefined;
    if (txn.isPrepared) throw new KafkaFailure(KafkaErrors.CONCURRENT_TRANSACTIONS);
    let whoAsks = expected;
    if (txn.stored.state === 'Ongoing') {
      if (expected) throwIf(identityProblem(txn, expected) && KafkaErrors.PRODUCER_FENCED);
      await this.#fence(txn);
      await this.#finish(txn);
      // It was the current one, and the abort has moved the epoch on.
      whoAsks = undefined;
    }
    const step = initStep(txn, whoAsks);
    if (step.kind === 'refuse') throw new KafkaFailure(step.error);
    if (step.kind === 'repeat') return txn.identity;
    const fresh = { state: nextState(txn.stored.state, 'init'), timeoutMs, startMs: -1, clientVersion: 0 };
    const { producerId } = txn.stored;
    try {
      if (step.kind === 'rotate' || producerId === NO_PRODUCER) {
        const next = await this.#parts.producerIds.next();
        const previousProducerId = producerId === NO_PRODUCER ? next : producerId;
        await this.#store(txn, { ...fresh, producerId: next, previousProducerId, producerEpoch: 0 });
      } else {
        await this.#store(txn, { ...fresh, previousProducerId: producerId, producerEpoch: step.epoch });
      }
    } finally {
      // Nothing is kept of an id whose first producer could not be stored.
      if (txn.stored.producerEpoch === NO_EPOCH) this.#transactions.delete(txn.id);
    }
    txn.lastEpoch = step.lastEpoch;
    return txn.identity;
  }

  /** Decides to abort under the next epoch: its producer is out. */
  async #fence(txn: Transaction): Promise<void> {
    const producerEpoch = txn.stored.producerEpoch + 1;
    const state = nextState(txn.stored.state, 'abort');
    await this.#store(txn, { state, producerEpoch, clientVersion: CLIENT_V2 });
    txn.lastEpoch = NO_EPOCH;
  }

  async #prepare(txn: Transaction, commit: boolean, clientVersion: number): Promise<void> {
    const { stored } = txn;
    const state = nextState(stored.state, commit ? 'commit' : 'abort');
    if (clientVersion < CLIENT_V2) {
      await this.#store(txn, { state, clientVersion });
      return;
    }
    const isLast = stored.producerEpoch >= LAST_EPOCH;
    const nextProducerId = isLast ? await this.#parts.producerIds.next() : NO_PRODUCER;
    // An abort with nothing in it begins and ends here.
    const startMs = stored.state === 'Ongoing' ? stored.startMs : this.#parts.clock.nowMs();
    const producerEpoch = stored.producerEpoch + 1;
    await this.#store(txn, { state, producerEpoch, nextProducerId, startMs, clientVersion });
    txn.lastEpoch = stored.producerEpoch;
  }

  /** Finishes a decided transaction behind what is under way; tries again later when that fails. Never rejects. */
  async #finishInTurn(txn: Transaction): Promise<void> {
    try {
      await txn.run(() => this.#finish(txn));
    } catch (error) {
      if (this.#closed) return;
      const { logger } = this.#parts;
      logger.warn(
        { err: toError(error), transactionalId: txn.id },
        'a transaction could not be completed yet',
      );
      const timer = setTimeout(() => {
        this.#retries.delete(timer);
        void this.#finishInTurn(txn);
      }, RETRY_MS);
      this.#retries.add(timer.unref());
    }
  }

  /** Writes the markers of a decided transaction, then notes that it is complete. */
  async #finish(txn: Transaction): Promise<void> {
    if (!txn.isPrepared) return;
    const { stored } = txn;
    const { producerId, producerEpoch, nextProducerId } = stored;
    const commit = stored.state === 'PrepareCommit';
    const marks: Promise<void>[] = [];
    for (const [name, ids] of stored.partitions) {
      const topic = this.#parts.topics.get(name);
      // A deleted topic needs no marker.
      for (const id of topic ? ids : []) {
        const log = topic?.partitions[id];
        if (!log) throw new KafkaFailure(KafkaErrors.KAFKA_STORAGE_ERROR, `${name}-${id} is offline.`);
        marks.push(this.#mark(log, { producerId, producerEpoch, commit }));
      }
    }
    await Promise.all(marks);
    const isRotated = nextProducerId >= 0;
    await this.#store(txn, {
      state: nextState(stored.state, 'complete'),
      partitions: NO_PARTITIONS,
      producerId: isRotated ? nextProducerId : producerId,
      previousProducerId: producerId,
      nextProducerId: NO_PRODUCER,
      producerEpoch: isRotated ? 0 : producerEpoch,
    });
  }

  /** Ends the transaction on one partition, durably. */
  async #mark(log: PartitionLog, decided: Omit<TransactionMarker, 'coordinatorEpoch'>): Promise<void> {
    const { topics, groups, clock, logger } = this.#parts;
    const own = topics.get(TRANSACTIONS_TOPIC)?.partitions[0]?.leaderEpoch ?? 0;
    // There is one coordinator; a log that was taken over may know a later epoch of another one.
    const known = log.producers.get(decided.producerId)?.coordinatorEpoch ?? 0;
    const marker = { ...decided, coordinatorEpoch: Math.max(own, known) };
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

  /** Changes what is stored of an id, once that is durable. */
  async #store(txn: Transaction, change: Partial<StoredTransaction>): Promise<void> {
    const next = { ...txn.stored, ...change, lastUpdateMs: this.#parts.clock.nowMs() };
    await this.#append(txn.id, next);
    txn.stored = next;
  }

  async #append(id: string, stored: StoredTransaction | undefined): Promise<void> {
    const topic = await this.stateTopic();
    const log = topic.partitions[0];
    if (!log) throw new KafkaFailure(KafkaErrors.COORDINATOR_NOT_AVAILABLE);
    const batch = simpleBatch([encodeTransaction(id, stored, this.#parts.clock.nowMs())]);
    const { lastOffset } = log.append(batch, readBatchHeader(batch, 0));
    await log.whenDurable(lastOffset);
  }
}

function throwIf(error: ErrorAnswer | undefined): void {
  if (error) throw new KafkaFailure(error);
}
