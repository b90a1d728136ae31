// Walks over JSON bytes without making values: where a value ends, and whether its text is what our writer would write
// for it. It knows less than the parser (parse.ts): text that it does not accept is for the parser to take or refuse.
import { javaDouble } from '../java-text.ts';

/** Deepest nesting of arrays and objects. */
export const MAX_DEPTH = 1000;

/** What a byte is inside a string. */
const PLAIN = 0;
const QUOTE = 1;
const BACKSLASH = 2;
const HIGH = 3;
const CONTROL = 4;
/** Of a character that we write as two escapes. */
const FOUR_BYTES = 5;
const KIND = new Uint8Array(256).fill(CONTROL, 0, 0x20).fill(HIGH, 0x80).fill(FOUR_BYTES, 0xf0);
KIND[0x22] = QUOTE;
KIND[0x5c] = BACKSLASH;

/** What follows a backslash: 1 for escapes we write ourselves, 2 for others; `u` is a case of its own. */
const ESCAPE_KIND = new Uint8Array(256);
for (const letter of '"\\bfnrt') ESCAPE_KIND[letter.charCodeAt(0)] = 1;
ESCAPE_KIND[0x2f] = 2;

const MAX_INT64 = Buffer.from('9223372036854775807', 'latin1');
/** Up to so many digits a decimal fraction reads back as it was written. */
const ROUND_TRIP_DIGITS = 15;

/** Walks over one document after the other; reset the two flags before each. */
export class JsonScanner {
  /** Whether the text walked over is just what our writer would write for its value (a repeated name aside). */
  exact = true;
  /** Whether there were only ASCII characters. */
  ascii = true;

  /** Where the value that starts at `from` ends; -1 for text that is for the parser to judge. */
  value(bytes: Uint8Array, from: number, depth: number): number {
    switch (bytes[from]) {
      case 0x22:
        return this.string(bytes, from + 1);
      case 0x7b:
        return this.#object(bytes, from + 1, depth);
      case 0x5b:
        return this.#array(bytes, from + 1, depth);
      case 0x74: // true
        return bytes[from + 1] === 0x72 && bytes[from + 2] === 0x75 && bytes[from + 3] === 0x65
          ? from + 4
          : -1;
      case 0x66: // false
        return bytes[from + 1] === 0x61 &&
          bytes[from + 2] === 0x6c &&
          bytes[from + 3] === 0x73 &&
          bytes[from + 4] === 0x65
          ? from + 5
          : -1;
      case 0x6e: // null
        return bytes[from + 1] === 0x75 && bytes[from + 2] === 0x6c && bytes[from + 3] === 0x6c
          ? from + 4
          : -1;
      default:
        return this.#number(bytes, from);
    }
  }

  /** Where white space ends. */
  space(bytes: Uint8Array, from: number): number {
    let at = from;
    let code = bytes[at];
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = bytes[++at];
    if (at > from) this.exact = false;
    return at;
  }

