// Sends the series of `/metrics` to an OpenTelemetry collector, again and again. Loaded only where the environment asks
// for it. Whatever the collector does, the worker goes on (INV-6): one request at a time, nothing is kept for later, since
// totals say all again.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Clock, Logger } from '@millrace/foundation';
import { JsonEncoder, ProtobufEncoder } from './encode.ts';
import { familiesOf } from './prometheus-text.ts';
import type { ExportSettings } from './settings.ts';

export interface ExporterOptions {
  readonly settings: ExportSettings;
  /** `/metrics` in Prometheus' text form. */
  readonly render: () => Promise<string>;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Others run after so many points. */
const POINTS_A_TURN = 1000;
/** How long the end of the process waits for the last numbers. */
const LAST_EXPORT_MS = 2000;

export class MetricsExporter implements AsyncDisposable {
  readonly #options: ExporterOptions;
  readonly #startNs: bigint;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #failing = false;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#startNs = options.clock.nowNs();
    this.#running = this.#run();
  }

  /** Sends the last numbers, if the collector took those before. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (!this.#failing) await this.#export(AbortSignal.timeout(LAST_EXPORT_MS));
  }

  async #run(): Promise<void> {
    const { clock, settings } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.sleep(settings.intervalMs, signal);
      if (!signal.aborted)
        await this.#export(AbortSignal.any([signal, AbortSignal.timeout(settings.timeoutMs)]));
    }
  }

  async #export(signal: AbortSignal): Promise<void> {
    const { settings } = this.#options;
    let problem: string | undefined;
    try {
      const body = await this.#request();
      const answer = await fetch(settings.endpoint, {
        method: 'POST',
        body: settings.compress ? gzipSync(body) : body,
        headers: {
          ...settings.headers,
          'content-type': settings.protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
          ...(settings.compress ? { 'content-encoding': 'gzip' } : {}),
        },
        // INV-11: headers go where they were meant to go.
        redirect: 'manual',
        signal,
      });
      await answer.body?.cancel();
      if (!answer.ok) problem = `it answered ${answer.status}`;
    } catch (error) {
      problem = reasonOf(error);
    }
    if (!this.#stop.signal.aborted) this.#tell(problem);
  }

  async #request(): Promise<Buffer> {
    const { settings, render, version, clock } = this.#options;
    const parts = {
      resource: { ...settings.resource, 'service.version': version },
      version,
      startNs: this.#startNs,
      nowNs: clock.nowNs(),
    };
    const encoder = settings.protocol === 'http/json' ? new JsonEncoder(parts) : new ProtobufEncoder(parts);
    let points = 0;
    for (const family of familiesOf(await render())) {
      encoder.add(family);
      points += family.points.length;
      if (points < POINTS_A_TURN) continue;
      points = 0;
      await nextTurn();
    }
    return encoder.finish();
  }

  /** One line when it begins to fail, one when it goes on. */
  #tell(problem: string | undefined): void {
    const { logger, settings } = this.#options;
    const { origin, pathname } = settings.endpoint;
    const endpoint = `${origin}${pathname}`;
    if (problem !== undefined && !this.#failing)
      logger.warn({ endpoint, problem }, 'metrics cannot be exported; the next interval tries again');
    else if (problem === undefined && this.#failing) logger.info({ endpoint }, 'metrics are exported again');
    this.#failing = problem !== undefined;
  }
}

/** What went wrong, in words that hold nothing of the request. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  return cause?.code ?? (name === 'TimeoutError' ? 'no answer in time' : (name ?? 'the request failed'));
}
