// io.debezium.transforms.TimezoneConverter: times of change events in another zone. Texts with an offset keep their
// moment and get the zone's offset; numbers, which Debezium takes for local times, are moved by it.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { int64, isEnvelope, type Schema, Struct } from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';
import { DEBEZIUM_EXCEPTION, debeziumKey, requiredValue } from './debezium-keys.ts';
import { structOf } from './side.ts';
import { offsetText, parseOffset, Zone } from './time-zone.ts';
import { validatedByKey } from './validated-config.ts';

const RULES =
  'source:<table>, source:<table>:<field>, topic:<topic>, topic:<topic>:<field> or <table or topic>:<field>';

export const timezoneConverterConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'converted.timezone',
    'Converted Timezone',
    'The zone to convert to, as a name such as America/Los_Angeles or an offset such as +08:00.',
    { width: 'MEDIUM', validator: requiredValue },
  ),
  debeziumKey('include.list', 'Include List', `Rules for what is converted: ${RULES}.`, {
    type: 'LIST',
    width: 'MEDIUM',
  }),
  debeziumKey('exclude.list', 'Exclude List', `Rules for what is not converted: ${RULES}.`, {
    type: 'LIST',
    width: 'MEDIUM',
  }),
]);

/** A whole list as Java prints it: what stands before the first colon, then names with or without a field. */
const LIST = /^\[[".\w\s]+:(?:[".\w\s]+(?::[".\w\s]+)?(?:,|\]$))+$/;

const ZONED_TIMESTAMP = 'io.debezium.time.ZonedTimestamp';
const ZONED_TIME = 'io.debezium.time.ZonedTime';
/** Units in a millisecond, of the number types. */
const PER_MS: Readonly<Record<string, bigint>> = {
  'io.debezium.time.Timestamp': 1n,
  'io.debezium.time.MicroTimestamp': 1000n,
  'io.debezium.time.NanoTimestamp': 1_000_000n,
  'org.apache.kafka.connect.data.Timestamp': 1n,
};
/** Fields of the source block that are moments, without a type that says so. */
const SOURCE_PER_MS: Readonly<Record<string, bigint>> = { ts_ms: 1n, ts_us: 1000n, ts_ns: 1_000_000n };

type Fields = ReadonlySet<string>;

export class TimezoneConverter implements Transformation {
  #zone = zoneOf('UTC');
  #mode: 'all' | 'include' | 'exclude' = 'all';
  #topics = new Map<string, Set<string>>();
  #tables = new Map<string, Set<string>>();
  #either = new Map<string, Set<string>>();

  configure(settings: RawConfig): void {
    const config = validatedByKey(timezoneConverterConfig, settings);
    const include = config.list('include.list');
    const exclude = config.list('exclude.list');
    if (include.length > 0) checkList('include', include);
    else if (exclude.length > 0) checkList('exclude', exclude);
    this.#zone = zoneOf(config.string('converted.timezone'));
    if (include.length > 0 && exclude.length > 0) {
      throw refused('include.list', 'Both include and exclude lists are specified. Please specify only one.');
    }
    this.#mode = include.length > 0 ? 'include' : exclude.length > 0 ? 'exclude' : 'all';
    this.#topics = new Map();
    this.#tables = new Map();
    this.#either = new Map();
    this.#collect(include.length > 0 ? include : exclude);
  }

  /** A prefix holds for the rules after it, too, until another one comes. */
  #collect(rules: readonly string[]): void {
    let target = this.#either;
    for (const rule of rules) {
      const parts = rule.split(':');
      const prefix = parts.length > 1 ? parts[0]?.toLowerCase() : undefined;
      const hasPrefix = prefix === 'topic' || prefix === 'source';
      if (hasPrefix) target = prefix === 'topic' ? this.#topics : this.#tables;
      const [name = '', field] = hasPrefix ? parts.slice(1) : parts;
      const fields = target.get(name) ?? new Set<string>();
      if (field !== undefined) fields.add(field);
      target.set(name, fields);
    }
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const event = record.value;
    if (!(event instanceof Struct) || !isEnvelope(record.valueSchema)) return record;
    const source = event.schema.field('source') ? event.getRaw('source') : null;
    const table = source instanceof Struct && source.schema.field('table') ? source.getRaw('table') : null;
    const fields = this.#fieldsOf(record.topic, typeof table === 'string' ? table : '');
    let chosen: (part: string) => (name: string) => boolean;
    if (fields === undefined) {
      if (this.#mode === 'include') return record;
      chosen = () => () => true;
    } else if (fields.size === 0) {
      if (this.#mode === 'exclude') return record;
      chosen = () => () => true;
    } else {
      const wanted = this.#mode === 'include';
      chosen = (part) => (name) => isNamed(fields, part, name) === wanted;
    }
    const value = this.#convertEvent(event, chosen, fields);
    return value === event ? record : record.with({ value });
  }

  #fieldsOf(topic: string, table: string): Fields | undefined {
    return (
      this.#topics.get(topic) ?? this.#tables.get(table) ?? this.#either.get(topic) ?? this.#either.get(table)
    );
  }

  #convertEvent(
    event: Struct,
    chosen: (part: string) => (name: string) => boolean,
    fields: Fields | undefined,
  ): Struct {
    const namesSource = fields !== undefined && [...fields].some((field) => field.startsWith('source.'));
    return replaced(event, (part, content) => {
      if (!(content instanceof Struct)) return content;
      if (part === 'before' || part === 'after') {
        const isChosen = chosen(part);
        return replaced(content, (name, stored, schema) => {
          // Debezium reads the default in place of null, and so puts it there.
          const value = isTime(schema.name) ? (stored ?? schema.defaultValue ?? null) : null;
          return value === null || !isChosen(name) ? stored : this.#convert(schema.name, value);
        });
      }
      if (part !== 'source' || !namesSource) return content;
      return replaced(content, (name, value, { name: type }) => {
        if (value === null || fields.has(`source.${name}`) !== (this.#mode === 'include')) return value;
        const perMs = SOURCE_PER_MS[name];
        if (type !== null || perMs === undefined) return this.#convert(type, value);
        const moment = BigInt(value as number | bigint);
        return int64(moment + BigInt(this.#zone.offsetAt(Number(moment / perMs))) * perMs);
      });
    });
  }

  #convert(type: string | null, value: unknown): unknown {
    if (type === null) return value;
    if (type === ZONED_TIMESTAMP) return this.#zonedTimestamp(String(value));
    if (type === ZONED_TIME) return this.#zonedTime(String(value));
    const perMs = PER_MS[type];
    if (perMs === undefined) return value;
    const local = BigInt(value as number | bigint);
    const localMs = Number(local >= 0n ? local / perMs : (local - perMs + 1n) / perMs);
    return int64(local - BigInt(this.#zone.offsetAtLocal(localMs)) * perMs);
  }

  #zonedTimestamp(text: string): string {
    const match = /^([+-]?\d{4,9}-\d\d-\d\d)T(\d\d:\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-][\d:]+)$/.exec(text);
    const offset = match?.[5] === undefined ? undefined : parseOffset(match[5]);
    const local = match ? Date.parse(`${match[1]}T${match[2]}:${match[3] ?? '00'}Z`) : Number.NaN;
    // Years beyond four digits and infinite moments: nothing that a zone could change.
    if (offset === undefined || Number.isNaN(local)) return text;
    const target = this.#zone.offsetAtLocal(local);
    const moved = new Date(local - offset + target).toISOString().slice(0, -5);
    return moved + fraction(match?.[4]) + offsetText(target);
  }

  #zonedTime(text: string): string {
    const match = /^(\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-][\d:]+)$/.exec(text);
    const offset = match?.[5] === undefined ? undefined : parseOffset(match[5]);
    if (!match || offset === undefined) return text;
    // A time has no day: Debezium takes the offset that holds while it runs.
    const target = this.#zone.offsetAt(Date.now());
    const ms = ((Number(match[1]) * 60 + Number(match[2])) * 60 + Number(match[3] ?? 0)) * 1000;
    const moved = (((ms - offset + target) % 86_400_000) + 86_400_000) % 86_400_000;
    return new Date(moved).toISOString().slice(11, 19) + fraction(match[4]) + offsetText(target);
  }
}

function isTime(type: string | null): boolean {
  return type !== null && (type in PER_MS || type === ZONED_TIMESTAMP || type === ZONED_TIME);
}

function fraction(text: string | undefined): string {
  return text === undefined ? '' : text.replace(/\.?0*$/, '');
}

function isNamed(fields: Fields, part: string, name: string): boolean {
  return fields.has(name) || fields.has(`${part}.${name}`);
}

/** The struct with some values replaced; the same object when none are. */
function replaced(struct: Struct, change: (name: string, value: unknown, schema: Schema) => unknown): Struct {
  let values: unknown[] | undefined;
  for (const { name, index, schema } of struct.schema.fields) {
    const value = struct.at(index);
    const next = change(name, value, schema);
    if (next === value) continue;
    values ??= struct.toArray();
    values[index] = next;
  }
  return values ? structOf(struct.schema, values) : struct;
}

function checkList(kind: 'include' | 'exclude', rules: readonly string[]): void {
  if (LIST.test(`[${rules.join(', ')}]`)) return;
  throw refused(
    `${kind}.list`,
    `Invalid ${kind} list format. Please specify a list of rules in the format of "source:<tablename>:<fieldnames>", "topic:<topicname>:<fieldnames>", "<matchname>:<fieldnames>"`,
  );
}

function zoneOf(name: string): Zone {
  const zone = Zone.of(name);
  if (zone) return zone;
  throw refused(
    'converted.timezone',
    'Invalid timezone format. Please specify either a geographic timezone (e.g. America/Los_Angeles) or a UTC offset in the format of +/-hh:mm, (e.g. +08:00).',
  );
}

function refused(configKey: string, message: string): MillraceError {
  return new MillraceError('config.invalid', message, { configKey, javaClass: DEBEZIUM_EXCEPTION });
}
