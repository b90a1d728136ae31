import { ArrayStruct, arraySchema, INT64, mapSchema, optional, STRING, structSchema } from '@millrace/data';
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

test('of a struct or a map no more than its name can be added to a row, and so only null; headers take it whole', () => {
  const row = optional(structSchema([['id', INT64]], { name: 'Row' }));
  const whole = structSchema([
    ['row', row],
    ['map', optional(mapSchema(STRING, STRING))],
    ['list', optional(arraySchema(STRING))],
  ]);
  const schema = structSchema([['source', whole]]);
  const [struct, map, list] = parseEventFields(['row', 'map', 'list'], '');
  const added = struct?.schemaIn(schema);
  if (!struct || !map || !list || !added) throw new Error('not there');
  expect([added.name, added.fields, map.schemaIn(schema)?.keySchema]).toEqual(['Row', [], null]);

  const empty = new ArrayStruct(schema, [new ArrayStruct(whole, [null, null, null])]);
  expect(struct.checkedValueIn(empty, added)).toBeNull();
  expect(struct.headerIn(empty)).toEqual({ key: 'row', schema: added, value: null });

  const value = new ArrayStruct(row, [1]);
  const full = new ArrayStruct(schema, [new ArrayStruct(whole, [value, new Map(), ['a']])]);
  expect(() => struct.checkedValueIn(full, added)).toThrow('Struct schemas do not match.');
  expect(() => map.checkedValueIn(full, added)).toThrow('No schema defined for key of map field: "map"');
  expect(list.checkedValueIn(full, added)).toEqual(['a']);
  expect(struct.headerIn(full)).toEqual({ key: 'row', schema: row, value });
});
