import { RAW_NULL } from '@millrace/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowIndexer } from './copy-text.ts';
import { TupleIndex } from './pgoutput.ts';

const ESCAPED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

function encode(row: readonly (string | null)[]): Buffer {
  const column = (value: string | null): string =>
    value === null ? '\\N' : value.replaceAll(/[\\\b\f\n\r\t\v]/g, (char) => ESCAPED[char] ?? char);
  return Buffer.from(`${row.map(column).join('\t')}\n`);
}

/** As the server sends them: each row by itself, somewhere in a larger buffer. */
function decode(rows: readonly Buffer[], columns: number): (string | null)[][] {
  const index = new TupleIndex();
  const indexer = new RowIndexer(columns, index);
  const bytes = Buffer.concat([Buffer.from('d'), ...rows, Buffer.from('rest')]);
  let start = 1;
  return rows.map(({ length }) => {
    const base = indexer.read(bytes, start, start + length);
    start += length;
    return Array.from({ length: columns }, (_, i) => {
      const from = index.entries[base + 2 * i] ?? 0;
      const size = index.entries[base + 2 * i + 1] ?? 0;
      return size === RAW_NULL ? null : bytes.toString('utf8', from, from + size);
    });
  });
}

describe('COPY text', () => {
  test('gives back what was copied, whatever the values', () => {
    const value = fc.option(fc.string({ unit: fc.constantFrom(...'ab\\\b\f\n\r\t\vN.é漢😀'.split('')) }), {
      nil: null,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value, value), { maxLength: 12 }), (rows) => {
        // Lone surrogates cannot come from a server.
        const clean = rows.map((row) =>
          row.map((text) => (text === null ? null : Buffer.from(text).toString())),
        );
        expect(decode(clean.map(encode), 3)).toEqual(clean);
      }),
    );
  });

  test('refuses a row with another number of columns (INV-10)', () => {
    for (const row of ['1\t2\n', '1\t2\t3\t4\n', '\n', '1\t2\t\\\n', '1\n2\t3\n', '1\t2\t\n\n'])
      expect(() => decode([Buffer.from(row)], 3), row).toThrow(
        expect.objectContaining({ code: 'postgres.protocol' }),
      );
  });
});
