// INV-7: notices a session whose query is never going to be answered although nobody has closed its connection: a
// network that drops packets, a firewall that has forgotten it. A session that waits for an answer cannot be asked
// anything, so the server is asked about it over another one.
import { lookIntervalMs } from './watchdog.ts';

/** What the server says of a session. */
export type SessionState =
  /** It runs the query, waits for a lock, or cannot say. */
  | 'busy'
  /** The query is done, or was never received, or its answer goes nowhere. */
  | 'done'
  /** It has ended. */
  | 'gone'
  /** The server cannot be reached either. */
  | 'unreached';

export interface QueryWatchOptions {
  /** So long a silence means that the server is gone, when it cannot be reached by another connection either. */
  readonly limitMs: number;
  /** Whether an answer is waited for, and read. */
  readonly waiting: () => boolean;
  /** Bytes that have come so far. */
  readonly bytesRead: () => number;
  /** Asks the server about the session; settles within a bounded time and does not throw. */
  readonly ask: () => Promise<SessionState>;
  /** Called once; what of the session is to be said. */
  readonly dead: (reason: string) => void;
}

/** A server that works for long is asked less and less often. */
const MAX_PAUSE_MS = 60_000;

const REASONS: Readonly<Record<Exclude<SessionState, 'busy'>, string>> = {
  done: 'the server is done with it, so that its answer must have been lost',
  gone: 'the server has ended the session',
  unreached: 'the server does not answer another connection either',
};

export class QueryWatch {
  readonly #options: QueryWatchOptions;
  readonly #everyMs: number;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #silentMs = 0;
  /** The silence at which the server could not be reached for the first time. */
  #unreachedMs: number | undefined;
  /** The silence after which the server is asked. */
  #askAtMs: number;
  #isAsking = false;
  /** It was heard to be over once: the answer may have been on its way just then. */
  #seemsOver = false;

  constructor(options: QueryWatchOptions) {
    this.#options = options;
    this.#everyMs = lookIntervalMs(options.limitMs);
    this.#askAtMs = 2 * this.#everyMs;
    this.#timer = setInterval(() => void this.look(), this.#everyMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Called by the timer. Counts looks, not time: a process that was suspended has not listened meanwhile. */
  async look(): Promise<void> {
    if (this.#isAsking) return void (this.#silentMs += this.#everyMs);
    const bytes = this.#options.bytesRead();
    if (!this.#options.waiting() || bytes !== this.#bytes) return this.#heard(bytes);
    this.#silentMs += this.#everyMs;
    if (this.#silentMs < this.#askAtMs) return;
    this.#isAsking = true;
    const state = await this.#options.ask();
    this.#isAsking = false;
    const now = this.#options.bytesRead();
    if (!this.#options.waiting() || now !== bytes) return this.#heard(now);
    this.#judge(state);
  }

  #heard(bytes: number): void {
    this.#bytes = bytes;
    this.#silentMs = 0;
    this.#unreachedMs = undefined;
    this.#askAtMs = 2 * this.#everyMs;
    this.#seemsOver = false;
  }

  #judge(state: SessionState): void {
    if (state === 'busy') {
      this.#seemsOver = false;
      this.#unreachedMs = undefined;
      this.#askAtMs = this.#silentMs + Math.min(MAX_PAUSE_MS, this.#silentMs);
      return;
    }
    const isDead = state === 'unreached' ? this.#isOut() : this.#seemsOver;
    if (state !== 'unreached') this.#seemsOver = true;
    this.#askAtMs = this.#silentMs + this.#everyMs;
    if (!isDead) return;
    this.stop();
    const seconds = Math.round(this.#silentMs / 1000);
    this.#options.dead(`No answer to a query for ${seconds} s, and ${REASONS[state]}`);
  }

  /** Whether the limit has passed since the server was last known to be there. */
  #isOut(): boolean {
    this.#unreachedMs ??= this.#silentMs;
    return this.#silentMs - this.#unreachedMs >= this.#options.limitMs - 2 * this.#everyMs;
  }
}
