import { SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, INT32, STRING, type Struct, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { ByLogicalTableRouter } from './by-logical-table-router.ts';

test('a null in a key stays null whatever its default is', () => {
  const keySchema = structSchema([
    ['id', INT32.with({ optional: true, defaultValue: 7 })],
    ['a', STRING],
  ]);
  const key = new ArrayStruct(keySchema, [null, 'x']);
  const router = new ByLogicalTableRouter();
  router.configure({ 'topic.regex': '(.*)\\d', 'topic.replacement': '$1' });
  const record = new SourceRecord({ sourcePartition: {}, sourceOffset: {}, topic: 't1', keySchema, key });
  const routed = router.apply(record);
  expect(routed?.topic).toBe('t');
  expect((routed?.key as Struct | undefined)?.toArray()).toEqual([null, 'x', 't1']);
  expect(key.toArray()).toEqual([null, 'x']);
});
