// Guesses what a text means, by the rules of Connect's `Values.parseString`: smallest integer type that holds it,
// float32 before float64, decimals, ISO dates, lists and maps; anything else is the string itself.
import { int64 } from './int64.ts';
import { BigDecimal, decimalSchema, semantic } from './logical-types.ts';
import {
  arraySchema,
  BOOLEAN,
  FLOAT32,
  FLOAT64,
  INT8,
  INT16,
  INT32,
  INT64,
  mapSchema,
  Schema,
  type SchemaAndValue,
  STRING,
} from './schema.ts';

const DAY_MS = 86_400_000;
const MAX_DEPTH = 32;

/** The value and schema a text stands for. */
export function parseValueText(text: string): SchemaAndValue {
  const parser = new TextParser(text);
  const structured = parser.document();
  return structured ?? scalar(text.trim()) ?? leading(text) ?? { schema: STRING, value: text };
}

/** A number before a comma: Connect reads no further than the first token. */
function leading(text: string): SchemaAndValue | undefined {
  const comma = text.indexOf(',');
  return comma < 0 ? undefined : numeric(text.slice(0, comma).trim());
}

function scalar(token: string): SchemaAndValue | undefined {
  if (token === 'true' || token === 'false') return { schema: BOOLEAN, value: token === 'true' };
  if (token === 'null') return { schema: null, value: null };
  return temporal(token) ?? numeric(token);
}

function temporal(token: string): SchemaAndValue | undefined {
  const date = /^(\d{4})-(\d\d)-(\d\d)$/.exec(token);
  if (date) {
    // Lenient, as Java's formatter: day 30 of February is in March.
    const ms = Date.UTC(Number(date[1]), Number(date[2]) - 1, Number(date[3]));
    return { schema: semantic(CONNECT.date), value: ms / DAY_MS };
  }
  const time = /^(\d\d):(\d\d):(\d\d)\.(\d{3})Z$/.exec(token);
  if (time) {
    const ms = ((Number(time[1]) * 60 + Number(time[2])) * 60 + Number(time[3])) * 1000 + Number(time[4]);
    return { schema: semantic(CONNECT.time), value: ms };
  }
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(token)) {
    const ms = Date.parse(token);
    if (!Number.isNaN(ms)) return { schema: semantic(CONNECT.timestamp), value: ms };
  }
  return undefined;
}

const CONNECT = {
  date: 'org.apache.kafka.connect.data.Date',
  time: 'org.apache.kafka.connect.data.Time',
  timestamp: 'org.apache.kafka.connect.data.Timestamp',
} as const;

function numeric(token: string): SchemaAndValue | undefined {
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?$/.test(token)) return undefined;
  const decimal = BigDecimal.parse(token);
  if (!decimal) return undefined;
  const whole = decimal.scale > 400 ? undefined : decimal.withScale(0);
  if (whole && decimal.scale > -400) {
    const n = whole.unscaled;
    if (n >= -128n && n <= 127n) return { schema: INT8, value: Number(n) };
    if (n >= -32768n && n <= 32767n) return { schema: INT16, value: Number(n) };
    if (n >= -2147483648n && n <= 2147483647n) return { schema: INT32, value: Number(n) };
    if (BigInt.asIntN(64, n) === n) return { schema: INT64, value: int64(n) };
  }
  const number = Number(token);
  const isInteger = /^[+-]?\d+$/.test(token);
  if (!isInteger && Number.isFinite(Math.fround(number)) && Math.fround(number) !== 0)
    return { schema: FLOAT32, value: Math.fround(number) };
  if (!isInteger && Number.isFinite(number)) return { schema: FLOAT64, value: number };
  return { schema: decimalSchema(decimal.scale), value: decimal };
}

/** `Values.dateFormatFor`: a moment as a time of day, a day or a moment, by how large its milliseconds are. */
export function dateText(ms: number): string {
  const iso = new Date(ms).toISOString();
  if (ms < DAY_MS) return iso.slice(11);
  return ms % DAY_MS === 0 ? iso.slice(0, 10) : iso;
}

