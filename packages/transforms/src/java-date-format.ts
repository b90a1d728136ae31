// Java's SimpleDateFormat for en-US in UTC: formats and, leniently as Java does, parses. Of what only parsing knows,
// weeks and days of the week are read and not used; the Gregorian calendar is used for all years.
import { ILLEGAL_ARGUMENT, recordError } from './errors.ts';

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const LETTERS = 'GyYMLwWDdFEuaHkKhmsSzZX';
const DAY_MS = 86_400_000;
/** What a JavaScript Date holds. */
const MAX_DATE_MS = 8.64e15;
/** 400 years. */
const CYCLE_MS = 146_097 * DAY_MS;
/** Hours of the zone names that Java knows and texts use. */
const ZONES: Readonly<Record<string, number>> = {
  GMT: 0,
  UTC: 0,
  UT: 0,
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
  CET: 1,
  CEST: 2,
  BST: 1,
  JST: 9,
};

/** A literal, or a letter and how often it stands. */
type Part = string | { readonly letter: string; readonly count: number };

/** What parsing found; absent is Java's default: 1970-01-01, midnight, UTC. */
interface Found {
  year?: number;
  isBc?: boolean;
  month?: number;
  day?: number;
  dayOfYear?: number;
  hour?: number;
  isPm?: boolean;
  minute?: number;
  second?: number;
  millisecond?: number;
  offsetMs?: number;
}

export class JavaDateFormat {
  readonly #parts: readonly Part[];

  /** @throws transform.bad_record as IllegalArgumentException, in Java's words */
  constructor(pattern: string) {
    this.#parts = compile(pattern);
  }

  /** The text of a moment in milliseconds since 1970. */
  format(ms: number): string {
    // JavaScript's dates end 275,760 years from now; the calendar, days of the week included, repeats itself.
    const cycles = Math.abs(ms) <= MAX_DATE_MS ? 0 : Math.floor(ms / CYCLE_MS);
    const moment = { date: new Date(ms - cycles * CYCLE_MS), yearsMore: cycles * 400 };
    return this.#parts
      .map((part) => (typeof part === 'string' ? part : formatField(moment, part.letter, part.count)))
      .join('');
  }

  /** Milliseconds since 1970, or undefined when the text does not begin as the pattern says. */
  parse(text: string): number | undefined {
    const found: Found = {};
    let at = 0;
    for (const [i, part] of this.#parts.entries()) {
      if (typeof part === 'string') {
        if (!text.startsWith(part, at)) return undefined;
        at += part.length;
        continue;
      }
      const next = this.#parts[i + 1];
      const abuts = next !== undefined && typeof next !== 'string' && isNumeric(next);
      const end = parseField(text, at, part, abuts, found);
      if (end < 0) return undefined;
      at = end;
    }
    const ms = momentOf(found);
    return Number.isFinite(ms) ? ms : undefined;
  }
}

function compile(pattern: string): Part[] {
  const parts: Part[] = [];
  let literal = '';
  const flush = (): void => {
    if (literal !== '') parts.push(literal);
    literal = '';
  };
  for (let i = 0; i < pattern.length; ) {
    const char = pattern.charAt(i);
    if (char === "'") {
      if (pattern.charAt(i + 1) === "'") {
        literal += "'";
        i += 2;
        continue;
      }
      const [text, end] = quoted(pattern, i + 1);
      literal += text;
      i = end;
    } else if (/[A-Za-z]/.test(char)) {
      if (!LETTERS.includes(char)) throw recordError(`Illegal pattern character '${char}'`, ILLEGAL_ARGUMENT);
      flush();
      let end = i + 1;
      while (pattern.charAt(end) === char) end++;
      if (char === 'X' && end - i > 3)
        throw recordError(`invalid ISO 8601 format: length=${end - i}`, ILLEGAL_ARGUMENT);
      parts.push({ letter: char, count: end - i });
      i = end;
    } else {
      literal += char;
      i++;
    }
  }
  flush();
  return parts;
}

/** The text of a quotation that opened before `at`, and where what follows it starts. */
function quoted(pattern: string, at: number): readonly [text: string, end: number] {
  let text = '';
  for (let i = at; i < pattern.length; i++) {
    if (pattern.charAt(i) !== "'") text += pattern.charAt(i);
    else if (pattern.charAt(i + 1) === "'") {
      text += "'";
      i++;
    } else return [text, i + 1];
  }
  throw recordError('Unterminated quote', ILLEGAL_ARGUMENT);
}

