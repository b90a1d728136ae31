// Metrics of the process in Prometheus' text form: this thread's and those of the task threads, added up, and what
// runs beside the worker.

import { type Metrics, pageOf, renderOthers, renderShown } from '@millrace/foundation';
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
    const threads = await this.#host.metrics();
    const shown = pageOf([...renderShown(this.#metrics), ...threads.flatMap((thread) => thread.shown)]);
    const own = await renderOthers(this.#metrics);
    const counted = [own, ...threads.map(({ others }) => [...others])];
    const text = counted.some((metrics) => metrics.length > 0)
      ? await AggregatorRegistry.aggregate(counted).metrics()
      : '';
    const more = await this.#more();
    return [shown, text, more]
      .filter((part) => part.trim() !== '')
      .map((part) => `${part.trimEnd()}\n`)
      .join('');
  }
}
