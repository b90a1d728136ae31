// One captured table in the stream: its schema of the moment, and its changes as records. Rows stay bytes: the records
// point into the message they came in.
import type { SourceRecord } from '@millrace/connect-api';
import { type ChangeContext, keyDiffers, type TableEvents } from '@millrace/connector-common';
import {
  isUnconvertible,
  RAW_UNAVAILABLE,
  RawRow,
  type Struct,
  type StructTemplate,
  sameValue,
  type TemplateStruct,
} from '@millrace/data';
import type { Lsn } from '../protocol/lsn.ts';
import type { Relation } from '../protocol/pgoutput.ts';
import type { TableSchema } from '../schema/table-schema.ts';
import {
  changeSource,
  type SourceIdentity,
  singleSource,
  tableSource,
  transactionSource,
} from '../source-info.ts';
import type { StreamTransaction } from './transaction.ts';

/** A tuple: entries in a shared index over the message's bytes. */
export interface Tuple {
  readonly bytes: Buffer;
  readonly entries: Int32Array;
  readonly base: number;
}

export class TableStream {
  readonly schema: TableSchema;
  readonly columnCount: number;
  readonly #events: TableEvents;
  readonly #columnNames: readonly string[];
  readonly #sourceIdentity: SourceIdentity;
  readonly #tableSource: StructTemplate;
  #transactionSource: StructTemplate | undefined;
  #transaction: StreamTransaction | undefined;

  constructor(schema: TableSchema, relation: Relation, events: TableEvents, sourceIdentity: SourceIdentity) {
    this.schema = schema;
    this.#columnNames = relation.columns.map((column) => column.name);
    this.columnCount = schema.columnCount;
    this.#events = events;
    this.#sourceIdentity = sourceIdentity;
    this.#tableSource = tableSource(sourceIdentity, schema);
  }

