import { describe, expect, test } from 'vitest';
import { chooseLayout, type Layout, type LayoutVersion, TableLayouts } from './layouts.ts';

const layout = (key: string): Layout => ({ columns: [], primaryKey: [key], uniqueKey: [], types: [] });
const [A, B, C] = [layout('a'), layout('b'), layout('c')] as const;

describe('the layout of rows', () => {
  test('of a relation never met is the catalog’s, and stored for all rows', () => {
    expect(chooseLayout([], A, 100, 50)).toEqual({
      layout: A,
      store: [{ since: null, layout: A }],
      changedBy: undefined,
    });
  });

  test('changes with the transaction that altered the table, and with none before it', () => {
    const known: LayoutVersion[] = [{ since: null, layout: A }];
    expect(chooseLayout(known, B, 100, 99)).toEqual({ layout: A, store: undefined, changedBy: 100 });
    const after = chooseLayout(known, B, 100, 100);
    expect(after).toMatchObject({ layout: B, changedBy: undefined });
    const stored = after.store ?? [];
    // What is read again is as it was.
    expect(chooseLayout(stored, B, 100, 99).layout).toBe(A);
    expect(chooseLayout(stored, B, 100, 101)).toMatchObject({ layout: B, store: undefined });
    expect(chooseLayout(stored, C, 200, 150)).toMatchObject({ layout: B, changedBy: 200 });
  });

  test('stays when the catalog’s entry was touched and says the same', () => {
    expect(chooseLayout([{ since: null, layout: A }], layout('a'), 500, 100)).toMatchObject({
      store: undefined,
      changedBy: undefined,
    });
  });

  test('keeps its last versions only', () => {
    let known: readonly LayoutVersion[] = [];
    for (let i = 0; i < 20; i++) known = chooseLayout(known, layout(`k${i}`), i, i).store ?? known;
    expect(known.map(({ since }) => since)).toEqual([14, 15, 16, 17, 18, 19]);
    expect(chooseLayout(known, layout('k19'), 19, 3).layout.primaryKey).toEqual(['k14']);
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
