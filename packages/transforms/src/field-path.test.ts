import { ArrayStruct, INT32, STRING, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { FieldPath } from './field-path.ts';

const inner = structSchema([
  ['x.y', STRING],
  ['a`b', INT32],
]);
const schema = structSchema([
  ['in', inner],
  ['in.x', INT32],
]);
const struct = ArrayStruct.of(schema, { in: ArrayStruct.of(inner, { 'x.y': 'deep', 'a`b': 2 }), 'in.x': 1 });

test('A path of version 1 is one name, dots and all', () => {
  expect(new FieldPath('in.x', 'V1').valueIn(struct, true)).toBe(1);
});

test('Backticks hold a step together that has dots', () => {
  expect(new FieldPath('in.`x.y`', 'V2').valueIn(struct, true)).toBe('deep');
});

test('A backtick that no dot follows belongs to the step', () => {
  expect(new FieldPath('in.a`b', 'V2').valueIn(struct, true)).toBe(2);
  expect(new FieldPath('in.`a`b`', 'V2').valueIn(struct, true)).toBe(2);
});

test('A step that is not closed is refused', () => {
  expect(() => new FieldPath('in.`x.y', 'V2')).toThrow(
    'Incomplete backtick pair in path: [in.`x.y], consider adding a backslash before backtick at position 3 to escape it',
  );
});
