// How far a snapshot is: told by whoever reads the tables, in calls that cost nothing per row, and read by metrics and
// status whenever somebody looks. What Debezium's snapshot context counts, and what it does not: share done, time left.
import type { Clock } from '@millrace/foundation';

/** A table that a snapshot is going to read. */
export interface SnapshotTable {
  /** `schema.table` */
  readonly name: string;
  /** As far as the server knows; absent when it does not. */
  readonly estimatedRows?: number | undefined;
  /** Rows that an earlier run of the same snapshot has read already. */
  readonly rowsDone?: number | undefined;
  /** Key ranges that it is read in, where that is known. */
  readonly chunks?: number | undefined;
}

export type SnapshotState = 'none' | 'running' | 'paused' | 'completed' | 'aborted' | 'skipped';

export interface TableProgress {
  readonly name: string;
  readonly rows: number;
  readonly chunks: number;
  readonly chunksDone: number;
  readonly done: boolean;
}

export interface SnapshotView {
  readonly state: SnapshotState;
  readonly tables: readonly TableProgress[];
  readonly remainingTables: number;
  /** Seconds since the snapshot began, until it ended; pauses are not part of it. */
  readonly durationSeconds: number;
  readonly pausedSeconds: number;
  readonly rows: number;
  /** Since rows were read last; -1 before the first. */
  readonly sinceLastRowMs: number;
  /** 0 to 100; 100 only once it is complete. */
  readonly percent: number;
  /** Estimated from what this run has read; undefined while nothing can be said, and when none runs. */
  readonly secondsLeft: number | undefined;
}

interface Entry {
  readonly estimate: number;
  rows: number;
  chunks: number;
  chunksDone: number;
  done: boolean;
}

const ALMOST = 99.9;

/**
 * Progress of the snapshots of one task: the initial one, and blocking ones after it, each of which begins anew. May be
 * called by several readers in turn; unknown tables are added.
 */
export class SnapshotProgress {
  readonly #clock: Clock;
  readonly #tables = new Map<string, Entry>();
  #state: SnapshotState = 'none';
  #startedMs = 0;
  #endedMs: number | undefined;
  #pausedSinceMs: number | undefined;
  #pausedMs = 0;
  #lastRowMs: number | undefined;
  /** The share that was done before this run. */
  #shareBefore = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A snapshot of these tables begins. */
  started(tables: readonly SnapshotTable[]): void {
    this.#tables.clear();
    for (const { name, estimatedRows, rowsDone, chunks } of tables) {
      this.#tables.set(name, {
        estimate: Math.max(0, estimatedRows ?? 0),
        rows: rowsDone ?? 0,
        chunks: chunks ?? 0,
        chunksDone: 0,
        done: false,
      });
    }
    this.#state = 'running';
    this.#startedMs = this.#clock.monotonicMs();
    this.#endedMs = undefined;
    this.#pausedSinceMs = undefined;
    this.#pausedMs = 0;
    this.#shareBefore = this.#share();
  }

  /** `rows` more rows of a table were read. Called once a batch. */
  rowsScanned(table: string, rows: number): void {
    this.#entry(table).rows += rows;
    this.#lastRowMs = this.#clock.monotonicMs();
  }

  /** A table has to be read again from its beginning. */
  restarted(table: string): void {
    const entry = this.#entry(table);
    entry.rows = 0;
    entry.chunksDone = 0;
    entry.done = false;
  }

  /** It is known now in how many key ranges a table is read. */
  chunks(table: string, count: number): void {
    this.#entry(table).chunks = count;
  }

  /** One more key range of a table was read. */
  chunkDone(table: string): void {
    this.#entry(table).chunksDone++;
  }

  /** A table was read. */
  tableDone(table: string): void {
    this.#entry(table).done = true;
  }

  paused(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.#pausedSinceMs = this.#clock.monotonicMs();
  }

  resumed(): void {
    if (this.#state !== 'paused') return;
    this.#endPause();
    this.#state = 'running';
  }

  /** All tables were read. */
  completed(): void {
    for (const entry of this.#tables.values()) entry.done = true;
    this.#end('completed');
  }

  /** It ended before all tables were read. */
  aborted(): void {
    if (this.#state === 'running' || this.#state === 'paused') this.#end('aborted');
  }

  /** The config, or what is stored, says that no table is to be read. */
  skipped(): void {
    this.#state = 'skipped';
  }

  get view(): SnapshotView {
    const entries = [...this.#tables];
    const now = this.#endedMs ?? this.#clock.monotonicMs();
    const pausedMs =
      this.#pausedMs + (this.#pausedSinceMs === undefined ? 0 : Math.max(0, now - this.#pausedSinceMs));
    const began = this.#state !== 'none' && this.#state !== 'skipped';
    const durationMs = began ? Math.max(0, now - this.#startedMs - pausedMs) : 0;
    const share = this.#state === 'completed' ? 1 : this.#share();
    return {
      state: this.#state,
      tables: entries.map(([name, { rows, chunks, chunksDone, done }]) => ({
        name,
        rows,
        chunks,
        chunksDone,
        done,
      })),
      remainingTables: entries.filter(([, { done }]) => !done).length,
      durationSeconds: durationMs / 1000,
      pausedSeconds: pausedMs / 1000,
      rows: entries.reduce((sum, [, { rows }]) => sum + rows, 0),
      sinceLastRowMs:
        this.#lastRowMs === undefined ? -1 : Math.round(this.#clock.monotonicMs() - this.#lastRowMs),
      percent: this.#state === 'completed' ? 100 : Math.min(ALMOST, 100 * share),
      secondsLeft: this.#secondsLeft(share, durationMs),
    };
  }

  #secondsLeft(share: number, durationMs: number): number | undefined {
    const gained = share - this.#shareBefore;
    if (this.#state !== 'running' || gained <= 0) return undefined;
    return (durationMs / 1000) * ((1 - share) / gained);
  }

  /** 0 to 1. By rows where the server can estimate them, by tables where it cannot. */
  #share(): number {
    let total = 0;
    let read = 0;
    let done = 0;
    for (const entry of this.#tables.values()) {
      const size = entry.done ? entry.rows : Math.max(entry.estimate, entry.rows);
      total += size;
      read += Math.min(entry.rows, size);
      if (entry.done) done++;
    }
    if (this.#tables.size === 0) return 0;
    return total === 0 ? done / this.#tables.size : read / total;
  }

  #entry(table: string): Entry {
    let entry = this.#tables.get(table);
    if (entry === undefined) {
      entry = { estimate: 0, rows: 0, chunks: 0, chunksDone: 0, done: false };
      this.#tables.set(table, entry);
    }
    return entry;
  }

  #end(state: 'completed' | 'aborted'): void {
    this.#endPause();
    this.#state = state;
    this.#endedMs = this.#clock.monotonicMs();
  }

  #endPause(): void {
    if (this.#pausedSinceMs === undefined) return;
    this.#pausedMs += this.#clock.monotonicMs() - this.#pausedSinceMs;
    this.#pausedSinceMs = undefined;
  }
}
