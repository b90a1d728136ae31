import { expect, test } from 'vitest';
import { FramePool } from './frame-pool.ts';

test('INV-5: the pool reuses memory of large frames and holds no more than it may', () => {
  const pool = new FramePool(1 << 20);
  const first = pool.take(100_000);
  pool.give(first);
  const second = pool.take(120_000);
  expect([second.buffer === first.buffer, second.length]).toEqual([true, 120_000]);
  const large = [pool.take(600_000), pool.take(600_000)];
  for (const buffer of large) pool.give(buffer);
  const again = [pool.take(600_000), pool.take(600_000)];
  expect(again.filter((buffer) => large.some((known) => known.buffer === buffer.buffer))).toHaveLength(1);
  // A slice of somebody else's memory is not taken.
  pool.give(Buffer.alloc(70_000).subarray(4));
  expect(pool.take(65_537).length).toBe(65_537);
});
