// What REST asks of offsets: they are listed at any time, and changed while the connector is stopped and nobody can store
// others any more.
import type { ConnectorOffsets, ConnectorPlugin } from '@millrace/connect-api';
import type { Clock, RawConfig } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import type { StatusStore } from '../stores/status-store.ts';
import type { ConnectorOffsetsService } from './connector-offsets.ts';
import type { OffsetChange } from './herder-api.ts';
import type { Leadership } from './leadership.ts';
import type { TaskSupervisor } from './task-supervisor.ts';
import type { ZombieFencing } from './zombie-fencing.ts';

export interface ConnectorWithConfig {
  readonly plugin: ConnectorPlugin;
  /** Upgraded, with variables resolved. */
  readonly config: RawConfig;
}

export interface OffsetChangesOptions {
  readonly configs: ConfigStore;
  readonly status: StatusStore;
  readonly clock: Clock;
  readonly leadership: Leadership;
  readonly tasks: TaskSupervisor;
  readonly offsets: ConnectorOffsetsService;
  /** Where sources deliver exactly once. */
  readonly fencing: ZombieFencing | null;
  readonly connectorWithConfig: (name: string) => Promise<ConnectorWithConfig>;
  /** Runs after all writes that were asked for before, of one connector. */
  readonly write: <T>(name: string, work: () => Promise<T>) => Promise<T>;
}

const MUST_BE_STOPPED =
  "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/%s/stop' endpoint";
const ONLY_LEADER_CHANGES_OFFSETS = 'Only the leader can process external offsets modification requests';
const TASKS_END_MS = 15_000;
const TASKS_END_LOOK_MS = 50;

export class OffsetChanges {
  readonly #options: OffsetChangesOptions;

  constructor(options: OffsetChangesOptions) {
    this.#options = options;
  }

  async list(name: string): Promise<ConnectorOffsets> {
    const { plugin, config } = await this.#options.connectorWithConfig(name);
    return { offsets: await this.#options.offsets.list(name, plugin, config) };
  }

  async alter(name: string, changes: readonly OffsetChange[]): Promise<string> {
    return await this.#change(name, ({ plugin, config }) =>
      this.#options.offsets.alter(name, plugin, config, changes),
    );
  }

  async reset(name: string): Promise<string> {
    return await this.#change(name, ({ plugin, config }) =>
      this.#options.offsets.reset(name, plugin, config),
    );
  }

  async #change(name: string, change: (of: ConnectorWithConfig) => Promise<string>): Promise<string> {
    const { leadership, configs, connectorWithConfig, write } = this.#options;
    await leadership.require(ONLY_LEADER_CHANGES_OFFSETS);
    await configs.refresh();
    const of = await connectorWithConfig(name);
    return await write(name, async () => {
      const { state } = configs;
      leadership.requireNow(ONLY_LEADER_CHANGES_OFFSETS);
      if (state.targetState(name) !== 'STOPPED' || state.tasks(name).length > 0) {
        throw connectError('connect.bad_request', MUST_BE_STOPPED.replace('%s', name));
      }
      await this.#untilTasksEnded(name);
      if (of.plugin.kind === 'source') await this.#fence(name);
      return await change(of);
    });
  }

  /** A task that the group has lost sight of must not store an offset after this one. */
  async #fence(name: string): Promise<void> {
    try {
      await this.#options.fencing?.run(name);
    } catch (cause) {
      throw connectError(
        'connect.rest_internal',
        'Failed to perform zombie fencing for source connector prior to modifying offsets',
        { cause },
      );
    }
  }

  /** Tasks that are still ending may store offsets of their own. Where they end, their states are taken away. */
  async #untilTasksEnded(name: string): Promise<void> {
    const { tasks, status, clock } = this.#options;
    await Promise.all(tasks.tasksOf(name).map((item) => tasks.reconcile(item)));
    for (let waitedMs = 0; status.tasks(name).length > 0; waitedMs += TASKS_END_LOOK_MS) {
      if (waitedMs >= TASKS_END_MS) {
        const [[task, { workerId }] = [0, { workerId: '' }]] = status.tasks(name);
        throw connectError(
          'connect.rest_internal',
          `The offsets of ${name} cannot be changed: its task ${task} has not ended on ${workerId}`,
        );
      }
      await clock.sleep(TASKS_END_LOOK_MS);
    }
  }
}
