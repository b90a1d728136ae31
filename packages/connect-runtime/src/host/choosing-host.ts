// Two hosts as one: tasks that run code of others go to processes, all others stay with the worker's own.
import type { LogLevel } from '@millrace/foundation';
import type { TaskSpec } from '../task/task-runner.ts';
import type { HostedTask, TaskHost, TaskListener, ThreadMetrics } from './task-host.ts';

export class ChoosingHost implements TaskHost {
  readonly #own: TaskHost;
  readonly #others: TaskHost;
  readonly #runsOthers: (spec: TaskSpec) => boolean;

  constructor(own: TaskHost, others: TaskHost, runsOthers: (spec: TaskSpec) => boolean) {
    this.#own = own;
    this.#others = others;
    this.#runsOthers = runsOthers;
  }

  expect(): void {
    this.#own.expect();
  }

  start(spec: TaskSpec, listener: TaskListener): HostedTask {
    return (this.#runsOthers(spec) ? this.#others : this.#own).start(spec, listener);
  }

  setLogLevel(namespace: string, level: LogLevel): void {
    this.#own.setLogLevel(namespace, level);
    this.#others.setLogLevel(namespace, level);
  }

  async metrics(): Promise<readonly ThreadMetrics[]> {
    return [...(await this.#own.metrics()), ...(await this.#others.metrics())];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#own[Symbol.asyncDispose](), this.#others[Symbol.asyncDispose]()]);
  }
}
