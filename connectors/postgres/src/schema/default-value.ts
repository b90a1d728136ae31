// Column defaults: the expression the server prints to the value a schema shows. Held against Debezium's own reading of
// it: a call of a function shows a placeholder, anything else is read up to its first literal, and what does not make a
// value of the type then gives no default.
import type { ColumnMapping, ResolvedType } from './mapping.ts';

/** What a call stands for, by type, in the type's own text. Types that are not listed never show a default. */
const OF_A_CALL: Readonly<Record<string, string>> = {
  bit: '00',
  varbit: '0',
  bool: 'f',
  bpchar: '',
  varchar: '',
  text: '',
  numeric: '0.0',
  float4: '0',
  float8: '0',
  int2: '0',
  int4: '0',
  int8: '0',
  json: '{}',
  jsonb: '{}',
  xml: '',
  uuid: '00000000-0000-0000-0000-000000000000',
  date: '1970-01-01',
  time: '00:00:00',
  timestamp: '1970-01-01 00:00:00',
  timestamptz: '1970-01-01 00:00:00+00',
  interval: '00:00:00',
};

const CALL = /^\(?[\w.]+\(.*\)/;
const MOMENT_WORDS = /^(?:current_timestamp|current_time|current_date|localtime|localtimestamp)$/i;
const LITERAL = /'((?:[^']|'')*)'/;

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const TIME = String.raw`\d\d:\d\d:\d\d(?:\.\d+)?`;
/** What a text has to look like before it is decoded as the column's values are. */
const FORMS: Readonly<Record<string, RegExp>> = {
  bit: /^[01]*$/,
  varbit: /^[01]*$/,
  numeric: NUMBER,
  float4: new RegExp(`${NUMBER.source}|^(?:NaN|-?Infinity)$`),
  float8: new RegExp(`${NUMBER.source}|^(?:NaN|-?Infinity)$`),
  int2: INTEGER,
  int4: INTEGER,
  int8: INTEGER,
  uuid: /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i,
  time: new RegExp(`^${TIME}$`),
};

/**
 * The schema's default; undefined when it has none. A column of a domain shows none, and a struct cannot be one.
 * `isDomain` speaks of the column's own type, `resolved` of what is below it.
 */
export function defaultValueOf(
  expression: string | null,
  resolved: ResolvedType,
  isDomain: boolean,
  mapping: ColumnMapping,
): unknown {
  const { type } = resolved;
  if (expression === null || isDomain || mapping.schema.type === 'struct') return undefined;
  if (type.kind === 'e') return labelOf(expression, type.labels);
  const ofCall =
    type.elementOid === 0 && Object.hasOwn(OF_A_CALL, type.name) ? OF_A_CALL[type.name] : undefined;
  if (ofCall === undefined) return undefined;
  const text =
    CALL.test(expression) || MOMENT_WORDS.test(expression) ? ofCall : literalText(expression, type.name);
  if (text === undefined || FORMS[type.name]?.test(text) === false) return undefined;
  const whole = MOMENTS.has(type.name) ? momentText(text, type.name) : text;
  return whole === undefined ? undefined : decoded(whole, mapping);
}

const MOMENTS: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz']);
const MOMENT =
  /^\s*(?:(\d{1,9})-(\d{1,2})-(\d{1,2})(?![^\s+-]))?\s*(?:(\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d{1,9})?)?\s*([+-]\d{1,2}(?::\d{1,2}){0,2})?\s*(AD|BC)?$/;

/**
 * As the Java driver reads a moment, in the server's form: what is missing of it is that of 1970-01-01 00:00 UTC, as in
 * `(now() - '01:00'::interval)`, whose literal is all that is looked at.
 */
function momentText(text: string, typeName: string): string | undefined {
  if (text === 'infinity' || text === '-infinity') return text;
  const [, year, month = '', day = '', hours, minutes = '', seconds = '', fraction = '', zone, era] =
    MOMENT.exec(text) ?? [];
  if (year === undefined && (hours === undefined || era !== undefined)) return undefined;
  const pair = (digits: string): string => digits.padStart(2, '0');
  const date = year === undefined ? '1970-01-01' : `${year.padStart(4, '0')}-${pair(month)}-${pair(day)}`;
  const bc = era === 'BC' ? ' BC' : '';
  if (typeName === 'date') return `${date}${bc}`;
  const time =
    hours === undefined ? '00:00:00' : `${pair(hours)}:${pair(minutes)}:${pair(seconds)}${fraction}`;
  return `${date} ${time}${zone ?? '+00'}${bc}`;
}

/** Only a label with a cast behind it, alone. */
function labelOf(expression: string, labels: readonly string[]): string | undefined {
  const label = /^'((?:[^']|'')*)'::[^']+$/.exec(expression)?.[1]?.replaceAll("''", "'");
  return label !== undefined && labels.includes(label) ? label : undefined;
}

function literalText(expression: string, typeName: string): string | undefined {
  const literal = LITERAL.exec(expression)?.[1]?.replaceAll("''", "'");
  if (typeName === 'bool') {
    if (expression.startsWith('NULL::')) return undefined;
    return (literal ?? expression).toLowerCase() === 'true' ? 't' : 'f';
  }
  return literal ?? (expression.startsWith('NULL::') ? undefined : expression);
}

function decoded(text: string, mapping: ColumnMapping): unknown {
  const stored = mapping.storedDefault === undefined ? text : mapping.storedDefault(text);
  if (stored === undefined) return undefined;
  const bytes = Buffer.from(stored);
  return mapping.decode(bytes, 0, bytes.length) ?? undefined;
}
