import { afterEach, expect, it, vi } from 'vitest';
import { Lease } from './lease.ts';

afterEach(() => vi.restoreAllMocks());

it('INV-2: is good for a session time from before the group was told, on every thread', () => {
  const lease = new Lease();
  const elsewhere = new Lease(lease.shared);
  expect(elsewhere.valid).toBe(false);
  const start = process.hrtime.bigint();
  const answered = lease.mark(1000);
  const now = vi.spyOn(process.hrtime, 'bigint');
  now.mockReturnValue(start + 900_000_000n);
  answered();
  expect([lease.valid, elsewhere.valid]).toEqual([true, true]);
  now.mockReturnValue(start + 1_100_000_000n);
  expect([lease.valid, elsewhere.valid]).toEqual([false, false]);
});

it('INV-2: ends with the wall clock where the other one stood still, as in a machine that slept', () => {
  const lease = new Lease();
  const start = Date.now();
  lease.mark(1000)();
  expect(lease.valid).toBe(true);
  vi.spyOn(Date, 'now').mockReturnValue(start + 2000);
  expect(lease.valid).toBe(false);
});

it('ends at once when the group has said so, until it says otherwise', () => {
  const lease = new Lease();
  lease.mark(1000)();
  lease.end();
  expect(lease.valid).toBe(false);
  lease.mark(1000)();
  expect(lease.valid).toBe(true);
});

it('INV-2: tells those who follow it of each new end, and of its end', () => {
  const lease = new Lease();
  const copy = new Lease();
  const unfollow = lease.follow((ends) => copy.set(ends));
  lease.mark(60_000)();
  expect(copy.ends).toEqual(lease.ends);
  expect(copy.valid).toBe(true);
  lease.end();
  expect(copy.valid).toBe(false);
  unfollow();
  lease.mark(60_000)();
  expect(copy.valid).toBe(false);
});
