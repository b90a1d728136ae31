// Records on their way through the worker. Records are never changed: a transform that wants another topic, key or
// value makes a copy with `with`.
import type { Schema } from '@millrace/data';

/** A record header. Headers arrays may be shared by many records: never change one in place. */
export interface Header {
  readonly key: string;
  readonly schema: Schema | null;
  readonly value: unknown;
}

export type Headers = readonly Header[];
export const NO_HEADERS: Headers = Object.freeze([]);

/** What a transformation may change; absent = as it was. */
export interface RecordChanges {
  readonly topic?: string;
  readonly kafkaPartition?: number | null;
  readonly keySchema?: Schema | null;
  readonly key?: unknown;
  readonly valueSchema?: Schema | null;
  readonly value?: unknown;
  readonly headers?: Headers;
  /** Milliseconds since the epoch; null = the producer decides. */
  readonly timestamp?: number | null;
}

interface RecordParts {
  readonly topic: string;
  readonly kafkaPartition: number | null;
  readonly keySchema: Schema | null;
  readonly key: unknown;
  readonly valueSchema: Schema | null;
  readonly value: unknown;
  readonly headers: Headers;
  readonly timestamp: number | null;
}

/** What source and sink records share. Values follow `@millrace/data`; without a schema they are plain JSON-like values. */
export abstract class ConnectRecord implements RecordParts {
  readonly topic: string;
  readonly kafkaPartition: number | null;
  readonly keySchema: Schema | null;
  readonly key: unknown;
  readonly valueSchema: Schema | null;
  readonly value: unknown;
  readonly headers: Headers;
  readonly timestamp: number | null;

  constructor(parts: Pick<RecordParts, 'topic'> & Partial<RecordParts>) {
    this.topic = parts.topic;
    this.kafkaPartition = parts.kafkaPartition ?? null;
    this.keySchema = parts.keySchema ?? null;
    this.key = parts.key ?? null;
    this.valueSchema = parts.valueSchema ?? null;
    this.value = parts.value ?? null;
    this.headers = parts.headers ?? NO_HEADERS;
    this.timestamp = parts.timestamp ?? null;
  }

  /** A copy with some parts changed. */
  abstract with(changes: RecordChanges): this;

  /** All parts after a change. Copies spell them out: spreading this costs more than all the rest of a copy. */
  protected merged(changes: RecordChanges): RecordParts {
    return {
      topic: changes.topic ?? this.topic,
      kafkaPartition: changes.kafkaPartition === undefined ? this.kafkaPartition : changes.kafkaPartition,
      keySchema: changes.keySchema === undefined ? this.keySchema : changes.keySchema,
      key: changes.key === undefined ? this.key : changes.key,
      valueSchema: changes.valueSchema === undefined ? this.valueSchema : changes.valueSchema,
      value: changes.value === undefined ? this.value : changes.value,
      headers: changes.headers ?? this.headers,
      timestamp: changes.timestamp === undefined ? this.timestamp : changes.timestamp,
    };
  }
}

/** A JSON value as offsets and partitions hold it; integers beyond 2^53 are bigints. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Which stream of a source an offset belongs to, such as `{"server": "shop"}`. Key order is kept: it is bytes in the topic. */
export type SourcePartition = Readonly<Record<string, JsonValue>>;

const PRIVATE_KEY = 'millrace';

/**
 * A partition beside another one, under which a task keeps a record of its own, such as what its offsets belong to. It
 * is stored like an offset; REST does not show it, and resetting or altering the offset of `partition` removes it.
 */
export function privatePartition(partition: SourcePartition, name: string): SourcePartition {
  return Object.freeze({ ...partition, [PRIVATE_KEY]: name });
}

/** The partition that a private one lies beside; undefined for one that is not private. */
export function ownerOfPrivate(partition: SourcePartition): SourcePartition | undefined {
  const { [PRIVATE_KEY]: name, ...owner } = partition;
  return name === undefined ? undefined : owner;
}

/** Where in that stream, such as Debezium's `{"lsn": …}`. */
export type OffsetMap = Readonly<Record<string, JsonValue>>;

/** An offset whose map is made only if it is committed: most records' offsets never are. */
export interface DeferredOffset {
  toOffsetMap(): OffsetMap;
}
export type SourceOffset = OffsetMap | DeferredOffset;

/** The map of an offset in either form. */
export function offsetMapOf(offset: SourceOffset): OffsetMap {
  return isDeferred(offset) ? offset.toOffsetMap() : offset;
}

function isDeferred(offset: SourceOffset): offset is DeferredOffset {
  return typeof (offset as DeferredOffset).toOffsetMap === 'function';
}

export interface SourceRecordInit {
  /** The same object for all records of one source partition: identity is how offsets are grouped. */
  readonly sourcePartition: SourcePartition;
  readonly sourceOffset: SourceOffset;
  readonly topic: string;
  readonly kafkaPartition?: number | null;
  readonly keySchema?: Schema | null;
  readonly key?: unknown;
  readonly valueSchema?: Schema | null;
  readonly value?: unknown;
  readonly headers?: Headers;
  readonly timestamp?: number | null;
}

/** A record a source task emits. */
export class SourceRecord extends ConnectRecord {
  readonly sourcePartition: SourcePartition;
  readonly sourceOffset: SourceOffset;

  constructor(init: SourceRecordInit) {
    super(init);
    this.sourcePartition = init.sourcePartition;
    this.sourceOffset = init.sourceOffset;
  }

  override with(changes: RecordChanges): this {
    const merged = this.merged(changes);
    return new SourceRecord({
      topic: merged.topic,
      kafkaPartition: merged.kafkaPartition,
      keySchema: merged.keySchema,
      key: merged.key,
      valueSchema: merged.valueSchema,
      value: merged.value,
      headers: merged.headers,
      timestamp: merged.timestamp,
      sourcePartition: this.sourcePartition,
      sourceOffset: this.sourceOffset,
    }) as this;
  }
}

export type TimestampType = 'CreateTime' | 'LogAppendTime' | 'NoTimestampType';

export interface SinkRecordInit extends Omit<RecordParts, 'kafkaPartition'> {
  readonly kafkaPartition: number;
  readonly kafkaOffset: number;
  readonly timestampType: TimestampType;
  /** Coordinates before transforms changed them; the record's own by default. */
  readonly original?: RecordCoordinates;
}

/** Where a record is in Kafka. */
export interface RecordCoordinates {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A record a sink task receives. `original` names it in Kafka whatever transforms did to its topic. */
export class SinkRecord extends ConnectRecord {
  readonly kafkaOffset: number;
  readonly timestampType: TimestampType;
  readonly original: RecordCoordinates;

  constructor(init: SinkRecordInit) {
    super(init);
    this.kafkaOffset = init.kafkaOffset;
    this.timestampType = init.timestampType;
    this.original = init.original ?? {
      topic: init.topic,
      partition: init.kafkaPartition,
      offset: init.kafkaOffset,
    };
  }

  override with(changes: RecordChanges): this {
    const merged = this.merged(changes);
    return new SinkRecord({
      topic: merged.topic,
      kafkaPartition: merged.kafkaPartition ?? this.original.partition,
      keySchema: merged.keySchema,
      key: merged.key,
      valueSchema: merged.valueSchema,
      value: merged.value,
      headers: merged.headers,
      timestamp: merged.timestamp,
      kafkaOffset: this.kafkaOffset,
      timestampType: this.timestampType,
      original: this.original,
    }) as this;
  }
}
