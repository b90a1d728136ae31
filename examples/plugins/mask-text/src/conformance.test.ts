// Passing this suite is what being a transformation of Millrace means; below it, what this one is for.
import { SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, optional, STRING, structSchema } from '@millrace/data';
import { describeTransformation } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { MaskText, plugin } from './mask-text.ts';

describeTransformation({
  plugin: { ...plugin, load: async () => plugin },
  config: { field: 'name' },
  refused: { field: {} },
});

const CUSTOMER = structSchema([
  ['name', STRING],
  ['email', optional(STRING)],
]);
const record = (valueSchema: SourceRecord['valueSchema'], value: unknown): SourceRecord =>
  new SourceRecord({
    sourcePartition: { of: 'test' },
    sourceOffset: { at: 1 },
    topic: 't',
    valueSchema,
    value,
  });

test('the text is masked, with and without a schema', () => {
  const transform = new MaskText();
  transform.configure({ field: 'email', mask: '(hidden)' });
  const customer = ArrayStruct.of(CUSTOMER, { name: 'Ada', email: 'ada@example.com' });
  const masked = transform.apply(record(CUSTOMER, customer))?.value as ArrayStruct;
  expect(masked.toArray()).toEqual(['Ada', '(hidden)']);
  const map = new Map([['email', 'ada@example.com']]);
  expect(transform.apply(record(null, map))?.value).toEqual(new Map([['email', '(hidden)']]));
});

test('what has no such text stays as it is', () => {
  const transform = new MaskText();
  transform.configure({ field: 'email' });
  const unknown = record(CUSTOMER, ArrayStruct.of(CUSTOMER, { name: 'Ada' }));
  expect(transform.apply(unknown)).toBe(unknown);
  const tombstone = record(null, null);
  expect(transform.apply(tombstone)).toBe(tombstone);
});
