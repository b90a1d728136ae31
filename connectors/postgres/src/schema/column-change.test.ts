import type { RawField } from '@millrace/data';
import { expect, test } from 'vitest';
import type { PgType } from './catalog.ts';
import { changed } from './column-change.ts';

/** What is left of a value of a type when it is cut to `length`. */
function cut(name: string, typmod: number, value: string | Buffer, length: number): unknown {
  const type: PgType = {
    oid: 1,
    name,
    schema: 'pg_catalog',
    kind: 'b',
    elementOid: 0,
    baseOid: 0,
    baseTypmod: -1,
    labels: [],
  };
  const raw: RawField = {
    column: 0,
    encoding: 'decode',
    decode: () => value,
    nullValue: null,
    unavailableValue: null,
  };
  return changed(raw, { kind: 'truncate', length }, { type, typmod }).decode(Buffer.alloc(0), 0, 0);
}

test('values are cut where their column may hold more, which numbers as texts do not say of their sign and point', () => {
  const numeric = ((4 << 16) | 2) + 4;
  expect(cut('text', -1, 'abcdef', 4)).toBe('abcd');
  expect(cut('numeric', numeric, '-12.34', 3)).toBe('-12');
  expect(cut('numeric', numeric, '-12.34', 4)).toBe('-12.34');
  expect(cut('bytea', -1, Buffer.from('abcdef'), 4)).toEqual(Buffer.from('abcd'));
  expect(cut('bit', 100, Buffer.from('abcdef'), 4)).toEqual(Buffer.from('abcdef'));
});
