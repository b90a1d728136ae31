import { describe, expect, test } from 'vitest';
import { javaRegex, javaRegexAnyCase, javaRegexProblem, javaRewrite } from './java-regex.ts';

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
    expect(() => javaRegex('a(b')).toThrow(expect.objectContaining({ code: 'config.regex_invalid' }));
  });
});

describe('javaRewrite', () => {
  test.each([
    ['(.*)\\.t_(\\d+)', '$1.t', 'shop.t_2', 'shop.t'],
    ['(.*)\\.t', 'x', 'shop.t_2', undefined],
    // What matches as a whole may be found in parts.
    ['shop|shop\\.t', 'x', 'shop.t', 'x.t'],
    ['.*?\\.(.*?)', '$1-x', 'shop.public.t', '-xpublic.t'],
    ['.*', '', 'shop', ''],
  ])('%s to %s makes of %s %s', (pattern, replacement, text, expected) => {
    expect(javaRewrite(pattern, replacement)(text)).toBe(expected);
  });
});

describe('javaRegexAnyCase', () => {
  test.each([
    ['public\\.T', 'PUBLIC.t', true],
    ['public\\.ärger', 'public.Ärger', false],
    ['PUBLIC\\.Ärger', 'public.ÄRGER', true],
    ['public\\.[A-Z]+ß\\D', 'public.aBßx', true],
    ['public\\.\\QÄ.B\\E', 'public.Ä.b', true],
    ['\\p{Lower}ä', 'xä', true],
  ])('%s and %s: %s', (pattern, text, expected) => {
    expect(javaRegexAnyCase(pattern)(text)).toBe(expected);
  });
});

test('a parenthesis that closes nothing is told of in the words of Java', () => {
  expect(javaRegexProblem(')')).toBe("Unmatched closing ')'\n)");
  expect(javaRegexProblem('a[)](b\\))c)d')).toBe(
    "Unmatched closing ')' near index 9\na[)](b\\))c)d\n         ^",
  );
});
