// JSON without loss: integers keep every digit, objects keep their key order, and a number with a fraction stays one
// even if it is whole. The platform's parser rounds integers beyond 2^53 and moves numeric keys, so this is our own.
// It works on UTF-8 bytes; member names, of which few differ, are made into text once.
import { int64 } from '../int64.ts';
import { MAX_DEPTH } from './scan.ts';

/** A number literal with a fraction or exponent, by its text. */
export class JsonFraction {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  get value(): number {
    return Number(this.text);
  }
  toString(): string {
    return this.text;
  }
}

/** What `parseJson` gives: integers are number or bigint (of any size), objects are Maps. */
export type Json = null | boolean | string | number | bigint | JsonFraction | Json[] | Map<string, Json>;

/** Bad JSON: what was found and where. */
export class JsonSyntaxError extends Error {
  readonly position: number;
  constructor(message: string, position: number) {
    super(`${message} at position ${position}`);
    this.position = position;
  }
}

/**
 * Parses one document, text or UTF-8; what follows it is ignored with `allowTrailing`, else refused. Blank text gives
 * undefined. @throws JsonSyntaxError
 */
export function parseJson(
  text: string | Buffer,
  options: { allowTrailing?: boolean } = {},
): Json | undefined {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const parser = new JsonParser();
  parser.open(bytes, 0);
  parser.skipSpace();
  if (parser.at === bytes.length) return undefined;
  const value = parser.value(0);
  parser.skipSpace();
  if (parser.at < bytes.length && options.allowTrailing !== true)
    parser.fail('Unexpected text after the document');
  return value;
}

const NOTHING = Buffer.alloc(0);
const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const MAX_NAME = 32;
/** Names seen lately, by a hash of their bytes. */
const NAMES: string[] = new Array<string>(1024).fill('');

/** Reads values one after the other from UTF-8 bytes. */
export class JsonParser {
  bytes: Buffer = NOTHING;
  at = 0;

  open(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }
  /** Lets go of the bytes. */
  close(): void {
    this.bytes = NOTHING;
  }

  fail(message: string): never {
    // Positions count characters, as who looks at the text does.
    throw new JsonSyntaxError(message, this.bytes.toString('utf8', 0, this.at).length);
  }

