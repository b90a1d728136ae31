// How often the server hears from us.
import type { PostgresConfig } from '../config.ts';
import type { ServerFacts } from '../server.ts';

const DEFAULT_STATUS_MS = 10_000;
const MIN_STATUS_MS = 100;

/** As often as the config says, and never less often than keeps the server from giving us up. */
export function statusIntervalMs(config: PostgresConfig, facts: ServerFacts): number {
  const third = facts.walSenderTimeoutMs > 0 ? facts.walSenderTimeoutMs / 3 : DEFAULT_STATUS_MS;
  return Math.max(MIN_STATUS_MS, Math.min(DEFAULT_STATUS_MS, third, config.statusIntervalMs));
}
