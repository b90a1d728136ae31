import { expect, test } from 'vitest';
import { javaSetOrder } from './java-set-order.ts';

test('names come in the order in which Debezium was seen to list them', () => {
  const names = ['public.sig', 'public.t', 'public.u', 'public.w'];
  expect(javaSetOrder(names)).toEqual(['public.t', 'public.w', 'public.u', 'public.sig']);
  expect(javaSetOrder(['public.a', 'public.b', 'public.c', 'public.d'])).toEqual([
    'public.c',
    'public.d',
    'public.a',
    'public.b',
  ]);
});
