// How the wait for a commit to be seen ends; that queries then see it is tested on a server.
import { systemClock } from '@millrace/foundation';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { commitVisible, type VisibleCommitOptions } from './visible-commit.ts';

/** Queries see the commit from a look on; pauses take no time and are noted. */
function waiting(
  visibleFrom: number,
): VisibleCommitOptions & { readonly pauses: number[]; readonly waited: string[] } {
  const pauses: number[] = [];
  const waited: string[] = [];
  let looks = 0;
  const client = { query: () => Promise.resolve({ rows: [{ visible: ++looks >= visibleFrom }] }) };
  const sleep = (ms: number): Promise<void> => {
    pauses.push(ms);
    return Promise.resolve();
  };
  return {
    client: client as unknown as pg.Client,
    clock: { ...systemClock, sleep },
    signal: new AbortController().signal,
    onWaiting: () => waited.push('waiting'),
    pauses,
    waited,
  };
}

test('a commit that is seen costs one look', async () => {
  const options = waiting(1);
  expect(await commitVisible(7, options)).toBe(true);
  expect([options.pauses, options.waited]).toEqual([[], []]);
});

test('pauses grow, and the wait is told of once', async () => {
  const options = waiting(10);
  expect(await commitVisible(7, options)).toBe(true);
  expect(options.pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 100, 100]);
  expect(options.waited).toEqual(['waiting']);
});

test('a commit that is not seen is given up after pauses of 10 s in all', async () => {
  const options = waiting(Number.POSITIVE_INFINITY);
  expect(await commitVisible(7, options)).toBe(false);
  expect(options.pauses.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(9_900);
});

test('a stream that closes ends the wait', async () => {
  const closing = new AbortController();
  closing.abort(new Error('closing'));
  await expect(commitVisible(7, { ...waiting(5), signal: closing.signal })).rejects.toThrow('closing');
});
