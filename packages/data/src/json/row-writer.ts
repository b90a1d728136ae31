// Raw rows of one layout to JSON, column bytes to JSON bytes: the hottest loop of every source. All of it is one
// function over local variables, with room for the whole row made at the start; what is rare leaves it.
import { ByteWriter, viewOf, wordsOf } from '../byte-writer.ts';
import { RAW_UNAVAILABLE, type RawEncoding, type RawRow, type RowLayout } from '../struct.ts';
import { writeDecimalBase64 } from './decimal.ts';
import { ESCAPE, writeEscaped } from './text.ts';
import type { ValueWriter } from './writer.ts';

const KIND = {
  'json-number': 0,
  utf8: 1,
  'true-false': 2,
  decimal: 3,
  text: 4,
  decode: 5,
} as const satisfies Record<RawEncoding, number>;

/** Room for what a column becomes beyond the length of its bytes: quotes, base64, a printed date. */
const COLUMN_ROOM = 64;

const NOTHING = Buffer.alloc(0);

/** How to write the fields of one layout. */
export interface RowWriterParts {
  readonly layout: RowLayout;
  /** `{"first":`, `,"second":`, ... */
  readonly names: readonly Buffer[];
  /** For values that have to be made first. */
  readonly writers: readonly ValueWriter[];
  readonly decimalFormat: 'BASE64' | 'NUMERIC';
}

/** The writer of the rows of one layout. */
export class RowWriter {
  readonly #layout: RowLayout;
  /** All names as words, one after the other; the words of name `i` end at `#wordEnds[i]`. */
  readonly #words: Int32Array;
  readonly #wordEnds: Int32Array;
  readonly #nameLengths: Int32Array;
  readonly #kinds: Uint8Array;
  readonly #columns: Int32Array;
  readonly #scales: Int32Array;
  readonly #writers: readonly ValueWriter[];
  readonly #fixedBytes: number;
  #source: Buffer = NOTHING;
  #sourceView: DataView = viewOf(NOTHING);
  /** Prepared on first use: a column that is never null needs none. */
  readonly #nulls: (Buffer | undefined)[];
  readonly #unavailable: (Buffer | undefined)[];

