// Runs one source task: poll, send, acknowledge, store offsets, tell the source. Everything that reaches a topic goes
// through one producer that belongs to this incarnation and dies with it.
import {
  ActivityStep,
  type SourceTask,
  type SourceTaskContext,
  type TaskActivity,
  type TopicLog,
  type TopicPartition,
} from '@millrace/connect-api';
import { toError } from '@millrace/foundation';
import type { BatchProducer, BatchProducerOptions, Cluster, KafkaRecord } from '@millrace/kafka-client';
import type { SourceMeters } from '../metrics/task-meters.ts';
import { offsetKey, offsetValue } from '../stores/offset-records.ts';
import { untilAborted, within } from './abortable.ts';
import type { TaskConverters } from './converters.ts';
import type { ErrorHandler } from './error-handling.ts';
import { showStall } from './metrics.ts';
import type { OffsetMirror } from './offset-mirror.ts';
import { PauseGate } from './pause-gate.ts';
import { RecordSender, WORKER_TASK } from './record-sender.ts';
import { ShownState } from './shown-state.ts';
import { producerFailure, SourceTopics } from './source-topics.ts';
import { StallWatch } from './stall-watch.ts';
import { SubmittedRecords } from './submitted-records.ts';
import type { RunnerEnvironment, TaskEvents, TaskRunner, TaskSpec } from './task-runner.ts';
import type { TransformationChain } from './transformation-chain.ts';

/** What the runner is put together from. */
export interface SourceRunnerParts {
  readonly spec: TaskSpec;
  readonly environment: RunnerEnvironment;
  readonly events: TaskEvents;
  readonly task: SourceTask;
  readonly context: SourceTaskContext;
  readonly chain: TransformationChain;
  readonly converters: TaskConverters;
  readonly errors: ErrorHandler;
  readonly meters: SourceMeters;
  /** Closed at the end. */
  readonly clusters: readonly Cluster[];
  /** Logs the task opened; they end with it. */
  readonly logs: readonly TopicLog[];
  /** Writes offsets where the worker keeps them; null = the task's own producer does. */
  readonly offsetProducer: BatchProducer | null;
  /** Writes dead letters; null = the config names no queue. */
  readonly letters: BatchProducer | null;
  /** Where the connector has a topic of its own for its offsets, which the task's producer writes. */
  readonly offsetMirror: OffsetMirror | null;
  readonly createProducer: (callbacks: Pick<BatchProducerOptions, 'onAcked' | 'onFailed'>) => BatchProducer;
  /** Makes a topic exist as the config says, before the producer learns its partitions. */
  readonly ensureTopic: (topic: string) => Promise<void>;
}

