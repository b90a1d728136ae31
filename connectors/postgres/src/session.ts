// The driver's session with what it lacks for connections over which nothing comes any more.
import type { Socket } from 'node:net';
import pg from 'pg';
import { isAboutSession, postgresError } from './errors.ts';
import { QueryWatch, type SessionState } from './protocol/query-watch.ts';
import { socketOf } from './protocol/socket-of.ts';

const END_TIMEOUT_MS = 2_000;

/** A session whose end does not wait for a server that no longer answers: else its task could not end either. */
export class Session extends pg.Client {
  #watch: QueryWatch | undefined;

  /** INV-7: from now on the session breaks when a query of it is not going to be answered. */
  watch(limitMs: number, ask: () => Promise<SessionState>): void {
    const { socket } = this;
    this.#watch = new QueryWatch({
      limitMs,
      waiting: () =>
        (this as unknown as { readyForQuery: boolean }).readyForQuery === false && !socket.isPaused(),
      bytesRead: () => socket.bytesRead,
      ask,
      dead: (reason) => socket.destroy(postgresError('postgres.connection_stalled', reason)),
    });
    this.once('end', () => this.#watch?.stop());
  }

  get socket(): Socket {
    return socketOf(this);
  }

  override async end(): Promise<void> {
    this.#watch?.stop();
    const timer = setTimeout(() => this.socket.destroy(), END_TIMEOUT_MS);
    try {
      await super.end();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A session as its server knows it. */
export interface BackendIdentity {
  readonly pid: number;
  /** When its server was started, as a text of the server's. */
  readonly serverStart: string;
}

const STATE = `
  select case when pg_postmaster_start_time()::text <> $2 then 'busy'
              when activity.pid is null then 'gone'
              when wait_event = 'ClientWrite' or (state like 'idle%' and wait_event = 'ClientRead') then 'done'
              else 'busy' end as state
    from (select $1::int as pid) as wanted left join pg_catalog.pg_stat_activity as activity using (pid)`;

/**
 * Asks over a session that is not used yet, and ends it. Behind some addresses are several servers: what another one
 * says of a session means nothing.
 */
export async function stateOf(
  { pid, serverStart }: BackendIdentity,
  session: Session,
  timeoutMs: number,
): Promise<SessionState> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    session.socket.destroy();
  }, timeoutMs);
  try {
    await session.connect();
    const { rows } = await session.query<{ state: SessionState }>(STATE, [pid, serverStart]);
    return rows[0]?.state ?? 'busy';
  } catch (error) {
    // A server that refuses, because all connections are taken, is there.
    return isLate || isAboutSession(error) ? 'unreached' : 'busy';
  } finally {
    clearTimeout(timer);
    void session.end().catch(() => undefined);
  }
}
