import { expect, test } from 'vitest';
import { TimeStats } from './time-stats.ts';

test('Quantiles are at most a quarter too high, from microseconds to minutes', () => {
  for (const ms of [0.002, 0.05, 1, 3.7, 250, 90_000]) {
    const stats = new TimeStats();
    for (let i = 0; i < 100; i++) stats.record(ms, 0);
    expect(stats.quantile(0.5, 0)).toBeGreaterThanOrEqual(ms);
    expect(stats.quantile(0.999, 0)).toBeLessThanOrEqual(Math.max(ms * 1.26, 0.004));
  }
});

test('A quantile divides the slow from the fast', () => {
  const stats = new TimeStats();
  for (let i = 0; i < 990; i++) stats.record(1, 0);
  for (let i = 0; i < 10; i++) stats.record(1000, 0);
  expect(stats.quantile(0.5, 0)).toBeLessThan(1.3);
  expect(stats.quantile(0.98, 0)).toBeLessThan(1.3);
  expect(stats.quantile(0.999, 0)).toBeGreaterThanOrEqual(1000);
  expect(stats).toMatchObject({ count: 1000, totalMs: 10_990 });
});

test('What is older than two minutes no longer counts for quantiles, but for the sums', () => {
  const stats = new TimeStats();
  stats.record(500, 0);
  stats.record(1, 61_000);
  expect(stats.quantile(0.999, 61_000)).toBeGreaterThanOrEqual(500);
  expect(stats.quantile(0.999, 122_000)).toBeLessThan(2);
  expect(stats.quantile(0.999, 600_000)).toBe(0);
  expect(stats.count).toBe(2);
});

test('Any duration can be recorded', () => {
  const stats = new TimeStats();
  for (const ms of [0, -1, 1e12, Number.MAX_SAFE_INTEGER]) stats.record(ms, 0);
  expect(stats.quantile(1, 0)).toBeGreaterThan(1_000_000);
});
