import { SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, optional, STRING, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { SetSchemaMetadata } from './set-schema-metadata.ts';

test('the schema of the record is renamed, not that of its value: an unwrapped row stays required', () => {
  const row = structSchema([['name', STRING]]);
  const transform = new SetSchemaMetadata('Value');
  transform.configure({ 'schema.name': 'my.Name' });
  const made = transform.apply(
    new SourceRecord({
      sourcePartition: {},
      sourceOffset: {},
      topic: 't',
      keySchema: null,
      key: null,
      valueSchema: row,
      value: new ArrayStruct(optional(row), ['a']),
      headers: [],
    }),
  );
  expect(made?.valueSchema).toMatchObject({ name: 'my.Name', optional: false });
});
