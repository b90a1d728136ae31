// Runs tasks in a few threads that are started when the first task needs them. A task goes to the thread with the
// fewest, or to one of its own where its config asks for that; a thread that dies fails its tasks, never the process.
import { Worker } from 'node:worker_threads';
import type { Clock, Logger, LogHub, LogLevel } from '@millrace/foundation';
import { javaTrace, MillraceError, messageOf, policyOf } from '@millrace/foundation';
import { DEDICATED, TASK_THREAD } from '../config/connector-config.ts';
import { connectError } from '../errors.ts';
import type { Lease } from '../lease.ts';
import { requestTimeoutMs } from '../task/client-settings.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { FromThread, StartQuestion, ThreadData, ToThread } from './messages.ts';
import type { HostedTask, TaskHost, TaskListener, ThreadMetrics } from './task-host.ts';
import { hasWrites, newWriteCount, type SharedCount } from './write-count.ts';

export interface ThreadPoolOptions {
  readonly threads: number;
  /** A module that exports `pluginEntries`. */
  readonly pluginsModule: URL;
  readonly logHub: LogHub;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly lease: Lease;
}

const METRICS_TIMEOUT_MS = 5000;
const NO_METRICS: ThreadMetrics = { shown: [], others: [] };

export class ThreadPoolHost implements TaskHost {
  readonly #options: ThreadPoolOptions;
  readonly #threads: (Thread | undefined)[];
  /** Each ends with its one task. */
  readonly #dedicated = new Set<Thread>();

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    this.#threads = new Array<Thread | undefined>(options.threads).fill(undefined);
  }

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    if (spec.connectorConfig[TASK_THREAD]?.trim() === DEDICATED) return this.#dedicate(spec, listener);
    return this.#leastBusy().start(spec, listener);
  }

  #dedicate(spec: TaskSpec, listener: TaskListener): HostedTask {
    const thread = new Thread(this.#options);
    this.#dedicated.add(thread);
    const task = thread.start(spec, listener);
    return {
      ...task,
      stop: async () => {
        await task.stop();
        await thread.end();
        this.#dedicated.delete(thread);
      },
    };
  }

  #all(): Thread[] {
    return [...this.#threads.flatMap((thread) => thread ?? []), ...this.#dedicated];
  }

  setLogLevel(namespace: string, level: LogLevel): void {
    for (const thread of this.#all()) thread.send({ type: 'log-level', namespace, level });
  }

  async metrics(): Promise<readonly ThreadMetrics[]> {
    return await Promise.all(this.#all().map((thread) => thread.metrics()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all().map((thread) => thread.end()));
  }

  /** A thread without tasks is not worth another one: threads cost memory. */
  #leastBusy(): Thread {
    let best = 0;
    for (let slot = 1; slot < this.#threads.length; slot++) {
      if ((this.#threads[slot]?.taskCount ?? 0) < (this.#threads[best]?.taskCount ?? 0)) best = slot;
    }
    let thread = this.#threads[best];
    if (!thread || thread.dead) {
      thread = new Thread(this.#options);
      this.#threads[best] = thread;
    }
    return thread;
  }
}

function unknownFailure(cause: unknown): MillraceError {
  return connectError('connect.rest_internal', messageOf(cause), { cause });
}

interface ThreadTask {
  readonly spec: TaskSpec;
  readonly listener: TaskListener;
  readonly writes: SharedCount;
  stopped: (() => void) | undefined;
  /** After the death of the thread: when nothing of the task can reach a log any more. */
  quiet: Promise<void> | undefined;
}

class Thread {
  readonly #options: ThreadPoolOptions;
  readonly #worker: Worker;
  readonly #tasks = new Map<number, ThreadTask>();
  readonly #metricsRequests = new Map<number, (metrics: ThreadMetrics) => void>();
  readonly #exited: Promise<void>;
  #nextId = 0;
  #ending = false;
  dead = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    const workerData: ThreadData = {
      pluginsModule: options.pluginsModule.href,
      lease: options.lease.shared,
      logLevels: [...options.logHub.levels()].map(([namespace, { level }]) => [namespace, level] as const),
    };
    this.#worker = new Worker(new URL('../../dist/host/thread.js', import.meta.url), {
      workerData,
      execArgv: [],
    });
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#exited = new Promise((resolve) => {
      let crash: unknown;
      this.#worker.on('error', (error) => {
        crash = error;
      });
      this.#worker.on('exit', (code) => {
        this.#onExit(crash ?? new Error(`exit code ${code}`));
        resolve();
      });
    });
  }

  get taskCount(): number {
    return this.#tasks.size;
  }

  send(message: ToThread): void {
    if (!this.dead) this.#worker.postMessage(message);
  }

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    const id = this.#nextId++;
    const task: ThreadTask = {
      spec,
      listener,
      writes: newWriteCount(),
      stopped: undefined,
      quiet: undefined,
    };
    this.#tasks.set(id, task);
    this.send({ type: 'start', id, spec, writes: task.writes });
    return {
      pause: () => this.send({ type: 'pause', id }),
      resume: () => this.send({ type: 'resume', id }),
      forgetTopics: () => this.send({ type: 'forget-topics', id }),
      stop: async () => {
        // INV-2: with its thread a task's connections are gone, but not what a broker has received of them.
        if (task.quiet !== undefined) await task.quiet;
        if (this.dead || !this.#tasks.has(id)) return;
        await new Promise<void>((resolve) => {
          task.stopped = resolve;
          this.send({ type: 'stop', id });
        });
      },
    };
  }

  async metrics(): Promise<ThreadMetrics> {
    if (this.dead) return NO_METRICS;
    const request = this.#nextId++;
    return await new Promise((resolve) => {
      const timer = setTimeout(() => this.#answerMetrics(request, NO_METRICS), METRICS_TIMEOUT_MS);
      this.#metricsRequests.set(request, (metrics) => {
        clearTimeout(timer);
        resolve(metrics);
      });
      this.send({ type: 'metrics', request });
    });
  }

  async end(): Promise<void> {
    this.#ending = true;
    this.send({ type: 'end' });
    await this.#exited;
  }

  #receive(message: FromThread): void {
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

  async #answerOffset(
    request: number,
    work: () => ReturnType<TaskListener['readOffset']> | undefined,
  ): Promise<void> {
    try {
      const offset = (await work()) ?? null;
      this.send({ type: 'offset', request, offset });
    } catch (error) {
      this.send({ type: 'offset', request, offset: null, error: messageOf(error) });
    }
  }

  async #answer(task: ThreadTask | undefined, request: number, what: StartQuestion): Promise<void> {
    try {
      await task?.listener[what]();
      this.send({ type: 'allowed', request });
    } catch (error) {
      const { code, javaClass } = error instanceof MillraceError ? error : unknownFailure(error);
      this.send({ type: 'allowed', request, failure: { code, javaClass, message: messageOf(error) } });
    }
  }

  #answerMetrics(request: number, metrics: ThreadMetrics): void {
    this.#metricsRequests.get(request)?.(metrics);
    this.#metricsRequests.delete(request);
  }

  #onExit(reason: unknown): void {
    this.dead = true;
    for (const request of this.#metricsRequests.keys()) this.#answerMetrics(request, NO_METRICS);
    const tasks = [...this.#tasks.values()];
    this.#tasks.clear();
    if (!this.#ending) this.#options.logger.error({ err: reason, tasks: tasks.length }, 'a task thread died');
    const error = connectError(
      'connect.task_thread_lost',
      `The thread of the task died: ${messageOf(reason)}`,
      {
        cause: reason,
      },
    );
    for (const task of tasks) {
      const quietInMs = hasWrites(task.writes) ? requestTimeoutMs(task.spec) : 0;
      task.quiet = this.#options.clock.sleep(this.#ending ? 0 : quietInMs);
      const { listener, stopped } = task;
      if (stopped) void task.quiet.then(stopped);
      else if (!this.#ending) {
        const failure = { message: error.message, trace: javaTrace(error), policy: policyOf(error) };
        listener.onFailed(quietInMs > 0 ? { ...failure, quietInMs } : failure);
      }
    }
  }
}
