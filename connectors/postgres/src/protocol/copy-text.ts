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

/** Gathers chunks until they hold whole rows, in buffers of its own. */
export class CopyRows {
  #partial: Buffer[] = [];
  #partialBytes = 0;

  /** Whole rows that are there now, as one buffer that the caller owns; undefined when there is none yet. */
  push(chunk: Buffer): Buffer | undefined {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#partial.push(Buffer.from(chunk));
      this.#partialBytes += chunk.length;
      return undefined;
    }
    const rows = Buffer.allocUnsafeSlow(this.#partialBytes + end);
    let at = 0;
    for (const part of this.#partial) at += part.copy(rows, at);
    chunk.copy(rows, at, 0, end);
    this.#partial = end === chunk.length ? [] : [Buffer.from(chunk.subarray(end))];
    this.#partialBytes = chunk.length - end;
    return rows;
  }
}

/** Whether none of four bytes is a tab, a newline (or another of the lowest control characters) or a backslash. */
function isPlain(four: number): boolean {
  const backslash = four ^ 0x5c5c5c5c;
  return ((((four - 0x0b0b0b0b) & ~four) | ((backslash - 0x01010101) & ~backslash)) & 0x80808080) === 0;
}

/**
 * Indexes the rows of a buffer that ends with a newline, unescaping in place; calls `row` with each row's entries.
 * @throws postgres.protocol when a row does not have `columns` columns
 */
export function indexRows(
  bytes: Buffer,
  columns: number,
  index: TupleIndex,
  row: (entries: Int32Array, base: number) => void,
): void {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  let at = 0;
  while (at < length) {
    const base = index.reserve(columns);
    const { entries } = index;
    let column = 0;
    for (;;) {
      const start = at;
      let isNull = false;
      // Four bytes at a time until one of them ends the column or begins an escape.
      while (at + 4 <= length && isPlain(view.getInt32(at, true))) at += 4;
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
        entries[base + 2 * column] = isNull ? 0 : start;
        entries[base + 2 * column + 1] = isNull ? RAW_NULL : to - start;
      }
      column++;
      at++;
      if (byte !== TAB) break;
    }
    if (column !== columns && !(columns === 0 && column === 1)) {
      throw postgresError('postgres.protocol', `A snapshot row has ${column} columns instead of ${columns}`);
    }
    row(entries, base);
  }
}
