// Dates and times as Postgres prints them (datestyle ISO, timezone UTC) to days, microseconds and ISO text, for the
// whole range the server has: infinity, BC years, years of more than four digits, 24:00:00. Read from bytes, because
// timestamps are on the hot path.
import { int64, type RawPrinter } from '@millrace/data';

const US_PER_DAY = 86_400_000_000;
const DIGIT_0 = 0x30;
const DASH = 0x2d;
const COLON = 0x3a;
const DOT = 0x2e;
const SPACE = 0x20;

/** What stands for infinity in each unit: Debezium's values, from the Java driver's extremes in milliseconds. */
const INFINITY_MS = 9223372036825200n;
const MINUS_INFINITY_MS = -9223372036832400n;
const INFINITE_DAYS = -2147472692;
const MINUS_INFINITE_DAYS = -2147472691;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

export type Infinity64 = 'infinity' | '-infinity';

/** Days from 1970-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468;
}

export interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthIndex = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9;
  const day = dayOfYear - Math.floor((153 * monthIndex + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** A moment as days and microseconds of the day; both exact over the server's whole range. */
interface Moment {
  readonly days: number;
  readonly us: number;
}

let cachedStart = 0;
let cachedBytes: Buffer = Buffer.alloc(0);
let cachedDays = 0;

/** Whether the ten bytes of a date are those of the last one parsed: rows of one batch share their days. */
function sameDate(bytes: Buffer, start: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[start + i] !== cachedBytes[cachedStart + i]) return false;
  return true;
}

function digits(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + (bytes[i] ?? 0) - DIGIT_0;
  return value;
}

function infinityOf(bytes: Buffer, start: number): Infinity64 | undefined {
  if (bytes[start] === 0x69) return 'infinity';
  return bytes[start] === DASH && bytes[start + 1] === 0x69 ? '-infinity' : undefined;
}

function isBc(bytes: Buffer, end: number): boolean {
  return bytes[end - 1] === 0x43 && bytes[end - 2] === 0x42;
}

/** Microseconds of `HH:MM:SS[.ffffff]` from `start`; `stop` is where it ended. */
let stop = 0;
function timeOfDay(bytes: Buffer, start: number, end: number): number {
  let us =
    (digits(bytes, start, start + 2) * 3600 +
      digits(bytes, start + 3, start + 5) * 60 +
      digits(bytes, start + 6, start + 8)) *
    1_000_000;
  let at = start + 8;
  if (at < end && bytes[at] === DOT) {
    at++;
    for (let unit = 100_000; at < end; at++) {
      const digit = (bytes[at] ?? 0) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      us += digit * unit;
      unit /= 10;
    }
  }
  stop = at;
  return us;
}

/** Microseconds of a zone offset such as `+05:30` or `-08` at `start`; 0 when there is none. */
function zoneOffset(bytes: Buffer, start: number, end: number): number {
  const sign = bytes[start] === DASH ? -1 : 1;
  if (start >= end || (bytes[start] !== DASH && bytes[start] !== 0x2b)) return 0;
  let seconds = digits(bytes, start + 1, start + 3) * 3600;
  // What follows the value is another column's.
  if (start + 3 < end && bytes[start + 3] === COLON) seconds += digits(bytes, start + 4, start + 6) * 60;
  if (start + 6 < end && bytes[start + 6] === COLON) seconds += digits(bytes, start + 7, start + 9);
  return sign * seconds * 1_000_000;
}

function dateDays(bytes: Buffer, start: number, end: number, bc: boolean): number {
  // YYYY-MM-DD, the year with four digits or more
  if (end - start === 10 && !bc) {
    if (sameDate(bytes, start)) return cachedDays;
    const days = daysFromCivil(
      digits(bytes, start, start + 4),
      digits(bytes, start + 5, start + 7),
      digits(bytes, start + 8, start + 10),
    );
    cachedBytes = bytes;
    cachedStart = start;
    cachedDays = days;
    return days;
  }
  const year = digits(bytes, start, end - 6);
  return daysFromCivil(bc ? 1 - year : year, digits(bytes, end - 5, end - 3), digits(bytes, end - 2, end));
}