/** Lists and maps; any irregularity makes the whole text a string. */
class TextParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): SchemaAndValue | undefined {
    this.#space();
    const first = this.#text.charAt(this.#at);
    if (first !== '[' && first !== '{') return undefined;
    const found = first === '[' ? this.#list(0) : this.#map(0);
    this.#space();
    return this.#at === this.#text.length ? found : undefined;
  }

  #space(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #list(depth: number): SchemaAndValue | undefined {
    this.#at++;
    const items: SchemaAndValue[] = [];
    for (;;) {
      this.#space();
      if (this.#take(']')) return listOf(items);
      const item = this.#element(depth);
      if (!item) return undefined;
      items.push(item);
      this.#space();
      if (this.#take(']')) return listOf(items);
      if (!this.#take(',')) return undefined;
    }
  }

  #map(depth: number): SchemaAndValue | undefined {
    this.#at++;
    const entries: [SchemaAndValue, SchemaAndValue][] = [];
    for (;;) {
      this.#space();
      if (this.#take('}')) return mapOf(entries);
      const key = this.#element(depth);
      this.#space();
      if (!key || key.value === null || !this.#take(':')) return undefined;
      this.#space();
      const value = this.#element(depth);
      if (!value) return undefined;
      entries.push([key, value]);
      this.#space();
      if (this.#take('}')) return mapOf(entries);
      if (!this.#take(',')) return undefined;
    }
  }

  #take(char: string): boolean {
    if (this.#text.charAt(this.#at) !== char) return false;
    this.#at++;
    return true;
  }

  #element(depth: number): SchemaAndValue | undefined {
    if (depth >= MAX_DEPTH) return undefined;
    const rest = this.#text.slice(this.#at);
    if (rest.startsWith('[')) return this.#list(depth + 1);
    if (rest.startsWith('{')) return this.#map(depth + 1);
    const quoted = /^"((?:[^"\\]|\\.)*)"/s.exec(rest);
    if (quoted) {
      this.#at += quoted[0].length;
      return { schema: STRING, value: quoted[1] ?? '' };
    }
    const moment = /^(?:\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d\.\d{3}Z)?|\d\d:\d\d:\d\d\.\d{3}Z)/.exec(rest);
    const token = moment?.[0] ?? /^[^\s,:[\]{}"]+/.exec(rest)?.[0];
    if (token === undefined) return undefined;
    const found = scalar(token);
    if (found) this.#at += token.length;
    return found;
  }
}

function listOf(items: readonly SchemaAndValue[]): SchemaAndValue | undefined {
  const schema = commonSchema(items);
  if (lacksValue(schema, items)) return undefined;
  const values = items.map((item) => item.value);
  return { schema: schema ? arraySchema(schema) : new Schema('array'), value: values };
}

/** Null under a schema that is not optional: Connect takes the whole text for a string then. */
function lacksValue(schema: Schema | null, items: readonly SchemaAndValue[]): boolean {
  return schema !== null && items.some((item) => item.value === null);
}

function mapOf(entries: readonly (readonly [SchemaAndValue, SchemaAndValue])[]): SchemaAndValue | undefined {
  const keySchema = commonSchema(entries.map(([key]) => key));
  const values = entries.map(([, value]) => value);
  const valueSchema = commonSchema(values);
  if (lacksValue(valueSchema, values)) return undefined;
  const map = new Map(entries.map(([key, value]) => [key.value, value.value]));
  const schema =
    keySchema && valueSchema
      ? mapSchema(keySchema, valueSchema)
      : new Schema('map', { ...(keySchema ? { keySchema } : {}), ...(valueSchema ? { valueSchema } : {}) });
  return { schema, value: map };
}

const NUMERIC_ORDER = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64'];

/** The schema that all elements fit: equal ones, or the widest of plain numbers; null when there is none. */
function commonSchema(items: readonly SchemaAndValue[]): Schema | null {
  let common: Schema | null = null;
  for (const { schema } of items) {
    if (schema === null) continue;
    if (common === null || common.equals(schema)) common = schema;
    else if (isPlainNumber(common) && isPlainNumber(schema)) {
      common = NUMERIC_ORDER.indexOf(schema.type) > NUMERIC_ORDER.indexOf(common.type) ? schema : common;
    } else return null;
  }
  return common;
}

function isPlainNumber(schema: Schema): boolean {
  return schema.name === null && NUMERIC_ORDER.includes(schema.type);
}
