// The coordinator of all transactions: `__transaction_state`, and the markers that end a transaction on its
// partitions. INV-12, in this order: a partition is in the log of transactions before its first record is in its own;
// the decision is durable before it is answered and before the first marker; every marker is durable before the
// transaction counts as complete. A start finishes what was decided.
import { type Clock, type Logger, toError } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import type { GroupCoordinator } from '../groups/coordinator.ts';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import { OFFSETS_TOPIC, type Topic, type Topics } from '../metadata/topics.ts';
import type { ProducerIds } from '../producer-ids.ts';
import { TransactionFinisher } from './finisher.ts';
import { endStepV1, endStepV2, identityProblem, initStep } from './rules.ts';
import { nextState } from './states.ts';
import {
  LAST_EPOCH,
  NO_EPOCH,
  NO_PARTITIONS,
  NO_PRODUCER,
  type ProducerIdentity,
  Transaction,
} from './transaction.ts';
import { TransactionLog } from './transaction-log.ts';

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

/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 2_147_483_647;
/** Protocol of the client: 2 since KIP-890. */
const CLIENT_V2 = 2;

export class TransactionCoordinator {
  readonly #parts: TransactionParts;
  readonly #log: TransactionLog;
  readonly #finisher: TransactionFinisher;
  #transactions = new Map<string, Transaction>();
  /** The last step in order of each transactional id that has one under way. */
  readonly #inOrder = new Map<string, Promise<unknown>>();
  #timers: NodeJS.Timeout[] = [];

  constructor(parts: TransactionParts) {
    this.#parts = parts;
    this.#log = new TransactionLog(parts);
    this.#finisher = new TransactionFinisher(parts, this.#log);
  }

  /** The topic that keeps transactions; made at first use. */
  stateTopic(): Promise<Topic> {
    return this.#log.topic();
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
    const { producerIds, config, logger } = this.#parts;
    this.#transactions = await this.#log.read();
    let next = 0;
    for (const { stored } of this.#transactions.values()) {
      next = Math.max(next, stored.producerId + 1, stored.nextProducerId + 1);
    }
    producerIds.skipTo(next);
    const decided = [...this.all()].filter((txn) => txn.isPrepared);
    if (decided.length > 0) logger.info({ transactions: decided.length }, 'finishing decided transactions');
    await Promise.all(decided.map((txn) => this.#finisher.finishInTurn(txn)));
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
    for (const timer of this.#timers) clearInterval(timer);
    this.#finisher.close();
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
        if (txn.isPrepared) void this.#finisher.finishInTurn(txn);
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
      await this.#log.store(txn, { state, partitions: union, startMs, clientVersion });
      if (!isOngoing) txn.openSinceMs = this.#parts.clock.monotonicMs();
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

  /** Adds the partition that keeps the committed offsets of a group. @throws KafkaFailure */
  async addOffsets(
    id: string,
    asked: ProducerIdentity,
    groupId: string,
    clientVersion: number,
  ): Promise<void> {
    const { groups } = this.#parts;
    await groups.offsetsTopic();
    await this.addPartitions(id, asked, [[OFFSETS_TOPIC, groups.partitionOf(groupId)]], clientVersion);
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
    void this.#finisher.finishInTurn(txn);
    return decided;
  }

  /** Aborts what has been open for longer than its producer allowed, and fences the producer. */
  async abortTimedOut(): Promise<void> {
    const { clock, logger } = this.#parts;
    // What is stored is of the wall clock, which may have been set since: it counts for what an earlier start has left.
    const isLate = (txn: Transaction): boolean => {
      const { state, startMs, timeoutMs } = txn.stored;
      if (state !== 'Ongoing') return false;
      const nowMs = clock.monotonicMs();
      txn.openSinceMs ??= nowMs - Math.max(0, clock.nowMs() - startMs);
      return nowMs - txn.openSinceMs > timeoutMs;
    };
    for (const txn of [...this.all()].filter(isLate)) {
      await txn.run(async () => {
        if (!isLate(txn)) return;
        logger.info({ transactionalId: txn.id, ...txn.identity }, 'aborted a transaction that took too long');
        await this.#fence(txn);
      });
      await this.#finisher.finishInTurn(txn);
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
        await this.#log.forget(txn.id);
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
      await this.#finisher.finish(txn);
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
        await this.#log.store(txn, { ...fresh, producerId: next, previousProducerId, producerEpoch: 0 });
      } else {
        await this.#log.store(txn, { ...fresh, previousProducerId: producerId, producerEpoch: step.epoch });
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
    await this.#log.store(txn, { state, producerEpoch, clientVersion: CLIENT_V2 });
    txn.lastEpoch = NO_EPOCH;
  }

  async #prepare(txn: Transaction, commit: boolean, clientVersion: number): Promise<void> {
    const { stored } = txn;
    const state = nextState(stored.state, commit ? 'commit' : 'abort');
    if (clientVersion < CLIENT_V2) {
      await this.#log.store(txn, { state, clientVersion });
      return;
    }
    const isLast = stored.producerEpoch >= LAST_EPOCH;
    const nextProducerId = isLast ? await this.#parts.producerIds.next() : NO_PRODUCER;
    // An abort with nothing in it begins and ends here.
    const startMs = stored.state === 'Ongoing' ? stored.startMs : this.#parts.clock.nowMs();
    const producerEpoch = stored.producerEpoch + 1;
    await this.#log.store(txn, { state, producerEpoch, nextProducerId, startMs, clientVersion });
    txn.lastEpoch = stored.producerEpoch;
  }
}

function throwIf(error: ErrorAnswer | undefined): void {
  if (error) throw new KafkaFailure(error);
}