/** A timestamp with or without zone. */
function moment(bytes: Buffer, start: number, end: number): Moment {
  const bc = isBc(bytes, end);
  let gap = start + 10;
  while (gap < end && bytes[gap] !== SPACE) gap++;
  const days = dateDays(bytes, start, gap, bc);
  const us = timeOfDay(bytes, gap + 1, end) - zoneOffset(bytes, stop, end);
  const carry = Math.floor(us / US_PER_DAY);
  return { days: days + carry, us: us - carry * US_PER_DAY };
}

/** Days since 1970-01-01. */
export function dateValue(bytes: Buffer, start: number, end: number): number {
  const infinite = infinityOf(bytes, start);
  if (infinite !== undefined) return infinite === 'infinity' ? INFINITE_DAYS : MINUS_INFINITE_DAYS;
  const bc = isBc(bytes, end);
  return dateDays(bytes, start, bc ? end - 3 : end, bc);
}

/** Microseconds of the day of a time without zone. */
export function timeUs(bytes: Buffer, start: number, end: number): number {
  return timeOfDay(bytes, start, end);
}

/** Milliseconds since the epoch of a timestamp without zone. */
export function timestampMs(bytes: Buffer, start: number, end: number): number | bigint {
  const infinite = infinityOf(bytes, start);
  if (infinite !== undefined) return int64(infinite === 'infinity' ? INFINITY_MS : MINUS_INFINITY_MS);
  const { days, us } = moment(bytes, start, end);
  return int64Of(days, Math.floor(us / 1000), 86_400_000, 1n);
}

/** Microseconds since the epoch; what exceeds int64 is cut to its extremes. */
export function timestampUs(bytes: Buffer, start: number, end: number): number | bigint {
  const infinite = infinityOf(bytes, start);
  if (infinite !== undefined)
    return int64((infinite === 'infinity' ? INFINITY_MS : MINUS_INFINITY_MS) * 1000n);
  const { days, us } = moment(bytes, start, end);
  return int64Of(days, us, US_PER_DAY, 1n);
}

/** Nanoseconds since the epoch; null when int64 cannot hold them (years before 1677 and after 2262). */
export function timestampNs(bytes: Buffer, start: number, end: number): number | bigint | null {
  const infinite = infinityOf(bytes, start);
  if (infinite !== undefined) return infinite === 'infinity' ? INT64_MAX : INT64_MIN;
  const { days, us } = moment(bytes, start, end);
  // The day that int64 begins in the middle of counts as outside, as it does in Debezium.
  const startOfDay = BigInt(days) * BigInt(US_PER_DAY) * 1000n;
  const ns = startOfDay + BigInt(us) * 1000n;
  return ns > INT64_MAX || startOfDay < INT64_MIN ? null : int64(ns);
}

function int64Of(days: number, rest: number, perDay: number, factor: bigint): number | bigint {
  const value = days * perDay + rest;
  if (value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER) return value;
  const exact = (BigInt(days) * BigInt(perDay) + BigInt(rest)) * factor;
  return exact > INT64_MAX ? INT64_MAX : exact < INT64_MIN ? INT64_MIN : int64(exact);
}

const PAIRS = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));
const pair = (value: number): string => PAIRS[value] ?? String(value);

/** `YYYY-MM-DD` as Java prints it: years beyond 9999 with a plus, BC years negative. */
export function isoDate(days: number): string {
  const { year, month, day } = civilFromDays(days);
  const digitsOfYear = String(Math.abs(year)).padStart(4, '0');
  const sign = year < 0 ? '-' : year > 9999 ? '+' : '';
  return `${sign}${digitsOfYear}-${pair(month)}-${pair(day)}`;
}

/** `HH:MM:SS` and a fraction: of `scale` digits, or for 0 of as many as it needs. */
export function isoTime(us: number, scale: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const text = `${pair(Math.floor(seconds / 3600))}:${pair(Math.floor(seconds / 60) % 60)}:${pair(seconds % 60)}`;
  const micros = us % 1_000_000;
  if (scale === 0 && micros === 0) return text;
  const fraction = String(micros).padStart(6, '0');
  return `${text}.${scale === 0 ? fraction.replace(/0+$/, '') : fraction.slice(0, scale)}`;
}

let cachedIsoDays = Number.NaN;
let cachedIsoDate = '';

function isoDateCached(days: number): string {
  if (days !== cachedIsoDays) {
    cachedIsoDays = days;
    cachedIsoDate = isoDate(days);
  }
  return cachedIsoDate;
}

