// Runs one sink task: consume, convert, put, commit. One loop calls the task; the group's callbacks queue up behind
// what the loop is doing and wait for it, so partitions change hands only between two calls of the task.
import type {
  PartitionPosition,
  SinkRecord,
  SinkTask,
  SinkTaskContext,
  TopicPartition,
} from '@millrace/connect-api';
import { javaTrace, messageOf, policyOf, toError } from '@millrace/foundation';
import type {
  AssignedPartition,
  BatchProducer,
  Cluster,
  FetchedRecords,
  GroupConsumer,
  GroupConsumerOptions,
} from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import type { ErrorHandler } from './error-handling.ts';
import type { TaskCounters } from './metrics.ts';
import { PauseGate } from './pause-gate.ts';
import type { RecordReader } from './record-reader.ts';
import type { TaskEnvironment, TaskEvents, TaskRunner, TaskSpec } from './task-runner.ts';
import type { TransformationChain } from './transformation-chain.ts';

type ConsumerCallbacks = Pick<GroupConsumerOptions, 'onAssigned' | 'onRevoked' | 'onLost' | 'onFatal'>;

export interface SinkRunnerParts {
  readonly spec: TaskSpec;
  readonly environment: TaskEnvironment;
  readonly events: TaskEvents;
  readonly task: SinkTask;
  readonly chain: TransformationChain;
  readonly reader: RecordReader;
  readonly errors: ErrorHandler;
  readonly counters: TaskCounters;
  readonly cluster: Cluster;
  /** Writes dead letters; null when the config names no queue. */
  readonly producer: BatchProducer | null;
  readonly reports: boolean;
  readonly createConsumer: (callbacks: ConsumerCallbacks) => GroupConsumer;
  readonly maxPollRecords: number;
  /** What to do about a position that the log no longer has; null = fail. */
  readonly offsetReset: 'earliest' | 'latest' | null;
  readonly findOffset: (partition: TopicPartition, spec: 'earliest' | 'latest') => Promise<number>;
}

