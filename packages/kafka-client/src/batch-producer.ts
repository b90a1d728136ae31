// The producer: bytes of records in, acknowledgements by token out. No promise and no object per record. Batches are
// closed when a request can be sent, so they are small when idle and large under load.
// Order and idempotence are PartitionQueue's; talking to brokers is ProduceSender's.
import { type Clock, MillraceError, toError } from '@millrace/foundation';
import {
  BatchBuilder,
  canCompress,
  headersSize,
  joined,
  type KafkaRecord,
  murmur2Partition,
  type RecordHeader,
} from '@millrace/kafka-protocol';
import {
  type BatchProducerOptions,
  type BatchRun,
  type OpenBatch,
  type OutgoingRecord,
  RECORD_OVERHEAD,
  type RecordPlace,
} from './batch-producer-options.ts';
import { clientError } from './errors.ts';
import { MemoryPool } from './memory-pool.ts';
import { PartitionQueue, type QueueLimits } from './partition-queue.ts';
import { ProduceSender } from './produce-sender.ts';
import type { SlowPartition } from './produce-sender-options.ts';
import { type BatchWaiter, ProducerBatch } from './producer-batch.ts';

interface Topic {
  readonly name: string;
  readonly queues: PartitionQueue[];
  /** Where records without key and partition go until its batch is closed. */
  sticky: number;
}

interface PendingSend {
  readonly resolve: (place: RecordPlace) => void;
  readonly reject: (error: Error) => void;
}

// Kafka's default limit for a batch is 1,048,588 bytes; uncompressed batches must stay below it.
const DEFAULT_BATCH_BYTES = 1_000_000;
const DEFAULT_BUFFER_BYTES = 64 * 1024 * 1024;
const DEFAULT_REQUEST_BYTES = 4 * 1024 * 1024;
const EAGER_BYTES = 512 * 1024;
const POOL_BYTES = 16 * 1024 * 1024;
const DEFAULT_UNKNOWN_TOPIC_TIMEOUT_MS = 60_000;

export class BatchProducer implements AsyncDisposable {
  readonly #options: BatchProducerOptions;
  readonly #clock: Clock;
  readonly #batchBytes: number;
  readonly #bufferBytes: number;
  readonly #limits: QueueLimits;
  readonly #pool = new MemoryPool(POOL_BYTES);
  readonly #topics = new Map<string, Topic>();
  readonly #preparing = new Map<string, Promise<void>>();
  readonly #sender: ProduceSender;
  readonly #sends = new Map<number, PendingSend>();
  #lastTopic: Topic | undefined;
  #nextSend = -1;
  #sendTurn: Promise<void> = Promise.resolve();
  #usedBytes = 0;
  #sentRecords = 0;
  #failedRecords = 0;
  /** Size of the record that was refused last, so that `ready` does not resolve before it fits. */
  #roomNeeded = 0;
  #roomWaiters: (() => void)[] = [];
  #closed: MillraceError | undefined;

