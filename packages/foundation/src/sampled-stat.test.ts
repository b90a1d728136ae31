import { expect, test } from 'vitest';
import { SampledStat } from './sampled-stat.ts';

test('a rate counts a window that has just begun as a whole one', () => {
  const stat = new SampledStat();
  stat.record(60, 1000);
  expect(stat.ratePerSecond(1000)).toBe(2);
  expect(stat.ratePerSecond(16_000)).toBeCloseTo(60 / 45);
  expect(stat.ratePerSecond(46_000)).toBeCloseTo(60 / 45);
  expect(stat.countPerSecond(46_000)).toBeCloseTo(1 / 45);
});

test('what is older than both windows is forgotten', () => {
  const stat = new SampledStat();
  stat.record(10, 0);
  stat.record(20, 29_999);
  stat.record(30, 30_000);
  expect(stat.average(30_000)).toBe(20);
  expect(stat.maximum(30_000)).toBe(30);
  expect(stat.minimum(30_000)).toBe(10);
  // The last value of the first window is one minute old, that of the second is not.
  expect(stat.average(89_999)).toBe(30);
  expect(stat.ratePerSecond(89_999)).toBeCloseTo(30 / 59.999);
  expect(stat.average(90_000)).toBeNaN();
  expect(stat.maximum(90_000)).toBeNaN();
  expect(stat.minimum(90_000)).toBeNaN();
  expect(stat.ratePerSecond(90_000)).toBe(0);
});

test('a steady flow has its own rate, however long it lasts', () => {
  const stat = new SampledStat();
  for (let second = 0; second <= 300; second++) stat.record(100, second * 1000);
  expect(stat.ratePerSecond(300_000)).toBeGreaterThan(95);
  expect(stat.ratePerSecond(300_000)).toBeLessThan(105);
});

test('nothing recorded is a rate of 0 and no mean', () => {
  const stat = new SampledStat();
  expect(stat.ratePerSecond(5)).toBe(0);
  expect(stat.average(5)).toBeNaN();
});
