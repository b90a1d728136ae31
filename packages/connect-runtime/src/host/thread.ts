// Entry of a task thread: loads the plug-ins for itself, runs the tasks it is told to, with Kafka connections of its
// own. Only messages cross the border.
import { parentPort, workerData } from 'node:worker_threads';
import type { OffsetMap, PluginEntry } from '@millrace/connect-api';
import {
  createMetrics,
  LogHub,
  MillraceError,
  messageOf,
  renderOthers,
  renderShown,
  systemClock,
} from '@millrace/foundation';
import { connectError } from '../errors.ts';
import { Lease } from '../lease.ts';
import { PluginRegistry } from '../plugins.ts';
import { requestTimeoutMs } from '../task/client-settings.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { FromThread, StartQuestion, ThreadData, ToThread } from './messages.ts';
import { runTask } from './run-task.ts';
import type { HostedTask } from './task-host.ts';
import { taskLogger } from './task-logger.ts';
import { type SharedCount, WriteCount } from './write-count.ts';

interface PendingRead {
  readonly resolve: (offset: OffsetMap | null) => void;
  readonly reject: (error: Error) => void;
}

interface PendingQuestion {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class TaskThread {
  readonly #plugins: PluginRegistry;
  readonly #logHub: LogHub;
  readonly #metrics = createMetrics();
  readonly #tasks = new Map<number, HostedTask>();
  readonly #reads = new Map<number, PendingRead>();
  readonly #questions = new Map<number, PendingQuestion>();
  readonly #send: (message: FromThread) => void;
  readonly #lease: Lease;
  #nextRead = 0;

  constructor(
    entries: readonly PluginEntry[],
    logHub: LogHub,
    lease: Lease,
    send: (message: FromThread) => void,
  ) {
    this.#plugins = new PluginRegistry(entries);
    this.#logHub = logHub;
    this.#lease = lease;
    this.#send = send;
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
        this.#logHub.setLevel(message.namespace, message.level, systemClock.nowMs());
        break;
      case 'metrics':
        void this.#reportMetrics(message.request);
        break;
      case 'end':
        void Promise.all([...this.#tasks.keys()].map((id) => this.#stop(id))).then(() => process.exit(0));
        break;
      default:
        message satisfies never;
    }
  }

  #start(id: number, spec: TaskSpec, writes: SharedCount): void {
    const environment = {
      plugins: this.#plugins,
      logger: taskLogger(this.#logHub, spec),
      metrics: this.#metrics,
      clock: systemClock,
      writes: new WriteCount(writes, { requestTimeoutMs: requestTimeoutMs(spec) }),
      mayWrite: () => this.#lease.valid,
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

async function main(): Promise<void> {
  if (!parentPort) throw new Error('this module runs in a worker thread');
  const port = parentPort;
  const { pluginsModule, logLevels, lease } = workerData as ThreadData;
  const { pluginEntries } = (await import(pluginsModule)) as { pluginEntries: readonly PluginEntry[] };
  const send = (message: FromThread): void => port.postMessage(message);
  // Lines go where the main thread's go, in one stream.
  const logHub = new LogHub({ destination: { write: (line) => send({ type: 'log', line }) } });
  // A level counts for all names that begin with its own: the shortest go first.
  const rank = (name: string): number => (name === 'root' ? 0 : name.length);
  const levels = [...logLevels].sort(([a], [b]) => rank(a) - rank(b));
  for (const [namespace, level] of levels) logHub.setLevel(namespace, level, systemClock.nowMs());
  const thread = new TaskThread(pluginEntries, logHub, new Lease(lease), send);
  port.on('message', (message: ToThread) => thread.receive(message));
}

await main();
