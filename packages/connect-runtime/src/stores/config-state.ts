// The connectors, tasks and target states that the config topic describes, as a pure fold over its records.
import type { RawConfig } from '@millrace/foundation';
import type { ConfigRecord, TargetState } from './config-records.ts';

/** What a record changed, for those who follow. */
export type ConfigChange =
  | { readonly kind: 'connector'; readonly connector: string; readonly isNew: boolean }
  | { readonly kind: 'removed'; readonly connector: string }
  /** `before`: how many tasks there were. */
  | { readonly kind: 'tasks'; readonly connector: string; readonly before: number }
  | { readonly kind: 'target-state'; readonly connector: string }
  | {
      readonly kind: 'restart';
      readonly connector: string;
      readonly includeTasks: boolean;
      readonly onlyFailed: boolean;
    }
  | { readonly kind: 'logger'; readonly namespace: string; readonly level: string };

/** What workers sign their requests to each other with. */
export interface SessionKey {
  readonly key: Buffer;
  /** Java's name. */
  readonly algorithm: string;
  readonly createdMs: number;
}

interface ConnectorEntry {
  config: RawConfig;
  targetState: TargetState;
  tasks: readonly RawConfig[];
  /** The connector config that `tasks` were made from; null before the first commit. */
  appliedConfig: RawConfig | null;
}

/** Task configs count only once their commit record is there; those before it wait. */
export class ConfigState {
  readonly #connectors = new Map<string, ConnectorEntry>();
  /** Target states whose connector is not there (yet): `initial_state` is written before the config. */
  readonly #earlyStates = new Map<string, TargetState>();
  readonly #uncommitted = new Map<string, Map<number, RawConfig>>();
  /** How often the tasks of a connector were made anew, since this worker began to read. */
  readonly #generations = new Map<string, number>();
  /** How many producers of exactly-once tasks there may be. They outlive their connector. */
  readonly #producers = new Map<string, number>();
  /** Connectors whose tasks are newer than what was fenced for them. */
  readonly #unfenced = new Set<string>();
  /** Offset after the last record that was applied; -1 before the first, as workers of Connect tell each other. */
  offset = -1;
  sessionKey: SessionKey | null = null;

  connectors(): string[] {
    return [...this.#connectors.keys()];
  }
  has(connector: string): boolean {
    return this.#connectors.has(connector);
  }
  config(connector: string): RawConfig | undefined {
    return this.#connectors.get(connector)?.config;
  }
  targetState(connector: string): TargetState | undefined {
    return this.#connectors.get(connector)?.targetState;
  }
  tasks(connector: string): readonly RawConfig[] {
    return this.#connectors.get(connector)?.tasks ?? [];
  }
  /** The connector config that the committed tasks were made from. */
  appliedConfig(connector: string): RawConfig | null {
    return this.#connectors.get(connector)?.appliedConfig ?? null;
  }

  /** Another one after each commit of task configs. */
  taskGeneration(connector: string): number {
    return this.#generations.get(connector) ?? 0;
  }
  /** How many transactional producers the tasks that were fenced last may have; undefined before the first. */
  producerCount(connector: string): number | undefined {
    return this.#producers.get(connector);
  }
  /** Whether the tasks there were before the current ones may still write. */
  needsFencing(connector: string): boolean {
    return this.#unfenced.has(connector);
  }

  /** Applies one record; returns what changed, if anything did. */
  apply(record: ConfigRecord): ConfigChange | undefined {
    switch (record.kind) {
      case 'connector':
        return this.#applyConnector(record.connector, record.config);
      case 'task':
        this.#applyTask(record.connector, record.task, record.config);
        return undefined;
      case 'commit':
        return this.#applyCommit(record.connector, record.tasks ?? 0);
      case 'target-state':
        return this.#applyTargetState(record.connector, record.state);
      case 'restart': {
        const { connector, includeTasks, onlyFailed } = record;
        return this.has(connector) ? { kind: 'restart', connector, includeTasks, onlyFailed } : undefined;
      }
      case 'logger':
        return { kind: 'logger', namespace: record.namespace, level: record.level };
      case 'session-key': {
        const { key, algorithm, createdMs } = record;
        this.sessionKey = { key: Buffer.from(key, 'base64'), algorithm, createdMs };
        return undefined;
      }
      case 'tasks-fencing':
        if (record.tasks === null) this.#producers.delete(record.connector);
        else this.#producers.set(record.connector, record.tasks);
        this.#unfenced.delete(record.connector);
        return undefined;
      default:
        return record satisfies never;
    }
  }

  #applyConnector(connector: string, config: RawConfig | null): ConfigChange | undefined {
    const entry = this.#connectors.get(connector);
    if (config === null) {
      this.#connectors.delete(connector);
      this.#uncommitted.delete(connector);
      this.#earlyStates.delete(connector);
      return entry ? { kind: 'removed', connector } : undefined;
    }
    if (entry) entry.config = config;
    else {
      const targetState = this.#earlyStates.get(connector) ?? 'STARTED';
      this.#earlyStates.delete(connector);
      this.#connectors.set(connector, { config, targetState, tasks: [], appliedConfig: null });
    }
    return { kind: 'connector', connector, isNew: !entry };
  }

  #applyTask(connector: string, task: number, config: RawConfig | null): void {
    if (config === null) return;
    let waiting = this.#uncommitted.get(connector);
    if (!waiting) {
      waiting = new Map();
      this.#uncommitted.set(connector, waiting);
    }
    waiting.set(task, config);
  }

  #applyCommit(connector: string, count: number): ConfigChange | undefined {
    const entry = this.#connectors.get(connector);
    const waiting = this.#uncommitted.get(connector);
    this.#uncommitted.delete(connector);
    // Task and commit records outlive their connector.
    if (!entry) return undefined;
    const tasks: RawConfig[] = [];
    for (let task = 0; task < count; task++) {
      const config = waiting?.get(task) ?? entry.tasks[task];
      // Compaction took a task record whose newer one is further on: a later commit covers it.
      if (config === undefined) return undefined;
      tasks.push(config);
    }
    const before = entry.tasks.length;
    this.#generations.set(connector, this.taskGeneration(connector) + 1);
    this.#unfenced.add(connector);
    entry.tasks = tasks;
    entry.appliedConfig = entry.config;
    return { kind: 'tasks', connector, before };
  }

  #applyTargetState(connector: string, state: TargetState | null): ConfigChange | undefined {
    const entry = this.#connectors.get(connector);
    if (!entry) {
      if (state === null) this.#earlyStates.delete(connector);
      else this.#earlyStates.set(connector, state);
      return undefined;
    }
    const target = state ?? 'STARTED';
    if (entry.targetState === target) return undefined;
    entry.targetState = target;
    return { kind: 'target-state', connector };
  }
}