function pad(value: number, count: number): string {
  return value < 0 ? `-${String(-value).padStart(count, '0')}` : String(value).padStart(count, '0');
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
}

/** Week of the year and its year, weeks from Sunday; the week of 1 January is the first. */
function week(date: Date): { week: number; year: number } {
  const year = date.getUTCFullYear();
  const nextStart = Date.UTC(year + 1, 0, 1);
  const untilNext = Math.floor((nextStart - date.getTime() + DAY_MS - 1) / DAY_MS);
  if (untilNext <= new Date(nextStart).getUTCDay()) return { week: 1, year: year + 1 };
  const first = new Date(Date.UTC(year, 0, 1)).getUTCDay();
  return { week: Math.floor((dayOfYear(date) - 1 + first) / 7) + 1, year };
}

/** A date, and the years that its own has to be moved by. */
interface Moment {
  readonly date: Date;
  readonly yearsMore: number;
}

function formatField({ date, yearsMore }: Moment, letter: string, count: number): string {
  switch (letter) {
    case 'G':
      return date.getUTCFullYear() + yearsMore > 0 ? 'AD' : 'BC';
    case 'y':
    case 'Y': {
      const full = (letter === 'Y' ? week(date).year : date.getUTCFullYear()) + yearsMore;
      const year = full > 0 ? full : 1 - full;
      return count === 2 ? pad(year % 100, 2) : pad(year, count);
    }
    case 'M':
    case 'L': {
      const name = MONTHS[date.getUTCMonth()] ?? '';
      if (count >= 4) return name;
      return count === 3 ? name.slice(0, 3) : pad(date.getUTCMonth() + 1, count);
    }
    case 'E': {
      const name = DAYS[date.getUTCDay()] ?? '';
      return count >= 4 ? name : name.slice(0, 3);
    }
    case 'a':
      return date.getUTCHours() < 12 ? 'AM' : 'PM';
    case 'z':
      return count >= 4 ? 'Coordinated Universal Time' : 'UTC';
    case 'Z':
      return '+0000';
    case 'X':
      return 'Z';
    default:
      return pad(numberOf(date, letter), count);
  }
}

function numberOf(date: Date, letter: string): number {
  switch (letter) {
    case 'w':
      return week(date).week;
    case 'W': {
      const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)).getUTCDay();
      return Math.floor((date.getUTCDate() - 1 + first) / 7) + 1;
    }
    case 'D':
      return dayOfYear(date);
    case 'd':
      return date.getUTCDate();
    case 'F':
      return Math.floor((date.getUTCDate() - 1) / 7) + 1;
    case 'u':
      return date.getUTCDay() === 0 ? 7 : date.getUTCDay();
    case 'H':
      return date.getUTCHours();
    case 'k':
      return date.getUTCHours() === 0 ? 24 : date.getUTCHours();
    case 'K':
      return date.getUTCHours() % 12;
    case 'h':
      return date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12;
    case 'm':
      return date.getUTCMinutes();
    case 's':
      return date.getUTCSeconds();
    default:
      return date.getUTCMilliseconds();
  }
}

function isNumeric(part: { letter: string; count: number }): boolean {
  if (part.letter === 'M' || part.letter === 'L') return part.count <= 2;
  return !'GEazZX'.includes(part.letter);
}

/** Reads one field from `at` and says where it ended, -1 when it is not there. */
function parseField(
  text: string,
  start: number,
  part: { letter: string; count: number },
  abuts: boolean,
  found: Found,
): number {
  let at = start;
  while (text.charAt(at) === ' ' || text.charAt(at) === '\t') at++;
  const { letter, count } = part;
  if (letter === 'z' || letter === 'Z' || letter === 'X') return parseZone(text, at, part, found);
  if (!isNumeric(part)) return parseName(text, at, letter, found);
  const digits = /^-?\d+/.exec(abuts ? text.slice(at, at + count) : text.slice(at, at + 20))?.[0];
  if (digits === undefined) return -1;
  setNumber(letter, Number(digits), digits, count, found);
  return at + digits.length;
}