export class SourceTaskRunner implements TaskRunner {
  readonly #parts: SourceRunnerParts;
  readonly #stop = new AbortController();
  readonly #gate: PauseGate;
  readonly #submitted = new SubmittedRecords();
  readonly #producer: BatchProducer;
  readonly #sender: RecordSender;
  readonly #topics: SourceTopics;
  readonly #shown: ShownState;
  readonly #watch: StallWatch;
  /** What the loop does, and what the storing of offsets beside it does. */
  readonly #step = new ActivityStep();
  readonly #storing = new ActivityStep();
  #committing: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(parts: SourceRunnerParts) {
    this.#parts = parts;
    this.#gate = new PauseGate({ paused: parts.spec.paused });
    this.#producer = parts.createProducer({
      onAcked: (tokens, topic) => this.#onAcked(tokens, topic),
      onFailed: (tokens, topic, partition, error, records) =>
        this.#onFailed(tokens, { topic, partition }, error, records),
    });
    this.#topics = new SourceTopics({
      ensure: parts.ensureTopic,
      prepare: (topic) => this.#producer.prepare(topic),
      onTopic: (topic) => parts.events.onTopic(topic),
    });
    this.#sender = new RecordSender({
      chain: parts.chain,
      converters: parts.converters,
      errors: parts.errors,
      producer: this.#producer,
      submitted: this.#submitted,
      clock: parts.environment.clock,
      prepareTopic: (topic) => this.#topics.prepare(topic),
      commit: () => this.#commit(),
    });
    parts.meters.active = () => this.#submitted.pending;
    this.#shown = new ShownState(parts.events);
    this.#watch = new StallWatch({
      activities: [
        () => deliveryOf(this.#producer),
        () => (parts.offsetProducer ? deliveryOf(parts.offsetProducer) : null),
        () => (parts.letters ? deliveryOf(parts.letters) : null),
        () => parts.task.activity?.() ?? null,
        () => this.#storing.activity,
        () => this.#sender.activity ?? this.#step.activity,
      ],
      clock: parts.environment.clock,
      logger: parts.environment.logger,
      stallTimeoutMs: parts.spec.settings.stallTimeoutMs,
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
    const reason = 'its task did not stop in time';
    await Promise.all([this.#producer.abort(reason), this.#parts.letters?.abort(reason)]);
  }

  async run(): Promise<void> {
    const { task, context } = this.#parts;
    let failure: unknown;
    const watching = this.#watch.run(this.#stop.signal);
    const { environment, spec } = this.#parts;
    const hideStall = showStall(environment.metrics, spec, () => this.#watch.stalled);
    try {
      this.#step.enter('starting');
      await task.start(context);
      await this.#loop();
    } catch (error) {
      failure = error;
    }
    this.#stop.abort();
    await watching;
    failure = this.#failure ?? failure;
    await this.#end(failure === undefined);
    hideStall();
    if (failure !== undefined) throw failure;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    const flushing = this.#flushPeriodically();
    try {
      while (!signal.aborted) {
        if (this.#gate.paused) {
          this.#step.leave();
          this.#shown.state('PAUSED');
          await this.#gate.passed(signal);
          continue;
        }
        this.#shown.state('RUNNING');
        while (!signal.aborted && !this.#gate.paused) await this.#pollOnce(signal);
      }
    } finally {
      this.#stop.abort();
      await flushing;
    }
  }

  async #pollOnce(signal: AbortSignal): Promise<void> {
    const { task, meters, environment } = this.#parts;
    this.#step.enter('polling the source');
    const sinceMs = environment.clock.monotonicMs();
    const batch = await task.poll(signal);
    if (!batch) return;
    if (batch.records.length > 0)
      meters.polled(batch.records.length, environment.clock.monotonicMs() - sinceMs);
    this.#step.enter('sending records');
    await this.#sender.send(batch, signal);
    if (batch.urgent === true && !signal.aborted) await this.#commit();
  }

  async #flushPeriodically(): Promise<void> {
    const { environment, spec } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await environment.clock.sleep(spec.settings.flushIntervalMs, signal);
      if (signal.aborted) return;
      try {
        await this.#commit();
      } catch (error) {
        this.#fail(toError(error));
      }
    }
  }

  /** Stores what is committable, then tells the source; one at a time. */
  async #commit(): Promise<void> {
    while (this.#committing) await this.#committing;
    const { meters, environment } = this.#parts;
    const sinceMs = environment.clock.monotonicMs();
    let stored = false;
    const commit = this.#commitNow().then(() => {
      stored = true;
    });
    const run = commit.finally(() => {
      meters.committed(sinceMs, stored);
      this.#committing = undefined;
      this.#storing.leave();
    });
    this.#committing = run.catch(() => undefined);
    await run;
  }

  async #commitNow(): Promise<void> {
    const { spec, task, offsetProducer, offsetMirror, events } = this.#parts;
    const committable = this.#submitted.takeCommittable();
    if (committable.length === 0) return;
    this.#storing.enter('storing offsets');
    const entries = committable.map(({ partition, offset }) => ({
      key: offsetKey(spec.connector, partition),
      value: offsetValue(offset),
    }));
    const topic = spec.offsets?.topic ?? spec.settings.offsetsTopic;
    const producer = offsetMirror ? this.#producer : (offsetProducer ?? this.#producer);
    if (topic === null) await events.storeOffsets(committable);
    else await Promise.all(entries.map(({ key, value }) => producer.send({ topic, key, value })));
    offsetMirror?.note(entries);
    // INV-1: the source learns of an offset after it is durable in the offsets topic, which follows its records.
    this.#storing.enter('telling the source of the stored offsets');
    await task.commit(committable);
  }

  #onAcked(tokens: readonly number[], topic: string): void {
    this.#submitted.acknowledgeAll(tokens);
    this.#parts.meters.written(tokens.length);
    this.#topics.used(topic);
  }

  #onFailed(
    tokens: readonly number[],
    place: TopicPartition,
    error: Error,
    records: () => readonly KafkaRecord[],
  ): void {
    const { errors, environment, letters } = this.#parts;
    // A closed producer fails what it still holds: the next incarnation sends it again.
    if (this.#stop.signal.aborted) return;
    if (!errors.settings.tolerateAll || !isAboutRecord(error)) {
      this.#fail(producerFailure(error));
      return;
    }
    environment.logger.error({ err: error, ...place, records: tokens.length }, 'records were refused');
    if (letters !== null) {
      this.#giveUp(tokens, place, error, records()).catch((failed: unknown) => this.#fail(toError(failed)));
      return;
    }
    errors.counts.failures += tokens.length;
    errors.counts.skipped += tokens.length;
    this.#submitted.acknowledgeAll(tokens);
  }

  /** Dead letters of what the brokers refused; each counts once it is durable. */
  async #giveUp(
    tokens: readonly number[],
    { topic, partition }: TopicPartition,
    error: Error,
    records: readonly KafkaRecord[],
  ): Promise<void> {
    for (const [i, token] of tokens.entries()) {
      const content = records[i];
      if (content === undefined) continue;
      const { timestamp } = content;
      const position = this.#submitted.positionOf(token);
      this.#parts.errors.counts.failures++;
      await this.#parts.errors.giveUp({
        stage: 'KAFKA_PRODUCE',
        className: WORKER_TASK,
        error,
        consumed: null,
        produced: { topic, kafkaPartition: partition, timestamp, position, content },
      });
      this.#submitted.acknowledge(token);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#stop.abort();
  }

  /** Ends everything this incarnation holds; a clean end waits for its records first. */
  async #end(clean: boolean): Promise<void> {
    const { task, chain, environment, spec, clusters, logs, letters } = this.#parts;
    const { offsetProducer, offsetMirror } = this.#parts;
    const { logger, clock } = environment;
    const { stopTimeoutMs, flushTimeoutMs } = spec.settings;
    const deadline = new AbortController();
    const timer = clock.sleep(flushTimeoutMs, deadline.signal).then(() => deadline.abort());
    try {
      if (clean) await this.#producer.flush(deadline.signal);
      if (!deadline.signal.aborted) await untilAborted(this.#commit(), deadline.signal);
    } catch (error) {
      logger.warn({ err: error }, 'the last offsets could not be stored; their records will be sent again');
    }
    deadline.abort();
    await timer;
    // INV-7: a connector that hangs in its end does not keep its failure from being seen.
    await within(clock, stopTimeoutMs + flushTimeoutMs, task.stop()).catch((error: unknown) => {
      logger.warn({ err: error }, 'the task did not stop cleanly');
    });
    chain.close();
    // INV-2: when this returns, no request of this producer can reach a log any more.
    await this.#producer.abort('its task has ended');
    await Promise.all(logs.map((log) => log.close()));
    if (offsetMirror) await within(clock, flushTimeoutMs, offsetMirror.idle()).catch(() => undefined);
    await offsetProducer?.abort('its task has ended');
    await letters?.abort('its task has ended');
    await Promise.all(clusters.map((cluster) => cluster.close()));
  }
}

/** What waits for the brokers. */
export function deliveryOf({ slowest }: BatchProducer): TaskActivity | null {
  if (slowest === undefined) return null;
  const { topic, partition, sinceMs, error } = slowest;
  const place = `${topic}-${partition}`;
  return {
    stage: `waiting for acknowledgements of ${place}`,
    progress: sinceMs,
    error,
    hint: 'Check that the brokers run and can write: they do not answer, or not in time.',
  };
}

function isAboutRecord(error: Error): boolean {
  const code = (error as { code?: string }).code;
  return code === 'kafka.record_too_large' || code === 'kafka.record_refused';
}
