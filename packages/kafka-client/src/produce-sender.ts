// Takes batches from the partition queues to their leaders: request slots per broker, backoff, metadata refresh, the
// producer id. It decides when a batch goes; PartitionQueue decides which one may.
import { MillraceError, toError } from '@millrace/foundation';
import { API, KafkaErrors, type ResponseBody } from '@millrace/kafka-protocol';
import { backoffMs } from './backoff.ts';
import { isConnectionProblem } from './cluster.ts';
import type { Connection } from './connection.ts';
import { brokerError, clientError } from './errors.ts';
import { LostRequests } from './lost-requests.ts';
import type { Outcome, PartitionQueue } from './partition-queue.ts';
import { answersOf, isStored, needsRefresh, outcomeOf, type PartitionAnswer } from './produce-outcome.ts';
import type { ProduceSenderOptions, SlowPartition } from './produce-sender-options.ts';
import type { ProducerBatch } from './producer-batch.ts';
import { ProducerIdSource } from './producer-id-source.ts';

/** One batch in a request. */
interface Item {
  readonly queue: PartitionQueue;
  readonly batch: ProducerBatch;
}

/** One broker that leads partitions of ours. */
interface Node {
  readonly nodeId: number;
  connection: Connection | undefined;
  connecting: boolean;
  inFlight: number;
}

type ProduceResponse = ResponseBody<typeof API.Produce>;

const MAY_WRITE_LOOK_MS = 50;
const METADATA_MAX_AGE_MS = 5 * 60_000;
/** The broker's own timeout ends before ours, so that it answers REQUEST_TIMED_OUT instead of us closing. */
const ANSWER_SLACK_MS = 5000;

export class ProduceSender {
  readonly #options: ProduceSenderOptions;
  readonly #lane: string;
  readonly #nodes = new Map<number, Node>();
  /** Queues with batches that are not done. */
  readonly #active = new Set<PartitionQueue>();
  readonly #flushing = new Set<PartitionQueue>();
  readonly #requests = new Set<Promise<void>>();
  readonly #lost = new LostRequests();
  readonly #producerId: ProducerIdSource;
  readonly #topics = new Map<string, number>();
  readonly #stopping = new AbortController();
  #refreshing: Promise<void> | undefined;
  #scheduled = false;
  /** Was noted since the last pump, and a pump is scheduled: most calls are for the same queue. */
  #touched: PartitionQueue | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;

