// JSON without loss: integers keep every digit, objects keep their key order, and a number with a fraction stays one
// even if it is whole. The platform's parser rounds integers beyond 2^53 and moves numeric keys, so this is our own.
import { int64 } from '../int64.ts';

/** A number literal with a fraction or exponent, by its text. */
export class JsonFraction {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  get value(): number {
    return Number(this.text);
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

const MAX_DEPTH = 1000;

/**
 * Parses one document; what follows it is ignored with `allowTrailing`, else refused. Blank text gives undefined.
 * @throws JsonSyntaxError
 */
export function parseJson(text: string, options: { allowTrailing?: boolean } = {}): Json | undefined {
  const parser = new Parser(text);
  parser.skipSpace();
  if (parser.at === text.length) return undefined;
  const value = parser.value(0);
  parser.skipSpace();
  if (parser.at < text.length && options.allowTrailing !== true)
    parser.fail('Unexpected text after the document');
  return value;
}

class Parser {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  fail(message: string): never {
    throw new JsonSyntaxError(message, this.at);
  }

  skipSpace(): void {
    const { text } = this;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) this.fail(`Nesting deeper than ${MAX_DEPTH}`);
    const code = this.text.charCodeAt(this.at);
    if (code === 0x7b) return this.object(depth);
    if (code === 0x5b) return this.array(depth);
    if (code === 0x22) return this.string();
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.number();
    if (this.text.startsWith('true', this.at)) return this.literal('true', true);
    if (this.text.startsWith('false', this.at)) return this.literal('false', false);
    if (this.text.startsWith('null', this.at)) return this.literal('null', null);
    if (Number.isNaN(code)) this.fail('Unexpected end of input');
    return this.fail(`Unexpected character '${this.text.charAt(this.at)}'`);
  }

  literal<T extends Json>(word: string, value: T): T {
    this.at += word.length;
    if (/\w/.test(this.text.charAt(this.at))) this.fail('Unexpected character after a literal');
    return value;
  }

  object(depth: number): Map<string, Json> {
    const map = new Map<string, Json>();
    this.at++;
    this.skipSpace();
    if (this.text.charCodeAt(this.at) === 0x7d) {
      this.at++;
      return map;
    }
    for (;;) {
      this.skipSpace();
      if (this.text.charCodeAt(this.at) !== 0x22) this.fail('Expected a property name in double quotes');
      const key = this.string();
      this.skipSpace();
      if (this.text.charCodeAt(this.at) !== 0x3a) this.fail("Expected ':'");
      this.at++;
      this.skipSpace();
      map.set(key, this.value(depth + 1));
      if (!this.separator(0x7d, "'}'")) return map;
    }
  }

  array(depth: number): Json[] {
    const items: Json[] = [];
    this.at++;
    this.skipSpace();
    if (this.text.charCodeAt(this.at) === 0x5d) {
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
    this.skipSpace();
    const code = this.text.charCodeAt(this.at);
    if (code !== 0x2c && code !== close) this.fail(`Expected ',' or ${name}`);
    this.at++;
    return code === 0x2c;
  }

  string(): string {
    const { text } = this;
    const start = ++this.at;
    for (let i = start; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0x22) {
        this.at = i + 1;
        return text.slice(start, i);
      }
      if (code === 0x5c) return this.escaped(start, i);
      if (code < 0x20) {
        this.at = i;
        this.fail('Control character in a string');
      }
    }
    this.at = text.length;
    return this.fail('Unexpected end of input in a string');
  }

  /** The rest of a string whose first escape is at `from`. */
  escaped(start: number, from: number): string {
    const { text } = this;
    let result = text.slice(start, from);
    let i = from;
    for (;;) {
      const code = text.charCodeAt(i);
      if (Number.isNaN(code)) {
        this.at = text.length;
        this.fail('Unexpected end of input in a string');
      }
      if (code === 0x22) {
        this.at = i + 1;
        return result;
      }
      if (code < 0x20) {
        this.at = i;
        this.fail('Control character in a string');
      }
      if (code !== 0x5c) {
        let end = i + 1;
        for (
          let next = text.charCodeAt(end);
          next >= 0x20 && next !== 0x22 && next !== 0x5c;
          next = text.charCodeAt(end)
        )
          end++;
        result += text.slice(i, end);
        i = end;
        continue;
      }
      const escape = text.charAt(i + 1);
      if (escape === 'u') {
        const hex = text.slice(i + 2, i + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) {
          this.at = i;
          this.fail('Bad \\u escape');
        }
        result += String.fromCharCode(Number.parseInt(hex, 16));
        i += 6;
      } else {
        const char = ESCAPES[escape];
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
    const { text } = this;
    const start = this.at;
    let at = start;
    if (text.charCodeAt(at) === 0x2d) at++;
    const digits = at;
    while (isDigit(text.charCodeAt(at))) at++;
    if (at === digits) this.fail('Expected a digit');
    let fraction = false;
    if (text.charCodeAt(at) === 0x2e && isDigit(text.charCodeAt(at + 1))) {
      fraction = true;
      at++;
      while (isDigit(text.charCodeAt(at))) at++;
    }
    const exponent = text.charCodeAt(at);
    if (exponent === 0x65 || exponent === 0x45) {
      const sign = text.charCodeAt(at + 1);
      const first = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
      if (!isDigit(text.charCodeAt(first))) this.fail('Bad exponent');
      fraction = true;
      at = first;
      while (isDigit(text.charCodeAt(at))) at++;
    }
    this.at = at;
    const after = text.charCodeAt(at);
    if (after === 0x2e || (after >= 0x41 && after <= 0x7a && after !== 0x5d && after !== 0x5b))
      this.fail('Bad number');
    if (fraction) return new JsonFraction(text.slice(start, at));
    if (at - digits <= 15) return Number(text.slice(start, at)) + 0;
    return int64(BigInt(text.slice(start, at)));
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
