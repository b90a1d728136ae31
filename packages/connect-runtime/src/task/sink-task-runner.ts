// Runs one sink task: consume, convert, put, commit. One loop calls the task; the group's callbacks queue up behind
// what the loop is doing and wait for it, so partitions change hands only between two calls of the task.
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ActivityStep,
  type PartitionPosition,
  type SinkRecord,
  type SinkTaskContext,
  type TopicPartition,
} from '@millrace/connect-api';
import { policyOf, ROUGH_MS, toError } from '@millrace/foundation';
import type { AssignedPartition, FetchedRecords, GroupConsumer } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import { within } from './abortable.ts';
import { tellOfCutTopics } from './cut-topics.ts';
import { showSink } from './metrics.ts';
import { PauseGate } from './pause-gate.ts';
import { ShownState } from './shown-state.ts';
import { SinkPositions } from './sink-positions.ts';
import { keyOf, lagsOf, readingOf } from './sink-reading.ts';
import type { SinkRunnerParts } from './sink-runner-parts.ts';
import { StallWatch } from './stall-watch.ts';
import type { TaskRunner } from './task-runner.ts';

/** How long the loop waits for records at most: what the task asks for beside its calls is seen to then. */
const POLL_MS = 1000;
const FAILED_POLL_MS = 500;
/** Without an error for so long, everything can be read again. */
const READABLE_MS = 5_000;
const FIRST_RETRY_MS = 250;
const MAY_WRITE_LOOK_MS = 50;
const MAX_RETRY_MS = 30_000;

export class SinkTaskRunner implements TaskRunner {
  readonly #parts: SinkRunnerParts;
  readonly #stop = new AbortController();
  readonly #gate: PauseGate;
  readonly #consumer: GroupConsumer;
  readonly #positions = new SinkPositions();
  readonly #assigned = new Map<string, TopicPartition>();
  readonly #pausedByTask = new Set<string>();
  readonly #reportedTopics = new Set<string>();
  /** Calls of the group that wait for the loop. */
  #jobs: (() => Promise<void>)[] = [];
  #interrupt = new AbortController();
  readonly #shown: ShownState;
  readonly #watch: StallWatch;
  /** What the loop does. */
  readonly #step = new ActivityStep();
  /** Reading from partitions that the brokers do not give. */
  readonly #reading = new ActivityStep();
  #readableAtMs = 0;
  /** Offsets that are behind what the task was given, and do not move. */
  readonly #confirming = new ActivityStep();
  #seeks: PartitionPosition[] = [];
  #commitRequested = false;
  /** Whether the loop waits for records. */
  #polling = false;
  /** When offsets are to be committed next, by the clock that never goes back. */
  #commitDueMs = 0;
  #failure: Error | undefined;