function parseName(text: string, at: number, letter: string, found: Found): number {
  const match = (names: readonly string[]): readonly [index: number, length: number] => {
    const rest = text.slice(at, at + 20).toLowerCase();
    let best: readonly [number, number] = [-1, 0];
    for (const [i, name] of names.entries())
      if (name.length > best[1] && rest.startsWith(name.toLowerCase())) best = [i, name.length];
    return best;
  };
  const short = (names: readonly string[]): string[] => [...names, ...names.map((name) => name.slice(0, 3))];
  const names =
    letter === 'G' ? ['BC', 'AD'] : letter === 'a' ? ['AM', 'PM'] : short(letter === 'E' ? DAYS : MONTHS);
  const [index, length] = match(names);
  if (index < 0) return -1;
  if (letter === 'G') found.isBc = index === 0;
  else if (letter === 'a') found.isPm = index === 1;
  else if (letter !== 'E') found.month = index % 12;
  return at + length;
}

function parseZone(text: string, at: number, part: { letter: string; count: number }, found: Found): number {
  const rest = text.slice(at, at + 40);
  if (part.letter === 'X') {
    if (rest.startsWith('Z')) {
      found.offsetMs = 0;
      return at + 1;
    }
    const form = [/^([+-])(\d\d)/, /^([+-])(\d\d)(\d\d)/, /^([+-])(\d\d):(\d\d)/][part.count - 1];
    return setOffset(form?.exec(rest) ?? null, at, found);
  }
  const named = /^[A-Za-z]+/.exec(rest)?.[0].toUpperCase();
  if (named === 'GMT' && /^[+-]/.test(rest.slice(3)))
    return setOffset(/^([+-])(\d{1,2})(?::?(\d\d))?/.exec(rest.slice(3)), at + 3, found);
  if (named !== undefined) {
    const long = 'Coordinated Universal Time';
    if (rest.toLowerCase().startsWith(long.toLowerCase())) {
      found.offsetMs = 0;
      return at + long.length;
    }
    const hours = ZONES[named];
    if (hours === undefined) return -1;
    found.offsetMs = hours * 3_600_000;
    return at + named.length;
  }
  return setOffset(/^([+-])(\d\d)(\d\d)/.exec(rest), at, found);
}

function setOffset(match: RegExpExecArray | null, at: number, found: Found): number {
  if (!match) return -1;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  found.offsetMs = (match[1] === '-' ? -minutes : minutes) * 60_000;
  return at + match[0].length;
}

function setNumber(letter: string, value: number, digits: string, count: number, found: Found): void {
  switch (letter) {
    case 'y':
    case 'Y':
      found.year = count <= 2 && digits.length === 2 && value >= 0 ? nearYear(value) : value;
      break;
    case 'M':
    case 'L':
      found.month = value - 1;
      break;
    case 'd':
      found.day = value;
      break;
    case 'D':
      found.dayOfYear = value;
      break;
    case 'H':
    case 'K':
      found.hour = value;
      break;
    case 'k':
      found.hour = value === 24 ? 0 : value;
      break;
    case 'h':
      found.hour = value === 12 ? 0 : value;
      break;
    case 'm':
      found.minute = value;
      break;
    case 's':
      found.second = value;
      break;
    case 'S':
      found.millisecond = value;
      break;
    default:
    // w, W, F, u: read and not used.
  }
}

/** Java puts two digits into the hundred years that end 20 years from now. */
function nearYear(twoDigits: number): number {
  const first = new Date().getUTCFullYear() - 80;
  const year = first - (((first % 100) + 100) % 100) + twoDigits;
  return year < first ? year + 100 : year;
}

function momentOf(found: Found): number {
  const year = found.isBc === true ? 1 - (found.year ?? 1970) : (found.year ?? 1970);
  const date = new Date(0);
  const byDay = found.dayOfYear !== undefined && found.month === undefined && found.day === undefined;
  date.setUTCFullYear(year, byDay ? 0 : (found.month ?? 0), byDay ? found.dayOfYear : (found.day ?? 1));
  const hour = (found.hour ?? 0) + (found.isPm === true && (found.hour ?? 0) < 12 ? 12 : 0);
  const clock = ((hour * 60 + (found.minute ?? 0)) * 60 + (found.second ?? 0)) * 1000;
  return date.getTime() + clock + (found.millisecond ?? 0) - (found.offsetMs ?? 0);
}
