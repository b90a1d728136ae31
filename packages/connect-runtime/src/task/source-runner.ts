// What runs a source task from its start to its end, whether it delivers at least once or exactly once: pauses, the
// failure that ends it, the watch over its progress, and how what it holds is given up. Everything that reaches a topic
// goes through one producer that belongs to this incarnation and dies with it.
import {
  ActivityStep,
  type SourceTask,
  type SourceTaskContext,
  type TaskActivity,
  type TopicLog,
} from '@millrace/connect-api';
import type { BatchProducer, Cluster } from '@millrace/kafka-client';
import type { SourceMeters } from '../metrics/task-meters.ts';
import { within } from './abortable.ts';
import type { TaskConverters } from './converters.ts';
import type { ErrorHandler } from './error-handling.ts';
import { showStall } from './metrics.ts';
import type { OffsetMirror } from './offset-mirror.ts';
import { PauseGate } from './pause-gate.ts';
import { ShownState } from './shown-state.ts';
import type { SourceTopics } from './source-topics.ts';
import { StallWatch } from './stall-watch.ts';
import type { RunnerEnvironment, TaskEvents, TaskRunner, TaskSpec } from './task-runner.ts';
import type { TransformationChain } from './transformation-chain.ts';

/** What a runner of a source is put together from. */
export interface SourceParts {
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
  /** Where the connector has a topic of its own for its offsets, which the task's producer writes. */
  readonly offsetMirror: OffsetMirror | null;
  /** Writes dead letters; null = the config names no queue. */
  readonly letters: BatchProducer | null;
  /** Makes a topic exist as the config says, before the producer learns its partitions. */
  readonly ensureTopic: (topic: string) => Promise<void>;
}

export abstract class SourceRunner implements TaskRunner {
  /** Fires when the task is to end. */
  protected readonly stopping: AbortController = new AbortController();
  protected readonly gate: PauseGate;
  protected readonly shown: ShownState;
  /** What the loop does. */
  protected readonly step: ActivityStep = new ActivityStep();
  protected abstract readonly topics: SourceTopics;
  /** Of this incarnation alone. */
  protected abstract readonly producer: BatchProducer;
  readonly #parts: SourceParts;
  #failure: Error | undefined;
  #isBegun = false;

  protected constructor(parts: SourceParts) {
    this.#parts = parts;
    this.gate = new PauseGate({ paused: parts.spec.paused });
    this.shown = new ShownState(parts.events);
  }

  /** What the task is doing, by strand; of two that stand still the first is the cause. */
  protected abstract activities(): (() => TaskActivity | null)[];
  /** Makes sure that nobody else runs the task; false when it is to end meanwhile. */
  protected abstract claim(): Promise<boolean>;
  /** Polls and sends until the task is to end. */
  protected abstract loop(): Promise<void>;
  /** At the end: what may still become durable does, in bounded time. `clean` = the task has not failed. */
  protected abstract finish(clean: boolean): Promise<void>;
  /** Takes back what is open, in bounded time. */
  protected abstract takeBack(): Promise<void>;

  pause(): void {
    this.gate.pause();
  }
  resume(): void {
    this.gate.resume();
  }
  stop(): void {
    this.stopping.abort();
  }
  forgetTopics(): void {
    this.topics.forget();
  }
  async kill(): Promise<void> {
    this.stop();
    await this.takeBack();
    const reason = 'its task did not stop in time';
    await Promise.all([this.producer.abort(reason), this.#parts.letters?.abort(reason)]);
  }

  async run(): Promise<void> {
    const { environment, spec, task, context } = this.#parts;
    let failure: unknown;
    const watch = new StallWatch({
      activities: this.activities(),
      clock: environment.clock,
      logger: environment.logger,
      stallTimeoutMs: spec.settings.stallTimeoutMs,
      show: (trace) => this.shown.trace(trace),
    });
    const watching = watch.run(this.stopping.signal);
    const hideStall = showStall(environment.metrics, spec, () => watch.stalled);
    try {
      if ((await this.#wanted()) && (await this.claim())) {
        this.step.enter('starting');
        this.#isBegun = true;
        await task.start(context);
        await this.loop();
      }
    } catch (error) {
      failure = error;
    }
    this.stop();
    await watching;
    failure = this.#failure ?? failure;
    await this.#end(failure === undefined);
    hideStall();
    if (failure !== undefined) throw failure;
  }

  /** As in Connect, a task that is paused before it has begun touches nothing: a source may have to keep what it asks for. */
  async #wanted(): Promise<boolean> {
    const { signal } = this.stopping;
    if (this.gate.paused) this.shown.state('PAUSED');
    await this.gate.passed(signal);
    return !signal.aborted;
  }

  /** The first failure is what the task fails with, once it has ended. */
  protected fail(error: Error): void {
    this.#failure ??= error;
    this.stop();
  }

  /** Ends everything this incarnation holds. */
  async #end(clean: boolean): Promise<void> {
    const { task, chain, environment, spec, clusters, logs, letters } = this.#parts;
    const { offsetProducer, offsetMirror } = this.#parts;
    const { logger, clock } = environment;
    const { stopTimeoutMs, flushTimeoutMs } = spec.settings;
    await this.finish(clean);
    // INV-7: a connector that hangs in its end does not keep its failure from being seen.
    if (this.#isBegun)
      await within(clock, stopTimeoutMs + flushTimeoutMs, task.stop()).catch((error: unknown) => {
        logger.warn({ err: error }, 'the task did not stop cleanly');
      });
    chain.close();
    await this.takeBack();
    // INV-2: when this returns, no request of this producer can reach a log any more.
    await this.producer.abort('its task has ended');
    await letters?.abort('its task has ended');
    await Promise.all(logs.map((log) => log.close()));
    if (offsetMirror) await within(clock, flushTimeoutMs, offsetMirror.idle()).catch(() => undefined);
    await offsetProducer?.abort('its task has ended');
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
