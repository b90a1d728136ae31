// Records of the config topic, in the form Connect 4.3 writes them.
import type { RawConfig } from '@millrace/foundation';

export type TargetState = 'STARTED' | 'PAUSED' | 'STOPPED';

/** What one record of the config topic says. */
export type ConfigRecord =
  | { readonly kind: 'connector'; readonly connector: string; readonly config: RawConfig | null }
  | {
      readonly kind: 'task';
      readonly connector: string;
      readonly task: number;
      readonly config: RawConfig | null;
    }
  | { readonly kind: 'commit'; readonly connector: string; readonly tasks: number | null }
  | { readonly kind: 'target-state'; readonly connector: string; readonly state: TargetState | null }
  | { readonly kind: 'tasks-fencing'; readonly connector: string; readonly tasks: number | null }
  | {
      readonly kind: 'restart';
      readonly connector: string;
      readonly includeTasks: boolean;
      readonly onlyFailed: boolean;
    }
  | {
      readonly kind: 'session-key';
      readonly key: string;
      readonly algorithm: string;
      readonly createdMs: number;
    }
  | { readonly kind: 'logger'; readonly namespace: string; readonly level: string };

/** Key and value texts of a record; a null value is a tombstone. */
export interface RecordText {
  readonly key: string;
  readonly value: string | null;
}

export function encodeConfigRecord(record: ConfigRecord): RecordText {
  switch (record.kind) {
    case 'connector':
      return { key: `connector-${record.connector}`, value: properties(record.config) };
    case 'task':
      return { key: `task-${record.connector}-${record.task}`, value: properties(record.config) };
    case 'commit':
      return { key: `commit-${record.connector}`, value: orTombstone(record.tasks, (tasks) => ({ tasks })) };
    case 'target-state':
      // Workers before 3.5 know `state` only, where a stopped connector is a paused one.
      return {
        key: `target-state-${record.connector}`,
        value: orTombstone(record.state, (state) => ({
          state: state === 'STOPPED' ? 'PAUSED' : state,
          'state.v2': state,
        })),
      };
    case 'tasks-fencing':
      return {
        key: `tasks-fencing-${record.connector}`,
        value: orTombstone(record.tasks, (tasks) => ({ 'task-count': tasks })),
      };
    case 'restart':
      return {
        key: `restart-connector-${record.connector}`,
        value: JSON.stringify({ 'include-tasks': record.includeTasks, 'only-failed': record.onlyFailed }),
      };
    case 'session-key':
      return {
        key: 'session-key',
        value: JSON.stringify({
          key: record.key,
          algorithm: record.algorithm,
          'creation-timestamp': record.createdMs,
        }),
      };
    case 'logger':
      return { key: `logger-cluster-${record.namespace}`, value: JSON.stringify({ level: record.level }) };
    default:
      return record satisfies never;
  }
}

function properties(config: RawConfig | null): string | null {
  return orTombstone(config, (present) => ({ properties: present }));
}

function orTombstone<T>(value: T | null, body: (value: T) => unknown): string | null {
  return value === null ? null : JSON.stringify(body(value));
}

/** Reads a record; undefined for one that no worker of ours understands, which is passed by. */
export function decodeConfigRecord(key: string, value: string | null): ConfigRecord | undefined {
  const body = value === null ? null : parseObject(value);
  if (body === undefined) return undefined;
  const rest = (prefix: string): string | undefined =>
    key.startsWith(prefix) && key.length > prefix.length ? key.slice(prefix.length) : undefined;
  const restarted = rest('restart-connector-');
  if (restarted !== undefined) {
    if (body === null) return undefined;
    const includeTasks = body['include-tasks'] === true;
    return { kind: 'restart', connector: restarted, includeTasks, onlyFailed: body['only-failed'] === true };
  }
  const connector = rest('connector-');
  if (connector !== undefined)
    return withConfig(body, (config) => ({ kind: 'connector', connector, config }));
  const task = /^(.+)-(\d+)$/.exec(rest('task-') ?? '');
  if (task?.[1] !== undefined) {
    const parts = { connector: task[1], task: Number(task[2]) };
    return withConfig(body, (config) => ({ kind: 'task', ...parts, config }));
  }
  return decodeRest(key, body, rest);
}

function decodeRest(
  key: string,
  body: Record<string, unknown> | null,
  rest: (prefix: string) => string | undefined,
): ConfigRecord | undefined {
  const committed = rest('commit-');
  if (committed !== undefined) return { kind: 'commit', connector: committed, tasks: count(body?.['tasks']) };
  const target = rest('target-state-');
  if (target !== undefined) return { kind: 'target-state', connector: target, state: targetState(body) };
  const fenced = rest('tasks-fencing-');
  if (fenced !== undefined) {
    return { kind: 'tasks-fencing', connector: fenced, tasks: count(body?.['task-count']) };
  }
  const namespace = rest('logger-cluster-');
  if (namespace !== undefined && typeof body?.['level'] === 'string') {
    return { kind: 'logger', namespace, level: body['level'] };
  }
  if (key === 'session-key' && typeof body?.['key'] === 'string') {
    const algorithm = typeof body['algorithm'] === 'string' ? body['algorithm'] : 'HmacSHA256';
    return {
      kind: 'session-key',
      key: body['key'],
      algorithm,
      createdMs: Number(body['creation-timestamp'] ?? 0),
    };
  }
  return undefined;
}

function withConfig(
  body: Record<string, unknown> | null,
  make: (config: RawConfig | null) => ConfigRecord,
): ConfigRecord | undefined {
  if (body === null) return make(null);
  const given = body['properties'];
  if (typeof given !== 'object' || given === null) return undefined;
  const config: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(given)) {
    config[name] = value === null || typeof value === 'string' ? value : JSON.stringify(value);
  }
  return make(config);
}

function targetState(body: Record<string, unknown> | null): TargetState | null {
  const state = body?.['state.v2'] ?? body?.['state'];
  return state === 'STARTED' || state === 'PAUSED' || state === 'STOPPED' ? state : null;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