  /** @throws config.invalid when this Node release cannot write the compression asked for */
  constructor(options: BatchProducerOptions) {
    if (!canCompress(options.compression ?? 'none')) {
      throw new MillraceError(
        'config.invalid',
        `compression.type ${options.compression} cannot be written here.`,
        {
          configKey: 'compression.type',
          hint: 'Use gzip, snappy or lz4, or Node 22.15 and up.',
        },
      );
    }
    this.#options = options;
    this.#clock = options.clock;
    this.#batchBytes = options.batchSizeBytes ?? DEFAULT_BATCH_BYTES;
    this.#bufferBytes = options.bufferMemoryBytes ?? DEFAULT_BUFFER_BYTES;
    this.#limits = {
      maxInFlight: Math.min(options.maxInFlight ?? 5, 5),
      lingerMs: options.lingerMs ?? 0,
      eagerBytes: Math.min(EAGER_BYTES, this.#batchBytes),
      compression: options.compression ?? 'none',
      idempotent: options.transactions !== undefined || (options.idempotent ?? true),
      transactional: options.transactions !== undefined,
    };
    this.#sender = new ProduceSender({
      cluster: options.cluster,
      clock: options.clock,
      logger: options.logger,
      limits: this.#limits,
      requestTimeoutMs: options.requestTimeoutMs ?? options.cluster.requestTimeoutMs,
      maxRequestSize: options.maxRequestSize ?? DEFAULT_REQUEST_BYTES,
      deliveryTimeoutMs: options.deliveryTimeoutMs ?? Infinity,
      unknownTopicTimeoutMs: options.unknownTopicTimeoutMs ?? DEFAULT_UNKNOWN_TOPIC_TIMEOUT_MS,
      autoCreateTopics: options.autoCreateTopics ?? true,
      transactions: options.transactions,
      onAcked: (queue, batch, baseOffset) => this.#onAcked(queue, batch, baseOffset),
      onFailed: (queue, batch, error) => this.#onFailed(queue, batch, error),
      onTopicGrown: (name, count) => this.#grow(name, count),
      recycle: (memory) => this.#pool.give(memory),
    });
  }

  /** Bytes of records that are not acknowledged yet. */
  get bufferedBytes(): number {
    return this.#usedBytes;
  }
  /** Bound on them. */
  get bufferMemoryBytes(): number {
    return this.#bufferBytes;
  }
  /** Records that are durable so far, and those that failed. */
  get recordCounts(): { readonly sent: number; readonly failed: number } {
    return { sent: this.#sentRecords, failed: this.#failedRecords };
  }
  /** Requests without an answer, over all brokers. */
  get inFlight(): number {
    return this.#sender.inFlight;
  }
  /** See `ProduceSender.slowest`. */
  get slowest(): SlowPartition | undefined {
    return this.#sender.slowest;
  }

  isPrepared(topic: string): boolean {
    return this.#topics.has(topic);
  }

  /**
   * Learns a topic's partitions, creating it if the cluster allows, and makes sure there is a producer id.
   *
   * @throws kafka.unknown_topic, kafka.refused, kafka.unreachable
   */
  async prepare(topic: string): Promise<void> {
    if (this.#topics.has(topic)) return;
    const known = this.#preparing.get(topic);
    if (known) return known;
    const made = this.#prepare(topic).finally(() => this.#preparing.delete(topic));
    this.#preparing.set(topic, made);
    return made;
  }

  async #prepare(name: string): Promise<void> {
    const [metadata] = await Promise.all([
      this.#options.cluster.metadata([name], { autoCreate: this.#options.autoCreateTopics ?? true }),
      this.#sender.prepareIdentity(),
    ]);
    if (this.#closed) throw this.#closed;
    this.#topics.set(name, { name, queues: [], sticky: 0 });
    this.#grow(name, metadata.get(name)?.partitions.length ?? 1);
    this.#sender.watchTopic(name);
  }

  #grow(name: string, count: number): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    for (let i = topic.queues.length; i < count; i++) {
      topic.queues.push(new PartitionQueue(name, i, this.#batchBytes, this.#limits));
    }
  }

  /**
   * Copies one record into the open batch of its partition. Ranges are those of `source`; a start of -1 means null.
   * Without a partition, keyed records go where Java's producer puts them, others stick to one partition per batch.
   * Returns false when the buffer is full: the record was not taken; await `ready` and append it again.
   */
  append(
    topicName: string,
    partition: number | null,
    timestampMs: number,
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    headers: readonly RecordHeader[] | null,
    token: number,
  ): boolean {
    this.#options.transactions?.expectOpen();
    const topic = this.#topicFor(topicName);
    const keyBytes = keyStart < 0 ? 0 : keyEnd - keyStart;
    const valueBytes = valueStart < 0 ? 0 : valueEnd - valueStart;
    const headerBytes = headers === null ? 0 : headersSize(headers);
    const size = keyBytes + valueBytes + headerBytes + RECORD_OVERHEAD;
    if (this.#usedBytes > 0 && this.#usedBytes + size > this.#bufferBytes) {
      this.#roomNeeded = size;
      return false;
    }
    const queue = topic.queues[partition ?? this.#choosePartition(topic, source, keyStart, keyEnd)];
    if (!queue) throw clientError('kafka.refused', `Topic ${topicName} has no partition ${partition}.`);
    let batch = queue.open;
    if (batch && !(batch.sizeInBytes + size <= queue.maxBatchBytes || batch.count === 0)) {
      queue.closeOpen();
      this.#sender.fill(queue);
      batch = undefined;
    }
    batch ??= this.#openBatch(queue, size);
    batch.builder.append(timestampMs, source, keyStart, keyEnd, valueStart, valueEnd, headers);
    batch.tokens.push(token);
    batch.accountedBytes += size;
    this.#usedBytes += size;
    this.#sender.touch(queue);
    return true;
  }

  /**
   * The open batch that the next record of a topic goes to, where that does not depend on the record. Undefined where it
   * does, or where there is no open batch.
   */
  openBatch(topicName: string, partition: number | null): OpenBatch | undefined {
    return this.#onlyQueue(topicName, partition)?.open?.builder;
  }

  /** Begins a run of records into the open batch of a partition. Undefined where `openBatch` is, and where there is no room. */
  beginRun(topicName: string, partition: number | null): BatchRun | undefined {
    this.#options.transactions?.expectOpen();
    const queue = this.#onlyQueue(topicName, partition);
    const batch = queue?.open;
    // The first record of a batch may be of any size; `append` sees to that.
    if (!batch || batch.count === 0) return undefined;
    const roomBytes = Math.min(queue.maxBatchBytes - batch.sizeInBytes, this.#bufferBytes - this.#usedBytes);
    const end = (bytes: number): void => {
      batch.accountedBytes += bytes;
      this.#usedBytes += bytes;
      if (bytes > 0) this.#sender.touch(queue);
    };
    return roomBytes > 0 ? { batch: batch.builder, tokens: batch.tokens, roomBytes, end } : undefined;
  }

  /** The queue that the next record of a topic goes to, where that does not depend on the record. */
  #onlyQueue(topicName: string, partition: number | null): PartitionQueue | undefined {
    const { queues } = this.#topicFor(topicName);
    return queues.length === 1 ? queues[0] : partition === null ? undefined : queues[partition];
  }

  #topicFor(name: string): Topic {
    const last = this.#lastTopic;
    if (last && last.name === name && !this.#closed) return last;
    if (this.#closed) throw this.#closed;
    const topic = this.#topics.get(name);
    if (!topic) throw new Error(`topic ${name} was not prepared before append`);
    this.#lastTopic = topic;
    return topic;
  }

  #choosePartition(topic: Topic, source: Uint8Array, keyStart: number, keyEnd: number): number {
    const count = topic.queues.length;
    if (count === 1) return 0;
    if (keyStart >= 0) return murmur2Partition(source, keyStart, keyEnd, count);
    if (!topic.queues[topic.sticky]?.open) topic.sticky = (topic.sticky + 1) % count;
    return topic.sticky;
  }

  #openBatch(queue: PartitionQueue, firstRecordBytes: number): ProducerBatch {
    const expected = Math.min(queue.lastBatchBytes * 2, queue.maxBatchBytes);
    const memory = this.#pool.take(Math.max(expected, firstRecordBytes + 128));
    const batch = new ProducerBatch(
      new BatchBuilder({ maxBytes: queue.maxBatchBytes, memory }),
      this.#clock.monotonicMs(),
    );
    queue.open = batch;
    return batch;
  }

  /** Resolves when there is room again, or when the signal fires. */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#hasRoom() || this.#closed || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#roomWaiters.push(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  #hasRoom(): boolean {
    const wanted = Math.max(this.#roomNeeded, this.#bufferBytes / 4);
    return this.#usedBytes === 0 || this.#usedBytes + wanted <= this.#bufferBytes;
  }

  /** Resolves when every record appended so far is acknowledged or has failed, or when the signal fires. @throws kafka.closed */
  async flush(signal?: AbortSignal): Promise<void> {
    const batches = [...this.#allBatches()];
    if (batches.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        if (this.#closed) reject(this.#closed);
        else resolve();
      };
      const waiter: BatchWaiter = { remaining: batches.length, done };
      for (const batch of batches) (batch.waiters ??= []).push(waiter);
      signal?.addEventListener('abort', done, { once: true });
      this.#sender.flushNow(this.#allQueues());
    });
  }

  /**
   * Once its transaction has failed: gives up on every record that is not acknowledged, and resolves when none of them
   * can reach a log any more. What is written next starts with the next identity.
   */
  async discard(): Promise<void> {
    this.#sender.flushNow(this.#allQueues());
    await this.#sender.discard();
    for (const queue of this.#allQueues()) queue.dropIdentity();
  }

  /**
   * Writes one record and waits for its acknowledgement; for writers of few records.
   *
   * @throws the error with which the record failed
   */
  async send(record: OutgoingRecord): Promise<RecordPlace> {
    await this.prepare(record.topic);
    const { append, place, forget } = this.#sending(record);
    await this.#inTurn(async () => {
      while (!append()) await this.ready();
    }).catch((error: unknown) => {
      forget();
      throw error;
    });
    return await place;
  }

  /**
   * Writes records that belong together and waits for their acknowledgement. Those of one partition are one batch, of
   * which a crash of either side leaves all or nothing, as long as a batch holds them.
   *
   * @throws the error with which the first of them failed
   */
  async sendTogether(records: readonly OutgoingRecord[]): Promise<void> {
    for (const { topic } of records) await this.prepare(topic);
    const sends = records.map((record) => this.#sending(record));
    await this.#inTurn(async () => {
      // A batch is closed between two turns of the event loop, never within one.
      for (const { append } of sends) while (!append()) await this.ready();
    }).catch((error: unknown) => {
      for (const { forget } of sends) forget();
      throw error;
    });
    await Promise.all(sends.map(({ place }) => place));
  }

  #sending(record: OutgoingRecord): {
    readonly append: () => boolean;
    readonly place: Promise<RecordPlace>;
    readonly forget: () => void;
  } {
    const { topic, key, value } = record;
    const source = joined(key, value);
    const keyEnd = key?.length ?? 0;
    const token = this.#nextSend--;
    const place = new Promise<RecordPlace>((resolve, reject) => this.#sends.set(token, { resolve, reject }));
    place.catch(() => undefined); // whoever awaits it sees the error; until then it is nobody's
    const append = (): boolean =>
      this.append(
        topic,
        record.partition ?? null,
        record.timestamp ?? this.#clock.nowMs(),
        source,
        key === null ? -1 : 0,
        keyEnd,
        value === null ? -1 : keyEnd,
        source.length,
        record.headers ?? null,
        token,
      );
    return { append, place, forget: () => this.#sends.delete(token) };
  }

  /** INV-2: a small record does not overtake a large one that waits for room. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#sendTurn.then(work);
    this.#sendTurn = turn.catch(() => undefined);
    await turn;
  }

  /**
   * Stops sending, gives up on what was not sent, and resolves once no record of this producer can reach a log any
   * more: each request in flight is answered, or its connection is dead and the request timeout has passed.
   */
  async abort(reason: string): Promise<void> {
    await this.#end(clientError('kafka.closed', `The producer was stopped: ${reason}.`));
  }

  /** Sends what is there, waits for it, and closes. */
  async close(): Promise<void> {
    if (!this.#closed) await this.flush();
    await this.#end(clientError('kafka.closed', 'The producer is closed.'));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(reason: MillraceError): Promise<void> {
    const first = this.#closed === undefined;
    this.#closed ??= reason;
    for (const wake of this.#roomWaiters.splice(0)) wake();
    await this.#sender.stop(); // INV-2
    if (!first) return;
    for (const batch of this.#allBatches()) batch.finish();
    for (const { reject } of this.#sends.values()) reject(reason);
    this.#sends.clear();
  }

  *#allQueues(): Generator<PartitionQueue> {
    for (const { queues } of this.#topics.values()) yield* queues;
  }
  *#allBatches(): Generator<ProducerBatch> {
    for (const queue of this.#allQueues()) yield* queue.batches();
  }

  #onAcked(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number): void {
    const { topic, partition } = queue;
    this.#release(batch);
    this.#sentRecords += batch.tokens.length;
    const tokens = this.#takeSends(batch, (pending, index) =>
      pending.resolve({ partition, offset: baseOffset < 0 ? -1 : baseOffset + index }),
    );
    if (tokens.length > 0) this.#guard(() => this.#options.onAcked?.(tokens, topic, partition, baseOffset));
    // Memory is reused only if its one and only request was answered: then nothing can still be sending it.
    if (batch.attempts === 1) this.#pool.give(batch.unchecked);
    batch.finish();
  }

  #onFailed(queue: PartitionQueue, batch: ProducerBatch, error: MillraceError): void {
    const { topic, partition } = queue;
    this.#release(batch);
    this.#failedRecords += batch.tokens.length;
    this.#options.transactions?.fail(error);
    const ours = batch.tokens;
    const tokens = this.#takeSends(batch, (pending) => pending.reject(error));
    const records = (): readonly KafkaRecord[] =>
      batch.records().filter((_, index) => tokens === ours || tokens.includes(ours[index] as number));
    if (tokens.length > 0)
      this.#guard(() => this.#options.onFailed?.(tokens, topic, partition, error, records));
    batch.finish();
  }

  // A callback that throws must not leave the producer half updated.
  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#options.logger.error({ err: toError(error) }, 'a producer callback failed');
    }
  }

  #release(batch: ProducerBatch): void {
    this.#usedBytes -= batch.accountedBytes;
    if (this.#roomWaiters.length > 0 && this.#hasRoom()) {
      this.#roomNeeded = 0;
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
  }

  /** Settles the `send` promises of a batch and returns the tokens of the others. */
  #takeSends(batch: ProducerBatch, settle: (pending: PendingSend, index: number) => void): readonly number[] {
    if (this.#sends.size === 0) return batch.tokens;
    return batch.tokens.filter((token, index) => {
      const pending = token < 0 ? this.#sends.get(token) : undefined;
      if (pending === undefined) return true;
      this.#sends.delete(token);
      settle(pending, index);
      return false;
    });
  }
}
