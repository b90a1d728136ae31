import { ArrayStruct, INT64, optional, STRING, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { parseEventFields } from './event-field.ts';

const SOURCE = structSchema([['table', STRING]]);
const EVENT = structSchema([
  ['source', SOURCE],
  ['op', STRING],
  ['ts_ms', optional(INT64)],
  ['extra', STRING],
]);
const event = new ArrayStruct(EVENT, [new ArrayStruct(SOURCE, ['t']), 'c', 5, 'added']);

const valuesOf = (...references: string[]): unknown[] =>
  parseEventFields(references, '__').map((field) => [
    field.name,
    field.schemaIn(EVENT) === undefined ? 'not there' : field.valueIn(event),
  ]);

test('a field that is not where it is looked for is taken from the event, to which a transform may have added it', () => {
  expect(valuesOf('table', 'extra', 'source.extra:e', 'source.op', 'nope', 'source.nope')).toEqual([
    ['__table', 't'],
    ['__extra', 'added'],
    ['__e', 'added'],
    ['__source_op', 'c'],
    ['__nope', 'not there'],
    ['__source_nope', 'not there'],
  ]);
});

test('what follows a second point and an empty name are passed over', () => {
  expect(valuesOf('source.table.x', 'op:', 'ts_ms:at')).toEqual([
    ['__source_table', 't'],
    ['__op', 'c'],
    ['__at', 5],
  ]);
  expect(() => valuesOf('op:a:b')).toThrow('Unexpected field name: op:a:b');
});
