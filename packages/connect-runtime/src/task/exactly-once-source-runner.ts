// Runs one source task that delivers exactly once (KIP-618): records and their offsets are written in one transaction, by
// a producer that fences the task's earlier incarnations, so that who reads committed records sees each once. A restart
// goes on after the last committed offset; what was open then is taken back.
import type { SourceBatch, SourceRecord, TaskActivity } from '@millrace/connect-api';
import { MillraceError, policyOf, toError } from '@millrace/foundation';
import {
  type BatchProducer,
  kafkaCodeOf,
  type TopicPartition,
  type TransactionalProducer,
  type TransactionalProducerOptions,
} from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import { offsetKey, offsetValue } from '../stores/offset-records.ts';
import { untilAborted, within } from './abortable.ts';
import { RecordSender, type RecordSenderOptions } from './record-sender.ts';
import { deliveryOf, type SourceParts, SourceRunner } from './source-runner.ts';
import { producerFailure, SourceTopics } from './source-topics.ts';
import type { TransactionEnd, TransactionRequests } from './transaction-context.ts';
import { TransactionOffsets } from './transaction-offsets.ts';

/** Where transactions end: `transaction.boundary`. */
export type TransactionBoundary =
  | { readonly kind: 'poll' }
  | { readonly kind: 'interval'; readonly ms: number }
  | { readonly kind: 'connector'; readonly requests: TransactionRequests };

export interface ExactlyOnceRunnerParts extends SourceParts {
  /** The topic of offsets, on the cluster of the records. */
  readonly offsetsTopic: string;
  readonly boundary: TransactionBoundary;
  readonly createProducer: (
    callbacks: Pick<TransactionalProducerOptions, 'onAcked' | 'onFailed'>,
  ) => TransactionalProducer;
}

/** Kafka's error of that name. */
const INVALID_PRODUCER_EPOCH = 47;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;
const LEADER_HINT =
  'The leader of the group has to answer PUT /connectors/NAME/fence: look at its log, and whether the group is in a rebalance.';

export class ExactlyOnceSourceRunner extends SourceRunner {
  readonly #parts: ExactlyOnceRunnerParts;
  protected readonly topics: SourceTopics;
  /** The task ends at once; where it is only to stop, it ends its transaction first. */
  readonly #cut = new AbortController();
  readonly #offsets = new TransactionOffsets();
  readonly #transactions: TransactionalProducer;
  readonly #sender: RecordSender;
  /** A restart from the offsets so far would bring some records again: no transaction ends here. */
  #unfinished = false;
  /** Where offsets have gone so far: there the next ones go as well. */
  readonly #offsetPartitions = new Map<number, TopicPartition>();
  #acked = 0;
  #lastEndMs = 0;

