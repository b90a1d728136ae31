import { expect, test } from 'vitest';
import { snapshotRequest } from './signals.ts';

const requestOf = (data: Record<string, unknown>): ReturnType<typeof snapshotRequest> =>
  snapshotRequest({ id: 's', type: 'execute-snapshot', data: { 'data-collections': ['public.t'], ...data } });

test('an empty filter and an empty surrogate key are none', () => {
  const condition = { 'data-collection': 'public.t', filter: '' };
  expect(requestOf({ 'additional-conditions': [condition], 'surrogate-key': '' })).toEqual({
    kind: 'incremental',
    collections: ['public.t'],
    conditions: [],
    surrogateKey: undefined,
  });
});

test('a condition without a filter or a table is refused, as is one that is no object', () => {
  for (const condition of [{ 'data-collection': 'public.t' }, { filter: 'id = 1' }, 'id = 1', null])
    expect(requestOf({ 'additional-conditions': [condition] })).toBeUndefined();
});
