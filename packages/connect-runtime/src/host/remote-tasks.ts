// The near side of a task host whose tasks run in a thread or a process of their own: what is under way there, and
// what becomes of it when that dies.
import { type Clock, javaTrace, type LogHub, MillraceError, messageOf, policyOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import { requestTimeoutMs } from '../task/client-settings.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { FromThread, LogLevels, StartQuestion, ToThread } from './messages.ts';
import type { HostedTask, TaskListener, ThreadMetrics } from './task-host.ts';
import type { SharedCount } from './write-count.ts';

/** Where the count of a task's writes is kept. */
export interface TaskWrites {
  /** Memory to hand over, where both sides can share some. */
  readonly shared?: SharedCount;
  /** Whether requests were without an answer when the other side was last alive. */
  pending(): boolean;
}

export interface RemoteTasksOptions {
  readonly logHub: LogHub;
  readonly clock: Clock;
  /** Sends nothing to a side that is dead. */
  readonly send: (message: ToThread) => void;
  readonly newWrites: (id: number) => TaskWrites;
}

interface RemoteTask {
  readonly spec: TaskSpec;
  readonly listener: TaskListener;
  readonly writes: TaskWrites;
  stopped: (() => void) | undefined;
  /** After the death of the other side: when nothing of the task can reach a log any more. */
  quiet: Promise<void> | undefined;
}

const METRICS_TIMEOUT_MS = 5000;
const NO_METRICS: ThreadMetrics = { shown: [], others: [] };

/** The levels set here, for the other side. */
export function levelsOf(logHub: LogHub): LogLevels {
  return [...logHub.levels()].map(([namespace, { level }]) => [namespace, level] as const);
}

function unknownFailure(cause: unknown): MillraceError {
  return connectError('connect.rest_internal', messageOf(cause), { cause });
}

export class RemoteTasks {
  readonly #options: RemoteTasksOptions;
  readonly #tasks = new Map<number, RemoteTask>();
  readonly #metricsRequests = new Map<number, (metrics: ThreadMetrics) => void>();
  #nextId = 0;
  #dead = false;

  constructor(options: RemoteTasksOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#tasks.size;
  }

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    const { send, newWrites } = this.#options;
    const id = this.#nextId++;
    const writes = newWrites(id);
    const task: RemoteTask = { spec, listener, writes, stopped: undefined, quiet: undefined };
    this.#tasks.set(id, task);
    send({ type: 'start', id, spec, ...(writes.shared === undefined ? {} : { writes: writes.shared }) });
    return {
      pause: () => send({ type: 'pause', id }),
      resume: () => send({ type: 'resume', id }),
      forgetTopics: () => send({ type: 'forget-topics', id }),
      stop: async () => {
        // INV-2: with its thread or process a task's connections are gone, but not what a broker has received of them.
        if (task.quiet !== undefined) await task.quiet;
        if (this.#dead || !this.#tasks.has(id)) return;
        await new Promise<void>((resolve) => {
          task.stopped = resolve;
          send({ type: 'stop', id });
        });
      },
    };
  }

  async metrics(): Promise<ThreadMetrics> {
    if (this.#dead) return NO_METRICS;
    const request = this.#nextId++;
    return await new Promise((resolve) => {
      const timer = setTimeout(() => this.#answerMetrics(request, NO_METRICS), METRICS_TIMEOUT_MS);
      this.#metricsRequests.set(request, (metrics) => {
        clearTimeout(timer);
        resolve(metrics);
      });
      this.#options.send({ type: 'metrics', request });
    });
  }

  receive(message: FromThread): void {
    if (message.type === 'log') {
      this.#options.logHub.write(message.line);
      return;
    }
    if (message.type === 'metrics') {
      this.#answerMetrics(message.request, message.metrics);
      return;
    }
    const task = this.#tasks.get(message.id);
    switch (message.type) {
      case 'state':
        task?.listener.onState(message.state, message.trace);
        break;
      case 'topic':
        task?.listener.onTopic(message.topic);
        break;
      case 'failed':
        task?.listener.onFailed(message.failure);
        break;
      case 'stopped':
        this.#tasks.delete(message.id);
        task?.stopped?.();
        break;
      case 'read-offset':
        void this.#answerOffset(message.request, () => task?.listener.readOffset(message.partition));
        break;
      case 'store-offsets':
        void this.#answerOffset(message.request, async () => {
          await task?.listener.storeOffsets(message.offsets);
          return null;
        });
        break;
      case 'ask':
        void this.#answer(task, message.request, message.what);
        break;
      default:
        message satisfies never;
    }
  }

  /** The other side is gone: for that reason, or for none because it was told to end. */
  died(reason: MillraceError | null): void {
    this.#dead = true;
    for (const request of this.#metricsRequests.keys()) this.#answerMetrics(request, NO_METRICS);
    const tasks = [...this.#tasks.values()];
    this.#tasks.clear();
    for (const task of tasks) {
      const quietInMs = reason !== null && task.writes.pending() ? requestTimeoutMs(task.spec) : 0;
      task.quiet = this.#options.clock.sleep(quietInMs);
      const { listener, stopped } = task;
      if (stopped) void task.quiet.then(stopped);
      else if (reason !== null) {
        const failure = { message: reason.message, trace: javaTrace(reason), policy: policyOf(reason) };
        listener.onFailed(quietInMs > 0 ? { ...failure, quietInMs } : failure);
      }
    }
  }

  async #answerOffset(
    request: number,
    work: () => ReturnType<TaskListener['readOffset']> | undefined,
  ): Promise<void> {
    const { send } = this.#options;
    try {
      const offset = (await work()) ?? null;
      send({ type: 'offset', request, offset });
    } catch (error) {
      send({ type: 'offset', request, offset: null, error: messageOf(error) });
    }
  }

  async #answer(task: RemoteTask | undefined, request: number, what: StartQuestion): Promise<void> {
    const { send } = this.#options;
    try {
      await task?.listener[what]();
      send({ type: 'allowed', request });
    } catch (error) {
      const { code, javaClass } = error instanceof MillraceError ? error : unknownFailure(error);
      send({ type: 'allowed', request, failure: { code, javaClass, message: messageOf(error) } });
    }
  }

  #answerMetrics(request: number, metrics: ThreadMetrics): void {
    this.#metricsRequests.get(request)?.(metrics);
    this.#metricsRequests.delete(request);
  }
}
