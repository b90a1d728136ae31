import { expect, test } from 'vitest';
import { collectSmallHeap, findCollector, QuietWatch } from './collect-garbage.ts';

const MB = 1024 * 1024;
const grown = (): { youngBytes: number; usedBytes: number } => ({ youngBytes: 33 * MB, usedBytes: 30 * MB });

test('a thread that has become quiet is collected once, and again only after it had work', () => {
  const watch = new QuietWatch();
  const looks = (...shares: number[]): boolean[] => shares.map((share) => watch.look(share, grown));
  expect(looks(0.5, 0.01, 0.01, 0.01, 0.01)).toEqual([false, false, true, false, false]);
  expect(looks(0.5, 0.01, 0.5, 0.01, 0.01)).toEqual([false, false, false, false, true]);
});

test('what is small is left, and what would take long, until that changes', () => {
  const watch = new QuietWatch();
  const small = { youngBytes: 2 * MB, usedBytes: 20 * MB };
  const large = { youngBytes: 33 * MB, usedBytes: 500 * MB };
  for (const heap of [small, small, large]) expect(watch.look(0, () => heap)).toBe(false);
  expect(watch.look(0, grown)).toBe(true);
});

test('V8 collects what nobody holds when it is told to', async () => {
  const held = new WeakRef({ large: new Array(1000).fill(0) });
  // A weak reference holds what it was made for until the turn ends.
  await new Promise((resolve) => setTimeout(resolve, 1));
  findCollector()?.();
  expect(held.deref()).toBeUndefined();
});

test('large buffers that nobody holds are given back at once', async () => {
  const before = process.memoryUsage().arrayBuffers;
  const held = [Buffer.alloc(16 * MB)];
  for (let i = 0; i < 3; i++) Buffer.alloc(16 * MB);
  await new Promise((resolve) => setTimeout(resolve, 1));
  collectSmallHeap();
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(before + 40 * MB);
  expect(held[0]?.length).toBe(16 * MB);
});
