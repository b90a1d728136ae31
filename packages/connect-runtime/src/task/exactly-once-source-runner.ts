// Runs one source task that delivers exactly once (KIP-618): records and their offsets are written in one transaction, by
// a producer that fences the task's earlier incarnations, so that who reads committed records sees each once. A restart
// goes on after the last committed offset; what was open then is taken back.
import { ActivityStep, type SourceBatch, type SourceRecord } from '@millrace/connect-api';
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
import { showStall } from './metrics.ts';
import type { OffsetMirror } from './offset-mirror.ts';
import { PauseGate } from './pause-gate.ts';
import { RecordSender, type RecordSenderOptions } from './record-sender.ts';
import { ShownState } from './shown-state.ts';
import { deliveryOf, type SourceRunnerParts } from './source-task-runner.ts';
import { producerFailure, SourceTopics } from './source-topics.ts';
import { StallWatch } from './stall-watch.ts';
import type { TaskRunner } from './task-runner.ts';
import type { TransactionEnd, TransactionRequests } from './transaction-context.ts';
import { TransactionOffsets } from './transaction-offsets.ts';

/** Where transactions end: `transaction.boundary`. */
export type TransactionBoundary =
  | { readonly kind: 'poll' }
  | { readonly kind: 'interval'; readonly ms: number }
  | { readonly kind: 'connector'; readonly requests: TransactionRequests };

