// What a program is given: change events with plain rows, or the JSON that Kafka Connect would have written.
import type { SourceRecord } from '@millrace/connect-api';
import type { TaskConverters } from '@millrace/connect-runtime/embedding';
import { ByteWriter, ENVELOPE, isEnvelope, Struct } from '@millrace/data';
import { filledObject, type PlainObject, plainValue, withoutBigints } from './plain-values.ts';

/** What all events have. */
export interface EventBase {
  /** Where Debezium would have sent it: `PREFIX.SCHEMA.TABLE` unless transforms say otherwise. */
  readonly topic: string;
  /** Milliseconds since the epoch; null where the connector gives none. */
  readonly timestampMs: number | null;
  /** Headers that transforms have put on it; the last of equal names. */
  readonly headers: PlainObject;
  /**
   * Says that the program is done with this event for good. The position moves past it once every event before it is
   * acknowledged as well. May be called late, in any order and more than once.
   */
  ack(): void;
}

/** Where and when a change was made: Debezium's source block. Connectors have more fields of their own. */
export interface EventSource {
  readonly version: string;
  readonly connector: string;
  readonly name: string;
  /** When it was committed, in milliseconds since the epoch. */
  readonly ts_ms: number;
  /** `false` for a change, something else for a row of a snapshot. */
  readonly snapshot: string | null;
  readonly db: string;
  readonly schema?: string;
  readonly table?: string;
  readonly [field: string]: unknown;
}

/**
 * A change of a row, or a row of a snapshot. Rows are made when they are first asked for, so a copy by `{ ...event }`
 * has none: `toObject` gives all of it.
 */
export interface RowChange<Row> extends EventBase {
  readonly kind: 'change';
  /** Create, update, delete, read (snapshot), truncate. */
  readonly op: 'c' | 'u' | 'd' | 'r' | 't';
  /** The row before; null for what was not there or what the database did not send. */
  readonly before: Row | null;
  /** The row after; null when it was deleted. */
  readonly after: Row | null;
  readonly key: PlainObject | null;
  readonly source: EventSource;
  /** Id of the transaction and places in it, with `provide.transaction.metadata=true`. */
  readonly transaction: PlainObject | null;
  /** Every field, as plain values. */
  toObject(): PlainObject;
  /** The same for `JSON.stringify`, which knows no bigints: they are texts. */
  toJSON(): PlainObject;
}

/** Follows a delete, for stores that compact by key: only with `tombstones.on.delete=true`. */
export interface Tombstone extends EventBase {
  readonly kind: 'tombstone';
  readonly key: PlainObject | null;
}

/** Whatever is no change of a row: logical messages, heartbeats, bounds of transactions, what transforms have made. */
export interface OtherEvent extends EventBase {
  readonly kind: 'other';
  readonly key: unknown;
  readonly value: unknown;
}

export type ChangeEvent<Row> = RowChange<Row> | Tombstone | OtherEvent;

/** A record as Kafka Connect's JsonConverter writes it; `schemas.enable` is that of `key.converter.` and `value.converter.`. */
export interface JsonEvent extends EventBase {
  readonly kind: 'json';
  readonly key: string | null;
  readonly value: string | null;
}

/** Makes the event of a record. */
export type EventMaker<Event> = (record: SourceRecord, ack: () => void) => Event;

export function changeEvent<Row>(record: SourceRecord, ack: () => void): ChangeEvent<Row> {
  const { topic, timestamp: timestampMs, value, valueSchema } = record;
  const base = { topic, timestampMs, headers: headersOf(record), ack };
  const key = plainValue(record.key);
  if (value === null) return { kind: 'tombstone', ...base, key: key as PlainObject | null };
  if (isEnvelope(valueSchema) && value instanceof Struct) return new LazyChange<Row>(record, value, ack);
  return { kind: 'other', ...base, key, value: plainValue(value) };
}

class LazyChange<Row> implements RowChange<Row> {
  readonly kind = 'change';
  readonly topic: string;
  readonly timestampMs: number | null;
  readonly headers: PlainObject;
  readonly op: RowChange<Row>['op'];
  readonly ack: () => void;
  readonly #record: SourceRecord;
  readonly #envelope: Struct;
  #before: Row | null | undefined;
  #after: Row | null | undefined;
  #source: EventSource | undefined;

  constructor(record: SourceRecord, envelope: Struct, ack: () => void) {
    this.topic = record.topic;
    this.timestampMs = record.timestamp;
    this.headers = headersOf(record);
    this.op = envelope.at(ENVELOPE.op) as RowChange<Row>['op'];
    this.ack = ack;
    this.#record = record;
    this.#envelope = envelope;
  }

  get before(): Row | null {
    this.#before ??= plainValue(this.#envelope.at(ENVELOPE.before)) as Row | null;
    return this.#before;
  }
  get after(): Row | null {
    this.#after ??= plainValue(this.#envelope.at(ENVELOPE.after)) as Row | null;
    return this.#after;
  }
  get key(): PlainObject | null {
    return plainValue(this.#record.key) as PlainObject | null;
  }
  get source(): EventSource {
    const source = this.#envelope.at(ENVELOPE.source);
    this.#source ??= (source instanceof Struct ? filledObject(source) : {}) as EventSource;
    return this.#source;
  }
  get transaction(): PlainObject | null {
    return plainValue(this.#envelope.at(ENVELOPE.transaction)) as PlainObject | null;
  }

  toObject(): PlainObject {
    const { kind, topic, timestampMs, headers, op, key, before, after, source, transaction } = this;
    return { kind, topic, timestampMs, headers, op, key, before, after, source, transaction };
  }
  toJSON(): PlainObject {
    return withoutBigints(this.toObject()) as PlainObject;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): PlainObject {
    return this.toObject();
  }
}

const NO_HEADERS: PlainObject = Object.freeze({});

function headersOf({ headers }: SourceRecord): PlainObject {
  if (headers.length === 0) return NO_HEADERS;
  return plainValue(new Map(headers.map(({ key, value }) => [key, value]))) as PlainObject;
}

/** Writes records with the converters of a config. */
export function jsonEvents(converters: TaskConverters): EventMaker<JsonEvent> {
  const out = new ByteWriter(4096);
  const text = (
    converter: TaskConverters['key'],
    record: SourceRecord,
    side: 'key' | 'value',
  ): string | null => {
    out.reset();
    const schema = side === 'key' ? record.keySchema : record.valueSchema;
    const has = converter.write(record.topic, record.headers, schema, record[side], out);
    return has ? out.copyFrom().toString('utf8') : null;
  };
  return (record, ack) => ({
    kind: 'json',
    topic: record.topic,
    timestampMs: record.timestamp,
    headers: headersOf(record),
    key: text(converters.key, record, 'key'),
    value: text(converters.value, record, 'value'),
    ack,
  });
}
