// How far a snapshot has come, kept in the offset of its records so that another run goes on from there. An exported
// snapshot ends with its connection: who resumes has to read at a later point, given by a temporary slot. So each table
// is stored with the ranges of its key that were read, and the point of each (CORRECTNESS 2).
import type { DeferredOffset, JsonValue, OffsetMap } from '@millrace/connect-api';
import { formatLsn, type Lsn, parseLsn } from '../protocol/lsn.ts';
import { type KeyKind, type OrderKey, sameOrder } from './key-order.ts';

/** A range of a table's key: from where the part before it ended up to `until`, included. */
export interface ReadPart {
  /** What committed before this position is in what was read. */
  readonly at: Lsn;
  /** Undefined = to the end of the table. */
  readonly until: readonly string[] | undefined;
}

/** What was read of one table. */
export interface ReadTable {
  readonly oid: number;
  /** Rows handed over. */
  readonly rows: number;
  /** What its rows were ordered by; undefined = read as a whole, in no order. */
  readonly key: readonly OrderKey[] | undefined;
  /** By ascending key. All of the table was read when the last one has no end. */
  readonly parts: readonly ReadPart[];
}

export interface BegunTable {
  /** The key to go on after. */
  readonly after: readonly string[] | undefined;
  readonly isForgotten: boolean;
}

/** The key of an offset map that holds the state. */
export const SNAPSHOT_STATE = 'millrace_snapshot';
/** The key that says that the state is exactly what readers of committed records have seen: never less, never more. */
export const SNAPSHOT_EXACT = 'millrace_snapshot_exact';

/** The key that says with what `PostgresConfig.snapshot.shape` the rows were read. */
export const SNAPSHOT_SHAPE = 'millrace_snapshot_shape';

/** Tables by `schema.table`. */
export type StoredSnapshot = ReadonlyMap<string, ReadTable>;

/** Reads the state in an offset map; undefined when there is none that can be read. */
export function parseSnapshotState(map: OffsetMap): StoredSnapshot | undefined {
  const text = map[SNAPSHOT_STATE];
  if (typeof text !== 'string') return undefined;
  try {
    const state = new Map<string, ReadTable>();
    for (const [name, value] of Object.entries(fieldsOf(JSON.parse(text))))
      state.set(name, progressOf(value));
    return state;
  } catch {
    return undefined;
  }
}

function isWhole({ parts }: ReadTable): boolean {
  const last = parts.at(-1);
  return last !== undefined && last.until === undefined;
}

export function stateText(state: Iterable<readonly [string, ReadTable]>): string {
  const tables: Record<string, JsonValue> = {};
  for (const [name, { oid, rows, key, parts }] of state) {
    tables[name] = {
      oid,
      rows,
      ...(key === undefined ? {} : { key: key.map(orderKeyJson) }),
      parts: parts.map(({ at, until }) => ({ at: formatLsn(at), ...(until === undefined ? {} : { until }) })),
    };
  }
  return JSON.stringify(tables);
}

/**
 * Follows one run of a snapshot. Each table is begun, moved on and ended by the reader that reads it; what `capture`
 * returns is true of the moment of the call.
 */
export class SnapshotTracker {
  readonly #point: Lsn;
  #done: (readonly [string, ReadTable])[] = [];
  readonly #partial = new Map<string, ReadTable>();

  /** `point` is what this run reads at; `state` is what earlier ones have read. */
  constructor(point: Lsn, state: StoredSnapshot = new Map()) {
    this.#point = point;
    for (const [name, progress] of state) {
      if (isWhole(progress)) this.#done.push([name, progress]);
      else this.#partial.set(name, progress);
    }
  }

  /** Whether an earlier run has read all of this table. */
  isDone(name: string, oid: number): boolean {
    return this.#done.some(([other, progress]) => other === name && progress.oid === oid);
  }

