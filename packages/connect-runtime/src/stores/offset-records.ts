// Keys and values of the offsets topic. Keys are compared byte by byte by compaction, so the order of a partition's
// fields is kept as the connector gave it.
import type { JsonValue, OffsetMap, SourcePartition } from '@millrace/connect-api';
import { type Json, JsonFraction, parseJson } from '@millrace/data';

/** A stored offset and whose it is; a null offset is a tombstone. */
export interface OffsetRecord {
  readonly connector: string;
  readonly partition: SourcePartition;
  readonly offset: OffsetMap | null;
}

/** `["name",{partition}]`, compact. */
export function offsetKey(connector: string, partition: SourcePartition): Buffer {
  return Buffer.from(`[${JSON.stringify(connector)},${jsonText(partition)}]`);
}

export function offsetValue(offset: OffsetMap | null): Buffer | null {
  return offset === null ? null : Buffer.from(jsonText(offset));
}

/** Reads a record; undefined for one that no worker wrote. */
export function decodeOffsetRecord(key: Buffer, value: Buffer | null): OffsetRecord | undefined {
  try {
    const parts = parseJson(key.toString());
    if (!Array.isArray(parts) || parts.length !== 2) return undefined;
    const [connector, partition] = parts;
    if (typeof connector !== 'string' || !(partition instanceof Map)) return undefined;
    const offset = value === null ? null : parseJson(value.toString());
    if (offset !== null && !(offset instanceof Map)) return undefined;
    return {
      connector,
      partition: plainObject(partition),
      offset: offset === null ? null : plainObject(offset),
    };
  } catch {
    return undefined;
  }
}

/** JSON text with every digit of bigints. */
export function jsonText(value: JsonValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  const fields = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${jsonText(item)}`);
  return `{${fields.join(',')}}`;
}

function isArray(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Parsed JSON as offsets hold it. */
export function jsonValue(value: Json): JsonValue {
  if (value instanceof JsonFraction) return value.value;
  if (Array.isArray(value)) return value.map(jsonValue);
  return value instanceof Map ? plainObject(value) : value;
}

function plainObject(map: ReadonlyMap<string, Json>): Record<string, JsonValue> {
  // A null prototype keeps a field called __proto__ a field.
  const object = Object.create(null) as Record<string, JsonValue>;
  for (const [name, item] of map) object[name] = jsonValue(item);
  return { ...object };
}
