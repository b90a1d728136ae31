// What a transactional producer says to the coordinator of its transactional id: who it is, which partitions take part,
// how it ends. Two generations of the protocol: in the first, which every broker since 0.11 speaks, partitions are added
// by requests of their own; in that of KIP-890, where a cluster has agreed on it, Produce and TxnOffsetCommit add them, and
// each transaction ends with the producer's next epoch, so that nothing late of one gets into the next.
import { MillraceError, toError } from '@millrace/foundation';
import {
  API,
  type Encodable,
  KafkaErrors,
  type RequestBody,
  type ResponseBody,
} from '@millrace/kafka-protocol';
import type { Cluster } from './cluster.ts';
import type { RequestOptions } from './connection.ts';
import { brokerError, clientError } from './errors.ts';
import type { CommittingMember, OffsetToCommit } from './group-offsets.ts';
import type { ProducerIdentity } from './producer-batch.ts';
import { byTopic, type TopicPartition } from './topic-partition.ts';

export interface TransactionOptions {
  /** Unique to the producer: whoever starts with it fences those before. */
  readonly id: string;
  /** The coordinator aborts a transaction that is open for longer; default 60 s. */
  readonly timeoutMs?: number;
}

/**
 * `new`: has no identity yet; `ready`: between transactions; `open`; `failed`: can only be aborted; `fenced`: another
 * producer has the id, nothing works any more.
 */
export type TransactionPhase = 'new' | 'ready' | 'open' | 'failed' | 'fenced';

const DEFAULT_TIMEOUT_MS = 60_000;
const FEATURE = 'transaction.version';
const IMPLICIT_LEVEL = 2;
/** First versions of the requests that mean the second generation. */
const IMPLICIT_END = { version: 5 };
const IMPLICIT_OFFSETS = { version: 5 };
const IMPLICIT_PRODUCE = { version: 12 };
/** The coordinator finishes the transaction before within milliseconds. */
const BUSY_FIRST_WAIT_MS = 5;
const E = KafkaErrors;
const FENCED = new Set<number>([
  E.INVALID_PRODUCER_EPOCH.code,
  E.PRODUCER_FENCED.code,
  E.INVALID_PRODUCER_ID_MAPPING.code,
  E.INVALID_TXN_STATE.code,
]);
const STALE_MEMBER = new Set<number>([
  E.ILLEGAL_GENERATION.code,
  E.UNKNOWN_MEMBER_ID.code,
  E.FENCED_INSTANCE_ID.code,
  E.REBALANCE_IN_PROGRESS.code,
]);

export class Transactions {
  readonly id: string;
  readonly #cluster: Cluster;
  readonly #timeoutMs: number;
  #identity: ProducerIdentity | undefined;
  #phase: TransactionPhase = 'new';
  /** Why it is failed or fenced. */
  #error: MillraceError | undefined;
  readonly #added = new Set<string>();
  #asked = new Map<string, TopicPartition>();
  #adding: Promise<void> | undefined;
  /** Whether the coordinator knows of the transaction: there is something to end. */
  #begun = false;
  /** Whether the second generation is spoken. */
  #implicit = false;

  constructor(cluster: Cluster, { id, timeoutMs }: TransactionOptions) {
    this.#cluster = cluster;
    this.id = id;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  get phase(): TransactionPhase {
    return this.#phase;
  }
  get error(): MillraceError | undefined {
    return this.#error;
  }
  get identity(): ProducerIdentity | undefined {
    return this.#identity;
  }

  /**
   * Gets an identity, which fences earlier producers of the id and aborts what they left open; with an identity, moves
   * on to its next epoch.
   *
   * @throws kafka.producer_fenced, kafka.refused, kafka.unavailable, kafka.unreachable
   */
  async init(): Promise<void> {
    const answer = await this.#ask(
      API.InitProducerId,
      {
        transactionalId: this.id,
        transactionTimeoutMs: this.#timeoutMs,
        producerId: this.#identity?.producerId ?? -1,
        producerEpoch: this.#identity?.epoch ?? -1,
      },
      (body) => body.errorCode,
    );
    this.#check(answer.errorCode, 'Getting a producer id');
    this.#identity = { producerId: Number(answer.producerId), epoch: answer.producerEpoch };
    this.#implicit = this.#cluster.featureLevel(FEATURE) >= IMPLICIT_LEVEL;
    this.#phase = 'ready';
    this.#error = undefined;
    this.#added.clear();
    this.#begun = false;
  }