  constructor(parts: ExactlyOnceRunnerParts) {
    super(parts);
    this.#parts = parts;
    const { environment, events } = parts;
    this.#transactions = parts.createProducer({
      onAcked: (tokens, topic, partition) => {
        if (topic === parts.offsetsTopic) {
          this.#offsetPartitions.set(partition, { topic, partition });
          return;
        }
        this.#acked += tokens.length;
        this.topics.used(topic);
      },
      // Also where errors are tolerated: what Kafka refuses ends the transaction, as in Connect.
      onFailed: (_tokens, _topic, _partition, error) => this.fail(this.#failureOf(error)),
    });
    const { producer } = this;
    this.topics = new SourceTopics({
      ensure: parts.ensureTopic,
      prepare: (topic) => producer.prepare(topic),
      onTopic: (topic) => events.onTopic(topic),
      offsetsTopic: parts.offsetsTopic,
    });
    this.#sender = new RecordSender({
      chain: parts.chain,
      converters: parts.converters,
      errors: parts.errors,
      producer: this.#guarded(producer),
      submitted: this.#offsets,
      clock: environment.clock,
      prepareTopic: (topic) => this.topics.prepare(topic),
      commit: () => Promise.resolve(),
    });
    parts.meters.active = () => this.#offsets.count;
  }

  protected get producer(): BatchProducer {
    return this.#transactions.producer;
  }

  protected activities(): (() => TaskActivity | null)[] {
    const { letters, task } = this.#parts;
    return [
      () => deliveryOf(this.producer),
      () => (letters ? deliveryOf(letters) : null),
      () => task.activity?.() ?? null,
      () => this.#sender.activity ?? this.step.activity,
    ];
  }

  override async kill(): Promise<void> {
    this.#cut.abort();
    await super.kill();
  }

  /** A transaction that has failed is no fault of the record that finds it so: no error of records is tolerated then. */
  #guarded(producer: BatchProducer): RecordSenderOptions['producer'] {
    const guard = <T>(work: () => T): T => {
      try {
        return work();
      } catch (error) {
        if (this.#transactions.phase !== 'open') this.fail(this.#failureOf(error));
        throw error;
      }
    };
    return {
      append: (...record) => guard(() => producer.append(...record)),
      ready: (signal) => producer.ready(signal),
      openBatch: (topic, partition) => producer.openBatch(topic, partition),
      beginRun: (topic, partition) => guard(() => producer.beginRun(topic, partition)),
    };
  }

  /**
   * Fences whoever wrote before: earlier tasks by the leader, the earlier incarnation of this one by its transactional
   * id. Only then offsets are read, so that nothing can come after them. False when the task is to end meanwhile.
   */
  protected async claim(): Promise<boolean> {
    const { events, offsetsTopic } = this.#parts;
    const { signal } = this.stopping;
    // INV-2 across workers; INV-3: the order of the steps.
    this.step.enter('waiting until no earlier task of this connector can write', LEADER_HINT);
    await untilAborted(events.fenceOthers(), signal);
    if (signal.aborted) return false;
    this.step.enter('claiming the transactional id of this task');
    await untilAborted(this.#transactions.init(), signal);
    if (signal.aborted) return false;
    this.step.enter('making sure that this task is still wanted');
    await untilAborted(events.confirmStart(), signal);
    if (signal.aborted) return false;
    await untilAborted(this.producer.prepare(offsetsTopic), signal);
    return !signal.aborted;
  }

  protected async loop(): Promise<void> {
    const { signal } = this.stopping;
    this.#lastEndMs = this.#nowMs();
    while (!signal.aborted) {
      // A transaction that cannot end yet is finished before the task rests.
      if (this.gate.paused && !this.#unfinished) {
        await this.#endForRest();
        this.step.leave();
        this.shown.state('PAUSED');
        await this.gate.passed(signal);
        this.#lastEndMs = this.#nowMs();
        continue;
      }
      this.shown.state('RUNNING');
      await this.#pollOnce(signal);
    }
  }

  async #pollOnce(signal: AbortSignal): Promise<void> {
    const { task, meters, environment } = this.#parts;
    this.step.enter('polling the source');
    const sinceMs = environment.clock.monotonicMs();
    const batch = await task.poll(signal);
    if (batch) {
      if (batch.records.length > 0)
        meters.polled(batch.records.length, environment.clock.monotonicMs() - sinceMs);
      this.step.enter('sending records');
      // Half a batch may end amid records that belong together.
      this.#unfinished = true;
      await this.#send(batch);
      if (this.#cut.signal.aborted) return;
      this.#unfinished = batch.unfinished === true;
    }
    await this.#endWhereDue(batch);
  }

  async #send(batch: SourceBatch): Promise<void> {
    const { boundary } = this.#parts;
    const { signal } = this.#cut;
    let { records } = batch;
    if (boundary.kind === 'connector' && boundary.requests.hasRecords) {
      let from = 0;
      for (let i = 0; i < batch.records.length && !signal.aborted; i++) {
        const end = boundary.requests.takeFor(batch.records[i] as SourceRecord);
        if (end === undefined) continue;
        this.#begin();
        await this.#sender.send({ records: batch.records.slice(from, i + 1) }, signal);
        from = i + 1;
        if (!signal.aborted) await this.#finish(end);
      }
      records = batch.records.slice(from);
    }
    if (signal.aborted) return;
    if (records.length > 0) this.#begin();
    await this.#sender.send({ ...batch, records }, signal);
  }

  async #endWhereDue(batch: SourceBatch | null): Promise<void> {
    const { boundary } = this.#parts;
    if (boundary.kind === 'connector') {
      const end = boundary.requests.takeForBatch();
      if (end !== undefined) await this.#finish(end);
      return;
    }
    if (this.#offsets.isEmpty) return;
    // INV-3: records that share a position are never split over two transactions.
    const isDue = boundary.kind === 'poll' || this.#nowMs() >= this.#lastEndMs + boundary.ms;
    if (batch?.urgent === true || (isDue && !this.#unfinished)) await this.#finish('commit');
  }

  /** Before the task rests or ends: what may become visible does. */
  async #endForRest(): Promise<void> {
    const { boundary } = this.#parts;
    if (boundary.kind !== 'connector') {
      if (!this.#offsets.isEmpty) await this.#finish('commit');
      return;
    }
    const end = boundary.requests.takeForBatch();
    if (end !== undefined) await this.#finish(end);
  }

  #begin(): void {
    if (this.#transactions.phase === 'ready') this.#transactions.begin([...this.#offsetPartitions.values()]);
  }

  async #finish(end: TransactionEnd): Promise<void> {
    const { environment } = this.#parts;
    if (end === 'abort') {
      environment.logger.info('the connector asked for its transaction to be aborted');
      this.step.enter('aborting a transaction');
      if (this.#transactions.phase === 'open') await this.#patiently(() => this.#transactions.abort());
      this.#acked = 0;
    }
    // After an abort too: what was taken back is not to be read again.
    await this.#commit();
  }

  async #commit(): Promise<void> {
    const { meters, environment } = this.#parts;
    const sinceMs = environment.clock.monotonicMs();
    let stored = false;
    try {
      await this.#commitNow();
      stored = true;
    } finally {
      meters.committed(sinceMs, stored);
    }
  }

  async #commitNow(): Promise<void> {
    const { spec, task, offsetMirror, meters } = this.#parts;
    const committed = this.#offsets.take();
    this.step.enter('committing a transaction');
    this.#begin();
    const entries = committed.map(({ partition, offset }) => ({
      key: offsetKey(spec.connector, partition),
      value: offsetValue(offset),
    }));
    try {
      for (const { key, value } of entries) await this.#appendOffset(key, value ?? Buffer.alloc(0));
    } catch (error) {
      throw this.#failureOf(error);
    }
    await this.#patiently(() => this.#transactions.commit());
    this.#lastEndMs = this.#nowMs();
    meters.written(this.#acked);
    meters.transaction(this.#acked);
    this.#acked = 0;
    offsetMirror?.note(entries);
    // INV-1: the source learns of an offset after the transaction that holds it is committed.
    this.step.enter('telling the source of the stored offsets');
    await task.commit(committed);
  }

  /** Its acknowledgement is part of what the commit waits for. */
  async #appendOffset(key: Buffer, value: Buffer): Promise<void> {
    const { offsetsTopic, environment } = this.#parts;
    const { producer } = this;
    const bytes = Buffer.concat([key, value]);
    const now = environment.clock.nowMs();
    const append = (): boolean =>
      producer.append(offsetsTopic, null, now, bytes, 0, key.length, key.length, bytes.length, null, 0);
    while (!append()) {
      await producer.ready(this.#cut.signal);
      this.#cut.signal.throwIfAborted();
    }
  }

  /** Whether a transaction has ended is not known until somebody answers: it is asked for again. */
  async #patiently(end: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#parts.environment;
    const { signal } = this.#cut;
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      try {
        await end();
        return;
      } catch (error) {
        const { phase } = this.#transactions;
        const isOver = phase === 'fenced' || phase === 'failed' || policyOf(error) !== 'retry';
        if (isOver || signal.aborted) throw this.#failureOf(error);
        this.step.failing(toError(error));
        logger.warn({ err: toError(error), waitMs }, 'the end of a transaction is not known; asking again');
        await clock.sleep(waitMs, signal);
      }
    }
  }

  protected override fail(error: Error): void {
    super.fail(error);
    this.#cut.abort();
  }

  #failureOf(cause: unknown): Error {
    const { connector, task } = this.#parts.spec;
    if (cause instanceof MillraceError && cause.code.startsWith('connect.')) return cause;
    const id = `${connector}-${task}`;
    if (kafkaCodeOf(cause) === INVALID_PRODUCER_EPOCH) {
      return connectError(
        'connect.producer_fenced',
        `The task ${id} was unable to finish writing records to Kafka before its producer transaction expired. It may be necessary to reconfigure this connector in order for it to run healthily with exactly-once support. Options for this include: tune the connector's producer configuration for higher throughput, increase the transaction timeout for the connector's producers, decrease the offset commit interval (if using interval-based transaction boundaries), or use the 'poll' transaction boundary (if the connector is not already configured to use it).`,
        { cause },
      );
    }
    if (this.#transactions.phase === 'fenced') {
      return connectError(
        'connect.producer_fenced',
        `Failed to flush offsets and/or records for task ${id}`,
        { cause },
      );
    }
    return producerFailure(cause);
  }

  #nowMs(): number {
    return this.#parts.environment.clock.monotonicMs();
  }

  /** A clean end commits what may be. */
  protected async finish(clean: boolean): Promise<void> {
    const { environment, spec } = this.#parts;
    if (clean && !this.#unfinished && this.#transactions.phase !== 'new' && !this.#cut.signal.aborted) {
      const ending = within(environment.clock, spec.settings.flushTimeoutMs, this.#endForRest());
      await ending.catch((error: unknown) => {
        environment.logger.warn(
          { err: toError(error) },
          'the last transaction was not committed; it comes again',
        );
      });
    }
    this.#cut.abort();
  }

  /** An open transaction would hold readers up until it times out. */
  protected async takeBack(): Promise<void> {
    const { environment, spec } = this.#parts;
    const { phase } = this.#transactions;
    if (phase !== 'open' && phase !== 'failed') return;
    await within(environment.clock, spec.settings.flushTimeoutMs, this.#transactions.abort()).catch(
      (error: unknown) => {
        environment.logger.debug({ err: toError(error) }, 'the open transaction ends when it times out');
      },
    );
  }
}
