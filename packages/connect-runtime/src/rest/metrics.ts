// Metrics of the process in Prometheus' text form: this thread's and those of the task threads, added up.

import type { Metrics } from '@millrace/foundation';
import { AggregatorRegistry } from 'prom-client';
import type { TaskHost } from '../host/task-host.ts';

export class MetricsPage {
  readonly #metrics: Metrics;
  readonly #host: TaskHost;

  constructor(metrics: Metrics, host: TaskHost) {
    this.#metrics = metrics;
    this.#host = host;
  }

  async render(): Promise<string> {
    const others = await this.#host.metrics();
    const own: object[] = await this.#metrics.getMetricsAsJSON();
    return await AggregatorRegistry.aggregate([own, ...(others as object[][])]).metrics();
  }
}
