// What the readers of one snapshot share: how far they have come together, the offsets that say so, and which row is
// the last of all.
import type { OffsetMap, SourceOffset } from '@millrace/connect-api';
import type { SnapshotTable } from '@millrace/connector-common';
import {
  afterBlocking,
  betweenOffset,
  blockingOffset,
  type SnapshotPosition,
  snapshotOffset,
} from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import type { SnapshotMarker } from '../source-info.ts';
import {
  SNAPSHOT_EXACT,
  SNAPSHOT_SHAPE,
  SNAPSHOT_STATE,
  SnapshotOffset,
  SnapshotTracker,
  type StoredSnapshot,
  stateText,
} from './snapshot-state.ts';
import type { OpenTable } from './snapshot-table.ts';

/** A snapshot that another run may go on with. */
export interface Resumable {
  /** Where the stream begins afterwards: the point of the slot, which no run changes. */
  readonly start: Lsn;
  /** What earlier runs have read. */
  readonly state: StoredSnapshot | undefined;
  /** What rows become. */
  readonly shape: string;
}

export interface SharedSnapshotOptions {
  /** The point of this run's snapshot. */
  readonly position: SnapshotPosition;
  /** Undefined = a snapshot that is interrupted starts again. */
  readonly resumable: Resumable | undefined;
  /** The offset of all records, where it is not that of an initial snapshot. */
  readonly offset: SourceOffset | undefined;
  /** Whether this run and those before it deliver exactly once. */
  readonly exact: boolean;
}

export class SharedSnapshot {
  /** The point of the snapshot that is being read; moved on where tables have to be read as of later. */
  position: SnapshotPosition;
  /** Rows read in this run. */
  rowCount = 0;
  /** Rows handed over in this run. */
  handedOver = 0;
  /** Whether earlier runs have handed over some. */
  readonly isResumed: boolean;
  readonly #fixed: SourceOffset | undefined;
  readonly #running: OffsetMap;
  readonly #complete: OffsetMap;
  #mark: OffsetMap;
  readonly #start: Lsn;
  readonly #tracker: SnapshotTracker | undefined;
  /** Tables being read in no order: an interrupted run reads them again from the start. */
  readonly #unordered = new Set<OpenTable>();
  /** Tables whose rows this snapshot cannot see: they are not read to the end. */
  #outOfSight = new Set<TableName>();
  #isComplete = false;
  #last: ((marker: SnapshotMarker) => void) | undefined;

  constructor({ position, resumable, offset, exact }: SharedSnapshotOptions) {
    this.position = position;
    this.isResumed = (resumable?.state?.size ?? 0) > 0;
    this.#start = resumable?.start ?? position.lsn;
    this.#fixed = offset;
    const base = { ...position, lsn: this.#start };
    const shape = resumable === undefined ? {} : { [SNAPSHOT_SHAPE]: resumable.shape };
    this.#running = { ...snapshotOffset(base, false), ...shape };
    this.#complete = snapshotOffset(base, true);
    this.#mark = exact && resumable !== undefined ? { [SNAPSHOT_EXACT]: true } : {};
    this.#tracker = resumable === undefined ? undefined : new SnapshotTracker(position.lsn, resumable.state);
  }

  /** For records that are handed over now. */
  offset(): SourceOffset {
    if (this.#fixed !== undefined) return this.#fixed;
    if (this.#tracker === undefined) return this.#running;
    // Of a table that is read in no order, rows are handed over that the state does not tell of.
    const mark = this.#unordered.size > 0 ? {} : this.#mark;
    return new SnapshotOffset({ ...this.#running, ...mark }, this.#tracker);
  }

  /** For what is handed over last of a batch: where a restart goes on once all of it is delivered. */
  offsetAfter(): SourceOffset | undefined {
    return this.#isComplete || this.#fixed !== undefined ? undefined : this.offset();
  }

  /** Whether a restart would bring rows again that are handed over. */
  get isUnfinished(): boolean {
    if (this.#isComplete) return false;
    return this.#fixed !== undefined || this.#tracker === undefined || this.#unordered.size > 0;
  }

  /** For the last record; the offset of a snapshot whose every row is delivered. */
  complete(): SourceOffset {
    this.#isComplete = true;
    return this.#fixed === undefined ? this.completeOffset : blockingOffset(this.#fixed, this.position);
  }

  /**
   * What was read later than the stream begins stays in it: the changes from before are in the rows already, until the
   * stream has passed the point they were read at.
   */
  get completeOffset(): OffsetMap {
    const later = [...(this.#tracker?.capture()() ?? [])].filter(([, { parts }]) =>
      parts.some(({ at }) => at > this.#start),
    );
    return later.length === 0
      ? this.#complete
      : { ...this.#complete, ...this.#mark, [SNAPSHOT_STATE]: stateText(later) };
  }

  /** For what comes after it and before the stream goes on. */
  get offsetBetween(): SourceOffset {
    return this.#fixed === undefined
      ? betweenOffset(this.completeOffset)
      : afterBlocking(this.#fixed, this.position);
  }

  /** Whether an earlier run has read all of a table. */
  isDone({ name, oid }: Pick<OpenTable, 'name' | 'oid'>): boolean {
    return this.#tracker?.isDone(qualified(name), oid) === true;
  }

  /** The tables with the rows that earlier runs have read. */
  earlier(tables: readonly SnapshotTable[]): SnapshotTable[] {
    return tables.map((table) => ({ ...table, rowsDone: this.#tracker?.rowsOf(table.name) ?? 0 }));
  }

  /** A table will be read; returns the key to go on after. */
  begin(table: OpenTable): readonly string[] | undefined {
    if (table.order === undefined) this.#unordered.add(table);
    const begun = this.#tracker?.begin(qualified(table.name), table.oid, table.order?.key);
    // INV-3: the deletes of rows that were delivered are told, also of those that are not read again.
    if (begun?.isForgotten === true) this.#mark = {};
    return begun?.after;
  }

  /** All rows up to this key are handed over. */
  advance(table: OpenTable, until: readonly string[], rows: number): void {
    this.#tracker?.advance(qualified(table.name), until, rows);
  }

  /** A table is another by now than in this snapshot: a later one has to read it. */
  outOfSight(name: TableName): void {
    this.#outOfSight.add(name);
  }
  /** Once: the tables that are left for a later snapshot. */
  takeOutOfSight(): readonly TableName[] {
    const tables = [...this.#outOfSight];
    this.#outOfSight = new Set();
    return tables;
  }

  /** No row of a table that was begun is handed over. */
  leave(table: OpenTable): void {
    this.#unordered.delete(table);
  }

  /** All rows of a table are handed over. */
  finish(table: OpenTable): void {
    if (this.#outOfSight.has(table.name)) return;
    this.#unordered.delete(table);
    // Which rows the SELECT of a user's leaves out the stream cannot tell: all changes of that table are delivered.
    this.#tracker?.finish(qualified(table.name), table.overridden ? this.#start : undefined);
  }

  /** A reader is through; `emit` hands over the row that it still holds. */
  readerDone(emit: (marker: SnapshotMarker) => void): void {
    this.#last?.('last_in_data_collection');
    this.#last = emit;
  }

  /** All readers are through. */
  end(): void {
    this.#last?.('last');
    this.#last = undefined;
  }
}
