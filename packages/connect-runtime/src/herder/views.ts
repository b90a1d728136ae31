// What REST shows of connectors and tasks, put together from the stores.
import type {
  ConnectorInfo,
  ConnectorKind,
  ConnectorStatus,
  StateInfo,
  TaskInfo,
  TaskStateInfo,
  TaskStateName,
} from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { PluginRegistry } from '../plugins.ts';
import type { ConfigState } from '../stores/config-state.ts';
import type { StatusValue } from '../stores/status-records.ts';
import type { StatusStore } from '../stores/status-store.ts';
import { NOTE } from '../task/shown-state.ts';

export class ConnectorViews {
  readonly #state: ConfigState;
  readonly #status: StatusStore;
  readonly #plugins: PluginRegistry;

  constructor(state: ConfigState, status: StatusStore, plugins: PluginRegistry) {
    this.#state = state;
    this.#status = status;
    this.#plugins = plugins;
  }

  kind(config: RawConfig | undefined): ConnectorKind {
    const entry = this.#plugins.find((config?.['connector.class'] ?? '').trim(), 'source', 'sink');
    return entry?.kind === 'source' || entry?.kind === 'sink' ? entry.kind : 'unknown';
  }

  /** @throws connect.not_found */
  config(name: string): Record<string, string> {
    const config = this.#state.config(name);
    if (config === undefined) throw connectError('connect.not_found', `Connector ${name} not found`);
    return presentValues(config);
  }

  info(name: string): ConnectorInfo {
    const config = this.config(name);
    const tasks = this.#state.tasks(name).map((_config, task) => ({ connector: name, task }));
    return { name, config, tasks, type: this.kind(config) };
  }

  tasks(name: string): TaskInfo[] {
    this.config(name);
    return this.#state.tasks(name).map((config, task) => ({
      id: { connector: name, task },
      config: presentValues(config),
    }));
  }

  /** @throws connect.not_found when there is no connector, or no state of it yet */
  status(name: string): ConnectorStatus {
    const config = this.#state.config(name);
    const status = this.#status.connector(name);
    if (config === undefined || status === undefined) {
      throw connectError('connect.not_found', `No status found for connector ${name}`);
    }
    const count = this.#state.tasks(name).length;
    const tasks = this.#status
      .tasks(name)
      .filter(([task]) => task < count)
      .map(([task, value]) => taskInfo(task, value));
    return { name, connector: stateInfo(status), tasks, type: this.kind(config) };
  }

  // INV-7: ready is more than that nothing has failed.
  /** What should run and does not, or does not get on. */
  problems(name: string): string[] {
    const shouldRun = this.#state.targetState(name) === 'STARTED';
    const parts = [
      [`Connector ${name}`, this.#status.connector(name)] as const,
      ...this.#state
        .tasks(name)
        .map(
          (_config, task) => [`Task ${task} of connector ${name}`, this.#status.task(name, task)] as const,
        ),
    ];
    return parts.flatMap(([what, shown]) => {
      if (shown?.state === 'FAILED') return [`${what} has failed.`];
      if (shown?.trace && !shown.trace.startsWith(NOTE)) return [`${what}: ${messageOfTrace(shown.trace)}`];
      return shouldRun && shown?.state !== 'RUNNING' ? [`${what} has not started.`] : [];
    });
  }

  /** @throws connect.not_found */
  taskStatus(name: string, task: number): TaskStateInfo {
    const value = this.#status.task(name, task);
    if (value === undefined)
      throw connectError('connect.not_found', `No status found for task ${name}-${task}`);
    return taskInfo(task, value);
  }
}

function stateInfo(value: StatusValue): StateInfo {
  return {
    state: value.state,
    worker_id: value.workerId,
    version: value.version,
    ...(value.trace === null ? {} : { trace: value.trace }),
  };
}

function taskInfo(task: number, value: StatusValue): TaskStateInfo {
  const { state, ...rest } = stateInfo(value);
  return { id: task, state: state as TaskStateName, ...rest };
}

/** The first line of a trace without its class. */
function messageOfTrace(trace: string): string {
  const line = trace.split('\n', 1)[0] ?? '';
  return line.replace(/^[\w.$]+: /, '');
}

function presentValues(config: RawConfig): Record<string, string> {
  const present: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) if (value != null) present[key] = value;
  return present;
}
