import { describe, expect, test } from 'vitest';
import { nameFilter } from './name-filter.ts';
import { splitList } from './name-list.ts';

describe('lists of names', () => {
  test('are split at commas that are not escaped', () => {
    expect(splitList(' a, b\\,c ,,d ')).toEqual(['a', 'b,c', 'd']);
    expect(splitList(null)).toEqual([]);
  });

  test('match whole names without regard to case, and a point matches any character', () => {
    const filter = nameFilter('public.t,shop\\..*', undefined);
    expect(['public.t', 'PUBLIC.T', 'publicxt', 'public.tt', 'shop.a', 'shopxa'].map(filter)).toEqual([
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
    expect(nameFilter(undefined, 'public.t')('public.t')).toBe(false);
    expect(nameFilter('', '')('anything')).toBe(true);
  });
});