  #object(bytes: Uint8Array, from: number, depth: number): number {
    if (depth >= MAX_DEPTH) return -1;
    let at = from;
    if (bytes[at] === 0x7d) return at + 1;
    for (;;) {
      if (bytes[at] !== 0x22) {
        at = this.space(bytes, at);
        if (bytes[at] !== 0x22) return -1;
      }
      at = this.string(bytes, at + 1);
      if (at < 0) return -1;
      if (bytes[at] !== 0x3a) {
        at = this.space(bytes, at);
        if (bytes[at] !== 0x3a) return -1;
      }
      at = this.#member(bytes, at + 1, depth);
      if (at < 0) return -1;
      const code = bytes[at++];
      if (code === 0x7d) return at;
      if (code !== 0x2c) return -1;
    }
  }

  #array(bytes: Uint8Array, from: number, depth: number): number {
    if (depth >= MAX_DEPTH) return -1;
    let at = from;
    if (bytes[at] === 0x5d) return at + 1;
    for (;;) {
      at = this.#member(bytes, at, depth);
      if (at < 0) return -1;
      const code = bytes[at++];
      if (code === 0x5d) return at;
      if (code !== 0x2c) return -1;
    }
  }

  /** A value with the white space around it. */
  #member(bytes: Uint8Array, from: number, depth: number): number {
    let at = from;
    if ((bytes[at] as number) <= 0x20) at = this.space(bytes, at);
    at = this.value(bytes, at, depth + 1);
    if (at >= 0 && (bytes[at] as number) <= 0x20) at = this.space(bytes, at);
    return at;
  }

  /** Where the string ends whose opening quote is before `from`. */
  string(bytes: Uint8Array, from: number): number {
    let at = from;
    for (;;) {
      let kind = KIND[bytes[at] as number];
      while (kind === PLAIN) kind = KIND[bytes[++at] as number];
      at++;
      if (kind === QUOTE) return at;
      if (kind === HIGH) this.ascii = false;
      else if (kind === FOUR_BYTES) this.ascii = this.exact = false;
      else if (kind === BACKSLASH) {
        const letter = bytes[at++] as number;
        const escape = ESCAPE_KIND[letter];
        if (escape === 2) this.exact = false;
        else if (escape !== 1) {
          if (letter !== 0x75) return -1;
          at = this.#unicode(bytes, at);
          if (at < 0) return -1;
        }
      } else return -1;
    }
  }

  /** The four digits of a \u escape. We write it for surrogates and control characters without a short form, in upper case. */
  #unicode(bytes: Uint8Array, from: number): number {
    let value = 0;
    for (let at = from; at < from + 4; at++) {
      const code = bytes[at] as number;
      if (code >= 0x30 && code <= 0x39) value = value * 16 + code - 0x30;
      else if (code >= 0x41 && code <= 0x46) value = value * 16 + code - 0x37;
      else if (code >= 0x61 && code <= 0x66) {
        value = value * 16 + code - 0x57;
        this.exact = false;
      } else return -1;
    }
    const isOurs = value < 0x20 ? value < 8 || value > 13 || value === 11 : value >= 0xd800 && value < 0xe000;
    if (!isOurs) this.exact = false;
    return from + 4;
  }

  #number(bytes: Uint8Array, from: number): number {
    const first = bytes[from] === 0x2d ? from + 1 : from;
    let at = first;
    let code = bytes[at] as number;
    while (code >= 0x30 && code <= 0x39) code = bytes[++at] as number;
    const digits = at - first;
    if (digits === 0 || (digits > 1 && bytes[first] === 0x30)) return -1;
    if (code === 0x2e || code === 0x65 || code === 0x45) return this.#fraction(bytes, from, first, at);
    if (digits >= 19) {
      if (digits > 19 || !fitsInt64(bytes, first)) this.exact = false;
    } else if (bytes[first] === 0x30 && first > from) this.exact = false; // -0
    return at;
  }

  /** The part of a number from its point or exponent on. */
  #fraction(bytes: Uint8Array, from: number, first: number, point: number): number {
    let at = point;
    let plain = point - first <= 7;
    if (bytes[at] === 0x2e) {
      let code = bytes[++at] as number;
      while (code >= 0x30 && code <= 0x39) code = bytes[++at] as number;
      const digits = at - point - 1;
      if (digits === 0) return -1;
      // Java writes an exponent from 10^7 on and below 10^-3.
      plain &&=
        at - first - 1 <= ROUND_TRIP_DIGITS &&
        (digits === 1 || bytes[at - 1] !== 0x30) &&
        (bytes[first] !== 0x30 || (bytes[point + 1] as number) > 0x30 || digits === 1);
    }
    const exponent = bytes[at];
    if (exponent === 0x65 || exponent === 0x45) {
      plain = false;
      const sign = bytes[at + 1];
      at += sign === 0x2b || sign === 0x2d ? 2 : 1;
      const start = at;
      let code = bytes[at] as number;
      while (code >= 0x30 && code <= 0x39) code = bytes[++at] as number;
      if (at === start) return -1;
    }
    if (!plain) {
      const text = String.fromCharCode(...bytes.subarray(from, at));
      if (javaDouble(Number(text)) !== text) this.exact = false;
    }
    return at;
  }
}

/** Of 19 digits without sign. */
function fitsInt64(bytes: Uint8Array, first: number): boolean {
  for (let i = 0; i < MAX_INT64.length; i++) {
    const difference = (bytes[first + i] as number) - (MAX_INT64[i] as number);
    if (difference !== 0) return difference < 0;
  }
  return true;
}
