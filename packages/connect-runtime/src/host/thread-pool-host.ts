// Runs tasks in a few threads that are started when the first task needs them. A task goes to the thread with the
// fewest, or to one of its own where its config asks for that; a thread that dies fails its tasks, never the process.
import { Worker } from 'node:worker_threads';
import type { Clock, Logger, LogHub, LogLevel } from '@millrace/foundation';
import { messageOf } from '@millrace/foundation';
import type { HandOverEnd } from '@millrace/kafka-client';
import { DEDICATED, TASK_THREAD } from '../config/connector-config.ts';
import { connectError } from '../errors.ts';
import type { Lease } from '../lease.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { levelsOf, RemoteTasks } from './remote-tasks.ts';
import type { HostedTask, TaskHost, TaskListener, ThreadMetrics } from './task-host.ts';
import { hasWrites, newWriteCount } from './write-count.ts';

export interface ThreadPoolOptions {
  readonly threads: number;
  /** A module that exports `pluginEntries`. */
  readonly pluginsModule: URL;
  readonly logHub: LogHub;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly lease: Lease;
  /** Makes a way to a broker of this process, for each thread its own. */
  readonly handOver?: (() => HandOverEnd) | undefined;
}

export class ThreadPoolHost implements TaskHost {
  readonly #options: ThreadPoolOptions;
  readonly #threads: (Thread | undefined)[];
  /** Each ends with its one task. */
  readonly #dedicated = new Set<Thread>();

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    this.#threads = new Array<Thread | undefined>(options.threads).fill(undefined);
  }

  /** A thread takes a quarter of a second to load its code, as does the check of a config meanwhile. */
  expect(): void {
    if (this.#all().length === 0) this.#leastBusy();
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

class Thread {
  readonly #options: ThreadPoolOptions;
  readonly #worker: Worker;
  readonly #tasks: RemoteTasks;
  readonly #exited: Promise<void>;
  #ending = false;
  dead = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    this.#tasks = new RemoteTasks({
      ...options,
      send: (message) => this.send(message),
      newWrites: () => {
        const shared = newWriteCount();
        return { shared, pending: () => hasWrites(shared) };
      },
    });
    const handOver = options.handOver?.();
    const workerData: ThreadData = {
      pluginsModule: options.pluginsModule.href,
      lease: options.lease.shared,
      logLevels: levelsOf(options.logHub),
      handOver,
    };
    this.#worker = new Worker(new URL('../../dist/host/thread.js', import.meta.url), {
      workerData,
      transferList: handOver ? [handOver.port] : [],
      execArgv: [],
    });
    this.#worker.on('message', (message: FromThread) => this.#tasks.receive(message));
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
    return this.#tasks.count;
  }

  send(message: ToThread): void {
    if (!this.dead) this.#worker.postMessage(message);
  }

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    return this.#tasks.start(spec, listener);
  }

  metrics(): Promise<ThreadMetrics> {
    return this.#tasks.metrics();
  }

  async end(): Promise<void> {
    this.#ending = true;
    this.send({ type: 'end' });
    await this.#exited;
  }

  #onExit(reason: unknown): void {
    this.dead = true;
    if (this.#ending) {
      this.#tasks.died(null);
      return;
    }
    this.#options.logger.error({ err: reason, tasks: this.taskCount }, 'a task thread died');
    const text = `The thread of the task died: ${messageOf(reason)}`;
    this.#tasks.died(connectError('connect.task_thread_lost', text, { cause: reason }));
  }
}
