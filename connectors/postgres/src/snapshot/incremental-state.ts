// How an unfinished incremental snapshot is kept in offsets. The names are Debezium's; the keys, which Debezium writes as
// serialized Java objects, are JSON here, so that one begun by Debezium reads its current table again from the start.
import type { OffsetMap } from '@millrace/connect-api';
import { INCREMENTAL_PREFIX as PREFIX } from '../offset.ts';
import type { ChunkKey } from './chunk-reader.ts';

export interface PendingCollection {
  readonly name: string;
  readonly condition: string | undefined;
  readonly surrogateKey: string | undefined;
}

/** How far the first table was read, and how far it is to be. */
export interface ReadKeys {
  readonly lastKey: ChunkKey | undefined;
  readonly maximumKey: ChunkKey;
}

export interface IncrementalState {
  readonly collections: readonly PendingCollection[];
  readonly correlationId: string | undefined;
  readonly keys: ReadKeys | undefined;
}

const COLLECTIONS = `${PREFIX}collections`;
const KEY_MARK = 'json:';

export function stateMap(
  collections: readonly PendingCollection[],
  correlationId: string | undefined,
  current: ReadKeys | undefined,
): OffsetMap {
  return {
    [COLLECTIONS]: JSON.stringify(
      collections.map(({ name, condition, surrogateKey }) => ({
        [`${COLLECTIONS}_id`]: name,
        [`${COLLECTIONS}_additional_condition`]: condition ?? null,
        [`${COLLECTIONS}_surrogate_key`]: surrogateKey ?? null,
        [`${COLLECTIONS}_correlation_id`]: correlationId ?? null,
      })),
    ),
    [`${PREFIX}primary_key`]: KEY_MARK + JSON.stringify(current?.lastKey ?? null),
    [`${PREFIX}maximum_key`]: KEY_MARK + JSON.stringify(current?.maximumKey ?? null),
    ...(correlationId === undefined ? {} : { [`${PREFIX}correlation_id`]: correlationId }),
  };
}

/** Undefined when the offset holds none. */
export function parseState(offset: OffsetMap): IncrementalState | undefined {
  const entries = parseJson(offset[COLLECTIONS]);
  if (!Array.isArray(entries)) return undefined;
  const collections = entries.flatMap((entry: unknown): PendingCollection[] => {
    if (typeof entry !== 'object' || entry === null) return [];
    const fields = entry as Record<string, unknown>;
    const name = fields[`${COLLECTIONS}_id`];
    const text = (key: string): string | undefined => {
      const value = fields[`${COLLECTIONS}_${key}`];
      return typeof value === 'string' && value !== '' ? value : undefined;
    };
    if (typeof name !== 'string') return [];
    return [{ name, condition: text('additional_condition'), surrogateKey: text('surrogate_key') }];
  });
  if (collections.length === 0) return undefined;
  const correlationId = offset[`${PREFIX}correlation_id`];
  const lastKey = keyOf(offset[`${PREFIX}primary_key`]);
  const maximumKey = keyOf(offset[`${PREFIX}maximum_key`]);
  return {
    collections,
    correlationId: typeof correlationId === 'string' ? correlationId : undefined,
    keys: lastKey === undefined || maximumKey === undefined ? undefined : { lastKey, maximumKey },
  };
}

/** What an offset holds of it, as it is; undefined when it holds none. */
export function restingState(offset: OffsetMap = {}): OffsetMap | undefined {
  if (parseState(offset) === undefined) return undefined;
  return Object.fromEntries(Object.entries(offset).filter(([key]) => key.startsWith(PREFIX)));
}

function keyOf(value: unknown): ChunkKey | undefined {
  if (typeof value !== 'string' || !value.startsWith(KEY_MARK)) return undefined;
  const parsed = parseJson(value.slice(KEY_MARK.length));
  const isKey = Array.isArray(parsed) && parsed.every((part) => part === null || typeof part === 'string');
  return isKey ? parsed : undefined;
}

function parseJson(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
