import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  civilFromDays,
  dateValue,
  daysFromCivil,
  intervalUs,
  isoDate,
  isoInterval,
  isoTimestamp,
  isoTimestampPrinter,
  isoZonedTime,
  parseInterval,
  timestampMs,
  timestampUs,
  timeUs,
} from './temporal.ts';

const on = <T>(read: (bytes: Buffer, start: number, end: number) => T, text: string): T => {
  const bytes = Buffer.from(`xx${text}yy`);
  return read(bytes, 2, bytes.length - 2);
};

/** What the printer writes; undefined when it leaves the text to `isoTimestamp`. */
function printed(text: string, scale: number): string | undefined {
  const source = Buffer.from(`xx${text}yy`);
  const target = Buffer.alloc(80);
  const end = isoTimestampPrinter(scale)(source, 2, source.length - 2, target, 1);
  return end < 0 ? undefined : target.toString('latin1', 1, end);
}

describe('temporal text', () => {
  test('a zone ends with its value: what follows is another column', () => {
    const bytes = Buffer.from('2024-02-29 21:59:59+00\t23:59:01\t24:00:00+00\t12:00:30');
    expect(isoTimestamp(bytes, 0, 22, 0)).toBe('2024-02-29T21:59:59Z');
    expect(isoZonedTime(bytes, 32, 43)).toBe('00:00:00Z');
  });

  test('a moment with zone is printed as it is decoded, or left to the decoder (INV-8)', () => {
    fc.assert(
      fc.property(
        fc.date({
          min: new Date('0001-01-01T00:00:00Z'),
          max: new Date('9999-12-31T23:59:59.999Z'),
          noInvalidDate: true,
        }),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 999_999 }),
        (date, scale, micros) => {
          const digits = String(micros).padStart(6, '0').slice(0, scale).replace(/0+$/, '');
          const seconds = date.toISOString().slice(0, 19).replace('T', ' ');
          const text = `${seconds}${digits === '' ? '' : `.${digits}`}+00`;
          expect(printed(text, scale)).toBe(on((b, s, e) => isoTimestamp(b, s, e, scale), text));
        },
      ),
    );
    for (const text of [
      'infinity',
      '-infinity',
      '0044-03-15 12:00:00+00 BC',
      '10000-01-01 00:00:00+00',
      '2026-01-01 00:00:00+05:30',
      '2026-01-01 00:00:00-08',
    ])
      expect(printed(text, 6)).toBe(undefined);
  });

  test('agrees with the calendar of the platform on every day it knows', () => {
    fc.assert(
      fc.property(fc.integer({ min: -700_000, max: 2_900_000 }), (days) => {
        const date = new Date(days * 86_400_000);
        const civil = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
        expect(civilFromDays(days)).toEqual(civil);
        expect(daysFromCivil(civil.year, civil.month, civil.day)).toBe(days);
      }),
    );
  });

  test('reads moments of the server to the microsecond, as the platform does to the millisecond', () => {
    fc.assert(
      fc.property(
        fc.date({
          min: new Date('0001-01-01T00:00:00Z'),
          max: new Date('9999-12-31T23:59:59.999Z'),
          noInvalidDate: true,
        }),
        (date) => {
          const text = date.toISOString().replace('T', ' ').replace('Z', '');
          expect(on(timestampMs, text)).toBe(date.getTime());
          expect(on(timestampUs, `${text}123+00`)).toEqual(
            Number.isSafeInteger(date.getTime() * 1000) ? date.getTime() * 1000 + 123 : expect.anything(),
          );
        },
      ),
    );
  });

  test.each([
    ['1970-01-01', 0],
    ['0044-03-15 BC', -735160],
    ['10000-01-01', 2932897],
    ['infinity', -2147472692],
    ['-infinity', -2147472691],
  ])('date %s is day %d', (text, days) => {
    expect(on(dateValue, text)).toBe(days);
  });

  test.each([
    ['2024-02-29 10:34:56.789012+00', 6, '2024-02-29T10:34:56.789012Z'],
    ['2024-02-29 12:34:56.1+00', 3, '2024-02-29T12:34:56.100Z'],
    ['2024-02-29 12:34:56.789+00', 0, '2024-02-29T12:34:56.789Z'],
    ['2024-02-29 12:34:57+02', 0, '2024-02-29T10:34:57Z'],
    ['2024-01-01 00:15:00+05:30', 0, '2023-12-31T18:45:00Z'],
    ['0044-03-15 01:02:03.000004+00 BC', 6, '-0043-03-15T01:02:03.000004Z'],
    ['294276-12-31 23:59:59.999999+00', 6, '+294276-12-31T23:59:59.999999Z'],
    ['-infinity', 6, '-infinity'],
  ])('%s with %d digits, where 0 stands for as many as needed, is %s', (text, scale, iso) => {
    expect(on((b, s, e) => isoTimestamp(b, s, e, scale), text)).toBe(iso);
  });

  test.each([
    ['12:34:56.789012+05:30', '07:04:56.789012Z'],
    ['23:59:59.999-08', '07:59:59.999Z'],
    ['24:00:00+00', '00:00:00Z'],
    ['12:34:56+02', '10:34:56Z'],
  ])('time %s is %s', (text, iso) => {
    expect(on(isoZonedTime, text)).toBe(iso);
  });

  test('24:00 is the end of the day', () => {
    expect(on(timeUs, '24:00:00')).toBe(86_400_000_000);
  });

  test('timestamps that int64 cannot hold end at its extremes', () => {
    expect(on(timestampUs, '294276-12-31 23:59:59.999999')).toBe(9223372036854775807n);
    expect(isoDate(daysFromCivil(-43, 3, 15))).toBe('-0043-03-15');
  });

  test.each([
    ['1 year 2 mons 3 days 04:05:06.789', 37091106789000, 'P1Y2M3DT4H5M6.789S'],
    ['-1 mons', -2629800000000, 'P0Y-1M0DT0H0M0S'],
    ['-3 days -00:00:00.000001', -259200000001, 'P0Y0M-3DT0H0M-0.000001S'],
    ['1 mon -1 days +25:00:00', 2633400000000, 'P0Y1M-1DT25H0M0S'],
    ['00:00:00', 0, 'P0Y0M0DT0H0M0S'],
  ])('interval %s', (text, us, iso) => {
    const parts = parseInterval(text);
    expect(parts && intervalUs(parts)).toBe(us);
    expect(parts && isoInterval(parts)).toBe(iso);
  });
});
