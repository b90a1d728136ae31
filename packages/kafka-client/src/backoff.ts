// Waiting between attempts: doubling with jitter, as Kafka's clients do, so that many clients do not knock at once.

export interface BackoffOptions {
  readonly firstMs?: number;
  readonly maxMs?: number;
  /** A number in [0, 1); given by tests. */
  readonly random?: () => number;
}

const DEFAULT_FIRST_MS = 100;
const DEFAULT_MAX_MS = 1000;
const JITTER = 0.2;

/** Milliseconds to wait before attempt number `attempt` (1 = the first retry): 100 ms doubling to 1 s, +-20 %. */
export function backoffMs(attempt: number, options: BackoffOptions = {}): number {
  const first = options.firstMs ?? DEFAULT_FIRST_MS;
  const max = options.maxMs ?? DEFAULT_MAX_MS;
  const plain = Math.min(max, first * 2 ** Math.min(attempt - 1, 20));
  const random = (options.random ?? Math.random)();
  return Math.round(plain * (1 - JITTER + 2 * JITTER * random));
}
