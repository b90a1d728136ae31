// xmin.fetch.interval.ms: the oldest transaction still running, read now and then for source.xmin.
import type { SourceTaskContext } from '@millrace/connect-api';
import type pg from 'pg';
import { type ConnectionSettings, openSession } from '../connection.ts';

export class XminWatch {
  readonly #stopping = new AbortController();
  #current: number | null = null;

  /** Undefined when the config does not ask for it. */
  static start(
    intervalMs: number,
    connection: ConnectionSettings,
    context: SourceTaskContext,
  ): XminWatch | undefined {
    if (intervalMs <= 0) return undefined;
    const watch = new XminWatch();
    void watch.#follow(intervalMs, connection, context);
    return watch;
  }

  get current(): number | null {
    return this.#current;
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #follow(
    intervalMs: number,
    connection: ConnectionSettings,
    context: SourceTaskContext,
  ): Promise<void> {
    const { signal } = this.#stopping;
    let client: pg.Client | undefined;
    while (!signal.aborted) {
      try {
        client ??= await openSession(connection);
        const { rows } = await client.query<{ xmin: string }>(
          'select txid_snapshot_xmin(txid_current_snapshot())::text as xmin',
        );
        this.#current = Number(rows[0]?.xmin ?? 0);
      } catch (error) {
        context.logger.debug({ err: error }, 'xmin could not be read');
        await client?.end().catch(() => undefined);
        client = undefined;
      }
      await context.clock.sleep(Math.max(intervalMs, MIN_INTERVAL_MS), signal);
    }
    await client?.end().catch(() => undefined);
  }
}

const MIN_INTERVAL_MS = 50;
