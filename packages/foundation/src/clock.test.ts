import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';

afterEach(() => vi.restoreAllMocks());

const wallNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

it('tells nanoseconds of the wall clock, also after that was set', async () => {
  const now = Date.now.bind(Date);
  for (const offsetMs of [0, 3_600_000, -3_600_000, 0]) {
    vi.spyOn(Date, 'now').mockImplementation(() => now() + offsetMs);
    // A look at both clocks that others have interrupted does not count.
    await vi.waitFor(() => {
      const apartMs = Number(systemClock.nowNs() - wallNs()) / 1e6;
      expect(Math.abs(apartMs)).toBeLessThan(60_000);
    });
  }
});

it('tells nanoseconds finer than the wall clock does, in order', () => {
  const told = Array.from({ length: 1000 }, () => systemClock.nowNs());
  expect(told.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))).toEqual(told);
  expect(new Set(told.map((ns) => ns / 1_000_000n)).size).toBeLessThan(new Set(told).size);
});