/** ISO text of a timestamp in UTC, with `Z`; the words `infinity` and `-infinity` stay. */
export function isoTimestamp(bytes: Buffer, start: number, end: number, scale: number): string {
  const infinite = infinityOf(bytes, start);
  if (infinite !== undefined) return infinite;
  const { days, us } = moment(bytes, start, end);
  return `${isoDateCached(days)}T${isoTime(us, scale)}Z`;
}

/** Where the time begins in a timestamp of a year with four digits. */
const TIME_AT = 11;
const FRACTION_AT = 19;

/** Prints what `isoTimestamp` gives: the server's text of a moment in UTC has the same digits. Leaves others to it. */
export function isoTimestampPrinter(scale: number): RawPrinter {
  return (source, start, end, target, at) => {
    // YYYY-MM-DD HH:MM:SS[.ffffff]+00
    const zone = end - 3;
    const plain =
      zone >= start + FRACTION_AT &&
      source[zone] === 0x2b &&
      source[zone + 1] === DIGIT_0 &&
      source[zone + 2] === DIGIT_0 &&
      source[start + TIME_AT - 1] === SPACE;
    if (!plain) return -1;
    for (let i = 0; i < FRACTION_AT; i++) target[at + i] = source[start + i] ?? 0;
    target[at + TIME_AT - 1] = 0x54;
    let to = at + FRACTION_AT;
    if (scale > 0) {
      target[to++] = DOT;
      let from = start + FRACTION_AT + 1;
      for (let digit = 0; digit < scale; digit++)
        target[to++] = from < zone ? (source[from++] ?? 0) : DIGIT_0;
    }
    target[to] = 0x5a;
    return to + 1;
  };
}

/** ISO text of a time with zone, turned to UTC; 24:00 is midnight. */
export function isoZonedTime(bytes: Buffer, start: number, end: number): string {
  const us = timeOfDay(bytes, start, end) - zoneOffset(bytes, stop, end);
  return `${isoTime(((us % US_PER_DAY) + US_PER_DAY) % US_PER_DAY, 0)}Z`;
}

/** Months, days and microseconds of an interval in style `postgres`. */
export interface IntervalParts {
  readonly months: number;
  readonly days: number;
  readonly us: bigint;
}

export function parseInterval(text: string): IntervalParts | undefined {
  const match =
    /^(?:([+-]?\d+) years?)? ?(?:([+-]?\d+) mons?)? ?(?:([+-]?\d+) days?)? ?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?$/.exec(
      text,
    );
  if (!match) return undefined;
  const [, years, months, days, sign, hours, minutes, seconds, fraction] = match;
  let us =
    (BigInt(hours ?? 0) * 3600n + BigInt(minutes ?? 0) * 60n + BigInt(seconds ?? 0)) * 1_000_000n +
    BigInt((fraction ?? '').padEnd(6, '0'));
  if (sign === '-') us = -us;
  return { months: Number(years ?? 0) * 12 + Number(months ?? 0), days: Number(days ?? 0), us };
}

/** An interval without end, which Postgres 17 and later have: an extreme of int64, as what exceeds it. */
export function infiniteIntervalUs(name: Infinity64): bigint {
  return name === 'infinity' ? INT64_MAX : INT64_MIN;
}

/** A month is a twelfth of 365.25 days; what exceeds int64 is cut to its extremes. */
export function intervalUs({ months, days, us }: IntervalParts): number | bigint {
  const total = BigInt(months) * 2_629_800_000_000n + BigInt(days) * BigInt(US_PER_DAY) + us;
  return total > INT64_MAX ? INT64_MAX : total < INT64_MIN ? INT64_MIN : int64(total);
}

/** `P1Y2M3DT4H5M6.78S`. */
export function isoInterval({ months, days, us }: IntervalParts): string {
  const years = Math.trunc(months / 12);
  const negative = us < 0n;
  const total = negative ? -us : us;
  const sign = (value: bigint): string => (negative && value !== 0n ? `-${value}` : `${value}`);
  const hours = total / 3_600_000_000n;
  const minutes = (total / 60_000_000n) % 60n;
  const seconds = (total / 1_000_000n) % 60n;
  const fraction = String(total % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '');
  const secondsText = fraction === '' ? sign(seconds) : `${negative ? '-' : ''}${seconds}.${fraction}`;
  return `P${years}Y${months % 12 || 0}M${days}DT${sign(hours)}H${sign(minutes)}M${secondsText}S`;
}
