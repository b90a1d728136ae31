import { describe, expect, test } from 'vitest';
import { BigDecimal } from './logical-types.ts';

describe('BigDecimal', () => {
  const rounded = (text: string, scale: number): string | undefined =>
    BigDecimal.parse(text)?.rounded(scale).toPlainString();

  test.each([
    ['1.25', 1, '1.3'],
    ['-1.25', 1, '-1.3'],
    ['1.24', 1, '1.2'],
    ['-0.04', 1, '0.0'],
    ['12345.67', -1, '12350'],
    ['4.99', -1, '0'],
    ['1.5', 4, '1.5000'],
  ])('%s with scale %i is %s, halves away from zero', (text, scale, result) => {
    expect(rounded(text, scale)).toBe(result);
  });
});
