// Runs one source task that delivers at least once: poll, send, acknowledge, store offsets, tell the source.
import { ActivityStep, type TaskActivity, type TopicPartition } from '@millrace/connect-api';
import { toError } from '@millrace/foundation';
import type { BatchProducer, BatchProducerOptions, KafkaRecord } from '@millrace/kafka-client';
import { offsetKey, offsetValue } from '../stores/offset-records.ts';
import { untilAborted } from './abortable.ts';
import { RecordSender, WORKER_TASK } from './record-sender.ts';
import { deliveryOf, type SourceParts, SourceRunner } from './source-runner.ts';
import { producerFailure, SourceTopics } from './source-topics.ts';
import { SubmittedRecords } from './submitted-records.ts';

export interface SourceRunnerParts extends SourceParts {
  readonly createProducer: (callbacks: Pick<BatchProducerOptions, 'onAcked' | 'onFailed'>) => BatchProducer;
}

export class SourceTaskRunner extends SourceRunner {
  readonly #parts: SourceRunnerParts;
  protected readonly producer: BatchProducer;
  protected readonly topics: SourceTopics;
  readonly #submitted = new SubmittedRecords();
  readonly #sender: RecordSender;
  /** What the storing of offsets beside the loop does. */
  readonly #storing = new ActivityStep();
  #committing: Promise<void> | undefined;

  constructor(parts: SourceRunnerParts) {
    super(parts);
    this.#parts = parts;
    this.producer = parts.createProducer({
      onAcked: (tokens, topic) => this.#onAcked(tokens, topic),
      onFailed: (tokens, topic, partition, error, records) =>
        this.#onFailed(tokens, { topic, partition }, error, records),
    });
    this.topics = new SourceTopics({
      ensure: parts.ensureTopic,
      prepare: (topic) => this.producer.prepare(topic),
      onTopic: (topic) => parts.events.onTopic(topic),
    });
    this.#sender = new RecordSender({
      chain: parts.chain,
      converters: parts.converters,
      errors: parts.errors,
      producer: this.producer,
      submitted: this.#submitted,
      clock: parts.environment.clock,
      prepareTopic: (topic) => this.topics.prepare(topic),
      commit: () => this.#commit(),
    });
    parts.meters.active = () => this.#submitted.pending;
  }

  protected activities(): (() => TaskActivity | null)[] {
    const { offsetProducer, letters, task } = this.#parts;
    return [
      () => deliveryOf(this.producer),
      () => (offsetProducer ? deliveryOf(offsetProducer) : null),
      () => (letters ? deliveryOf(letters) : null),
      () => task.activity?.() ?? null,
      () => this.#storing.activity,
      () => this.#sender.activity ?? this.step.activity,
    ];
  }

  /** Whoever ran the task before has ended, or waits for its lease (INV-2). */
  protected claim(): Promise<boolean> {
    return Promise.resolve(true);
  }

  protected async loop(): Promise<void> {
    const { signal } = this.stopping;
    const flushing = this.#flushPeriodically();
    try {
      while (!signal.aborted) {
        if (this.gate.paused) {
          this.step.leave();
          this.shown.state('PAUSED');
          await this.gate.passed(signal);
          continue;
        }
        this.shown.state('RUNNING');
        while (!signal.aborted && !this.gate.paused) await this.#pollOnce(signal);
      }
    } finally {
      this.stopping.abort();
      await flushing;
    }
  }

  async #pollOnce(signal: AbortSignal): Promise<void> {
    const { task, meters, environment } = this.#parts;
    this.step.enter('polling the source');
    const sinceMs = environment.clock.monotonicMs();
    const batch = await task.poll(signal);
    if (!batch) return;
    if (batch.records.length > 0)
      meters.polled(batch.records.length, environment.clock.monotonicMs() - sinceMs);
    this.step.enter('sending records');
    await this.#sender.send(batch, signal);
    if (batch.urgent === true && !signal.aborted) await this.#commit();
  }

  async #flushPeriodically(): Promise<void> {
    const { environment, spec, meters } = this.#parts;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await environment.clock.sleepRoughly(spec.settings.flushIntervalMs, signal);
      if (signal.aborted) return;
      if (!this.#committing && this.#submitted.isEmpty) {
        // A task at rest has nothing to store, once a second; that counts as a commit, as in Connect.
        meters.committed(environment.clock.monotonicMs(), true);
        continue;
      }
      try {
        await this.#commit();
      } catch (error) {
        this.fail(toError(error));
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
    const producer = offsetMirror ? this.producer : (offsetProducer ?? this.producer);
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
    this.topics.used(topic);
  }

  #onFailed(
    tokens: readonly number[],
    place: TopicPartition,
    error: Error,
    records: () => readonly KafkaRecord[],
  ): void {
    const { errors, environment, letters } = this.#parts;
    // A closed producer fails what it still holds: the next incarnation sends it again.
    if (this.stopping.signal.aborted) return;
    if (!errors.settings.tolerateAll || !isAboutRecord(error)) {
      this.fail(producerFailure(error));
      return;
    }
    environment.logger.error({ err: error, ...place, records: tokens.length }, 'records were refused');
    if (letters !== null) {
      this.#giveUp(tokens, place, error, records()).catch((failed: unknown) => this.fail(toError(failed)));
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

  /** Waits for the records that are under way; after a failure, what is durable already comes first. */
  protected async finish(clean: boolean): Promise<void> {
    const { environment, spec } = this.#parts;
    const { logger, clock } = environment;
    const deadline = new AbortController();
    const timer = clock.sleep(spec.settings.flushTimeoutMs, deadline.signal).then(() => deadline.abort());
    try {
      if (!clean) await untilAborted(this.#commit(), deadline.signal);
      await this.producer.flush(deadline.signal);
      if (!deadline.signal.aborted) await untilAborted(this.#commit(), deadline.signal);
    } catch (error) {
      logger.warn({ err: error }, 'the last offsets could not be stored; their records will be sent again');
    }
    deadline.abort();
    await timer;
  }

  /** Nothing is open: what was sent comes again. */
  protected takeBack(): Promise<void> {
    return Promise.resolve();
  }
}

const ABOUT_RECORDS = new Set(['kafka.record_too_large', 'kafka.record_refused', 'kafka.timestamp_refused']);

function isAboutRecord(error: Error): boolean {
  return ABOUT_RECORDS.has((error as { code?: string }).code ?? '');
}