  /**
   * A table will be read: after this key, if earlier runs have come that far in the same order. `isForgotten` = they have
   * handed over rows, and that is not known any more from here on.
   */
  begin(name: string, oid: number, key: readonly OrderKey[] | undefined): BegunTable {
    const done = this.#done.filter(([other]) => other !== name);
    const wasDone = done.length < this.#done.length;
    this.#done = done;
    const earlier = this.#partial.get(name);
    if (earlier !== undefined && earlier.oid === oid && key !== undefined && sameOrder(earlier.key, key))
      return { after: earlier.parts.at(-1)?.until, isForgotten: false };
    this.#partial.set(name, { oid, rows: 0, key, parts: [] });
    return { after: undefined, isForgotten: wasDone || earlier !== undefined };
  }

  /** Rows that earlier runs have handed over, and this one so far. */
  rowsOf(name: string): number {
    return (this.#partial.get(name) ?? this.#done.find(([other]) => other === name)?.[1])?.rows ?? 0;
  }

  /** `rows` more were handed over, and with them all up to this key. */
  advance(name: string, until: readonly string[], rows: number): void {
    this.#end(name, until, this.#point, rows);
  }

  /** All rows have been handed over. `at` is the point whose later changes are all to be delivered. */
  finish(name: string, at: Lsn = this.#point): void {
    this.#end(name, undefined, at, 0);
    const progress = this.#partial.get(name);
    this.#partial.delete(name);
    if (progress !== undefined) this.#done.push([name, progress]);
  }

  capture(): () => Iterable<readonly [string, ReadTable]> {
    const done = this.#done;
    const count = done.length;
    const partial = [...this.#partial].filter(([, { parts }]) => parts.length > 0);
    return () => [...done.slice(0, count), ...partial];
  }

  #end(name: string, until: readonly string[] | undefined, at: Lsn, rows: number): void {
    const progress = this.#partial.get(name);
    if (progress === undefined) return;
    const last = progress.parts.at(-1);
    const before = last?.at === at ? progress.parts.slice(0, -1) : progress.parts;
    this.#partial.set(name, { ...progress, rows: progress.rows + rows, parts: [...before, { at, until }] });
  }
}

/** The offset of snapshot records: what was read when they were handed over. */
export class SnapshotOffset implements DeferredOffset {
  readonly #base: OffsetMap;
  readonly #state: () => Iterable<readonly [string, ReadTable]>;

  constructor(base: OffsetMap, tracker: SnapshotTracker) {
    this.#base = base;
    this.#state = tracker.capture();
  }

  toOffsetMap(): OffsetMap {
    const text = stateText(this.#state());
    return text === '{}' ? this.#base : { ...this.#base, [SNAPSHOT_STATE]: text };
  }
}

function progressOf(value: unknown): ReadTable {
  const { oid, rows, key, parts } = fieldsOf(value);
  if (typeof oid !== 'number') throw new Error('no oid');
  return {
    oid,
    rows: typeof rows === 'number' ? rows : 0,
    key: key === undefined ? undefined : listOf(key).map(orderKeyOf),
    parts: listOf(parts).map((part) => {
      const { at, until } = fieldsOf(part);
      const lsn = parseLsn(String(at));
      if (lsn === undefined) throw new Error('no position');
      return { at: lsn, until: until === undefined ? undefined : listOf(until).map(String) };
    }),
  };
}

const KINDS: readonly string[] = [
  'integer',
  'numeric',
  'float',
  'bytes',
  'time',
  'server',
] satisfies KeyKind[];

function orderKeyJson({ name, kind, order }: OrderKey): JsonValue {
  return order === undefined ? [name, kind] : [name, kind, order];
}
function orderKeyOf(value: unknown): OrderKey {
  const [name, kind, order] = listOf(value);
  if (typeof name !== 'string' || typeof kind !== 'string' || !KINDS.includes(kind))
    throw new Error('no key');
  return { name, kind: kind as KeyKind, ...(typeof order === 'string' ? { order } : {}) };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object');
  return value as Record<string, unknown>;
}
function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('no list');
  return value as unknown[];
}
