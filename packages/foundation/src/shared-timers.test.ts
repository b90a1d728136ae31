import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { afterRoughly, ROUGH_MS, SharedTimers } from './shared-timers.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** When the calls came, in milliseconds from now on. */
function recorder(): { times: number[]; note: () => void } {
  const start = performance.now();
  const times: number[] = [];
  return { times, note: () => times.push(performance.now() - start) };
}

describe('shared timers', () => {
  test('waits that end in the same step end together, none too early and none more than a step late', () => {
    const timers = new SharedTimers(100);
    const { times, note } = recorder();
    for (let ms = 200; ms < 300; ms += 10) timers.after(ms, note);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2);
    vi.advanceTimersByTime(199);
    expect(times).toEqual([]);
    vi.advanceTimersByTime(201);
    expect(times).toHaveLength(10);
    expect(new Set(times).size).toBeLessThanOrEqual(2);
    times.forEach((time, i) => {
      expect(time).toBeGreaterThanOrEqual(200 + 10 * i);
      expect(time).toBeLessThanOrEqual(301 + 10 * i);
    });
  });

  test('one that is taken back does not end, also by another of its step, and the last takes the timer with it', () => {
    const timers = new SharedTimers(1000);
    const called: string[] = [];
    const a = timers.after(1, () => {
      called.push('a');
      b.cancel();
    });
    const b = timers.after(1, () => called.push('b'));
    vi.runAllTimers();
    expect(called).toEqual(['a']);
    a.cancel();
    const c = timers.after(5000, () => called.push('c'));
    expect(vi.getTimerCount()).toBe(1);
    c.cancel();
    c.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('rough waits', () => {
  test.each([1000, 3000, 30_000])('of %i ms end at most a tenth of a second early and never late', (ms) => {
    const { times, note } = recorder();
    afterRoughly(ms, note);
    vi.advanceTimersByTime(ms - ROUGH_MS - 1);
    expect(times).toEqual([]);
    vi.advanceTimersByTime(ROUGH_MS + 2);
    expect(times).toHaveLength(1);
  });

  test('that are short are exact', () => {
    const { times, note } = recorder();
    afterRoughly(250, note);
    vi.runAllTimers();
    expect(times).toEqual([250]);
  });

  test('of hundreds of tasks take a handful of timers', () => {
    for (let i = 0; i < 300; i++) {
      void systemClock.sleepRoughly(1000);
      vi.advanceTimersByTime(1);
    }
    expect(vi.getTimerCount()).toBeLessThanOrEqual(5);
  });

  test('end at once with their signal, and leave nothing behind', async () => {
    const stop = new AbortController();
    const waits = [systemClock.sleepRoughly(60_000, stop.signal), systemClock.sleepRoughly(1, stop.signal)];
    vi.advanceTimersByTime(2);
    await waits[1];
    stop.abort();
    await waits[0];
    await systemClock.sleepRoughly(60_000, stop.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});
