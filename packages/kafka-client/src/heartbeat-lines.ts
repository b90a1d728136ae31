// Connections that carry heartbeats and nothing else, for all members of this thread that ask the same broker as the same
// user. What is due goes out in one write, and its answers come in one read. Brokers answer the requests of a connection one
// by one, so nothing goes over it that may have to wait; and who gets no answer soon asks over a connection of its own:
// what holds one group up costs the others that wait and no more (INV-6).
import { type Logger, onAbort, SharedTimers, toError } from '@millrace/foundation';
import { API, type Encodable, type RequestBody, type ResponseBody } from '@millrace/kafka-protocol';
import type { Connection, RequestOptions } from './connection.ts';
import { orGivenUp } from './given-up.ts';

export type Heartbeat = Encodable<RequestBody<typeof API.Heartbeat>> & { readonly groupId: string };
export type HeartbeatAnswer = ResponseBody<typeof API.Heartbeat>;

/** A connection, perhaps one that is still being opened. */
export interface Opened {
  readonly connection: Promise<Connection>;
  /** Ends the attempt to open it. */
  readonly giveUp: () => void;
}

export interface BeatOptions extends Pick<RequestOptions, 'clientId' | 'stats'> {
  /** Opens the connection where there is none. */
  readonly open: () => Opened;
  /** The longest wait for an answer, in milliseconds. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** How long a line that broke is left alone. */
const REST_MS = 30_000;
/** How much sooner than it has to be a heartbeat is sent at most, once it goes with the others. */
const MAX_EARLY_MS = 100;

/** The lines of one thread. */
export class HeartbeatLines {
  readonly #lines = new Map<string, HeartbeatLine>();
  /** By interval. */
  readonly #timers = new Map<number, SharedTimers>();

  /** The line of a name; whoever enters leaves it once. */
  enter(name: string): HeartbeatLine {
    let line = this.#lines.get(name);
    if (!line) {
      line = new HeartbeatLine(() => this.#lines.delete(name));
      this.#lines.set(name, line);
    }
    line.enter();
    return line;
  }

  /**
   * Resolves when heartbeats of an interval are due, for all of this thread at once; after the interval at the latest, but
   * for what the thread is late. At once when the signal fires.
   */
  due(intervalMs: number, signal: AbortSignal): Promise<void> {
    const earlyMs = Math.min(MAX_EARLY_MS, intervalMs / 10);
    // Counted from the start of the thread: workers of many machines do not all beat at once.
    const timers = this.#timers.get(intervalMs) ?? new SharedTimers(intervalMs - earlyMs, 0);
    this.#timers.set(intervalMs, timers);
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        timer.cancel();
        release();
        resolve();
      };
      const timer = timers.after(earlyMs, done);
      const release = onAbort(signal, done);
    });
  }
}

export class HeartbeatLine {
  readonly #onEmpty: () => void;
  /** Whoever has entered and not left. */
  #users = 0;
  #opened: Opened | undefined;
  #connection: Connection | undefined;
  #unanswered = 0;
  #limit: NodeJS.Timeout | undefined;
  #restUntilMs = 0;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  enter(): void {
    this.#users++;
  }
  /** The last to leave closes the connection. */
  leave(): void {
    if (--this.#users > 0) return;
    this.#onEmpty();
    this.#close();
  }

  /** The answer; undefined when none came in time, or none will come: the heartbeat is to be sent otherwise. */
  async beat(body: Heartbeat, options: BeatOptions): Promise<HeartbeatAnswer | undefined> {
    if (performance.now() < this.#restUntilMs) return undefined;
    const { open, waitMs, signal, logger, ...rest } = options;
    if (this.#unanswered++ === 0) this.#limit = setTimeout(() => this.#rest(), waitMs);
    const opened = (this.#opened ??= this.#begin(open()));
    try {
      const connection = this.#connection ?? (await orGivenUp(opened.connection, signal));
      return await connection.request(API.Heartbeat, body, { ...rest, signal, timeoutMs: Infinity });
    } catch (error) {
      if (signal.aborted) return undefined;
      logger.debug({ err: toError(error) }, 'a heartbeat is sent again, by itself');
      if (this.#opened === opened) this.#rest();
      return undefined;
    } finally {
      if (--this.#unanswered === 0) clearTimeout(this.#limit);
    }
  }

  #begin(opened: Opened): Opened {
    // What is under way when it closes finds out by itself.
    const forget = (): void => {
      if (this.#opened === opened && this.#unanswered === 0) this.#close();
    };
    opened.connection
      .then((connection) => {
        if (this.#opened === opened) this.#connection = connection;
        return connection.closed;
      })
      .then(forget, forget);
    return opened;
  }

  /** What waits is given up. */
  #rest(): void {
    this.#restUntilMs = performance.now() + REST_MS;
    this.#close();
  }

  #close(): void {
    if (this.#opened) void closeOpened(this.#opened);
    this.#opened = this.#connection = undefined;
  }
}

/** Also one that is still being opened, which nobody answers perhaps, is gone when this resolves. */
export async function closeOpened({ connection, giveUp }: Opened): Promise<void> {
  giveUp();
  await connection.then((opened) => opened.close()).catch(() => undefined);
}
