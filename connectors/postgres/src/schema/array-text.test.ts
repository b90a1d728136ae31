import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseArrayText } from './array-text.ts';

test.each([
  ['{}', []],
  ['{1,NULL,3}', ['1', null, '3']],
  ['{"NULL","","a,b","q\\"u","b\\\\s","{x}"}', ['NULL', '', 'a,b', 'q"u', 'b\\s', '{x}']],
  ['[0:1]={7,8}', ['7', '8']],
  ['{{1,2},{3,4}}', [{ literal: '{1,2}' }, { literal: '{3,4}' }]],
  ['{{"a}",b},{c}}', [{ literal: '{"a}",b}' }, { literal: '{c}' }]],
])('array text %s', (text, elements) => {
  expect(parseArrayText(text)).toEqual(elements);
});

test('text that is no array is not taken for one, and any text ends (INV-10)', () => {
  expect(parseArrayText('nonsense')).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}",\\[]=:aN'.split('')) }), (text) => {
      const elements = parseArrayText(text);
      expect(elements === undefined || elements.length <= text.length).toBe(true);
    }),
  );
});
