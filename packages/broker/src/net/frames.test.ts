import { expect, test } from 'vitest';
import { FramePool } from './frame-pool.ts';
import { BadFrame, FrameReader } from './frames.ts';

function frame(text: string): Buffer {
  const bytes = Buffer.from(`....${text}`);
  bytes.writeInt32BE(text.length, 0);
  return bytes;
}

test('Frames come out whole, however the stream is cut', () => {
  const texts = ['first', '', 'x'.repeat(300), 'last'];
  const stream = Buffer.concat(texts.map(frame));
  for (let size = 1; size <= stream.length; size++) {
    const reader = new FrameReader(1000, new FramePool(0));
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      reader.push(stream.subarray(at, at + size), (bytes) => found.push(bytes.toString()));
    }
    expect(found).toEqual(texts);
  }
});

test('INV-10: a length below zero or above the limit is refused before memory is taken', () => {
  for (const head of ['ffffffff', '7fffffff', '000003e9']) {
    const reader = new FrameReader(1000, new FramePool(0));
    expect(() => reader.push(Buffer.from(head, 'hex'), () => undefined)).toThrow(BadFrame);
  }
});

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
