// Runs tasks in processes of their own: those of plug-ins of others, and those with a transform or converter of
// others. The tasks of a connector share a process, which ends with the last of them.
import type { LogLevel } from '@millrace/foundation';
import { DEDICATED, TASK_THREAD } from '../config/connector-config.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { PluginPlace } from './child-messages.ts';
import { PluginProcess, type PluginProcessSettings } from './child-process.ts';
import type { FromThread } from './messages.ts';
import { RemoteTasks } from './remote-tasks.ts';
import type { HostedTask, TaskHost, TaskListener, ThreadMetrics } from './task-host.ts';

export interface ChildHostOptions extends PluginProcessSettings {
  readonly places: readonly PluginPlace[];
}

/** What a process may take to end beyond what its tasks may. */
const END_GRACE_MS = 2000;

interface Child {
  readonly process: PluginProcess;
  readonly tasks: RemoteTasks;
}

export class ChildHost implements TaskHost {
  readonly #options: ChildHostOptions;
  readonly #children = new Set<Child>();
  readonly #shared = new Map<string, Child>();

  constructor(options: ChildHostOptions) {
    this.#options = options;
  }

  expect(): void {}

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    const child = this.#childOf(spec);
    const { stopTimeoutMs, flushTimeoutMs } = spec.settings;
    const withinMs = stopTimeoutMs + flushTimeoutMs + END_GRACE_MS;
    const task = child.tasks.start(spec, listener);
    return {
      ...task,
      stop: async () => {
        const late = setTimeout(() => child.process.kill('a task of it did not stop in time'), withinMs);
        await task.stop();
        clearTimeout(late);
        if (child.tasks.count > 0 || !this.#children.has(child)) return;
        this.#forget(child);
        await child.process.end(END_GRACE_MS);
      },
    };
  }

  setLogLevel(namespace: string, level: LogLevel): void {
    for (const { process } of this.#children) process.send({ type: 'log-level', namespace, level });
  }

  async metrics(): Promise<readonly ThreadMetrics[]> {
    return await Promise.all([...this.#children].map(({ tasks }) => tasks.metrics()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const children = [...this.#children];
    await Promise.all(children.map(({ process }) => process.end(this.#options.blockedMs + END_GRACE_MS)));
  }

  #childOf(spec: TaskSpec): Child {
    const dedicated = spec.connectorConfig[TASK_THREAD]?.trim() === DEDICATED;
    const shared = dedicated ? undefined : this.#shared.get(spec.connector);
    if (shared) return shared;
    const child = this.#fork(dedicated ? `${spec.connector}-${spec.task}` : spec.connector);
    if (!dedicated) this.#shared.set(spec.connector, child);
    return child;
  }

  #fork(name: string): Child {
    let child: Child | undefined;
    const process = new PluginProcess({
      ...this.#options,
      name,
      // Nothing else than what a task host says comes from a process that is asked nothing else.
      onMessage: (message) => tasks.receive(message as FromThread),
      onExit: (error) => {
        if (child) this.#forget(child);
        tasks.died(error);
      },
    });
    const tasks = new RemoteTasks({
      ...this.#options,
      send: (message) => process.send(message),
      newWrites: (id) => ({ pending: () => process.hasWrites(id) }),
    });
    child = { process, tasks };
    this.#children.add(child);
    return child;
  }

  #forget(child: Child): void {
    this.#children.delete(child);
    for (const [name, shared] of this.#shared) if (shared === child) this.#shared.delete(name);
  }
}