  skipSpace(): void {
    const { bytes } = this;
    let { at } = this;
    let code = bytes[at];
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = bytes[++at];
    this.at = at;
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) this.fail(`Nesting deeper than ${MAX_DEPTH}`);
    const code = this.bytes[this.at];
    switch (code) {
      case 0x7b:
        return this.object(depth);
      case 0x5b:
        return this.array(depth);
      case 0x22:
        return this.string();
      case 0x74:
        return this.literal('true', true);
      case 0x66:
        return this.literal('false', false);
      case 0x6e:
        return this.literal('null', null);
      case undefined:
        return this.fail('Unexpected end of input');
      default:
        return code === 0x2d || (code >= 0x30 && code <= 0x39) ? this.number() : this.unexpected();
    }
  }

  unexpected(): never {
    const [character = ''] = this.bytes.toString('utf8', this.at, this.at + 4);
    return this.fail(`Unexpected character '${character}'`);
  }

  literal<T extends Json>(word: string, value: T): T {
    const { bytes, at } = this;
    for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) this.unexpected();
    this.at += word.length;
    if (isWord(bytes[this.at])) this.fail('Unexpected character after a literal');
    return value;
  }

  object(depth: number): Map<string, Json> {
    const map = new Map<string, Json>();
    this.at++;
    this.skipSpace();
    if (this.bytes[this.at] === 0x7d) {
      this.at++;
      return map;
    }
    for (;;) {
      const name = this.name();
      map.set(name, this.value(depth + 1));
      if (!this.separator(0x7d, "'}'")) return map;
    }
  }

  /** A member's name, up to where its value starts. */
  name(): string {
    const { bytes } = this;
    if (bytes[this.at] !== 0x22) {
      this.skipSpace();
      if (bytes[this.at] !== 0x22) this.fail('Expected a property name in double quotes');
    }
    const name = this.#knownName() ?? this.string();
    if (bytes[this.at] !== 0x3a) {
      this.skipSpace();
      if (bytes[this.at] !== 0x3a) this.fail("Expected ':'");
    }
    this.at++;
    if ((bytes[this.at] as number) <= 0x20) this.skipSpace();
    return name;
  }

  /** Short ASCII names are looked up; undefined, with nothing read, for all others. */
  #knownName(): string | undefined {
    const { bytes } = this;
    const start = this.at + 1;
    let at = start;
    let hash = 0;
    for (; ; at++) {
      const code = bytes[at] as number;
      if (code === 0x22) break;
      if (!(code >= 0x20 && code < 0x80) || code === 0x5c || at - start === MAX_NAME) return undefined;
      hash = (Math.imul(hash, 31) + code) | 0;
    }
    this.at = at + 1;
    const slot = (hash ^ (hash >>> 10)) & (NAMES.length - 1);
    const found = NAMES[slot] as string;
    if (found.length === at - start) {
      let i = 0;
      while (i < found.length && found.charCodeAt(i) === bytes[start + i]) i++;
      if (i === found.length) return found;
    }
    const name = bytes.toString('latin1', start, at);
    NAMES[slot] = name;
    return name;
  }

  array(depth: number): Json[] {
    const items: Json[] = [];
    this.at++;
    this.skipSpace();
    if (this.bytes[this.at] === 0x5d) {
      this.at++;
      return items;
    }
    for (;;) {
      this.skipSpace();
      items.push(this.value(depth + 1));
      if (!this.separator(0x5d, "']'")) return items;
    }
  }

  /** True after a comma, false after the closing bracket. */
  separator(close: number, name: string): boolean {
    let code = this.bytes[this.at];
    if (code !== 0x2c && code !== close) {
      this.skipSpace();
      code = this.bytes[this.at];
      if (code !== 0x2c && code !== close) this.fail(`Expected ',' or ${name}`);
    }
    this.at++;
    return code === 0x2c;
  }

  string(): string {
    const { bytes } = this;
    const start = ++this.at;
    let high = 0;
    for (let i = start; ; i++) {
      const code = bytes[i];
      if (code === 0x22) {
        this.at = i + 1;
        return high < 0x80 ? bytes.toString('latin1', start, i) : bytes.toString('utf8', start, i);
      }
      if (code === 0x5c) return this.escaped(start, i);
      if (code === undefined || code < 0x20) this.badString(i);
      high |= code;
    }
  }

  /** Moves past a string if it is this text, of ASCII without escapes; false, having moved nowhere, if not. */
  skipText(text: string): boolean {
    const { bytes } = this;
    const start = this.at + 1;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (bytes[start + i] !== code || code > 0x7f || code === 0x22 || code === 0x5c) return false;
    }
    if (bytes[start + text.length] !== 0x22) return false;
    this.at = start + text.length + 1;
    return true;
  }

  badString(at: number): never {
    this.at = at;
    if (at >= this.bytes.length) this.fail('Unexpected end of input in a string');
    return this.fail('Control character in a string');
  }

  /** The rest of a string whose first escape is at `from`. */
  escaped(start: number, from: number): string {
    const { bytes } = this;
    let result = bytes.toString('utf8', start, from);
    let i = from;
    for (;;) {
      const code = bytes[i];
      if (code === 0x22) {
        this.at = i + 1;
        return result;
      }
      if (code === undefined || code < 0x20) this.badString(i);
      if (code !== 0x5c) {
        let end = i + 1;
        for (let next = bytes[end] ?? 0; next >= 0x20 && next !== 0x22 && next !== 0x5c; )
          next = bytes[++end] ?? 0;
        result += bytes.toString('utf8', i, end);
        i = end;
        continue;
      }
      const escape = bytes[i + 1];
      if (escape === 0x75) {
        const hex = bytes.toString('latin1', i + 2, Math.min(i + 6, bytes.length));
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) {
          this.at = i;
          this.fail('Bad \\u escape');
        }
        result += String.fromCharCode(Number.parseInt(hex, 16));
        i += 6;
      } else {
        const char = ESCAPES.get(escape ?? 0);
        if (char === undefined) {
          this.at = i;
          this.fail('Bad escape');
        }
        result += char;
        i += 2;
      }
    }
  }

  number(): Json {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    if (bytes[at] === 0x2d) at++;
    const digits = at;
    let value = 0;
    let code = bytes[at] as number;
    for (; isDigit(code); code = bytes[++at] as number) value = value * 10 + (code - 0x30);
    if (at === digits) this.fail('Expected a digit');
    let fraction = false;
    if (code === 0x2e && isDigit(bytes[at + 1])) {
      fraction = true;
      at++;
      while (isDigit(bytes[at])) at++;
      code = bytes[at] as number;
    }
    if (code === 0x65 || code === 0x45) {
      const sign = bytes[at + 1];
      const first = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
      if (!isDigit(bytes[first])) this.fail('Bad exponent');
      fraction = true;
      at = first;
      while (isDigit(bytes[at])) at++;
      code = bytes[at] as number;
    }
    this.at = at;
    if (code === 0x2e || (code >= 0x41 && code <= 0x7a && code !== 0x5d && code !== 0x5b))
      this.fail('Bad number');
    if (fraction) return this.fraction(bytes.toString('latin1', start, at));
    // Digit by digit is exact up to 2^53; a rounded value beyond it does not come out below.
    if (value <= MAX_SAFE) return digits > start && value !== 0 ? -value : value;
    return this.long(BigInt(bytes.toString('latin1', start, at)));
  }

  /** What is made of a number with a fraction or exponent. */
  fraction(text: string): Json {
    return new JsonFraction(text);
  }
  /** What is made of an integer beyond 2^53 - 1. */
  long(value: bigint): Json {
    return int64(value);
  }
}

const ESCAPES: ReadonlyMap<number, string> = new Map(
  [
    ['"', '"'],
    ['\\', '\\'],
    ['/', '/'],
    ['b', '\b'],
    ['f', '\f'],
    ['n', '\n'],
    ['r', '\r'],
    ['t', '\t'],
  ].map(([letter = '', char = '']) => [letter.charCodeAt(0), char]),
);

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}

function isWord(code: number | undefined): boolean {
  return code !== undefined && /\w/.test(String.fromCharCode(code));
}
