// Offsets of time zones, as Java's ZoneRules give them: of a moment, and of a local time that may be in a gap or twice
// in a day. Zones are those of the platform's time zone data.
import { recordError } from './errors.ts';

const OFFSET = /^([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/;
const DAY_MS = 86_400_000;
/** Offsets change on quarters of an hour at the finest. */
const QUARTER_MS = 900_000;
const CACHED_OFFSETS = 10_000;

/** Names that Java's older TimeZone knows and its ZoneId does not: accepted in a config, refused when they are used. */
const OLD_NAMES: ReadonlySet<string> = new Set(
  'ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT EST HST IET IST JST MIT MST NET NST PLT PNT PRT PST SST VST'.split(
    ' ',
  ),
);

/** A zone by name or a fixed offset. */
export class Zone {
  readonly #fixedMs: number | undefined;
  readonly #format: Intl.DateTimeFormat | undefined;
  readonly #isOldName: boolean;
  readonly #name: string;
  readonly #offsets = new Map<number, number>();

  private constructor(name: string, fixedMs: number | undefined, format: Intl.DateTimeFormat | undefined) {
    this.#name = name;
    this.#fixedMs = fixedMs;
    this.#format = format;
    this.#isOldName = OLD_NAMES.has(name);
  }

  /** The zone of a name such as Europe/Paris or an offset such as +08:00; undefined when there is none. */
  static of(name: string): Zone | undefined {
    const offset = OFFSET.exec(name);
    if (offset) {
      const seconds = Number(offset[2]) * 3600 + Number(offset[3]) * 60 + Number(offset[4] ?? 0);
      return new Zone(name, (offset[1] === '-' ? -seconds : seconds) * 1000, undefined);
    }
    if (OLD_NAMES.has(name)) return new Zone(name, undefined, undefined);
    // The platform takes names in any case; Java's are spelled with capitals.
    if (!/^[A-Z][\w+-]*(?:\/[A-Z][\w+-]*)*$/.test(name) || name === 'Z') return undefined;
    try {
      const format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
        era: 'short',
      });
      return new Zone(name, undefined, format);
    } catch {
      return undefined;
    }
  }

  /** Milliseconds that the zone's clock is ahead of UTC at a moment. @throws transform.bad_record for an old name */
  offsetAt(ms: number): number {
    if (this.#fixedMs !== undefined) return this.#fixedMs;
    if (this.#isOldName || !this.#format) {
      throw recordError(`Unknown time-zone ID: ${this.#name}`, 'java.time.zone.ZoneRulesException');
    }
    const quarter = Math.floor(ms / QUARTER_MS);
    let offset = this.#offsets.get(quarter);
    if (offset === undefined) {
      offset = readOffset(this.#format, quarter * QUARTER_MS);
      if (this.#offsets.size >= CACHED_OFFSETS) this.#offsets.clear();
      this.#offsets.set(quarter, offset);
    }
    return offset;
  }

  /** The offset at a local time, given as if it were UTC. In a gap and in an overlap it is the one before. */
  offsetAtLocal(localMs: number): number {
    const before = this.offsetAt(localMs - DAY_MS);
    const after = this.offsetAt(localMs + DAY_MS);
    if (before === after || this.offsetAt(localMs - before) === before) return before;
    return this.offsetAt(localMs - after) === after ? after : before;
  }
}

function readOffset(format: Intl.DateTimeFormat, ms: number): number {
  const parts: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(ms)) parts[type] = value;
  const number = (name: string): number => Number(parts[name]);
  const year = parts['era']?.startsWith('B') === true ? 1 - number('year') : number('year');
  const local = new Date(0);
  local.setUTCFullYear(year, number('month') - 1, number('day'));
  local.setUTCHours(number('hour'), number('minute'), number('second'));
  return local.getTime() - Math.floor(ms / 1000) * 1000;
}

/** `Z`, `+02:00`, `-03:00:30`. */
export function offsetText(offsetMs: number): string {
  if (offsetMs === 0) return 'Z';
  const seconds = Math.abs(offsetMs) / 1000;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const rest = seconds % 60 === 0 ? '' : `:${two(seconds % 60)}`;
  return `${offsetMs < 0 ? '-' : '+'}${two(seconds / 3600)}:${two((seconds % 3600) / 60)}${rest}`;
}

/** Milliseconds of an offset text; undefined when it is none. */
export function parseOffset(text: string): number | undefined {
  if (text === 'Z') return 0;
  const match = OFFSET.exec(text);
  if (!match) return undefined;
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
  return (match[1] === '-' ? -seconds : seconds) * 1000;
}
