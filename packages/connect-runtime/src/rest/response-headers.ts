// `response.http.headers.config`: headers that every answer has (KIP-577), in Connect's notation:
//   add NAME: VALUE, set NAME: VALUE, "set NAME: VALUE, WITH COMMA", setDate NAME: MILLISECONDS, addDate ...
import { type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http';
import type { MillraceError } from '@millrace/foundation';
import { connectError } from '../errors.ts';

const KEY = 'response.http.headers.config';
const ACTIONS = ['set', 'add', 'setDate', 'addDate'] as const;

export interface HeaderRule {
  readonly action: (typeof ACTIONS)[number];
  readonly name: string;
  /** Of dates: milliseconds from now. */
  readonly value: string;
}

/** @throws connect.bad_worker_config in Connect's words */
export function headerRules(text: string): HeaderRule[] {
  return text.trim() === '' ? [] : splitQuoted(text).map(headerRule);
}

/** Puts the headers into an answer that has not begun. */
export function applyHeaders(rules: readonly HeaderRule[], answer: ServerResponse, nowMs: number): void {
  for (const { action, name, value } of rules) {
    const isDate = action === 'setDate' || action === 'addDate';
    const shown = isDate ? new Date(nowMs + Number(value)).toUTCString() : value;
    if (action === 'set' || action === 'setDate') answer.setHeader(name, shown);
    else answer.appendHeader(name, shown);
  }
}

function headerRule(text: string): HeaderRule {
  const space = text.search(/\s/);
  if (space < 0) {
    throw bad(`Invalid format of header config '${text}'. Expected: '[action] [header name]:[header value]'`);
  }
  const word = text.slice(0, space);
  const action = ACTIONS.find((known) => known.toLowerCase() === word.toLowerCase());
  if (!action) throw bad(`Invalid header config action: '${word}'. Expected one of [${ACTIONS.join(', ')}]`);
  const header = text.slice(space).trim();
  const [name = '', value = '', ...more] = header.split(':').map((part) => part.trim());
  if (value === '' || more.length > 0) {
    throw bad(
      `Invalid format of header name and header value pair '${header}'. Expected: '[header name]:[header value]'`,
    );
  }
  if (name === '' || /\s/.test(name)) {
    throw bad(`Invalid header name '${name}'. The '[header name]' cannot contain whitespace`);
  }
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    throw bad(`Invalid header config '${text}'.`);
  }
  if (action.endsWith('Date') && !/^-?\d{1,12}$/.test(value)) {
    throw bad(`Invalid header config '${text}'. The value of ${action} is a number of milliseconds`);
  }
  return { action, name, value };
}

/** Parts between commas; one that begins with a double quote goes to the next one. */
function splitQuoted(text: string): string[] {
  const found: string[] = [];
  const part = /\s*(?:"((?:[^"\\]|\\[\s\S])*)"[^,]*|([^,]*))(?:,|$)/y;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (!match) break;
    found.push((match[1]?.replace(/\\([\s\S])/g, '$1') ?? match[2] ?? '').trim());
  }
  return found;
}

function bad(message: string): MillraceError {
  return connectError('connect.bad_worker_config', message, { configKey: KEY });
}