  /**
   * The source block of a change. The first change of a transaction uses what is constant for the table; from the
   * second on it pays to prepare what is constant for the transaction.
   */
  source(transaction: StreamTransaction, lsn: Lsn): TemplateStruct {
    if (transaction !== this.#transaction) {
      this.#transaction = transaction;
      this.#transactionSource = undefined;
      return singleSource(this.#tableSource, transaction, lsn);
    }
    this.#transactionSource ??= transactionSource(this.#sourceIdentity, this.schema, transaction);
    return changeSource(this.#transactionSource, lsn);
  }

  inserted(out: SourceRecord[], change: ChangeContext, after: Tuple): void {
    this.#events.created(out, change, this.#key(after), this.#row(after));
  }

  /**
   * Gives the new row of a message what the server left out of it because it did not change, as far as the old row has
   * it: all under identity FULL, else the key, which is sent where it is stored out of line.
   */
  fillUnchanged(before: Tuple, after: Tuple): void {
    for (let i = 0; i < 2 * this.columnCount; i += 2) {
      if (after.entries[after.base + i + 1] !== RAW_UNAVAILABLE) continue;
      const length = before.entries[before.base + i + 1] ?? RAW_UNAVAILABLE;
      if (length < 0) continue;
      after.entries[after.base + i] = before.entries[before.base + i] ?? 0;
      after.entries[after.base + i + 1] = length;
    }
  }

  /** `before` is the old row with its key columns only (`K`) or whole (`O`); absent when the key did not change. */
  updated(
    out: SourceRecord[],
    change: ChangeContext,
    second: () => ChangeContext,
    tuples: { readonly before: Tuple | undefined; readonly after: Tuple },
  ): void {
    const { before, after } = tuples;
    if (before === undefined) {
      this.#events.updated(out, change, this.#key(after), null, this.#row(after));
      return;
    }
    const keyBefore = this.#key(before);
    const keyAfter = this.#key(after);
    if (keyBefore !== null && keyAfter !== null && this.movesKey(before, after)) {
      this.#events.keyChanged(
        out,
        change,
        second,
        { before: keyBefore, after: keyAfter },
        { before: this.#row(before), after: this.#row(after) },
      );
    } else {
      this.#events.updated(out, change, keyAfter, this.#row(before), this.#row(after));
    }
  }

  /**
   * Whether an update is told as a delete and an insert. Bytes decide first; only where they differ are the values looked
   * at (an absent NOT NULL column shows its zero).
   */
  movesKey(before: Tuple, after: Tuple): boolean {
    for (const column of this.schema.keyColumns) {
      if (sameBytes(before, after, 2 * column)) continue;
      const [keyBefore, keyAfter] = [this.#key(before), this.#key(after)];
      return keyBefore !== null && keyAfter !== null && differs(() => keyDiffers(keyBefore, keyAfter));
    }
    return false;
  }

  /** Whether no captured column changed, as far as the old row tells. */
  isUnchanged(before: Tuple, after: Tuple): boolean {
    const { fields } = this.schema.rowLayout;
    if (fields.every((field) => sameBytes(before, after, 2 * field.column))) return true;
    // Other bytes may be the same value: an array that has none, for one.
    const [rowBefore, rowAfter] = [this.#row(before), this.#row(after)];
    return !differs(
      () =>
        !fields.every(
          (field, i) =>
            sameBytes(before, after, 2 * field.column) || sameValue(rowBefore.at(i), rowAfter.at(i)),
        ),
    );
  }

  deleted(out: SourceRecord[], change: ChangeContext, before: Tuple): void {
    this.#events.deleted(out, change, this.#key(before), this.#row(before));
  }

  truncated(out: SourceRecord[], change: ChangeContext): void {
    this.#events.truncated(out, change);
  }

  /** The texts of these columns; null where there is none. */
  texts(row: Tuple, columns: readonly string[]): (string | null)[] {
    return columns.map((name) => textAt(row, this.#columnNames.indexOf(name)));
  }

  /** The text of a column; undefined where there is none. */
  text(row: Tuple, column: string): string | undefined {
    return textAt(row, this.#columnNames.indexOf(column)) ?? undefined;
  }

  /** The texts of the first columns. */
  firstTexts(row: Tuple, count: number): (string | null)[] {
    return Array.from({ length: Math.min(count, this.columnCount) }, (_, column) => textAt(row, column));
  }

  /**
   * A row of the signal table as events have it. As in Debezium, that asks for something only where it has three fields,
   * all of them text; undefined where it has others.
   */
  signalTexts(row: Tuple): (string | null)[] | undefined {
    const { schema } = this.schema.rowLayout;
    if (schema.fields.length !== 3 || schema.fields.some((field) => field.schema.type !== 'string'))
      return undefined;
    return this.#row(row).toArray() as (string | null)[];
  }

  /** Records' keys tell rows apart. */
  get hasKey(): boolean {
    return this.schema.keyColumns.length > 0;
  }
  /** The texts of the columns of the records' key, joined. */
  keyText(row: Tuple): string {
    return this.schema.keyColumns.map((column) => textAt(row, column) ?? '').join('\u0000');
  }

  #row({ bytes, entries, base }: Tuple): RawRow {
    return new RawRow(this.schema.rowLayout, bytes, entries, base);
  }

  #key({ bytes, entries, base }: Tuple): Struct | null {
    const { keyLayout } = this.schema;
    return keyLayout === null ? null : new RawRow(keyLayout, bytes, entries, base);
  }
}

/** A tuple that keeps nothing but itself in memory. */
export function ownTuple({ bytes, entries, base }: Tuple, columns: number): Tuple {
  const own = new Int32Array(2 * columns);
  let size = 0;
  for (let i = 0; i < own.length; i += 2) size += Math.max(0, entries[base + i + 1] ?? 0);
  const copy = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (let i = 0; i < own.length; i += 2) {
    const start = entries[base + i] ?? 0;
    const length = entries[base + i + 1] ?? 0;
    own[i] = at;
    own[i + 1] = length;
    if (length > 0) at += bytes.copy(copy, at, start, start + length);
  }
  return { bytes: copy, entries: own, base: 0 };
}

/** Bytes that differ and are no values are taken to differ: what becomes of such a record is decided where it is written. */
function differs(values: () => boolean): boolean {
  try {
    return values();
  } catch (error) {
    if (isUnconvertible(error)) return true;
    throw error;
  }
}

function sameBytes(a: Tuple, b: Tuple, at: number): boolean {
  const lengthA = a.entries[a.base + at + 1] ?? 0;
  const lengthB = b.entries[b.base + at + 1] ?? 0;
  if (lengthA !== lengthB) return lengthB === RAW_UNAVAILABLE;
  if (lengthA <= 0) return true;
  const startA = a.entries[a.base + at] ?? 0;
  const startB = b.entries[b.base + at] ?? 0;
  return a.bytes.compare(b.bytes, startB, startB + lengthB, startA, startA + lengthA) === 0;
}

function textAt({ bytes, entries, base }: Tuple, column: number): string | null {
  if (column < 0) return null;
  const start = entries[base + 2 * column] ?? 0;
  const length = entries[base + 2 * column + 1] ?? -1;
  return length < 0 ? null : bytes.toString('utf8', start, start + length);
}
