// The far side of a task host, in a thread or a process of its own: runs the tasks it is told to, with Kafka
// connections of its own. Only messages cross the border.
import type { OffsetMap, PluginEntry } from '@millrace/connect-api';
import {
  createMetrics,
  type LogHub,
  MillraceError,
  messageOf,
  renderOthers,
  renderShown,
  systemClock,
} from '@millrace/foundation';
import { type HandOver, HeartbeatLines, type WriteObserver } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import type { Lease } from '../lease.ts';
import { PluginRegistry } from '../plugins.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { FromThread, LogLevels, StartQuestion, ToThread } from './messages.ts';
import { runTask } from './run-task.ts';
import type { HostedTask } from './task-host.ts';
import { taskLogger } from './task-logger.ts';
import type { SharedCount } from './write-count.ts';

interface PendingRead {
  readonly resolve: (offset: OffsetMap | null) => void;
  readonly reject: (error: Error) => void;
}

interface PendingQuestion {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface TaskSideOptions {
  readonly entries: readonly PluginEntry[];
  readonly logHub: LogHub;
  readonly lease: Lease;
  readonly send: (message: FromThread) => void;
  readonly handOver?: HandOver | undefined;
  /** Keeps the count of writes of a task where the worker finds it when this thread or process is gone. */
  readonly writesOf: (id: number, spec: TaskSpec, shared: SharedCount | undefined) => WriteObserver;
  /** All tasks have been stopped, as the worker wants. */
  readonly onEnd: () => void;
}

/** Runs the tasks it is told to, and answers for them. */
export class TaskSide {
  readonly #options: TaskSideOptions;
  readonly #plugins: PluginRegistry;
  readonly #metrics = createMetrics();
  readonly #heartbeatLines = new HeartbeatLines();
  readonly #tasks = new Map<number, HostedTask>();
  readonly #reads = new Map<number, PendingRead>();
  readonly #questions = new Map<number, PendingQuestion>();
  readonly #send: (message: FromThread) => void;
  #nextRead = 0;

  constructor(options: TaskSideOptions) {
    this.#options = options;
    this.#plugins = new PluginRegistry(options.entries);
    this.#send = options.send;
  }

  receive(message: ToThread): void {
    switch (message.type) {
      case 'start':
        this.#start(message.id, message.spec, message.writes);
        break;
      case 'pause':
        this.#tasks.get(message.id)?.pause();
        break;
      case 'resume':
        this.#tasks.get(message.id)?.resume();
        break;
      case 'forget-topics':
        this.#tasks.get(message.id)?.forgetTopics();
        break;
      case 'stop':
        void this.#stop(message.id);
        break;
      case 'offset': {
        const read = this.#reads.get(message.request);
        this.#reads.delete(message.request);
        if (message.error === undefined) read?.resolve(message.offset);
        else read?.reject(new Error(message.error));
        break;
      }
      case 'allowed': {
        const question = this.#questions.get(message.request);
        this.#questions.delete(message.request);
        const { failure } = message;
        if (failure === undefined) question?.resolve();
        else {
          const { code, javaClass } = failure;
          question?.reject(new MillraceError(code, failure.message, { javaClass }));
        }
        break;
      }
      case 'log-level':
        this.#options.logHub.setLevel(message.namespace, message.level, systemClock.nowMs());
        break;
      case 'metrics':
        void this.#reportMetrics(message.request);
        break;
      case 'end':
        void Promise.all([...this.#tasks.keys()].map((id) => this.#stop(id))).then(() =>
          this.#options.onEnd(),
        );
        break;
      default:
        message satisfies never;
    }
  }

  #start(id: number, spec: TaskSpec, shared: SharedCount | undefined): void {
    const environment = {
      plugins: this.#plugins,
      logger: taskLogger(this.#options.logHub, spec),
      metrics: this.#metrics,
      clock: systemClock,
      writes: this.#options.writesOf(id, spec, shared),
      mayWrite: () => this.#options.lease.valid,
      heartbeatLines: this.#heartbeatLines,
      handOver: this.#options.handOver,
    };
    const task = runTask(spec, environment, {
      onState: (state, trace) =>
        this.#send({ type: 'state', id, state, ...(trace === undefined ? {} : { trace }) }),
      onTopic: (topic) => this.#send({ type: 'topic', id, topic }),
      onFailed: (failure) => this.#send({ type: 'failed', id, failure }),
      readOffset: (partition) =>
        this.#ask((request) => this.#send({ type: 'read-offset', id, request, partition })),
      storeOffsets: async (offsets) => {
        await this.#ask((request) => this.#send({ type: 'store-offsets', id, request, offsets })).catch(
          (error: unknown) => {
            throw connectError('connect.offset_file', messageOf(error));
          },
        );
      },
      fenceOthers: () => this.#question(id, 'fenceOthers'),
      confirmStart: () => this.#question(id, 'confirmStart'),
    });
    this.#tasks.set(id, task);
  }

  #ask(send: (request: number) => void): Promise<OffsetMap | null> {
    return new Promise((resolve, reject) => {
      const request = this.#nextRead++;
      this.#reads.set(request, { resolve, reject });
      send(request);
    });
  }

  #question(id: number, what: StartQuestion): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = this.#nextRead++;
      this.#questions.set(request, { resolve, reject });
      this.#send({ type: 'ask', id, request, what });
    });
  }

  async #stop(id: number): Promise<void> {
    await this.#tasks.get(id)?.stop();
    this.#tasks.delete(id);
    this.#send({ type: 'stopped', id });
  }

  async #reportMetrics(request: number): Promise<void> {
    const metrics = { shown: renderShown(this.#metrics), others: await renderOthers(this.#metrics) };
    this.#send({ type: 'metrics', request, metrics });
  }
}

/** Sets the levels that the worker has set. A level counts for all names that begin with its own: the shortest go first. */
export function applyLevels(logHub: LogHub, levels: LogLevels): void {
  const rank = (name: string): number => (name === 'root' ? 0 : name.length);
  for (const [namespace, level] of [...levels].sort(([a], [b]) => rank(a) - rank(b)))
    logHub.setLevel(namespace, level, systemClock.nowMs());
}
