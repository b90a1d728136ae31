// INV-7: notices a replication connection over which nothing comes any more although nobody has closed it: a server process
// that hangs, a network that swallows packets. A server that lives answers a status update that asks for a reply.

export interface WatchdogOptions {
  /** So long a silence, in spite of questions, means that the server is gone. */
  readonly limitMs: number;
  /** Whether what the server sends is being read; while it is not, silence means nothing. */
  readonly reading: () => boolean;
  /** Asks the server for a sign of life. */
  readonly ask: () => void;
  /** Called once. */
  readonly dead: (silentMs: number) => void;
}

/** So long a silence is borne where the server itself would bear any. */
const DEFAULT_SILENCE_MS = 5 * 60_000;
const MIN_SILENCE_MS = 1_000;

/** As long as the server would bear our silence; 0 = for ever. */
export function silenceLimitMs(walSenderTimeoutMs: number): number {
  return walSenderTimeoutMs > 0 ? Math.max(MIN_SILENCE_MS, walSenderTimeoutMs) : DEFAULT_SILENCE_MS;
}

const LOOK_MS = 3_000;
const LOOKS = 4;

/** How often to look whether something has come. A silence is noticed within twice this time. */
export function lookIntervalMs(limitMs: number): number {
  return Math.max(1, Math.min(LOOK_MS, limitMs / LOOKS));
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #heard = true;
  #silentMs = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#everyMs = lookIntervalMs(options.limitMs);
  }

  /** The server was asked for a sign of life and has not given it yet. */
  get isWaiting(): boolean {
    return this.#silentMs > 0;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), this.#everyMs);
  }
  stop(): void {
    clearInterval(this.#timer);
    this.#silentMs = 0;
  }

  /** Something has come from the server. */
  heard(): void {
    this.#heard = true;
  }

  /** Called by the timer. Counts looks, not time: a process that was suspended has not listened meanwhile. */
  look(): void {
    const { limitMs, reading, ask, dead } = this.#options;
    if (this.#heard || !reading()) {
      this.#heard = false;
      this.#silentMs = 0;
      return;
    }
    this.#silentMs += this.#everyMs;
    if (this.#silentMs < limitMs) ask();
    else {
      const silentMs = this.#silentMs;
      this.stop();
      dead(silentMs);
    }
  }
}