  constructor(options: ProduceSenderOptions) {
    this.#options = options;
    this.#lane = options.cluster.newLane('produce');
    const { cluster, logger, limits } = options;
    this.#producerId = new ProducerIdSource(
      cluster,
      logger,
      limits,
      this.#stopping.signal,
      options.transactions,
    );
  }

  get inFlight(): number {
    return this.#requests.size;
  }

  /** The partition that has been without an acknowledgement for longest although records wait for one. */
  get slowest(): SlowPartition | undefined {
    let slowest: SlowPartition | undefined;
    for (const queue of this.#active) {
      const oldest = queue.batches().next();
      if (oldest.done === true) continue;
      const sinceMs = Math.max(oldest.value.createdAtMs, queue.ackedAtMs);
      const { topic, partition } = queue;
      const error = queue.failures > 0 ? queue.lastError : undefined;
      if (slowest === undefined || sinceMs < slowest.sinceMs) slowest = { topic, partition, sinceMs, error };
    }
    return slowest;
  }

  /** See `ProducerIdSource.prepare`. */
  prepareIdentity(): Promise<void> {
    return this.#producerId.prepare();
  }

  watchTopic(name: string): void {
    this.#topics.set(name, this.#options.clock.monotonicMs());
  }

  /** Notes that a queue has records; sending starts after this turn of the loop. */
  touch(queue: PartitionQueue): void {
    if (queue === this.#touched) return;
    this.#active.add(queue);
    this.#schedule();
    this.#touched = queue;
  }

  /** Sends full batches of a queue now if a slot is free, so that the broker works while the caller appends. */
  fill(queue: PartitionQueue): void {
    this.#active.add(queue);
    const leader = this.#options.cluster.leaderOf(queue.topic, queue.partition);
    const node = leader && this.#nodes.get(leader.nodeId);
    if (node?.connection?.isOpen && node.inFlight < this.#options.limits.maxInFlight) this.#pump();
  }

  /** Sends open batches without waiting for them to grow. */
  flushNow(queues: Iterable<PartitionQueue>): void {
    for (const queue of queues) {
      if (queue.isIdle) continue;
      this.#flushing.add(queue);
      this.#active.add(queue);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopping.signal.aborted) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerAtMs || atMs === Infinity) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Infinity;
        this.#pump();
      },
      Math.max(1, Math.ceil(atMs - this.#options.clock.monotonicMs())),
    );
  }

  // ---- sending

  #pump(): void {
    this.#touched = undefined;
    if (this.#stopping.signal.aborted) return;
    const { transactions } = this.#options;
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#options.cluster.mayWrite) {
      this.#wakeAt(nowMs + MAY_WRITE_LOOK_MS);
      return;
    }
    const byNode = new Map<number, PartitionQueue[]>();
    const stale = new Set<string>();
    for (const queue of this.#active) {
      if (queue.isIdle) {
        this.#active.delete(queue);
        this.#flushing.delete(queue);
        continue;
      }
      this.#expire(queue, nowMs);
      if (transactions?.error) this.#giveUp(queue, transactions.error);
      queue.follow(transactions?.identity);
      if (this.#options.limits.idempotent && queue.needsIdentity && !this.#giveIdentity(queue)) continue;
      if (!queue.canSend(nowMs, this.#flushing.has(queue))) {
        this.#wakeAt(queue.nextLookMs(nowMs));
        continue;
      }
      if (transactions && !transactions.has(queue.topic, queue.partition)) {
        transactions.add(queue.topic, queue.partition, () => this.#schedule());
        continue;
      }
      const leader = this.#options.cluster.leaderOf(queue.topic, queue.partition);
      if (!leader) {
        stale.add(queue.topic);
        continue;
      }
      const queues = byNode.get(leader.nodeId);
      if (queues) queues.push(queue);
      else byNode.set(leader.nodeId, [queue]);
    }
    for (const [nodeId, queues] of byNode) this.#sendTo(this.#node(nodeId), queues, nowMs);
    for (const [topic, atMs] of this.#topics) if (nowMs - atMs > METADATA_MAX_AGE_MS) stale.add(topic);
    if (stale.size > 0) this.#refresh(stale);
  }

  #node(nodeId: number): Node {
    let node = this.#nodes.get(nodeId);
    if (!node) {
      node = { nodeId, connection: undefined, connecting: false, inFlight: 0 };
      this.#nodes.set(nodeId, node);
    }
    return node;
  }

  #giveIdentity(queue: PartitionQueue): boolean {
    const identity = this.#producerId.current;
    if (identity && queue.adopt(identity)) return true;
    if (this.#options.transactions) return false;
    this.#producerId.discard();
    this.#producerId.prepare().then(
      () => this.#schedule(),
      (error: unknown) => {
        this.#options.logger.warn({ err: toError(error) }, 'no producer id yet');
        this.#wakeAt(this.#options.clock.monotonicMs() + backoffMs(4));
      },
    );
    return false;
  }

  #sendTo(node: Node, queues: readonly PartitionQueue[], nowMs: number): void {
    if (!node.connection?.isOpen) {
      this.#connect(node, queues);
      return;
    }
    let waiting = queues;
    while (node.inFlight < this.#options.limits.maxInFlight && waiting.length > 0) {
      const items: Item[] = [];
      const later: PartitionQueue[] = [];
      let bytes = 0;
      for (const queue of waiting) {
        if (items.length > 0 && bytes + queue.nextBytes > this.#options.maxRequestSize) {
          later.push(queue);
          continue;
        }
        const batch = queue.take(nowMs, this.#options.recycle);
        bytes += batch.sizeInBytes;
        items.push({ queue, batch });
        if (queue.canSend(nowMs, this.#flushing.has(queue))) later.push(queue);
      }
      this.#send(node, node.connection, items);
      waiting = later;
    }
  }

  #connect(node: Node, queues: readonly PartitionQueue[]): void {
    if (node.connecting) return;
    node.connecting = true;
    this.#options.cluster.connection(node.nodeId, this.#lane).then(
      (connection) => {
        node.connecting = false;
        node.connection = connection;
        this.#pump();
      },
      (error: unknown) => {
        node.connecting = false;
        this.#options.logger.debug({ err: toError(error), nodeId: node.nodeId }, 'broker cannot be reached');
        for (const queue of queues) this.#backOff(queue, toError(error));
        this.#refresh(new Set(queues.map(({ topic }) => topic)));
      },
    );
  }

  #send(node: Node, connection: Connection, items: readonly Item[]): void {
    const sentAtMs = this.#options.clock.monotonicMs();
    const topics = new Map<string, { index: number; records: Buffer }[]>();
    const lending = this.#options.cluster.handOver?.lend(connection.address);
    for (const { queue, batch } of items) {
      // What is sent again goes the way that is known to work.
      const reference = batch.attempts === 1 ? lending?.referenceTo(batch.unchecked) : undefined;
      const records = reference ?? batch.bytes;
      const entry = { index: queue.partition, records };
      const list = topics.get(queue.topic);
      if (list) list.push(entry);
      else topics.set(queue.topic, [entry]);
    }
    const body = {
      transactionalId: this.#options.transactions?.id ?? null,
      acks: -1,
      timeoutMs: this.#options.requestTimeoutMs,
      topicData: [...topics].map(([name, partitionData]) => ({ name, partitionData })),
    };
    node.inFlight++;
    const timeoutMs = this.#options.requestTimeoutMs + ANSWER_SLACK_MS;
    const settled = connection
      .request(API.Produce, body, {
        ...this.#options.transactions?.sending(),
        timeoutMs,
        besideBytes: lending?.bytes ?? 0,
      })
      .then(
        (answer) => {
          if (isStored(answer)) lending?.stored();
          else lending?.unknown();
          this.#onAnswer(items, answer);
        },
        (error: unknown) => {
          lending?.unknown();
          this.#onNoAnswer(items, toError(error), sentAtMs);
        },
      )
      .finally(() => {
        node.inFlight--;
        this.#requests.delete(settled);
        this.#pump();
      });
    this.#requests.add(settled);
  }

  // ---- answers

  #onAnswer(items: readonly Item[], answer: ProduceResponse): void {
    const answers = answersOf(answer);
    const stale = new Set<string>();
    for (const { queue, batch } of items) {
      const part = answers(queue);
      if (needsRefresh(part.errorCode)) stale.add(queue.topic);
      const outcome = outcomeOf(part, batch, queue);
      this.#noteUnknownTopic(queue, part.errorCode);
      if (outcome.kind === 'acked') {
        queue.lastAckedOffset = Math.max(queue.lastAckedOffset, part.baseOffset + batch.count - 1);
        queue.ackedAtMs = this.#options.clock.monotonicMs();
      } else this.#noteFailure(queue, batch, part);
      this.#settle(queue, batch, outcome, part.baseOffset);
    }
    if (stale.size > 0) this.#refresh(stale);
  }

  #onNoAnswer(items: readonly Item[], error: Error, sentAtMs: number): void {
    const passing = isConnectionProblem(error) || (error as { code?: string }).code === 'kafka.closed';
    const outcome: Outcome = passing
      ? { kind: 'retry' }
      : {
          kind: 'refused',
          error:
            error instanceof MillraceError
              ? error
              : clientError('kafka.refused', error.message, { cause: error }),
        };
    const timedOut = (error as { code?: string }).code === 'kafka.request_timeout';
    const untilMs = timedOut ? sentAtMs : sentAtMs + this.#options.requestTimeoutMs;
    this.#lost.add(
      untilMs,
      items.map(({ batch }) => batch),
    );
    this.#options.logger.debug({ err: error, batches: items.length }, 'a produce request got no answer');
    for (const { queue, batch } of items) {
      queue.lastError = error;
      this.#settle(queue, batch, outcome, -1);
    }
    this.#refresh(new Set(items.map(({ queue }) => queue.topic)));
  }

  #settle(queue: PartitionQueue, batch: ProducerBatch, outcome: Outcome, baseOffset: number): void {
    const failed = queue.settle(batch, outcome);
    if (outcome.kind === 'acked') {
      this.#lost.answered(batch);
      this.#options.onAcked(queue, batch, baseOffset);
    } else if (outcome.kind === 'retry' || outcome.kind === 'newEpoch' || outcome.kind === 'outOfOrder') {
      this.#backOff(queue, undefined, outcome.kind === 'retry' ? outcome.firstWaitMs : undefined);
    }
    for (const done of failed) {
      const error = done.error ?? clientError('kafka.refused', 'The broker refused the records.');
      this.#options.onFailed(queue, done, error);
    }
  }

  #noteFailure(queue: PartitionQueue, batch: ProducerBatch, part: PartitionAnswer): void {
    const { topic, partition } = queue;
    const err = brokerError(part.errorCode, `Writing to ${topic}-${partition}`, {
      detail: part.errorMessage,
    });
    queue.lastError = err;
    this.#options.logger.debug(
      { err, records: batch.count, attempt: batch.attempts },
      'a batch was not stored',
    );
  }

  #backOff(queue: PartitionQueue, error?: Error, firstMs?: number): void {
    queue.failures++;
    if (error !== undefined) queue.lastError = error;
    const waitMs = backoffMs(queue.failures, firstMs === undefined ? {} : { firstMs });
    queue.retryAtMs = this.#options.clock.monotonicMs() + waitMs;
    this.#wakeAt(queue.retryAtMs);
  }

  #noteUnknownTopic(queue: PartitionQueue, errorCode: number): void {
    if (errorCode !== KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code) queue.unknownSinceMs = undefined;
    else queue.unknownSinceMs ??= this.#options.clock.monotonicMs();
  }

  #expire(queue: PartitionQueue, nowMs: number): void {
    const { deliveryTimeoutMs, unknownTopicTimeoutMs } = this.#options;
    const { topic, partition } = queue;
    if (
      queue.unknownSinceMs !== undefined &&
      nowMs - queue.unknownSinceMs > unknownTopicTimeoutMs &&
      !queue.isRecovering
    ) {
      const error = brokerError(
        KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code,
        `Writing to ${topic}-${partition}`,
        {
          code: 'kafka.unknown_topic',
          context: { topic, partition },
        },
      );
      queue.unknownSinceMs = undefined;
      for (const batch of queue.fail(error)) this.#options.onFailed(queue, batch, error);
    }
    if (deliveryTimeoutMs === Infinity) return;
    for (const batch of queue.expire(nowMs - deliveryTimeoutMs)) {
      const text = `Records for ${topic}-${partition} waited ${deliveryTimeoutMs} ms without being sent.`;
      this.#options.onFailed(
        queue,
        batch,
        clientError('kafka.request_timeout', text, { context: { topic, partition } }),
      );
    }
    this.#wakeAt(nowMs + deliveryTimeoutMs);
  }

  // ---- metadata

  #refresh(topics: ReadonlySet<string>): void {
    if (this.#refreshing || this.#stopping.signal.aborted) return;
    const { cluster, autoCreateTopics, logger, clock } = this.#options;
    const names = [...topics];
    this.#refreshing = cluster
      .refresh({ topics: names, autoCreate: autoCreateTopics, signal: this.#stopping.signal })
      .then((problems) => {
        for (const { name, kafkaCode } of problems) {
          for (const queue of this.#active) {
            if (queue.topic !== name) continue;
            this.#noteUnknownTopic(queue, kafkaCode);
            this.#backOff(queue, brokerError(kafkaCode, `Looking for the leaders of ${name}`));
          }
        }
        for (const name of names) {
          if (this.#topics.has(name)) this.#topics.set(name, clock.monotonicMs());
          const count = cluster.partitionCount(name);
          if (count !== undefined) this.#options.onTopicGrown(name, count);
          for (const queue of this.#active) {
            const missing = queue.topic === name && count !== undefined && queue.partition >= count;
            if (missing) this.#noteUnknownTopic(queue, KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code);
          }
        }
        this.#waitForLeaders();
      })
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted)
          logger.warn({ err: toError(error) }, 'metadata cannot be refreshed');
      })
      .finally(() => {
        this.#refreshing = undefined;
        this.#schedule();
      });
  }

  // Queues without a leader look again after a pause, not in a tight loop.
  #waitForLeaders(): void {
    for (const queue of this.#active) {
      if (this.#options.cluster.leaderOf(queue.topic, queue.partition)) continue;
      if (queue.retryAtMs <= this.#options.clock.monotonicMs()) this.#backOff(queue);
    }
  }

  // ---- stopping

  #giveUp(queue: PartitionQueue, error: MillraceError): void {
    for (const batch of queue.fail(error)) this.#options.onFailed(queue, batch, error);
  }

  /** After the transaction has failed: gives up on its batches; resolves when none of them can reach a log any more. */
  async discard(): Promise<void> {
    this.#pump();
    await this.#quiet();
  }

  async #quiet(): Promise<void> {
    const { cluster, clock } = this.#options;
    await Promise.all(this.#requests);
    const { quietAtMs } = this.#lost;
    if (!cluster.isClosed) await clock.sleep(Math.max(0, quietAtMs - clock.monotonicMs()));
  }

  /**
   * Sends nothing more; resolves when no request can reach a log any more: each is answered, or its connection is
   * dead and its timeout has passed.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#quiet();
    await this.#options.cluster.closeLane(this.#lane);
  }
}
