import { expect, test } from 'vitest';
import { clusterOptions } from './client-properties.ts';
import { parseCount, parsePartitions, parseTime } from './options.ts';

test('A time is a date, a date without zone in UTC, milliseconds, or how long ago', () => {
  const at = Date.UTC(2026, 10, 28, 4, 30);
  expect(parseTime('2026-11-28T04:30:00Z')).toBe(at);
  expect(parseTime('2026-11-28T04:30')).toBe(at);
  expect(parseTime('2026-11-28T05:30:00.000+0100')).toBe(at);
  expect(parseTime('2026-11-28')).toBe(Date.UTC(2026, 10, 28));
  expect(parseTime(String(at))).toBe(at);
  for (const [text, ms] of [
    ['90s', 90_000],
    ['15m', 900_000],
    ['2d', 172_800_000],
    ['PT1H30M', 5_400_000],
    ['P1D', 86_400_000],
  ] as const)
    expect(Math.abs(Date.now() - ms - parseTime(text))).toBeLessThan(1000);
});

test('What is no time, no count and no partition is refused', () => {
  for (const text of ['', 'yesterday', '12', '2026-13-01', 'P', 'PT', '-5m'])
    expect(() => parseTime(text)).toThrow('Expected');
  for (const text of ['', '-1', '1.5', '0x10', '9'.repeat(20)])
    expect(() => parseCount(text)).toThrow('Expected');
  expect(parsePartitions('0, 2', [5])).toEqual([5, 0, 2]);
});

test('A flag comes before the environment, and security that is not there is refused', () => {
  expect(clusterOptions({ bootstrapServer: 'a:1' }).bootstrapServers).toBe('a:1');
  expect(() => clusterOptions({ commandConfig: '/nonexistent/client.properties' })).toThrow('Cannot read');
});