  constructor(parts: SinkRunnerParts) {
    this.#parts = parts;
    this.#gate = new PauseGate({ paused: parts.spec.paused });
    this.#consumer = parts.createConsumer({
      onAssigned: (partitions) => this.#inLoop(() => this.#open(partitions)),
      onRevoked: (partitions) => this.#inLoop(() => this.#close(partitions, { commit: true })),
      onLost: (partitions) => this.#inLoop(() => this.#close(partitions, { commit: false })),
      onFatal: (error) => this.#fail(error),
    });
    parts.meters.partitions = () => this.#assigned.size;
    parts.meters.active = () => this.#positions.uncommitted();
    this.#shown = new ShownState(parts.events);
    this.#watch = new StallWatch({
      activities: [
        () => parts.task.activity?.() ?? null,
        () => this.#step.activity,
        () => this.#confirming.activity,
        () => this.#reading.activity,
        () => (this.#shown.running ? readingOf(this.#consumer) : null),
      ],
      clock: parts.environment.clock,
      logger: parts.environment.logger,
      stallTimeoutMs: parts.spec.settings.stallTimeoutMs,
      show: (trace) => this.#shown.trace(trace),
    });
  }

  pause(): void {
    this.#gate.pause();
    this.#interrupt.abort();
  }
  resume(): void {
    this.#gate.resume();
    this.#interrupt.abort();
  }
  stop(): void {
    this.#stop.abort();
    this.#interrupt.abort();
  }
  forgetTopics(): void {
    this.#reportedTopics.clear();
  }
  async kill(): Promise<void> {
    this.stop();
    // Closing the connections ends the membership without waiting for the task.
    await this.#parts.cluster.close();
  }

  async run(): Promise<void> {
    const { task, environment, spec } = this.#parts;
    let failure: unknown;
    const watching = this.#watch.run(this.#stop.signal);
    const hide = showSink(environment, spec, {
      stalled: () => this.#watch.stalled,
      clientId: this.#parts.cluster.clientId,
      consumer: this.#consumer,
      consumed: () => this.#parts.meters.consumed,
      lags: () => lagsOf(this.#consumer, this.#assigned.values(), this.#positions.delivered),
    });
    try {
      this.#step.enter('starting');
      this.#commitDueMs = environment.clock.monotonicMs() + spec.settings.flushIntervalMs;
      await task.start(this.#context());
      this.#step.enter('joining the group');
      await this.#consumer.start();
      await this.#loop();
    } catch (error) {
      failure = error;
    }
    this.#stop.abort();
    await watching;
    failure = this.#failure ?? failure;
    await this.#end(failure === undefined);
    hide();
    if (failure !== undefined) throw failure;
  }

  // ---- the loop

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    let shown: 'RUNNING' | 'PAUSED' | undefined;
    while (!signal.aborted) {
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
      const state = this.#gate.paused ? 'PAUSED' : 'RUNNING';
      this.#shown.state(state);
      if (shown === undefined || state !== shown) this.#applyPauses(state === 'PAUSED');
      shown = state;
      await this.#runJobs();
      await this.#pollAndPut(signal);
      await this.#commitWhenDue();
      // Tasks share threads, and the next answer is taken from its socket meanwhile.
      await nextTurn();
    }
  }

  async #pollAndPut(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#jobs.length > 0) return;
    const { clock } = this.#parts.environment;
    let fetched: FetchedRecords[];
    this.#step.enter('reading records from Kafka');
    this.#polling = true;
    try {
      fetched = await this.#consumer.poll({
        maxWaitMs: Math.max(0, Math.min(POLL_MS, this.#commitDueMs - clock.monotonicMs())),
        maxRecords: this.#parts.maxPollRecords,
        signal: this.#interrupt.signal,
      });
    } catch (error) {
      this.#polling = false;
      await this.#onPollError(error);
      return;
    }
    this.#polling = false;
    if (clock.monotonicMs() > this.#readableAtMs) this.#reading.leave();
    if (fetched.length > 0) await this.#deliver(fetched, signal);
  }

  async #deliver(fetched: readonly FetchedRecords[], signal: AbortSignal): Promise<void> {
    const { reader, meters } = this.#parts;
    const records: SinkRecord[] = [];
    this.#step.enter('converting records');
    for (const part of fetched) {
      meters.read(part.records.length);
      this.#reportTopic(part.topic);
      records.push(...(await reader.read(part, signal)));
    }
    // A batch that was cut short by the end of the task was not delivered.
    if (signal.aborted) return;
    const put = await this.#putWithRetries(records, signal);
    if (!put) return;
    for (const { topic, partition, nextOffset, records: read } of fetched) {
      if (!this.#assigned.has(keyOf({ topic, partition }))) continue;
      this.#positions.deliver({ topic, partition, offset: nextOffset }, read[0]?.offset ?? nextOffset);
    }
    meters.moved();
    this.#applySeeks();
  }

  /** False when the task ends before the records were taken. */
  async #putWithRetries(records: readonly SinkRecord[], signal: AbortSignal): Promise<boolean> {
    const { task, environment, meters } = this.#parts;
    let batch = records;
    const stage = `putting ${records.length} records into the sink (put)`;
    this.#step.enter(stage);
    for (let delay = FIRST_RETRY_MS; ; delay = Math.min(delay * 2, MAX_RETRY_MS)) {
      if (batch.length === 0) return true;
      this.#step.stay(stage);
      if (!(await this.#untilMayWrite(signal))) return false;
      const sinceMs = environment.clock.monotonicMs();
      try {
        await task.put(batch, signal);
        meters.put(batch.length, sinceMs);
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        if (policyOf(error) !== 'retry') throw this.#putFailure(error);
        environment.logger.warn(
          { err: error, delayMs: delay },
          'the sink could not take records; trying again',
        );
        // INV-7: who looks at the status sees why nothing moves, though the task goes on by itself.
        this.#step.failing(toError(error));
      }
      this.#applySeeks();
      await environment.clock.sleep(delay, AbortSignal.any([signal, this.#interrupt.signal]));
      if (signal.aborted) return false;
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
      await this.#runJobs();
      // Partitions that were taken away meanwhile are somebody else's to write.
      batch = batch.filter(({ original }) => this.#assigned.has(keyOf(original)));
    }
  }

  /** INV-2: false when the task ends while another worker may run it. */
  async #untilMayWrite(signal: AbortSignal): Promise<boolean> {
    const { mayWrite, clock } = this.#parts.environment;
    while (mayWrite?.() === false && !signal.aborted) await clock.sleep(MAY_WRITE_LOOK_MS, signal);
    return !signal.aborted;
  }

  #putFailure(error: unknown): Error {
    return connectError('connect.data', 'Exiting WorkerSinkTask due to unrecoverable exception.', {
      cause: error,
    });
  }

  async #onPollError(error: unknown): Promise<void> {
    const { offsetReset, findOffset, environment } = this.#parts;
    const { code, context } = error as { code?: string; context?: Record<string, unknown> };
    if (code === 'kafka.unavailable') {
      environment.logger.warn({ err: error }, 'records cannot be read at the moment');
      this.#readableAtMs = environment.clock.monotonicMs() + READABLE_MS;
      this.#reading.stay('reading records from Kafka');
      this.#reading.failing(toError(error));
      await environment.clock.sleep(FAILED_POLL_MS, this.#interrupt.signal);
      this.#readAgain(String(context?.['topic']), Number(context?.['partition']));
      return;
    }
    if (code !== 'kafka.offset_out_of_range' || offsetReset === null) throw error;
    const place = { topic: String(context?.['topic']), partition: Number(context?.['partition']) };
    const offset = await findOffset(place, offsetReset);
    environment.logger.warn({ err: error, ...place, offset }, `reading goes on at the ${offsetReset} offset`);
    this.#consumer.seek(place.topic, place.partition, offset);
  }

  /** A partition whose error was thrown stands still until it is moved. */
  #readAgain(topic: string, partition: number): void {
    const position = this.#consumer.position(topic, partition);
    if (position !== undefined) this.#consumer.seek(topic, partition, position);
  }

  // ---- the group

  /** Runs a call of the group between two calls of the task. */
  #inLoop<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#jobs.push(() => work().then(resolve, reject));
      this.#interrupt.abort();
    });
  }

  async #runJobs(): Promise<void> {
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) await job();
  }

  async #open(partitions: readonly AssignedPartition[]): Promise<readonly PartitionPosition[] | undefined> {
    const places = partitions.map(({ topic, partition }) => ({ topic, partition }));
    const committed = partitions.flatMap(({ topic, partition, committed: offset }) =>
      offset === null ? [] : [{ topic, partition, offset }],
    );
    this.#step.enter(`opening ${places.length} partitions (open)`);
    try {
      const positions = await this.#parts.task.open(places, committed);
      for (const place of places) this.#assigned.set(keyOf(place), place);
      for (const position of committed) this.#positions.commit(position);
      this.#applyPauses(this.#gate.paused, places);
      const begun = new Set([...committed, ...(positions ?? [])].map(keyOf));
      void tellOfCutTopics(
        this.#parts,
        places.filter((place) => !begun.has(keyOf(place))),
        (note) => {
          if (!this.#stop.signal.aborted) this.#shown.note(note);
        },
      );
      return positions;
    } catch (error) {
      this.#fail(toError(error));
      return undefined;
    }
  }

  async #close(partitions: readonly TopicPartition[], options: { commit: boolean }): Promise<void> {
    try {
      if (options.commit) await this.#commit(partitions);
      this.#step.enter(`giving up ${partitions.length} partitions (close)`);
      await this.#parts.task.close(partitions);
    } catch (error) {
      this.#fail(toError(error));
    }
    for (const place of partitions) {
      const key = keyOf(place);
      this.#assigned.delete(key);
      this.#positions.forget(place);
      this.#pausedByTask.delete(key);
    }
  }

  // ---- offsets

  async #commitWhenDue(): Promise<void> {
    const { environment, spec } = this.#parts;
    const nowMs = environment.clock.monotonicMs();
    const { flushIntervalMs } = spec.settings;
    // A wait for records may end a little early, and the next one would be too long.
    const earlyMs = flushIntervalMs < POLL_MS ? 0 : ROUGH_MS;
    if (!this.#commitRequested && nowMs < this.#commitDueMs - earlyMs) return;
    this.#commitRequested = false;
    this.#commitDueMs = nowMs + flushIntervalMs;
    try {
      await this.#commit([...this.#assigned.values()]);
    } catch (error) {
      // The group has moved on, or the brokers cannot take it now: the records come again or a later commit covers them.
      if (policyOf(error) !== 'retry' && (error as { code?: string }).code !== 'kafka.group_stale')
        throw error;
      environment.logger.warn({ err: error }, 'offsets could not be committed');
      if (this.#confirming.activity === null) this.#confirming.enter('committing offsets');
      this.#confirming.failing(toError(error));
    }
    this.#applySeeks();
  }

  /** The task is asked also when nothing new was delivered: its target may have lost what it had. */
  async #commit(partitions: readonly TopicPartition[]): Promise<void> {
    const { meters, environment } = this.#parts;
    const sinceMs = environment.clock.monotonicMs();
    let succeeded = false;
    try {
      await this.#commitNow(partitions);
      succeeded = true;
    } finally {
      if (partitions.length > 0) meters.committed(sinceMs, succeeded);
    }
  }

  async #commitNow(partitions: readonly TopicPartition[]): Promise<void> {
    const delivered = partitions.flatMap((place) => this.#positions.delivered.get(keyOf(place)) ?? []);
    this.#step.enter('asking the sink what may be committed (preCommit)');
    const safe = await this.#parts.task.preCommit(delivered);
    const toCommit = safe.filter((position) => {
      const known = this.#positions.delivered.get(keyOf(position));
      // INV-1: nothing beyond what the task was given, whatever it says.
      return (
        known !== undefined &&
        position.offset <= known.offset &&
        this.#positions.committed(position) !== position.offset
      );
    });
    if (toCommit.length > 0) {
      this.#step.enter('committing offsets');
      await this.#consumer.commit(toCommit);
      for (const position of toCommit) this.#positions.commit(position);
      this.#confirming.leave();
    } else if (this.#positions.allCommitted(delivered)) {
      this.#confirming.leave();
    } else if (this.#confirming.activity === null) {
      this.#confirming.enter(
        'waiting for the sink to answer for records it was given (preCommit)',
        'Look at the target: it has not answered for records it was given.',
      );
    }
  }

  // ---- what the task asks for

  #context(): SinkTaskContext {
    const { spec, environment, cluster, reader, errors, reports } = this.#parts;
    return {
      connectorName: spec.connector,
      taskId: spec.task,
      config: spec.config,
      logger: environment.logger,
      clock: environment.clock,
      metrics: environment.metrics,
      assignment: () => [...this.#assigned.values()],
      topicId: async (topic) => {
        const metadata = await cluster.metadata([topic]);
        return metadata.get(topic)?.topicId ?? '';
      },
      seek: (positions) => this.#seeks.push(...positions),
      pause: (partitions) => {
        for (const place of partitions) this.#pausedByTask.add(keyOf(place));
        this.#consumer.pause(partitions.filter((place) => this.#assigned.has(keyOf(place))));
      },
      resume: (partitions) => {
        for (const place of partitions) this.#pausedByTask.delete(keyOf(place));
        if (!this.#gate.paused) {
          this.#consumer.resume(partitions.filter((place) => this.#assigned.has(keyOf(place))));
        }
      },
      requestCommit: () => {
        this.#commitRequested = true;
        if (this.#polling) this.#interrupt.abort();
      },
      errantRecords: reports
        ? {
            report: (record, error) =>
              errors.giveUp({
                stage: 'TASK_PUT',
                className: spec.connectorClass.replace(/Connector$/, 'Task'),
                error,
                consumed: reader.consumed(record),
              }),
          }
        : null,
    };
  }

  #applySeeks(): void {
    for (const position of this.#seeks.splice(0)) {
      if (!this.#assigned.has(keyOf(position))) continue;
      this.#consumer.seek(position.topic, position.partition, position.offset);
      this.#positions.delivered.set(keyOf(position), position);
    }
  }

  /** Partitions rest while the task is paused, or while the task wants them to. */
  #applyPauses(paused: boolean, places: readonly TopicPartition[] = [...this.#assigned.values()]): void {
    if (paused) this.#consumer.pause(this.#known(places));
    else this.#consumer.resume(this.#known(places.filter((place) => !this.#pausedByTask.has(keyOf(place)))));
  }

  /** Partitions being opened are not known to the consumer yet; the next turn of the loop pauses them. */
  #known(places: readonly TopicPartition[]): TopicPartition[] {
    const known = new Set(this.#consumer.assignment.map(keyOf));
    return places.filter((place) => known.has(keyOf(place)));
  }

  #reportTopic(topic: string): void {
    if (this.#reportedTopics.has(topic)) return;
    if (this.#reportedTopics.size < 100_000) this.#reportedTopics.add(topic);
    this.#parts.events.onTopic(topic);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.stop();
  }

  async #end(clean: boolean): Promise<void> {
    const { task, chain, cluster, producer, environment, spec } = this.#parts;
    // Leaving gives partitions back, which calls the task once more: jobs are run until that is done.
    const leaving = this.#consumer.close({ forGood: true });
    let left = false;
    void leaving
      .catch(() => undefined)
      .finally(() => {
        left = true;
        this.#interrupt.abort();
      });
    while (!left) {
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
      await this.#runJobs();
      if (!left && this.#jobs.length === 0) await environment.clock.sleep(50, this.#interrupt.signal);
    }
    await this.#runJobs();
    if (clean && this.#failure)
      environment.logger.warn({ err: this.#failure }, 'the task did not end cleanly');
    const { stopTimeoutMs, flushTimeoutMs } = spec.settings;
    // INV-7: a connector that hangs in its end does not keep its failure from being seen.
    await within(environment.clock, stopTimeoutMs + flushTimeoutMs, task.stop()).catch((error: unknown) => {
      environment.logger.warn({ err: error }, 'the task did not stop cleanly');
    });
    chain.close();
    await producer?.abort('its task has ended');
    await cluster.close();
  }
}
