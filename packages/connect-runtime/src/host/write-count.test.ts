import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hasWrites, newWriteCount, sharedCounter, WriteCount } from './write-count.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the count of writes that may still be stored (INV-2)', () => {
  it('is seen by whoever shares it, as long as an answer is missing', () => {
    const shared = newWriteCount();
    const count = new WriteCount(sharedCounter(shared), { requestTimeoutMs: 1000 });
    expect(hasWrites(shared)).toBe(false);
    count.sent();
    count.sent();
    count.answered();
    expect(hasWrites(shared)).toBe(true);
    count.answered();
    expect(hasWrites(shared)).toBe(false);
  });

  it('holds a request whose connection broke until it has timed out', () => {
    const shared = newWriteCount();
    const count = new WriteCount(sharedCounter(shared), { requestTimeoutMs: 1000 });
    count.sent();
    count.lost(false);
    vi.advanceTimersByTime(999);
    expect(hasWrites(shared)).toBe(true);
    vi.advanceTimersByTime(1);
    expect(hasWrites(shared)).toBe(false);
    count.sent();
    count.lost(true);
    expect(hasWrites(shared)).toBe(false);
  });
});
