import { ArrayStruct, INT64, optional, STRING, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { SimpleHeaderConverter } from './simple-header-converter.ts';

test('null fields of a struct are written as their defaults', () => {
  const schema = structSchema([
    ['id', INT64],
    ['name', STRING.with({ optional: true, defaultValue: 'n' })],
    ['other', optional(STRING)],
  ]);
  const bytes = new SimpleHeaderConverter().writeHeader(
    't',
    'h',
    schema,
    new ArrayStruct(schema, [1, null, null]),
  );
  expect(bytes?.toString()).toBe('{"id":1,"name":"n","other":null}');
});
