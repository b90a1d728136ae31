// What is wrong with a JSON text, in the words of Jackson, which traces and dead letters of Kafka Connect hold.
import type { JsonSyntaxError } from '@millrace/data';
import { causedBy, SERIALIZATION_EXCEPTION } from '../errors.ts';

const VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
const PARSE_EXCEPTION = 'com.fasterxml.jackson.core.JsonParseException';
const SPACE = ' \t\r\n';

/** The error as Kafka's deserializer gives it: its exception around Jackson's; other errors as they are. */
export function inJacksonWords(bytes: Buffer, error: JsonSyntaxError): Error {
  const message = wordsFor(bytes.toString(), error.position);
  if (message === undefined) return error;
  const cause = causedBy(PARSE_EXCEPTION, message);
  return causedBy(SERIALIZATION_EXCEPTION, `${PARSE_EXCEPTION}: ${message}`, cause);
}

/** Undefined where the text ends too early or the mistake is inside a string or number: those keep our words. */
function wordsFor(text: string, position: number): string | undefined {
  const char = String.fromCodePoint(text.codePointAt(position) ?? 0);
  const found = expectedAt(text, position);
  if (found === undefined || position >= text.length) return undefined;
  if (found === 'value') {
    const token = /^[\p{L}_$][\p{L}\p{N}_$]*/u.exec(text.slice(position, position + 256))?.[0];
    if (token !== undefined) return `Unrecognized token '${token}': was expecting ${VALUES}`;
  }
  const shown = char < ' ' ? 'CTRL-CHAR, ' : `'${char}' (`;
  const code = `${shown}code ${char.codePointAt(0)}${char < ' ' ? '' : ')'}`;
  return `Unexpected character (${code}): ${EXPECTED[found]}`;
}

const EXPECTED = {
  value: `expected a valid value ${VALUES}`,
  key: 'was expecting double-quote to start field name',
  colon: 'was expecting a colon to separate field name and value',
  object: 'was expecting comma to separate Object entries',
  array: 'was expecting comma to separate Array entries',
} as const;

/** What has to come at `position`, given that everything before it is right. */
function expectedAt(text: string, position: number): keyof typeof EXPECTED | undefined {
  const open: ('{' | '[')[] = [];
  let next: keyof typeof EXPECTED = 'value';
  const afterValue = (): keyof typeof EXPECTED => (open.at(-1) === '{' ? 'object' : 'array');
  for (let at = 0; at < position; ) {
    const char = text.charAt(at);
    if (SPACE.includes(char)) {
      at++;
    } else if (char === '"') {
      const end = /"(?:[^"\\]|\\.)*"/sy;
      end.lastIndex = at;
      const length = end.exec(text)?.[0].length;
      if (length === undefined || at + length > position) return undefined;
      at += length;
      next = next === 'key' ? 'colon' : afterValue();
    } else if (char === '{' || char === '[') {
      open.push(char);
      next = char === '{' ? 'key' : 'value';
      at++;
    } else if (char === '}' || char === ']') {
      open.pop();
      next = afterValue();
      at++;
    } else if (char === ',' || char === ':') {
      next = char === ',' && open.at(-1) === '{' ? 'key' : 'value';
      at++;
    } else {
      // A number or one of the three words.
      while (at < position && /[\w.+-]/.test(text.charAt(at))) at++;
      next = afterValue();
    }
  }
  return open.length === 0 && next !== 'value' ? undefined : next;
}
