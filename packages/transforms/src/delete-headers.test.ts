import { SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, INT32, STRING, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { DeleteHeaders } from './delete-headers.ts';
import { HeaderToValue } from './header-to-value.ts';

const header = (key: string, value: unknown = key) => ({ key, schema: STRING, value });
const SHARED = Object.freeze([header('context')]);

function record(value: unknown, headers = SHARED): SourceRecord {
  return new SourceRecord({ sourcePartition: {}, sourceOffset: {}, topic: 't', value, headers });
}
const names = (headers: readonly { key: string }[]): string[] => headers.map(({ key }) => key);

test('A tombstone has the headers that its delete was given, and no record after it', () => {
  const headers = new DeleteHeaders();
  expect(names(headers.add(record('a delete'), [header('op')]))).toEqual(['context', 'op']);
  expect(names(headers.before(record(null)))).toEqual(['context', 'op']);
  expect(names(headers.add(record(null), [header('own')]))).toEqual(['context', 'op', 'own']);
  expect(names(headers.add(record('a row'), [header('op')]))).toEqual(['context', 'op']);
});

test('A tombstone with headers of its own keeps to them', () => {
  const headers = new DeleteHeaders();
  headers.add(record('a delete'), [header('op')]);
  expect(names(headers.before(record(null, [header('other')])))).toEqual(['other']);
});

test('Headers become fields in their own order, not in that of the config', () => {
  const transform = new HeaderToValue();
  transform.configure({ headers: 'second,first', fields: 'b,a', operation: 'copy' });
  const schema = structSchema([['id', INT32]]);
  const { valueSchema } =
    transform.apply(
      new SourceRecord({
        sourcePartition: {},
        sourceOffset: {},
        topic: 't',
        valueSchema: schema,
        value: new ArrayStruct(schema, [1]),
        headers: [header('first'), header('second')],
      }),
    ) ?? {};
  expect(valueSchema?.fields.map(({ name }) => name)).toEqual(['id', 'a', 'b']);
});
