import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { onAbort } from './abort-calls.ts';

test('a signal has one listener for all that wait for it, and calls those that still do', () => {
  const stop = new AbortController();
  const called: number[] = [];
  const releases = [1, 2, 3].map((i) => onAbort(stop.signal, () => called.push(i)));
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
  releases[1]?.();
  stop.abort();
  expect(called).toEqual([1, 3]);
});

test('one call may take another back', () => {
  const stop = new AbortController();
  const called: string[] = [];
  onAbort(stop.signal, () => {
    called.push('first');
    release();
  });
  const release = onAbort(stop.signal, () => called.push('second'));
  stop.abort();
  expect(called).toEqual(['first']);
});