  /**
   * Opens a transaction; the coordinator learns of it with the first partition, and then of the expected ones as well.
   *
   * @throws kafka.transaction_misused, kafka.producer_fenced
   */
  begin(expected: readonly TopicPartition[] = []): void {
    this.#expect('ready');
    this.#phase = 'open';
    this.#asked = new Map(expected.map((it) => [`${it.topic}-${it.partition}`, it]));
  }

  /** Throws unless records may be written. @throws kafka.transaction_misused, what made the transaction fail */
  expectOpen(): void {
    if (this.#phase !== 'open') this.#expect('open');
  }

  /** Whether records of a partition may be sent: it is part of the transaction, or becomes so by what is sent. */
  has(topic: string, partition: number): boolean {
    return this.#implicit || this.#added.has(`${topic}-${partition}`);
  }

  /** To be called when records are sent: from then on there is something to end. Returns how Produce is to be asked. */
  sending(): RequestOptions {
    this.#begun = true;
    return this.#implicit ? IMPLICIT_PRODUCE : {};
  }

  /** Asks for a partition to become part; `then` runs when it has, or when the transaction has failed. */
  add(topic: string, partition: number, then: () => void): void {
    this.#asked.set(`${topic}-${partition}`, { topic, partition });
    // All partitions of one turn in one request.
    this.#adding ??= Promise.resolve()
      .then(() => this.#addAsked())
      .catch((error: unknown) => this.fail(toError(error)))
      .finally(() => {
        this.#adding = undefined;
        then();
      });
  }

  async #addAsked(): Promise<void> {
    const asked = this.#asked;
    this.#asked = new Map();
    const identity = this.#known();
    const topics = byTopic([...asked.values()], ({ partition }) => partition).map((entry) => ({
      name: entry.topic,
      partitions: entry.partitions,
    }));
    this.#begun = true;
    const answer = await this.#ask(
      API.AddPartitionsToTxn,
      {
        v3AndBelowTransactionalId: this.id,
        v3AndBelowProducerId: identity.producerId,
        v3AndBelowProducerEpoch: identity.epoch,
        v3AndBelowTopics: topics,
      },
      (body) => worst(body.resultsByTopicV3AndBelow.flatMap((topic) => topic.resultsByPartition)),
    );
    for (const { name, resultsByPartition } of answer.resultsByTopicV3AndBelow) {
      for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
        this.#check(partitionErrorCode, `Adding ${name}-${partitionIndex} to the transaction`);
        this.#added.add(`${name}-${partitionIndex}`);
      }
    }
  }

  /**
   * Makes a group's offsets part of the transaction.
   *
   * @throws kafka.group_stale, kafka.producer_fenced, kafka.refused, kafka.unavailable
   */
  async sendOffsets(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    member: CommittingMember | undefined,
  ): Promise<void> {
    this.#expect('open');
    if (offsets.length === 0) return;
    const { producerId, epoch } = this.#known();
    const who = { transactionalId: this.id, producerId, producerEpoch: epoch, groupId };
    try {
      this.#begun = true;
      if (!this.#implicit) {
        const added = await this.#ask(API.AddOffsetsToTxn, who, (body) => body.errorCode);
        this.#check(added.errorCode, `Adding the offsets of group ${groupId} to the transaction`);
      }
      const topics = byTopic(offsets, (it) => ({
        partitionIndex: it.partition,
        committedOffset: it.offset,
        committedLeaderEpoch: it.leaderEpoch ?? -1,
        committedMetadata: it.metadata ?? '',
      })).map((entry) => ({ name: entry.topic, partitions: entry.partitions }));
      const body = {
        ...who,
        generationId: member?.generation ?? -1,
        memberId: member?.memberId ?? '',
        groupInstanceId: member?.groupInstanceId ?? null,
        topics,
      };
      const codeOf = (answer: ResponseBody<typeof API.TxnOffsetCommit>): number =>
        answer.topics.flatMap((topic) => topic.partitions).find((it) => it.errorCode !== 0)?.errorCode ?? 0;
      const options = this.#implicit ? IMPLICIT_OFFSETS : {};
      const answer = await this.#patiently(
        () => this.#cluster.requestCoordinator(groupId, API.TxnOffsetCommit, body, codeOf, options),
        codeOf,
      );
      const code = codeOf(answer);
      const doing = `Committing the offsets of group ${groupId} in the transaction`;
      if (STALE_MEMBER.has(code)) throw brokerError(code, doing, { code: 'kafka.group_stale' });
      this.#check(code, doing);
    } catch (error) {
      this.fail(toError(error));
      throw this.#error ?? error;
    }
  }

  /** The transaction can only be aborted from now on. */
  fail(error: Error): void {
    if (this.#phase !== 'open' && this.#phase !== 'failed') return;
    this.#error ??=
      error instanceof MillraceError ? error : clientError('kafka.refused', error.message, { cause: error });
    this.#phase = 'failed';
  }

  /**
   * Ends the transaction; everything of it must be acknowledged or given up before. Resolves with whether the producer has
   * its next epoch with that.
   *
   * @throws kafka.producer_fenced, kafka.refused, kafka.unavailable; what made it fail when it is to be committed
   */
  async end(commit: boolean): Promise<boolean> {
    if (commit) this.#expect('open');
    else if (this.#phase !== 'failed') this.#expect('open');
    if (this.#adding) await this.#adding;
    if (commit) this.#expect('open');
    const { producerId, epoch } = this.#known();
    const moves = this.#begun && this.#implicit;
    if (this.#begun) {
      const answer = await this.#ask(
        API.EndTxn,
        { transactionalId: this.id, producerId, producerEpoch: epoch, committed: commit },
        (body) => body.errorCode,
        moves ? IMPLICIT_END : {},
      );
      this.#check(answer.errorCode, commit ? 'Committing the transaction' : 'Aborting the transaction');
      if (moves) this.#identity = { producerId: Number(answer.producerId), epoch: answer.producerEpoch };
    }
    this.#begun = false;
    this.#added.clear();
    this.#phase = 'ready';
    this.#error = undefined;
    return moves;
  }

  /** Throws what is in the way of a step that needs this phase. */
  #expect(phase: TransactionPhase): void {
    if (this.#phase === phase) return;
    if (this.#error) throw this.#error;
    const found = {
      new: 'has no producer id yet',
      ready: 'has no open transaction',
      open: 'has an open transaction',
    };
    throw clientError(
      'kafka.transaction_misused',
      `The producer of transactional id ${this.id} ${found[this.#phase as keyof typeof found]}.`,
      { context: { transactionalId: this.id, phase: this.#phase, expected: phase } },
    );
  }

  #known(): ProducerIdentity {
    if (!this.#identity) throw new Error('the producer has no id yet');
    return this.#identity;
  }

  #check(code: number, doing: string): void {
    if (code === 0) return;
    const context = { transactionalId: this.id };
    if (!FENCED.has(code)) throw brokerError(code, doing, { context });
    this.#error = brokerError(code, doing, { code: 'kafka.producer_fenced', context });
    this.#phase = 'fenced';
    throw this.#error;
  }

  async #ask<K extends number>(
    key: K,
    body: Encodable<RequestBody<K>>,
    codeOf: (answer: ResponseBody<K>) => number,
    options: RequestOptions = {},
  ): Promise<ResponseBody<K>> {
    const all = { ...options, coordinator: 'transaction' } as const;
    return await this.#patiently(
      () => this.#cluster.requestCoordinator(this.id, key, body, codeOf, all),
      codeOf,
    );
  }

  /** Asks again while the transaction before is being finished. */
  async #patiently<T>(ask: () => Promise<T>, codeOf: (answer: T) => number): Promise<T> {
    const deadline = this.#cluster.clock.monotonicMs() + this.#cluster.defaultApiTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      const answer = await ask();
      const code = codeOf(answer);
      const isBusy =
        code === E.CONCURRENT_TRANSACTIONS.code ||
        code === E.UNSTABLE_OFFSET_COMMIT.code ||
        code === E.UNKNOWN_TOPIC_OR_PARTITION.code;
      if (!isBusy || this.#cluster.clock.monotonicMs() >= deadline) return answer;
      await this.#cluster.pause(attempt, undefined, BUSY_FIRST_WAIT_MS);
    }
  }
}

/**
 * Fences the producers of these transactional ids: what they left open is aborted, and whatever they try from now on is
 * refused.
 *
 * @throws kafka.refused, kafka.unavailable, kafka.unreachable
 */
export async function fenceProducers(cluster: Cluster, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => new Transactions(cluster, { id }).init()));
}

function worst(results: readonly { readonly partitionErrorCode: number }[]): number {
  return results.find((it) => it.partitionErrorCode !== 0)?.partitionErrorCode ?? 0;
}
