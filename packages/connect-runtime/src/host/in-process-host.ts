// Runs tasks in this thread: for tests, and for workers that were told to use no threads.

import type { LogHub } from '@millrace/foundation';
import type { TaskEnvironment, TaskSpec } from '../task/task-runner.ts';
import { runTask } from './run-task.ts';
import type { HostedTask, TaskHost, TaskListener, ThreadMetrics } from './task-host.ts';
import { taskLogger } from './task-logger.ts';

export interface InProcessHostOptions extends Omit<TaskEnvironment, 'logger'> {
  readonly logHub: LogHub;
}

export class InProcessHost implements TaskHost {
  readonly #options: InProcessHostOptions;
  readonly #tasks = new Set<HostedTask>();

  constructor(options: InProcessHostOptions) {
    this.#options = options;
  }

  expect(): void {}

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    const { logHub, ...rest } = this.#options;
    const task = runTask(spec, { ...rest, logger: taskLogger(logHub, spec) }, listener);
    const hosted: HostedTask = {
      pause: () => task.pause(),
      resume: () => task.resume(),
      forgetTopics: () => task.forgetTopics(),
      stop: async () => {
        await task.stop();
        this.#tasks.delete(hosted);
      },
    };
    this.#tasks.add(hosted);
    return hosted;
  }

  setLogLevel(): void {
    // This thread's levels are the worker's own.
  }

  metrics(): Promise<readonly ThreadMetrics[]> {
    return Promise.resolve([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#tasks].map((task) => task.stop()));
  }
}
