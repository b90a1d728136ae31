// Signals: what users ask a running connector to do, read from a table, a topic or a file.
import type { Logger } from '@millrace/foundation';

export interface Signal {
  readonly id: string;
  readonly type: string;
  /** The parsed JSON object; empty when there is none. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A signal from its three columns; undefined, with a warning, when its data is no JSON object. */
export function parseSignal(id: string, type: string, data: unknown, logger: Logger): Signal | undefined {
  if (data === null || data === undefined || data === '') return { id, type, data: {} };
  let parsed: unknown = data;
  if (typeof data === 'string') {
    try {
      parsed = JSON.parse(data);
    } catch {
      parsed = undefined;
    }
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
    return { id, type, data: parsed as Record<string, unknown> };
  }
  logger.warn({ signal: id, type }, 'the data of a signal is no JSON object; the signal is ignored');
  return undefined;
}

export interface SignalSource {
  readonly logger: Logger;
  /** For signals that have no id. */
  readonly randomId: () => string;
}

/** A signal as JSON, `{"id"?, "type", "data"}`: a message of a topic, a line of a file. */
export function parseSignalText(text: string, { logger, randomId }: SignalSource): Signal | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    message = undefined;
  }
  const { id, type, data } =
    typeof message === 'object' && message !== null ? (message as Record<string, unknown>) : {};
  if (typeof type !== 'string') {
    logger.warn('a signal is no JSON object with a type; it is ignored');
    return undefined;
  }
  const known = typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
  return parseSignal(known ?? randomId(), type, data, logger);
}

interface Condition {
  /** A pattern of tables. */
  readonly collection: string;
  readonly filter: string;
}

/** What `execute-snapshot` asks for. */
export interface SnapshotRequest {
  readonly kind: 'incremental' | 'blocking';
  /** Patterns of tables. */
  readonly collections: readonly string[];
  readonly conditions: readonly Condition[];
  readonly surrogateKey: string | undefined;
}

/**
 * Reads the data of `execute-snapshot` and `stop-snapshot`; undefined when it asks for another kind of snapshot, names
 * what is no table, or has a condition without a table or a filter: the whole table is not what was asked for.
 */
export function snapshotRequest(signal: Signal): SnapshotRequest | undefined {
  const { data } = signal;
  const kind = String(data['type'] ?? 'incremental').toLowerCase();
  if (kind !== 'incremental' && kind !== 'blocking') return undefined;
  const list = data['data-collections'];
  if (Array.isArray(list) && !list.every((entry) => typeof entry === 'string')) return undefined;
  const given = data['additional-conditions'];
  const surrogateKey = data['surrogate-key'];
  const conditions: Condition[] = [];
  for (const entry of Array.isArray(given) ? given : []) {
    const condition = conditionOf(entry);
    if (condition === undefined) return undefined;
    // An empty filter is none, and so is an empty surrogate key.
    if (condition.filter !== '') conditions.push(condition);
  }
  return {
    kind,
    collections: Array.isArray(list) ? list.map((entry: string) => entry.trim()) : [],
    conditions,
    surrogateKey: typeof surrogateKey === 'string' && surrogateKey !== '' ? surrogateKey : undefined,
  };
}

function conditionOf(entry: unknown): Condition | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { 'data-collection': collection, filter } = entry as Record<string, unknown>;
  return typeof collection === 'string' && typeof filter === 'string' ? { collection, filter } : undefined;
}
