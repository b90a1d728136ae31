import { describe, expect, test } from 'vitest';
import { javaRegex, splitList } from './java-regex.ts';
import { nameFilter } from './name-filter.ts';

describe('javaRegex', () => {
  test.each([
    ['public\\.(a|b).*', 'public.abc', true],
    ['\\Qa.b\\E', 'a.b', true],
    ['\\Qa.b\\E', 'axb', false],
    ['(?i)ABC', 'abc', true],
    ['a++b', 'aab', true],
    ['(?>a|ab)c', 'ac', true],
    ['\\p{Alpha}+', 'abc', true],
    ['\\P{Digit}', '7', false],
    ['[\\p{Lower}_]+', 'a_b', true],
    ['\\Aab\\z', 'ab', true],
    ['a\\+', 'a+', true],
  ])('%s on %s', (pattern, text, matches) => {
    expect(new RegExp(`^(?:${javaRegex(pattern).source})$`, javaRegex(pattern).flags).test(text)).toBe(
      matches,
    );
  });

  test('refuses what is no pattern, naming it', () => {
    expect(() => javaRegex('a(b')).toThrow(expect.objectContaining({ code: 'connector.regex_invalid' }));
  });
});

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