const POLL_MS = 500;
/** After so long without success the status says what is wrong. */
const STALLED_MS = 2_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 30_000;

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}:${topic}`;
}

export class SinkTaskRunner implements TaskRunner {
  readonly #parts: SinkRunnerParts;
  readonly #stop = new AbortController();
  readonly #gate: PauseGate;
  readonly #consumer: GroupConsumer;
  /** By partition: the offset after the last record the task took. */
  readonly #delivered = new Map<string, PartitionPosition>();
  readonly #committed = new Map<string, number>();
  readonly #assigned = new Map<string, TopicPartition>();
  readonly #pausedByTask = new Set<string>();
  readonly #reportedTopics = new Set<string>();
  /** Calls of the group that wait for the loop. */
  #jobs: (() => Promise<void>)[] = [];
  #interrupt = new AbortController();
  #seeks: PartitionPosition[] = [];
  #commitRequested = false;
  #lastCommitMs = 0;
  /** Why offsets cannot be committed, since when, and whether the status says so. */
  #commitProblem: { readonly message: string; readonly sinceMs: number; shown: boolean } | undefined;
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
    const { task, environment } = this.#parts;
    let failure: unknown;
    try {
      this.#lastCommitMs = environment.clock.monotonicMs();
      await task.start(this.#context());
      await this.#consumer.start();
      await this.#loop();
    } catch (error) {
      failure = error;
    }
    this.#stop.abort();
    failure = this.#failure ?? failure;
    await this.#end(failure === undefined);
    if (failure !== undefined) throw failure;
  }

  // ---- the loop

  async #loop(): Promise<void> {
    const { events } = this.#parts;
    const { signal } = this.#stop;
    let shown: 'RUNNING' | 'PAUSED' | undefined;
    while (!signal.aborted) {
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
      const state = this.#state;
      if (state !== shown) events.onState(state);
      if (shown === undefined || state !== shown) this.#applyPauses(state === 'PAUSED');
      shown = state;
      await this.#runJobs();
      await this.#pollAndPut(signal);
      await this.#commitWhenDue();
    }
  }

  get #state(): 'RUNNING' | 'PAUSED' {
    return this.#gate.paused ? 'PAUSED' : 'RUNNING';
  }

  async #pollAndPut(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#jobs.length > 0) return;
    let fetched: FetchedRecords[];
    try {
      fetched = await this.#consumer.poll({
        maxWaitMs: POLL_MS,
        maxRecords: this.#parts.maxPollRecords,
        signal: this.#interrupt.signal,
      });
    } catch (error) {
      await this.#onPollError(error);
      return;
    }
    if (fetched.length > 0) await this.#deliver(fetched, signal);
  }

  async #deliver(fetched: readonly FetchedRecords[], signal: AbortSignal): Promise<void> {
    const { reader, counters } = this.#parts;
    const records: SinkRecord[] = [];
    for (const part of fetched) {
      counters.polled(part.records.length);
      this.#reportTopic(part.topic);
      records.push(...(await reader.read(part, signal)));
    }
    // A batch that was cut short by the end of the task was not delivered.
    if (signal.aborted) return;
    const put = await this.#putWithRetries(records, signal);
    if (!put) return;
    counters.written(records.length);
    for (const { topic, partition, nextOffset } of fetched) {
      const key = keyOf({ topic, partition });
      if (this.#assigned.has(key)) this.#delivered.set(key, { topic, partition, offset: nextOffset });
    }
    this.#applySeeks();
  }

  /** False when the task ends before the records were taken. */
  async #putWithRetries(records: readonly SinkRecord[], signal: AbortSignal): Promise<boolean> {
    const { task, environment, events } = this.#parts;
    let batch = records;
    const startedMs = environment.clock.monotonicMs();
    let shown: string | undefined;
    for (let delay = FIRST_RETRY_MS; ; delay = Math.min(delay * 2, MAX_RETRY_MS)) {
      if (batch.length === 0) return true;
      try {
        await task.put(batch, signal);
        if (shown !== undefined) events.onState('RUNNING');
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        if (policyOf(error) !== 'retry') throw this.#putFailure(error);
        environment.logger.warn(
          { err: error, delayMs: delay },
          'the sink could not take records; trying again',
        );
        // INV-7: who looks at the status sees why nothing moves, though the task goes on by itself.
        if (shown !== messageOf(error) && environment.clock.monotonicMs() - startedMs >= STALLED_MS) {
          shown = messageOf(error);
          events.onState('RUNNING', javaTrace(error));
        }
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
      await environment.clock.sleep(POLL_MS, this.#interrupt.signal);
      return;
    }
    if (code !== 'kafka.offset_out_of_range' || offsetReset === null) throw error;
    const place = { topic: String(context?.['topic']), partition: Number(context?.['partition']) };
    const offset = await findOffset(place, offsetReset);
    environment.logger.warn({ err: error, ...place, offset }, `reading goes on at the ${offsetReset} offset`);
    this.#consumer.seek(place.topic, place.partition, offset);
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
    try {
      const positions = await this.#parts.task.open(places, committed);
      for (const place of places) this.#assigned.set(keyOf(place), place);
      for (const position of committed) this.#committed.set(keyOf(position), position.offset);
      this.#applyPauses(this.#gate.paused, places);
      return positions;
    } catch (error) {
      this.#fail(toError(error));
      return undefined;
    }
  }

  async #close(partitions: readonly TopicPartition[], options: { commit: boolean }): Promise<void> {
    try {
      if (options.commit) await this.#commit(partitions);
      await this.#parts.task.close(partitions);
    } catch (error) {
      this.#fail(toError(error));
    }
    for (const place of partitions) {
      const key = keyOf(place);
      this.#assigned.delete(key);
      this.#delivered.delete(key);
      this.#committed.delete(key);
      this.#pausedByTask.delete(key);
    }
  }

  // ---- offsets

  async #commitWhenDue(): Promise<void> {
    const { environment, spec } = this.#parts;
    const nowMs = environment.clock.monotonicMs();
    if (!this.#commitRequested && nowMs - this.#lastCommitMs < spec.settings.flushIntervalMs) return;
    this.#commitRequested = false;
    this.#lastCommitMs = nowMs;
    try {
      await this.#commit([...this.#assigned.values()]);
      if (this.#commitProblem?.shown) this.#parts.events.onState(this.#state);
      this.#commitProblem = undefined;
    } catch (error) {
      // The group has moved on, or the brokers cannot take it now: the records come again or a later commit covers them.
      if (policyOf(error) !== 'retry' && (error as { code?: string }).code !== 'kafka.group_stale')
        throw error;
      environment.logger.warn({ err: error }, 'offsets could not be committed');
      this.#showCommitProblem(error, nowMs);
    }
    this.#applySeeks();
  }

  /** INV-7: a sink may write when it is asked what is safe, so this is where an idle one learns that it cannot. */
  #showCommitProblem(error: unknown, nowMs: number): void {
    const message = messageOf(error);
    const problem = this.#commitProblem;
    this.#commitProblem = { message, sinceMs: problem?.sinceMs ?? nowMs, shown: problem?.shown ?? false };
    if (nowMs - this.#commitProblem.sinceMs < STALLED_MS) return;
    if (problem?.shown && problem.message === message) return;
    this.#commitProblem.shown = true;
    this.#parts.events.onState(this.#state, javaTrace(error));
  }

  /** The task is asked also when nothing new was delivered: its target may have lost what it had. */
  async #commit(partitions: readonly TopicPartition[]): Promise<void> {
    const delivered = partitions.flatMap((place) => this.#delivered.get(keyOf(place)) ?? []);
    const safe = await this.#parts.task.preCommit(delivered);
    const toCommit = safe.filter((position) => {
      const known = this.#delivered.get(keyOf(position));
      // INV-1: nothing beyond what the task was given, whatever it says.
      return (
        known !== undefined &&
        position.offset <= known.offset &&
        this.#committed.get(keyOf(position)) !== position.offset
      );
    });
    if (toCommit.length === 0) return;
    await this.#consumer.commit(toCommit);
    for (const position of toCommit) this.#committed.set(keyOf(position), position.offset);
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
      this.#delivered.set(keyOf(position), position);
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
    const { task, chain, cluster, producer, environment } = this.#parts;
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
    await task.stop().catch((error: unknown) => {
      environment.logger.warn({ err: error }, 'the task did not stop cleanly');
    });
    chain.close();
    await producer?.abort('its task has ended');
    await cluster.close();
  }
}
