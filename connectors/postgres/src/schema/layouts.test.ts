import { describe, expect, test } from 'vitest';
import type { CatalogColumn, CatalogVersion } from './catalog.ts';
import { chooseLayout, type Layout, type LayoutVersion, TableLayouts } from './layouts.ts';

const layout = (key: string, columns: readonly CatalogColumn[] = []): Layout => {
  const keys = ['a', 'b', 'c'].map((name) => column(name));
  return { columns: [...keys, ...columns], primaryKey: [key], uniqueKey: [], types: [] };
};
function column(name: string, more: Partial<CatalogColumn> = {}): CatalogColumn {
  const plain = { typeOid: 23, typmod: -1, notNull: false, defaultExpression: null, generated: false };
  return { name, ...plain, comment: null, ...more };
}
const [A, B, C] = [layout('a'), layout('b'), layout('c')] as const;

/** What the catalog tells of a layout: the transactions of its key and of columns named here, all else made by 10. */
function madeBy(
  of: Layout,
  primaryKey: number | null,
  columns: Readonly<Record<string, number | readonly [column: number, defaultExpression: number]>> = {},
): CatalogVersion {
  const each = of.columns.map(({ name }) => {
    const by = columns[name] ?? 10;
    return typeof by === 'number'
      ? { column: by, defaultExpression: by }
      : { column: by[0], defaultExpression: by[1] };
  });
  const newestColumn = Math.max(...each.map((one) => one.column));
  return { columns: each, newestColumn, primaryKey, uniqueKey: null, labels: null, nextXid: 1000 };
}

describe('the layout of rows', () => {
  test('of a relation never met is the catalog’s, and stored for all rows', () => {
    expect(chooseLayout([], A, madeBy(A, 100), 50)).toEqual({
      layout: A,
      store: [{ since: null, layout: A }],
      changedBy: undefined,
    });
  });

  test('changes with the transaction that altered the table, and with none before it', () => {
    const known: LayoutVersion[] = [{ since: null, layout: A }];
    const byB = madeBy(B, 100);
    expect(chooseLayout(known, B, byB, 99)).toEqual({ layout: A, store: undefined, changedBy: 100 });
    const after = chooseLayout(known, B, byB, 100);
    expect(after).toMatchObject({ layout: B, changedBy: undefined });
    const stored = after.store ?? [];
    // What is read again is as it was, up to where it was altered.
    expect(chooseLayout(stored, B, byB, 99)).toEqual({ layout: A, store: undefined, changedBy: 100 });
    expect(chooseLayout(stored, B, byB, 101)).toMatchObject({ layout: B, store: undefined });
    expect(chooseLayout(stored, C, madeBy(C, 200), 150)).toMatchObject({ layout: B, changedBy: 200 });
  });

  test('stays when the catalog’s entry was touched and says the same', () => {
    const touched = madeBy(A, 500, { a: 500 });
    expect(chooseLayout([{ since: null, layout: A }], layout('a'), touched, 100)).toMatchObject({
      store: undefined,
      changedBy: undefined,
    });
  });

  test('has of several changes those that were made before the row', () => {
    const before = layout('a', [column('x', { defaultExpression: '1' }), column('y', { notNull: true })]);
    const now = layout('b', [column('x', { defaultExpression: '2' }), column('y'), column('z')]);
    // The column was touched for another reason after its default was set.
    const version = madeBy(now, 100, { x: [400, 150], y: 200, z: 300 });
    let known: readonly LayoutVersion[] = [{ since: null, layout: before }];
    const at = (xid: number): unknown => {
      const { layout: found, store, changedBy } = chooseLayout(known, now, version, xid);
      known = store ?? known;
      const [x, y] = ['x', 'y'].map((name) => found.columns.find((one) => one.name === name));
      return [found.primaryKey[0], x?.defaultExpression, y?.notNull, found.columns.length, changedBy];
    };
    expect([99, 100, 149, 150, 250, 300].map(at)).toEqual([
      ['a', '1', true, 5, 100],
      ['b', '1', true, 5, 150],
      ['b', '1', true, 5, 150],
      ['b', '2', true, 5, 200],
      ['b', '2', false, 5, 300],
      ['b', '2', false, 6, undefined],
    ]);
    expect(known.map(({ since }) => since)).toEqual([null, 100, 150, 200, 300]);
    expect([120, 260].map(at)).toEqual([
      ['b', '1', true, 5, 150],
      ['b', '2', false, 5, 300],
    ]);
  });

  test('keeps a key whose columns the catalog calls otherwise by now', () => {
    const known: LayoutVersion[] = [{ since: null, layout: A }];
    const renamed: Layout = { ...A, columns: A.columns.slice(1).concat(column('id')), primaryKey: ['id'] };
    expect(chooseLayout(known, renamed, madeBy(renamed, 10, { id: 200 }), 150)).toEqual({
      layout: A,
      store: undefined,
      changedBy: 200,
    });
  });

  test('loses a dropped key with the first row that is told of after it, as nothing tells who dropped it', () => {
    const dropped: Layout = { ...A, primaryKey: [] };
    const { layout: found, store } = chooseLayout(
      [{ since: null, layout: A }],
      dropped,
      madeBy(dropped, null),
      150,
    );
    expect(found).toEqual(dropped);
    expect(store?.map(({ since }) => since)).toEqual([null, 150]);
  });

  test('keeps its last versions only', () => {
    let known: readonly LayoutVersion[] = [];
    const all = Array.from({ length: 20 }, (_, i) => column(`k${i}`));
    const of = (i: number): Layout => layout(`k${i}`, all);
    for (let i = 0; i < 20; i++) known = chooseLayout(known, of(i), madeBy(of(i), i), i).store ?? known;
    expect(known.map(({ since }) => since)).toEqual([14, 15, 16, 17, 18, 19]);
    expect(chooseLayout(known, of(19), madeBy(of(19), 19), 3).layout.primaryKey).toEqual(['k14']);
  });
});

test('What is stored of a table is read again; another table of its name has nothing', () => {
  const stored = new TableLayouts(7);
  for (let i = 0; i < 10; i++) stored.set(`f${i}`, [{ since: null, layout: layout(`k${i}`) }]);
  const read = TableLayouts.of(7, stored.toText());
  expect(read.versions('f9')[0]?.layout.primaryKey).toEqual(['k9']);
  expect(read.versions('f0')).toEqual([]);
  expect(TableLayouts.of(8, stored.toText()).versions('f9')).toEqual([]);
  expect(TableLayouts.of(7, '{').versions('f9')).toEqual([]);
});
