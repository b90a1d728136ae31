// The headers that say which connector made a record: one array, shared by all its records.
import type { Header, Headers } from '@millrace/connect-api';
import { type Schema, STRING } from '@millrace/data';

export const NEW_KEY_HEADER = '__debezium.newkey';
export const OLD_KEY_HEADER = '__debezium.oldkey';

export interface ContextHeaderOptions {
  /** `topic.prefix`. */
  readonly logicalName: string;
  readonly taskId: number;
  /** Debezium's name of the kind of connector, such as `postgresql`. */
  readonly connectorKind: string;
  /** A time-ordered UUID of this run of the task. */
  readonly runId: string;
}

export function contextHeaders(options: ContextHeaderOptions): Headers {
  const text = (key: string, value: string): Header => ({ key, schema: STRING, value });
  return Object.freeze([
    text('__debezium.context.connectorLogicalName', options.logicalName),
    text('__debezium.context.taskId', String(options.taskId)),
    text('__debezium.context.connectorName', options.connectorKind),
    text('__debezium.context.runId', options.runId),
  ]);
}

/** The shared headers behind the other key of a key change. */
export function withKeyHeader(headers: Headers, name: string, schema: Schema | null, key: unknown): Headers {
  return [{ key: name, schema, value: key }, ...headers];
}

/** A UUID of version 7. */
export function timeOrderedUuid(nowMs: number, random: Uint8Array): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(i === 0 ? 0 : ends[i - 1], end)).join('-');
}