export interface ExactlyOnceRunnerParts
  extends Omit<SourceRunnerParts, 'offsetProducer' | 'offsetMirror' | 'createProducer'> {
  /** The topic of offsets, on the cluster of the records. */
  readonly offsetsTopic: string;
  readonly boundary: TransactionBoundary;
  readonly mirror: { readonly producer: BatchProducer; readonly offsets: OffsetMirror } | null;
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

export class ExactlyOnceSourceRunner implements TaskRunner {
  readonly #parts: ExactlyOnceRunnerParts;
  /** The task is to end, and ends its transaction first. */
  readonly #stop = new AbortController();
  /** It ends at once. */
  readonly #cut = new AbortController();
  readonly #gate: PauseGate;
  readonly #offsets = new TransactionOffsets();
  readonly #producer: TransactionalProducer;
  readonly #sender: RecordSender;
  readonly #topics: SourceTopics;
  readonly #shown: ShownState;
  readonly #watch: StallWatch;
  readonly #step = new ActivityStep();
  /** A restart from the offsets so far would bring some records again: no transaction ends here. */
  #unfinished = false;
  /** Where offsets have gone so far: there the next ones go as well. */
  readonly #offsetPartitions = new Map<number, TopicPartition>();
  #acked = 0;
  #lastEndMs = 0;
  #failure: Error | undefined;

  constructor(parts: ExactlyOnceRunnerParts) {
    this.#parts = parts;
    const { environment, events, spec } = parts;
    this.#gate = new PauseGate({ paused: spec.paused });
    this.#producer = parts.createProducer({
      onAcked: (tokens, topic, partition) => {
        if (topic === parts.offsetsTopic) {
          this.#offsetPartitions.set(partition, { topic, partition });
          return;
        }
        this.#acked += tokens.length;
        this.#topics.used(topic);
      },
      // Also where errors are tolerated: what Kafka refuses ends the transaction, as in Connect.
      onFailed: (_tokens, _topic, _partition, error) => this.#fail(this.#failureOf(error)),
    });
    const { producer } = this.#producer;
    this.#topics = new SourceTopics({
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
      prepareTopic: (topic) => this.#topics.prepare(topic),
      commit: () => Promise.resolve(),
    });
    parts.meters.active = () => this.#offsets.count;
    this.#shown = new ShownState(events);
    this.#watch = new StallWatch({
      activities: [
        () => deliveryOf(producer),
        () => (parts.letters ? deliveryOf(parts.letters) : null),
        () => parts.task.activity?.() ?? null,
        () => this.#sender.activity ?? this.#step.activity,
      ],
      clock: environment.clock,
      logger: environment.logger,
      stallTimeoutMs: spec.settings.stallTimeoutMs,
      show: (trace) => this.#shown.trace(trace),
    });
  }

  pause(): void {
    this.#gate.pause();
  }
  resume(): void {
    this.#gate.resume();
  }
  stop(): void {
    this.#stop.abort();
  }
  forgetTopics(): void {
    this.#topics.forget();
  }
  async kill(): Promise<void> {
    this.#stop.abort();
    this.#cut.abort();
    await this.#takeBack();
    const reason = 'its task did not stop in time';
    await Promise.all([this.#producer.producer.abort(reason), this.#parts.letters?.abort(reason)]);
  }

  /** A transaction that has failed is no fault of the record that finds it so: no error of records is tolerated then. */
  #guarded(producer: BatchProducer): RecordSenderOptions['producer'] {
    return {
      append: (
        topic,
        partition,
        timestampMs,
        source,
        keyStart,
        keyEnd,
        valueStart,
        valueEnd,
        headers,
        token,
      ) => {
        try {
          return producer.append(
            topic,
            partition,
            timestampMs,
            source,
            keyStart,
            keyEnd,
            valueStart,
            valueEnd,
            headers,
            token,
          );
        } catch (error) {
          if (this.#producer.phase !== 'open') this.#fail(this.#failureOf(error));
          throw error;
        }
      },
      ready: (signal) => producer.ready(signal),
      openBatch: (topic, partition) => producer.openBatch(topic, partition),
    };
  }

  async run(): Promise<void> {
    const { environment, spec, task, context } = this.#parts;
    let failure: unknown;
    const watching = this.#watch.run(this.#stop.signal);
    const hideGauges = showStall(environment.metrics, spec, () => this.#watch.stalled);
    try {
      if (await this.#claim()) {
        this.#step.enter('starting');
        await task.start(context);
        await this.#loop();
      }
    } catch (error) {
      failure = error;
    }
    this.#stop.abort();
    await watching;
    failure = this.#failure ?? failure;
    await this.#end(failure === undefined);
    hideGauges();
    if (failure !== undefined) throw failure;
  }

  /**
   * Fences whoever wrote before: earlier tasks by the leader, the earlier incarnation of this one by its transactional
   * id. Only then offsets are read, so that nothing can come after them. False when the task is to end meanwhile.
   */
  async #claim(): Promise<boolean> {
    const { events, offsetsTopic } = this.#parts;
    const { signal } = this.#stop;
    // INV-2 across workers; INV-3: the order of the steps.
    this.#step.enter('waiting until no earlier task of this connector can write', LEADER_HINT);
    await untilAborted(events.fenceOthers(), signal);
    if (signal.aborted) return false;
    this.#step.enter('claiming the transactional id of this task');
    await untilAborted(this.#producer.init(), signal);
    if (signal.aborted) return false;
    this.#step.enter('making sure that this task is still wanted');
    await untilAborted(events.confirmStart(), signal);
    if (signal.aborted) return false;
    await untilAborted(this.#producer.producer.prepare(offsetsTopic), signal);
    return !signal.aborted;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    this.#lastEndMs = this.#nowMs();
    while (!signal.aborted) {
      // A transaction that cannot end yet is finished before the task rests.
      if (this.#gate.paused && !this.#unfinished) {
        await this.#endForRest();
        this.#step.leave();
        this.#shown.state('PAUSED');
        await this.#gate.passed(signal);
        this.#lastEndMs = this.#nowMs();
        continue;
      }
      this.#shown.state('RUNNING');
      await this.#pollOnce(signal);
    }
  }

  async #pollOnce(signal: AbortSignal): Promise<void> {
    const { task, meters, environment } = this.#parts;
    this.#step.enter('polling the source');
    const sinceMs = environment.clock.monotonicMs();
    const batch = await task.poll(signal);
    if (batch) {
      if (batch.records.length > 0)
        meters.polled(batch.records.length, environment.clock.monotonicMs() - sinceMs);
      this.#step.enter('sending records');
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
    if (this.#producer.phase === 'ready') this.#producer.begin([...this.#offsetPartitions.values()]);
  }

  async #finish(end: TransactionEnd): Promise<void> {
    const { environment } = this.#parts;
    if (end === 'abort') {
      environment.logger.info('the connector asked for its transaction to be aborted');
      this.#step.enter('aborting a transaction');
      if (this.#producer.phase === 'open') await this.#patiently(() => this.#producer.abort());
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
    const { spec, task, mirror, meters } = this.#parts;
    const committed = this.#offsets.take();
    this.#step.enter('committing a transaction');
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
    await this.#patiently(() => this.#producer.commit());
    this.#lastEndMs = this.#nowMs();
    meters.written(this.#acked);
    meters.transaction(this.#acked);
    this.#acked = 0;
    mirror?.offsets.note(entries);
    // INV-1: the source learns of an offset after the transaction that holds it is committed.
    this.#step.enter('telling the source of the stored offsets');
    await task.commit(committed);
  }

  /** Its acknowledgement is part of what the commit waits for. */
  async #appendOffset(key: Buffer, value: Buffer): Promise<void> {
    const { offsetsTopic, environment } = this.#parts;
    const { producer } = this.#producer;
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
        const { phase } = this.#producer;
        const isOver = phase === 'fenced' || phase === 'failed' || policyOf(error) !== 'retry';
        if (isOver || signal.aborted) throw this.#failureOf(error);
        this.#step.failing(toError(error));
        logger.warn({ err: toError(error), waitMs }, 'the end of a transaction is not known; asking again');
        await clock.sleep(waitMs, signal);
      }
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#stop.abort();
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
    if (this.#producer.phase === 'fenced') {
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

  /** Ends everything this incarnation holds; a clean end commits what may be. */
  async #end(clean: boolean): Promise<void> {
    const { task, chain, environment, spec, clusters, logs, mirror, letters } = this.#parts;
    const { logger, clock } = environment;
    const { stopTimeoutMs, flushTimeoutMs } = spec.settings;
    if (clean && !this.#unfinished && this.#producer.phase !== 'new' && !this.#cut.signal.aborted) {
      await within(clock, flushTimeoutMs, this.#endForRest()).catch((error: unknown) => {
        logger.warn({ err: toError(error) }, 'the last transaction was not committed; it comes again');
      });
    }
    this.#cut.abort();
    // INV-7: a connector that hangs in its end does not keep its failure from being seen.
    await within(clock, stopTimeoutMs + flushTimeoutMs, task.stop()).catch((error: unknown) => {
      logger.warn({ err: toError(error) }, 'the task did not stop cleanly');
    });
    chain.close();
    await this.#takeBack();
    // INV-2: when this returns, no request of this producer can reach a log any more.
    await this.#producer.producer.abort('its task has ended');
    await letters?.abort('its task has ended');
    await Promise.all(logs.map((log) => log.close()));
    if (mirror) {
      await within(clock, flushTimeoutMs, mirror.offsets.idle()).catch(() => undefined);
      await mirror.producer.abort('its task has ended');
    }
    await Promise.all(clusters.map((cluster) => cluster.close()));
  }

  /** An open transaction would hold readers up until it times out. */
  async #takeBack(): Promise<void> {
    const { environment, spec } = this.#parts;
    const { phase } = this.#producer;
    if (phase !== 'open' && phase !== 'failed') return;
    await within(environment.clock, spec.settings.flushTimeoutMs, this.#producer.abort()).catch(
      (error: unknown) => {
        environment.logger.debug({ err: toError(error) }, 'the open transaction ends when it times out');
      },
    );
  }
}
