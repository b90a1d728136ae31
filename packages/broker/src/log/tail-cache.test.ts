import type { BatchHeader } from '@millrace/kafka-protocol';
import { expect, it } from 'vitest';
import { Tail, TailCache } from './tail-cache.ts';

const BATCH = 100;
const header = { lastOffsetDelta: 0 } as BatchHeader;

function add(tail: Tail, offset: number): void {
  tail.add(header, offset, Buffer.alloc(BATCH, offset));
}

it('keeps what is added while somebody reads, and nothing once nobody does', () => {
  const tail = new Tail(new TailCache(10 * BATCH));
  const read = (offset: number): Buffer | undefined => tail.read(offset, 1000, 10_000, true);
  for (let offset = 0; offset < 5; offset++) add(tail, offset);
  expect(read(0)).toHaveLength(5 * BATCH);
  for (let offset = 5; offset < 11; offset++) add(tail, offset);
  expect(read(5)).toBeUndefined();
  // Whoever has asked is given what comes next.
  add(tail, 11);
  expect(read(11)).toEqual(Buffer.alloc(BATCH, 11));
  expect(read(10)).toBeUndefined();
});
