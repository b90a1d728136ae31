// The stretch of the stream that lies before the points at which a resumed snapshot has read. The stream begins at the
// first run's point; rows that a later run read hold everything that committed before its own point already. Those
// changes are left out here, so that no row is seen to go back. Deletes are not just left out: the run that was
// interrupted may have delivered a row that a later one did not find any more. They wait until it is certain that the
// row did not come back, and are delivered at the end (CORRECTNESS 2).
import type { OffsetMap, SourceRecord } from '@millrace/connect-api';
import type { Lsn } from '../protocol/lsn.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import { compareKeys, type OrderKey } from '../snapshot/key-order.ts';
import {
  parseSnapshotState,
  type ReadTable,
  SNAPSHOT_EXACT,
  SNAPSHOT_STATE,
  stateText,
} from '../snapshot/snapshot-state.ts';

/** INV-5: deletes that wait. With more of them, their tables' changes are delivered as they come from there on. */
const MAX_WAITING = 20_000;

/** What a change means for a table that was read later than the stream begins. */
export interface JudgedTable {
  readonly name: string;
  /** The columns that tell where a row lies; undefined = all rows were read at one point. */
  readonly keyColumns: readonly string[] | undefined;
  /** Whether the server may have to be asked. */
  readonly isAsked: boolean;
}

/** The places in the order of a table where its runs have stopped; a key lies in one of the parts between them. */
export interface ReadPlaces {
  readonly key: readonly OrderKey[];
  /** Ascending. */
  readonly places: readonly (readonly string[])[];
}

interface Waiting {
  readonly table: string;
  readonly records: readonly SourceRecord[];
}

export class SnapshotWindow {
  /** From here on every change counts. */
  readonly end: Lsn;
  readonly #maxWaiting: number;
  readonly #tables: Map<string, ReadTable>;
  readonly #judged = new Map<string, JudgedTable>();
  readonly #deletes = new Map<string, Waiting>();
  /** The parts that keys lie in of which only the server could tell. */
  readonly #learned = new Map<string, number>();
  /** Whether what was read is exactly what was delivered: then no delete has to wait, and offsets can hold the window. */
  readonly exact: boolean;
  #state: OffsetMap | undefined;

  constructor(
    tables: ReadonlyMap<string, ReadTable>,
    { maxWaiting = MAX_WAITING, exact = false }: { maxWaiting?: number; exact?: boolean } = {},
  ) {
    this.#tables = new Map(tables);
    this.#maxWaiting = maxWaiting;
    this.exact = exact;
    let end: Lsn = 0;
    for (const [name, { key, parts }] of tables) {
      for (const { at } of parts) if (at > end) end = at;
      const isAsked = parts.length > 1 && key?.some(({ kind }) => kind === 'server') === true;
      this.#judged.set(name, { name, keyColumns: key?.map((column) => column.name), isAsked });
    }
    this.end = end;
  }

  /** The window that an offset was stored in; undefined when it was in none. `exactlyOnce` is what the run delivers. */
  static of(offset: OffsetMap, exactlyOnce: boolean): SnapshotWindow | undefined {
    const state = parseSnapshotState(offset);
    if (state === undefined || state.size === 0) return undefined;
    return new SnapshotWindow(state, { exact: exactlyOnce && offset[SNAPSHOT_EXACT] === true });
  }

  /** What offsets within it hold, so that a restart finds it again. */
  get state(): OffsetMap {
    this.#state ??= { [SNAPSHOT_STATE]: stateText(this.#tables), [SNAPSHOT_EXACT]: true };
    return this.#state;
  }

  /** How to judge changes of a table; undefined when all are delivered. */
  table(name: TableName): JudgedTable | undefined {
    return this.#judged.get(qualified(name));
  }

  /**
   * Whether a row with this key was read after `commitLsn`; undefined = only the server can tell where it lies, and
   * `learn` was not told.
   */
  covers(table: JudgedTable, key: readonly string[], commitLsn: Lsn): boolean | undefined {
    const progress = this.#tables.get(table.name);
    if (progress === undefined) return false;
    const { parts } = progress;
    if (parts.every(({ at }) => commitLsn >= at)) return false;
    if (parts.every(({ at }) => commitLsn < at) && parts.at(-1)?.until === undefined) return true;
    const index = partOf(progress, key) ?? this.#learned.get(joined(table.name, key));
    if (index === undefined) return undefined;
    const part = parts[index];
    return part !== undefined && commitLsn < part.at;
  }

  /** What the server is asked where keys of this table lie; undefined when all changes of it are delivered. */
  places(name: string): ReadPlaces | undefined {
    const { key, parts } = this.#tables.get(name) ?? {};
    if (key === undefined || parts === undefined) return undefined;
    return { key, places: parts.flatMap(({ until }) => (until === undefined ? [] : [until])) };
  }

  /** This key lies after so many of the table's `places`. */
  learn(name: string, key: readonly string[], place: number): void {
    this.#learned.set(joined(name, key), place);
  }

  /** INV-5: what was learned is not needed any more. */
  forget(): void {
    this.#learned.clear();
  }

  /** A row that was deleted before it was read: delivered at the end, unless it comes back. */
  deleted(table: JudgedTable, recordKey: string, records: readonly SourceRecord[]): SourceRecord[] {
    // Nobody has seen the row.
    if (this.exact) return [];
    this.#deletes.set(joined(table.name, [recordKey]), { table: table.name, records });
    return this.#deletes.size > this.#maxWaiting ? this.#giveUp() : [];
  }

  /** A row is there (again): either it is read as such, or its change is delivered. */
  created(table: JudgedTable, recordKey: string): void {
    this.#deletes.delete(joined(table.name, [recordKey]));
  }

  /**
   * From here on all changes of this table are delivered, since some cannot be judged: what comes later must not be
   * left out then. Returns the deletes that waited.
   */
  release(name: string): SourceRecord[] {
    this.#tables.delete(name);
    this.#judged.delete(name);
    this.#state = undefined;
    const records: SourceRecord[] = [];
    for (const [key, waiting] of this.#deletes) {
      if (waiting.table !== name) continue;
      records.push(...waiting.records);
      this.#deletes.delete(key);
    }
    return records;
  }

  /** The end is reached: the deletes that waited. */
  close(): SourceRecord[] {
    const records = [...this.#deletes.values()].flatMap((waiting) => waiting.records);
    this.#deletes.clear();
    this.#tables.clear();
    this.#judged.clear();
    return records;
  }

  #giveUp(): SourceRecord[] {
    return [...new Set([...this.#deletes.values()].map(({ table }) => table))].flatMap((name) =>
      this.release(name),
    );
  }
}

/** The part that a key lies in, or the number of parts if it is in none; undefined when only the server can tell. */
function partOf({ key: order, parts }: ReadTable, key: readonly string[]): number | undefined {
  for (const [i, { until }] of parts.entries()) {
    if (until === undefined || order === undefined) return i;
    const comparison = compareKeys(order, key, until);
    if (comparison === undefined) return undefined;
    if (comparison <= 0) return i;
  }
  return parts.length;
}

function joined(table: string, texts: readonly string[]): string {
  return [table, ...texts].join('\u0000');
}
