// Records of the status topic, in the form Connect 4.3 writes them.
import type { ConnectorStateName } from '@millrace/connect-api';

/** State of a connector or task as the topic holds it. */
export interface StatusValue {
  readonly state: ConnectorStateName;
  readonly trace: string | null;
  readonly workerId: string;
  readonly generation: number;
  /** Version of the plug-in; null for states that no live connector or task set. */
  readonly version: string | null;
}

/** A topic that a connector's task has used. */
export interface ActiveTopic {
  readonly topic: string;
  readonly connector: string;
  readonly task: number;
  readonly discoveredMs: number;
}

export type StatusRecord =
  | { readonly kind: 'connector'; readonly connector: string; readonly value: StatusValue | null }
  | {
      readonly kind: 'task';
      readonly connector: string;
      readonly task: number;
      readonly value: StatusValue | null;
    }
  | {
      readonly kind: 'topic';
      readonly connector: string;
      readonly topic: string;
      readonly value: ActiveTopic | null;
    };

const STATES: ReadonlySet<string> = new Set([
  'UNASSIGNED',
  'RUNNING',
  'PAUSED',
  'STOPPED',
  'FAILED',
  'RESTARTING',
]);

export function encodeStatusRecord(record: StatusRecord): {
  readonly key: string;
  readonly value: string | null;
} {
  switch (record.kind) {
    case 'connector':
      return { key: `status-connector-${record.connector}`, value: statusText(record.value) };
    case 'task':
      return { key: `status-task-${record.connector}-${record.task}`, value: statusText(record.value) };
    case 'topic': {
      const { value } = record;
      return {
        key: `status-topic-${record.topic}:connector-${record.connector}`,
        value:
          value === null
            ? null
            : JSON.stringify({
                topic: {
                  name: value.topic,
                  connector: value.connector,
                  task: value.task,
                  discoverTimestamp: value.discoveredMs,
                },
              }),
      };
    }
    default:
      return record satisfies never;
  }
}

function statusText(value: StatusValue | null): string | null {
  if (value === null) return null;
  const { state, trace, workerId, generation, version } = value;
  return JSON.stringify({ state, trace, worker_id: workerId, generation, version });
}

/** Reads a record; undefined for one that cannot be understood. */
export function decodeStatusRecord(key: string, text: string | null): StatusRecord | undefined {
  const body = text === null ? null : parseObject(text);
  if (body === undefined) return undefined;
  const topic = /^status-topic-(.+?):connector-(.+)$/.exec(key);
  if (topic?.[1] !== undefined && topic[2] !== undefined) {
    return decodeTopic(topic[1], topic[2], body);
  }
  const value = body === null ? null : statusOf(body);
  if (value === undefined) return undefined;
  const task = /^status-task-(.+)-(\d+)$/.exec(key);
  if (task?.[1] !== undefined) return { kind: 'task', connector: task[1], task: Number(task[2]), value };
  const connector = /^status-connector-(.+)$/.exec(key)?.[1];
  return connector === undefined ? undefined : { kind: 'connector', connector, value };
}

function decodeTopic(
  topic: string,
  connector: string,
  body: Record<string, unknown> | null,
): StatusRecord | undefined {
  if (body === null) return { kind: 'topic', connector, topic, value: null };
  const inner = body['topic'];
  if (typeof inner !== 'object' || inner === null) return undefined;
  const { task, discoverTimestamp } = inner as Record<string, unknown>;
  const value = { topic, connector, task: Number(task ?? 0), discoveredMs: Number(discoverTimestamp ?? 0) };
  return { kind: 'topic', connector, topic, value };
}

function statusOf(body: Record<string, unknown>): StatusValue | undefined {
  const { state, trace, worker_id: workerId, generation, version } = body;
  if (typeof state !== 'string' || !STATES.has(state)) return undefined;
  return {
    state: state as ConnectorStateName,
    trace: typeof trace === 'string' ? trace : null,
    workerId: typeof workerId === 'string' ? workerId : '',
    generation: typeof generation === 'number' ? generation : 0,
    version: typeof version === 'string' ? version : null,
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
