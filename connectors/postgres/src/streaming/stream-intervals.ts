// How often the server hears from us, and how long it may be silent.
import type { PostgresConfig } from '../config.ts';
import type { ServerFacts } from '../server.ts';

const DEFAULT_STATUS_MS = 10_000;
const MIN_STATUS_MS = 100;
/** So long a silence is borne where the server itself would bear any. */
const DEFAULT_SILENCE_MS = 5 * 60_000;
const MIN_SILENCE_MS = 1_000;

/** As long as the server would bear our silence; 0 = for ever. */
export function silenceLimitMs(walSenderTimeoutMs: number): number {
  return walSenderTimeoutMs > 0 ? Math.max(MIN_SILENCE_MS, walSenderTimeoutMs) : DEFAULT_SILENCE_MS;
}

/** As often as the config says, and never less often than keeps the server from giving us up. */
export function statusIntervalMs(config: PostgresConfig, facts: ServerFacts): number {
  const third = facts.walSenderTimeoutMs > 0 ? facts.walSenderTimeoutMs / 3 : DEFAULT_STATUS_MS;
  return Math.max(MIN_STATUS_MS, Math.min(DEFAULT_STATUS_MS, third, config.statusIntervalMs));
}