  constructor({ layout, names, writers, decimalFormat }: RowWriterParts) {
    const { schema, fields } = layout;
    this.#layout = layout;
    const words = names.map(wordsOf);
    this.#words = Int32Array.from(words.flatMap((each) => [...each]));
    let end = 0;
    this.#wordEnds = Int32Array.from(words, (each) => (end += each.length));
    this.#nameLengths = Int32Array.from(names, (name) => name.length);
    this.#kinds = Uint8Array.from(fields, ({ encoding }) =>
      encoding === 'decimal' && decimalFormat === 'NUMERIC' ? KIND.decode : KIND[encoding],
    );
    this.#columns = Int32Array.from(fields, (field) => 2 * field.column);
    this.#scales = Int32Array.from(schema.fields, (field) =>
      Number(field.schema.parameters?.get('scale') ?? 0),
    );
    this.#writers = writers;
    this.#fixedBytes = 4 * this.#words.length + COLUMN_ROOM * fields.length + 2;
    this.#nulls = fields.map(() => undefined);
    this.#unavailable = fields.map(() => undefined);
  }

  write(row: RawRow, out: ByteWriter): void {
    const { bytes, index, base } = row;
    if (bytes !== this.#source) {
      this.#source = bytes;
      this.#sourceView = viewOf(bytes);
    }
    const sourceView = this.#sourceView;
    const columns = this.#columns;
    const kinds = this.#kinds;
    const words = this.#words;
    const wordEnds = this.#wordEnds;
    const nameLengths = this.#nameLengths;
    const count = columns.length;
    const fixed = this.#fixedBytes;
    out.reserve(fixed);
    let { buffer, view } = out;
    let at = out.position;
    // Up to here a column of any length leaves the room that all the others need beyond theirs.
    let limit = buffer.length - fixed;
    if (count === 0) buffer[at++] = 0x7b;
    let word = 0;
    for (let i = 0; i < count; i++) {
      const entry = base + (columns[i] as number);
      const length = index[entry + 1] as number;
      if (at + length > limit) {
        out.position = at;
        out.reserve(fixed + length);
        ({ buffer, view } = out);
        limit = buffer.length - fixed;
      }
      let nameAt = at;
      for (const end = wordEnds[i] as number; word < end; word++, nameAt += 4)
        view.setInt32(nameAt, words[word] as number, true);
      at += nameLengths[i] as number;
      let from = index[entry] as number;
      const to = from + length;
      const kind = length < 0 ? KIND.decode : (kinds[i] as number);
      if (kind === KIND['json-number']) {
        for (; from + 4 <= to; from += 4, at += 4) view.setInt32(at, sourceView.getInt32(from, true), true);
        while (from < to) buffer[at++] = bytes[from++] as number;
        continue;
      }
      if (kind === KIND.utf8) {
        buffer[at++] = 0x22;
        for (; from + 4 <= to; from += 4, at += 4) {
          const four = sourceView.getInt32(from, true);
          if (needsEscape(four)) break;
          view.setInt32(at, four, true);
        }
        for (; from < to; from++) {
          const byte = bytes[from] as number;
          if (ESCAPE[byte] !== 0) break;
          buffer[at++] = byte;
        }
        if (from === to) {
          buffer[at++] = 0x22;
          continue;
        }
        out.position = at;
        writeEscaped(out, bytes, from, to);
      } else if (kind === KIND['true-false']) {
        at = writeBoolean(buffer, at, bytes[from] === 0x74);
        continue;
      } else {
        out.position = at;
        this.#writeOther(row, i, out);
      }
      // Others may have needed a larger buffer, and the room of the columns to come.
      out.reserve(fixed);
      ({ buffer, view } = out);
      at = out.position;
      limit = buffer.length - fixed;
    }
    buffer[at++] = 0x7d;
    out.position = at;
  }

  #writeOther(row: RawRow, field: number, out: ByteWriter): void {
    const { bytes, index } = row;
    const entry = row.base + (this.#columns[field] as number);
    const length = index[entry + 1] as number;
    if (length < 0) {
      out.bytes(length === RAW_UNAVAILABLE ? this.#unavailableText(field) : this.#nullText(field));
      return;
    }
    const start = index[entry] as number;
    const end = start + length;
    const kind = this.#kinds[field];
    if (kind === KIND.decimal) {
      if (writeDecimalBase64(out, bytes, start, end, this.#scales[field] as number)) return;
    } else if (kind === KIND.text) {
      const { buffer, position } = out;
      const stop = this.#layout.fields[field]?.print?.(bytes, start, end, buffer, position + 1) ?? -1;
      if (stop >= 0) {
        buffer[position] = 0x22;
        buffer[stop] = 0x22;
        out.position = stop + 1;
        return;
      }
    }
    (this.#writers[field] as ValueWriter)(row.at(field), out);
  }

  #nullText(field: number): Buffer {
    return (this.#nulls[field] ??= this.#render(field, this.#layout.fields[field]?.nullValue));
  }

  #unavailableText(field: number): Buffer {
    const layout = this.#layout.fields[field];
    layout?.onUnavailable?.();
    return (this.#unavailable[field] ??= this.#render(field, layout?.unavailableValue));
  }

  #render(field: number, value: unknown): Buffer {
    const scratch = new ByteWriter(64);
    (this.#writers[field] as ValueWriter)(value, scratch);
    return scratch.copyFrom();
  }
}

/** Whether one of four bytes is a control character, a quote, a backslash or the first of four: the tests of "Bit Twiddling Hacks". */
function needsEscape(four: number): boolean {
  const quote = four ^ 0x22222222;
  const backslash = four ^ 0x5c5c5c5c;
  return (
    ((((four - 0x20202020) & ~four) |
      ((quote - 0x01010101) & ~quote) |
      ((backslash - 0x01010101) & ~backslash) |
      (four & ((four & 0x70707070) + 0x10101010))) &
      0x80808080) !==
    0
  );
}

function writeBoolean(buffer: Buffer, at: number, value: boolean): number {
  if (value) {
    buffer[at] = 0x74;
    buffer[at + 1] = 0x72;
    buffer[at + 2] = 0x75;
    buffer[at + 3] = 0x65;
    return at + 4;
  }
  buffer[at] = 0x66;
  buffer[at + 1] = 0x61;
  buffer[at + 2] = 0x6c;
  buffer[at + 3] = 0x73;
  buffer[at + 4] = 0x65;
  return at + 5;
}
