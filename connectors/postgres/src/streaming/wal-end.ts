// Where the server's WAL ends, asked now and then: only against that can one say that nothing is left to read (INV-7).
import type { Clock, Logger } from '@millrace/foundation';
import type pg from 'pg';
import { type Lsn, parseLsn } from '../protocol/lsn.ts';

export interface WalEndOptions {
  /** A session that may be used for a short query in between. */
  readonly client: pg.Client;
  readonly slot: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the reader is known to be past what was the end. */
  readonly isReached: () => boolean;
  /** Has the walsender say how far it is. */
  readonly ask: () => void;
}

const INTERVAL_MS = 10_000;
/** A busy server is a little behind its own end whenever it answers. */
const ASK_AGAIN_MS = 1_000;

export class WalEnd {
  readonly #options: WalEndOptions;
  readonly #stopping = new AbortController();
  #current: Lsn | undefined;
  #retained: number | undefined;

  constructor(options: WalEndOptions) {
    this.#options = options;
  }

  /** Where it ended when it was last looked at. */
  get current(): Lsn | undefined {
    return this.#current;
  }

  /** Bytes of WAL that the server keeps for the slot, as of the last look. */
  get retainedBytes(): number | undefined {
    return this.#retained;
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Asks again and again until `stop`. */
  async follow(): Promise<void> {
    const { client, logger, slot } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const { rows } = await client.query<{ wal_end: string | null; retained: string | null }>(
          `select wal.wal_end::text, (wal.wal_end - s.restart_lsn)::text as retained
             from (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end as wal_end) wal
             left join pg_catalog.pg_replication_slots s on s.slot_name = $1`,
          [slot],
        );
        this.#current = parseLsn(rows[0]?.wal_end ?? '');
        const retained = rows[0]?.retained ?? null;
        this.#retained = retained === null ? undefined : Number(retained);
      } catch (error) {
        if (!signal.aborted) logger.debug({ err: error }, 'the end of the WAL could not be read');
      }
      await this.#untilNext(signal);
    }
  }

  async #untilNext(signal: AbortSignal): Promise<void> {
    const { clock, isReached, ask } = this.#options;
    const endMs = clock.monotonicMs() + INTERVAL_MS;
    while (!signal.aborted && clock.monotonicMs() < endMs) {
      if (!isReached()) ask();
      await clock.sleep(ASK_AGAIN_MS, signal);
    }
  }
}
