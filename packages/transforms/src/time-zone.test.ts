import { expect, test } from 'vitest';
import { offsetText, parseOffset, Zone } from './time-zone.ts';

const HOUR = 3_600_000;

function zone(name: string): Zone {
  const found = Zone.of(name);
  if (!found) throw new Error(`no zone ${name}`);
  return found;
}

test('A local time in the gap of spring has the offset of winter, one twice in autumn that of summer', () => {
  const berlin = zone('Europe/Berlin');
  expect(berlin.offsetAtLocal(Date.UTC(2024, 2, 31, 2, 30))).toBe(HOUR);
  expect(berlin.offsetAtLocal(Date.UTC(2024, 2, 31, 3, 0))).toBe(2 * HOUR);
  expect(berlin.offsetAtLocal(Date.UTC(2024, 9, 27, 2, 30))).toBe(2 * HOUR);
  expect(berlin.offsetAtLocal(Date.UTC(2024, 9, 27, 3, 0))).toBe(HOUR);
});

test('Offsets with seconds are read and written', () => {
  expect(parseOffset('-03:00:30')).toBe(-(3 * HOUR + 30_000));
  expect(offsetText(-(3 * HOUR + 30_000))).toBe('-03:00:30');
  expect(offsetText(zone('Asia/Kolkata').offsetAt(0))).toBe('+05:30');
});

test('Names that Java does not know as such are no zones', () => {
  for (const name of ['Z', '+5', 'GMT+2', 'europe/paris', 'Mars/Base', ''])
    expect(Zone.of(name)).toBeUndefined();
});
