import { describe, expect, test } from 'vitest';
import { ChangeQueue } from './change-queue.ts';

const never = new AbortController().signal;

describe('ChangeQueue', () => {
  test('is full by records or by bytes, and calls back once there is room (INV-5)', () => {
    const queue = new ChangeQueue<number>({ maxRecords: 3, maxBytes: 100 });
    queue.put({ records: [1, 2], bytes: 10 });
    expect(queue.isFull).toBe(false);
    queue.put({ records: [3], bytes: 10 });
    expect(queue.isFull).toBe(true);
    let calls = 0;
    queue.onRoom(() => calls++);
    expect(queue.take(2).flatMap((batch) => batch.records)).toEqual([1, 2]);
    expect(calls).toBe(1);
    queue.put({ records: [4], bytes: 95 });
    expect(queue.isFull).toBe(true);
    expect(queue.take(10).flatMap((batch) => batch.records)).toEqual([3, 4]);
    expect([queue.recordCount, queue.byteCount, calls]).toEqual([0, 0, 1]);
  });

  test('gives whole batches, one at least', () => {
    const queue = new ChangeQueue<number>({ maxRecords: 100, maxBytes: 0 });
    queue.put({ records: [1, 2, 3, 4], bytes: 1 });
    queue.put({ records: [5], bytes: 1 });
    expect(queue.take(2)).toEqual([{ records: [1, 2, 3, 4], bytes: 1 }]);
  });

  test('hands out what was put before a failure, then the failure', () => {
    const queue = new ChangeQueue<number>({ maxRecords: 100, maxBytes: 0 });
    queue.put({ records: [1], bytes: 1 });
    queue.fail(new Error('gone'));
    expect(queue.take(5)).toHaveLength(1);
    expect(() => queue.take(5)).toThrow('gone');
  });

  test('a waiting reader wakes for a batch, a failure and its signal', async () => {
    const queue = new ChangeQueue<number>({ maxRecords: 100, maxBytes: 0 });
    const put = queue.wait(60_000, never);
    queue.put({ records: [1], bytes: 1 });
    await put;
    queue.take(1);
    const stop = new AbortController();
    const aborted = queue.wait(60_000, stop.signal);
    stop.abort();
    await aborted;
    const failed = queue.wait(60_000, never);
    queue.fail(new Error('gone'));
    await failed;
    await queue.room();
  });
});
