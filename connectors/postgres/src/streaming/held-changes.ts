// Messages that wait until the server has told where rows lie in the order of a snapshot, within its window: from the
// first such row on all that follow, so that one query serves many rows and nothing overtakes. What they change is
// handled only afterwards, in their order.
import type { SourceRecord } from '@millrace/connect-api';
import type { Lsn } from '../protocol/lsn.ts';
import { MESSAGE, PgOutputReader, TupleIndex } from '../protocol/pgoutput.ts';
import type { TableName } from '../schema/catalog.ts';
import type { KeyQuestion } from '../snapshot/key-places.ts';
import type { KnownTables } from './known-tables.ts';
import type { SnapshotWindow } from './snapshot-window.ts';
import type { StreamPosition } from './stream-position.ts';
import type { TableStream, Tuple } from './table-stream.ts';
import type { ChangeHandler } from './transaction-spool.ts';
import { orderTexts } from './windowed-changes.ts';

/** INV-5: what is held at most, and asked at once. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_MESSAGES = 8192;
const MAX_KEYS = 1024;

interface Held {
  readonly lsn: Lsn;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Keys of one table whose place only the server can tell, by their texts as JSON. */
interface OpenKeys {
  readonly table: TableName;
  readonly keys: Map<string, readonly string[]>;
}

export interface HeldChangesOptions {
  readonly tables: Pick<KnownTables, 'get'>;
  readonly position: Pick<StreamPosition, 'window' | 'transaction'>;
  /** For each key how many places it lies after; undefined where the server does not know. */
  readonly askPlaces: (question: KeyQuestion) => Promise<readonly number[] | undefined>;
  /** Takes records that have to wait no longer. */
  readonly undelayed: (records: readonly SourceRecord[]) => void;
  readonly handle: ChangeHandler;
  readonly keepalive: (lsn: Lsn) => void;
}

export class HeldChanges {
  readonly #options: HeldChangesOptions;
  readonly #reader = new PgOutputReader();
  readonly #index = new TupleIndex();
  #held: Held[] = [];
  #open = new Map<string, OpenKeys>();
  #bytes = 0;
  #keyCount = 0;
  #commitLsn: Lsn = 0;
  #isFull = false;
  #keepalive: Lsn | undefined;

  constructor(options: HeldChangesOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Whether what is held has to be handled before more is taken. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Keeps a message if its row has to be asked for, or something is kept already; false when it does not. */
  take(lsn: Lsn, bytes: Buffer, start: number, end: number): boolean {
    const { window, transaction } = this.#options.position;
    if (window === undefined) return false;
    // INV-2: once something waits, all that follows does.
    const isFirst = this.isEmpty;
    if (isFirst) this.#commitLsn = transaction?.commitLsn ?? 0;
    const isAsked = this.#look(window, bytes, start, end);
    if (isFirst && !isAsked) return false;
    this.#held.push({ lsn, bytes, start, end });
    this.#bytes += end - start;
    this.#isFull ||=
      this.#bytes >= MAX_BYTES || this.#held.length >= MAX_MESSAGES || this.#keyCount >= MAX_KEYS;
    return true;
  }

  /** Whether a position waits until what was kept before it is handled. */
  keepsBack(lsn: Lsn): boolean {
    if (this.isEmpty) return false;
    this.#keepalive = lsn;
    return true;
  }

  /** Asks the server, and has handled what was kept. */
  async release(): Promise<void> {
    const { position, handle, keepalive } = this.#options;
    const { window } = position;
    const [held, open, kept] = [this.#held, this.#open, this.#keepalive];
    this.#held = [];
    this.#open = new Map();
    this.#bytes = 0;
    this.#keyCount = 0;
    this.#isFull = false;
    this.#keepalive = undefined;
    if (window !== undefined) for (const [name, keys] of open) await this.#ask(window, name, keys);
    for (const { lsn, bytes, start, end } of held) await handle(lsn, bytes, start, end);
    window?.forget();
    if (kept !== undefined) keepalive(kept);
  }

  async #ask(window: SnapshotWindow, name: string, { table, keys }: OpenKeys): Promise<void> {
    const places = window.places(name);
    if (places === undefined) return;
    const asked = [...keys.values()];
    const answer = await this.#options.askPlaces({ ...places, table, keys: asked });
    if (answer === undefined) this.#options.undelayed(window.release(name));
    else for (const [i, key] of asked.entries()) window.learn(name, key, answer[i] ?? 0);
  }

  /** Notes what is to be asked because of a message; false when nothing is. */
  #look(window: SnapshotWindow, bytes: Buffer, start: number, end: number): boolean {
    const reader = this.#reader;
    const type = reader.open(bytes, start, end);
    switch (type) {
      case MESSAGE.insert:
      case MESSAGE.update:
      case MESSAGE.delete:
        return this.#lookAtRow(window, type);
      case MESSAGE.begin:
        this.#commitLsn = reader.lsn();
        // The window ends there.
        this.#isFull = !this.isEmpty && this.#commitLsn >= window.end;
        return false;
      case MESSAGE.relation:
        // What comes after it may look otherwise.
        this.#isFull = !this.isEmpty;
        return false;
      default:
        return false;
    }
  }

  #lookAtRow(window: SnapshotWindow, type: number): boolean {
    const reader = this.#reader;
    const table = this.#options.tables.get(reader.uint32());
    const judged = table === undefined || table === null ? undefined : window.table(table.schema);
    if (table === undefined || table === null || judged?.keyColumns === undefined || !judged.isAsked)
      return false;
    const kind = reader.tupleKind();
    const first = this.#tuple(table);
    const isChange = type === MESSAGE.update && kind !== 'N';
    if (isChange && reader.tupleKind() !== 'N') reader.fail('an update without its new row');
    const second = isChange ? this.#tuple(table) : undefined;
    if (second !== undefined) table.fillUnchanged(first, second);
    let isAsked = false;
    for (const row of second === undefined ? [first] : [first, second]) {
      const key = orderTexts(table, judged.keyColumns, row);
      if (key === undefined || window.covers(judged, key, this.#commitLsn) !== undefined) continue;
      this.#note(judged.name, table.schema, key);
      isAsked = true;
    }
    return isAsked;
  }

  #note(name: string, { schema, table }: TableName, key: readonly string[]): void {
    let open = this.#open.get(name);
    if (open === undefined) {
      open = { table: { schema, table }, keys: new Map() };
      this.#open.set(name, open);
    }
    const { size } = open.keys;
    open.keys.set(JSON.stringify(key), key);
    this.#keyCount += open.keys.size - size;
  }

  #tuple(table: TableStream): Tuple {
    const base = this.#reader.tuple(this.#index, table.columnCount);
    return { bytes: this.#reader.bytes, entries: this.#index.entries, base };
  }
}
