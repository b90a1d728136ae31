import { ArrayStruct, BigDecimal, Double, optional, STRING, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { filledObject, plainValue, withoutBigints } from './plain-values.ts';

const PLACE = structSchema([
  ['city', STRING],
  ['__proto__', optional(STRING)],
]);

test('structs and maps become objects, and a column of any name is a column', () => {
  const place = plainValue(ArrayStruct.of(PLACE, { city: 'Ulm', ['__proto__']: 'x' })) as Record<
    string,
    unknown
  >;
  expect(Object.keys(place)).toEqual(['city', '__proto__']);
  expect(Object.getPrototypeOf(place)).toBe(Object.prototype);
  expect(plainValue(new Map([['a', new Map([['b', [1n]]])]]))).toEqual({ a: { b: [1n] } });
});

test('INV-4: numbers keep their digits: decimals are texts, large integers bigints', () => {
  expect(plainValue(new BigDecimal(1990n, 2))).toBe('19.90');
  expect(plainValue(new Double(1))).toBe(1);
  expect(plainValue(9_007_199_254_740_993n)).toBe(9_007_199_254_740_993n);
  expect(plainValue(7)).toBe(7);
  const bytes = Buffer.from('x');
  expect(plainValue(bytes)).toBe(bytes);
});

test('a null in a row is a null, and in a source block its default', () => {
  const schema = structSchema([['snapshot', optional(STRING)]]);
  expect(plainValue(ArrayStruct.of(schema, {}))).toEqual({ snapshot: null });
  expect(filledObject(ArrayStruct.of(schema, {}))).toEqual({ snapshot: null });
});

test('for JSON bigints are texts, wherever they are', () => {
  expect(withoutBigints({ a: [1n, { b: 2n }], c: 3 })).toEqual({ a: ['1', { b: '2' }], c: 3 });
});
