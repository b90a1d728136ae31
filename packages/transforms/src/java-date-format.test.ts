import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JavaDateFormat } from './java-date-format.ts';

test('What a full pattern formats it parses back to the same moment', () => {
  const formats = [
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    'EEEE, d MMMM yyyy hh:mm:ss.SSS a z',
    'yyyyMMddHHmmssSSS',
    'D yyyy k:m:s S',
  ].map((pattern) => new JavaDateFormat(pattern));
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1900, 0, 1), max: Date.UTC(2999, 0, 1) }), (ms) => {
      for (const format of formats) expect(format.parse(format.format(ms))).toBe(ms);
    }),
  );
});

test('A text that does not begin as the pattern says is no date', () => {
  const format = new JavaDateFormat('yyyy-MM-dd');
  for (const text of ['', '2024', '2024/01/02', 'x2024-01-02']) expect(format.parse(text)).toBeUndefined();
});

test('A pattern with a letter that means nothing is refused', () => {
  expect(() => new JavaDateFormat('yyyy-bb')).toThrow("Illegal pattern character 'b'");
});

test('Moments that JavaScript has no date for are formatted as Java formats them', () => {
  const format = new JavaDateFormat('yyyy-MM-dd EEE HH:mm:ss');
  expect(format.format(9_007_199_254_740_992)).toBe('287396-10-12 Wed 08:59:00');
  expect(new JavaDateFormat('G').format(-9_007_199_254_740_992)).toBe('BC');
});
