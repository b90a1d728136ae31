// Metrics of the process in Prometheus' text form: this thread's and those of the task threads, added up, and what
// runs beside the worker.

import type { Metrics } from '@millrace/foundation';
import { AggregatorRegistry } from 'prom-client';
import type { TaskHost } from '../host/task-host.ts';

export class MetricsPage {
  readonly #metrics: Metrics;
  readonly #host: TaskHost;
  readonly #more: () => Promise<string>;

  constructor(metrics: Metrics, host: TaskHost, more: () => Promise<string> = async () => '') {
    this.#metrics = metrics;
    this.#host = host;
    this.#more = more;
  }

  async render(): Promise<string> {
    const others = await this.#host.metrics();
    const own: object[] = await this.#metrics.getMetricsAsJSON();
    const text = await AggregatorRegistry.aggregate([own, ...(others as object[][])]).metrics();
    const more = await this.#more();
    // Without a task there is nothing of the worker's own yet.
    return [text, more]
      .filter((part) => part.trim() !== '')
      .map((part) => `${part.trimEnd()}\n`)
      .join('');
  }
}
