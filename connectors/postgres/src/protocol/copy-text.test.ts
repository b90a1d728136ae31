import { RAW_NULL } from '@millrace/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CopyRows, indexRows } from './copy-text.ts';
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

function encode(rows: readonly (readonly (string | null)[])[]): Buffer {
  const column = (value: string | null): string =>
    value === null ? '\\N' : value.replaceAll(/[\\\b\f\n\r\t\v]/g, (char) => ESCAPED[char] ?? char);
  return Buffer.from(rows.map((row) => `${row.map(column).join('\t')}\n`).join(''));
}

function decode(chunks: readonly Buffer[], columns: number): (string | null)[][] {
  const gather = new CopyRows();
  const index = new TupleIndex();
  const rows: (string | null)[][] = [];
  for (const chunk of chunks) {
    const bytes = gather.push(chunk);
    if (bytes === undefined) continue;
    indexRows(bytes, columns, index, (entries, base) => {
      rows.push(
        Array.from({ length: columns }, (_, i) => {
          const start = entries[base + 2 * i] ?? 0;
          const length = entries[base + 2 * i + 1] ?? 0;
          return length === RAW_NULL ? null : bytes.toString('utf8', start, start + length);
        }),
      );
    });
  }
  return rows;
}

describe('COPY text', () => {
  test('gives back what was copied, whatever the values and the cuts between chunks', () => {
    const value = fc.option(fc.string({ unit: fc.constantFrom(...'ab\\\b\f\n\r\t\vN.é漢😀'.split('')) }), {
      nil: null,
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(value, value, value), { maxLength: 12 }),
        fc.integer({ min: 1, max: 40 }),
        (rows, size) => {
          // Lone surrogates cannot come from a server.
          const clean = rows.map((row) =>
            row.map((text) => (text === null ? null : Buffer.from(text).toString())),
          );
          const bytes = encode(clean);
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += size)
            chunks.push(Buffer.from(bytes.subarray(at, at + size)));
          expect(decode(chunks, 3)).toEqual(
            clean.map((row) => row.map((text) => (text === null ? null : Buffer.from(text).toString()))),
          );
        },
      ),
    );
  });

  test('refuses a row with another number of columns (INV-10)', () => {
    expect(() => decode([Buffer.from('1\t2\n')], 3)).toThrow(
      expect.objectContaining({ code: 'postgres.protocol' }),
    );
  });
});
