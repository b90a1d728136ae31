// Rows of COPY in text format: columns between tabs, rows ended by newlines, NULL as \N, backslash escapes. Unescaped in
// place, so that a snapshot row has the form a streamed row has: the same text bytes, indexed by (start, length).
import { RAW_NULL } from '@millrace/data';
import { postgresError } from '../errors.ts';
import type { TupleIndex } from './pgoutput.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const NULL_MARK = 0x4e;

const ESCAPES: Readonly<Record<number, number>> = {
  0x62: 0x08, // \b
  0x66: 0x0c, // \f
  0x6e: 0x0a, // \n
  0x72: 0x0d, // \r
  0x74: 0x09, // \t
  0x76: 0x0b, // \v
};

/** Whether none of four bytes is a tab, a newline (or another of the lowest control characters) or a backslash. */
function isPlain(four: number): boolean {
  const backslash = four ^ 0x5c5c5c5c;
  return ((((four - 0x0b0b0b0b) & ~four) | ((backslash - 0x01010101) & ~backslash)) & 0x80808080) === 0;
}

/** Indexes rows of one form, unescaping them in place. */
export class RowIndexer {
  readonly #columns: number;
  readonly #index: TupleIndex;
  #bytes: Buffer | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(columns: number, index: TupleIndex) {
    this.#columns = columns;
    this.#index = index;
  }

  /**
   * Indexes the row `bytes[start, end)`, whose last byte is a newline; returns its base in the index' entries.
   * @throws postgres.protocol when it does not have the columns that were expected
   */
  read(bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const view = this.#view;
    const columns = this.#columns;
    const base = this.#index.reserve(columns);
    const { entries } = this.#index;
    let at = start;
    let column = 0;
    for (;;) {
      const from = at;
      let isNull = false;
      // Four bytes at a time until one of them ends the column or begins an escape.
      while (at + 4 <= end && isPlain(view.getInt32(at, true))) at += 4;
      let to = at;
      let byte = bytes[at];
      while (byte !== TAB && byte !== NEWLINE && byte !== undefined) {
        if (byte === BACKSLASH) {
          const next = bytes[++at] ?? 0;
          if (next === NULL_MARK) isNull = true;
          else bytes[to++] = ESCAPES[next] ?? next;
        } else if (to === at) to++;
        else bytes[to++] = byte;
        byte = bytes[++at];
      }
      if (column < columns) {
        entries[base + 2 * column] = isNull ? 0 : from;
        entries[base + 2 * column + 1] = isNull ? RAW_NULL : to - from;
      }
      column++;
      at++;
      if (byte !== TAB || at >= end) break;
    }
    if (at !== end || (column !== columns && !(columns === 0 && column === 1)))
      throw postgresError('postgres.protocol', `A row of COPY has ${column} columns instead of ${columns}`);
    return base;
  }
}
