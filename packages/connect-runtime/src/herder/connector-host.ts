// Runs the connectors (not the tasks) this worker was given: starts and stops them as their config and target state
// say, asks them for task configs, and keeps their status. Jobs of one connector run one after another.
import type { Connector, ConnectorPlugin } from '@millrace/connect-api';
import {
  type Clock,
  javaTrace,
  type Logger,
  type LogHub,
  type RawConfig,
  toError,
} from '@millrace/foundation';
import { type ConfigProviders, resolveVariables } from '../config/providers.ts';
import { keyWarnings } from '../config/unknown-keys.ts';
import { connectError } from '../errors.ts';
import type { ConnectorShown } from '../metrics/worker-meters.ts';
import type { PluginRegistry } from '../plugins.ts';
import type { TargetState } from '../stores/config-records.ts';
import type { ConfigState } from '../stores/config-state.ts';
import type { StatusStore } from '../stores/status-store.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { PluginCalls } from './plugin-calls.ts';
import { taskClassOf } from './task-classes.ts';

export interface ConnectorHostOptions {
  readonly state: ConfigState;
  readonly status: StatusStore;
  readonly plugins: PluginRegistry;
  readonly providers: ConfigProviders;
  readonly logHub: LogHub;
  readonly clock: Clock;
  readonly workerId: string;
  readonly generation: () => number;
  /** Told how each start of a connector went. */
  readonly onStarted: (succeeded: boolean) => void;
  /** Whether this worker runs the connector now. */
  readonly isAssigned: (connector: string) => boolean;
  /** Stores what the tasks of a connector shall be; called only where that changes something. */
  readonly publishTasks: (connector: string, configs: readonly RawConfig[]) => Promise<void>;
}

interface Running {
  readonly plugin: ConnectorPlugin;
  /** The config it was started with, as stored. */
  readonly config: RawConfig;
  /** Null while paused, stopped or failed: then there is only a state to show. */
  instance: Connector | null;
  /** What the status shows that is not a failure. */
  readonly shown: TargetState;
  failed?: true;
}

export class ConnectorHost {
  readonly #options: ConnectorHostOptions;
  readonly #queue = new KeyedQueue();
  readonly #running = new Map<string, Running>();
  readonly #ending = new Set<string>();
  readonly #calls: PluginCalls;

  constructor(options: ConnectorHostOptions) {
    this.#options = options;
    const { clock, state, isAssigned } = options;
    this.#calls = new PluginCalls({
      clock,
      isWanted: (name, stored) =>
        state.config(name) === stored && state.targetState(name) === 'STARTED' && isAssigned(name),
    });
  }

  /** Brings a connector to what its config, target state and assignment say; later calls see the latest of them. */
  reconcile(name: string): Promise<void> {
    this.#calls.hurry(name);
    return this.#queue.run(name, () => this.#reconcile(name));
  }

  /** Stops and starts it anew; `announce` shows RESTARTING in between. */
  restart(name: string, options: { announce: boolean }): Promise<void> {
    this.#calls.hurry(name, true);
    return this.#queue.run(name, async () => {
      await this.#end(name);
      if (options.announce) this.#report(name, 'RESTARTING', null);
      await this.#reconcile(name);
      const status = this.#options.status.connector(name);
      if (status?.state === 'FAILED') {
        throw connectError('connect.rest_internal', `Failed to start connector: ${name}`);
      }
    });
  }

  /** The connectors that run, rest, failed or are ending here. */
  active(): string[] {
    return [...this.#running.keys(), ...this.#ending];
  }

  /** What the metrics show of the connectors that are here. */
  shown(): ConnectorShown[] {
    return [...this.#running].map(([name, { plugin, shown, failed }]) => ({
      name,
      state: failed ? 'failed' : shown === 'STARTED' ? 'running' : shown === 'PAUSED' ? 'paused' : 'stopped',
      type: plugin.kind,
      className: plugin.className,
      version: plugin.version ?? '',
    }));
  }

  /** Asks a connector for its task configs again, and stores them where they differ. */
  republish(name: string): Promise<void> {
    return this.#queue.run(name, () => this.#republish(name));
  }

  async close(): Promise<void> {
    this.#calls.hurryAll();
    await Promise.all([...this.#running.keys()].map((name) => this.#queue.run(name, () => this.#end(name))));
    await this.#queue.idle();
  }

  async #reconcile(name: string): Promise<void> {
    const { state, isAssigned } = this.#options;
    const config = state.config(name);
    const running = this.#running.get(name);
    if (config === undefined || !isAssigned(name)) {
      await this.#end(name);
      return;
    }
    const target = state.targetState(name) ?? 'STARTED';
    const same = running !== undefined && sameConfig(running.config, config);
    if (same && running.shown === target) {
      // A resumed or reassigned connector may have tasks to publish still.
      if (target === 'STARTED' && running.instance && state.appliedConfig(name) === null) {
        await this.#publish(name, running.plugin, running.instance, config);
      }
      return;
    }
    if (running && !same) await this.#end(name);
    else await this.#stopInstance(name);
    if (target === 'STARTED') await this.#start(name, config);
    else await this.#park(name, config, target);
  }

  async #start(name: string, stored: RawConfig): Promise<void> {
    const { plugins, providers, logHub } = this.#options;
    let plugin: ConnectorPlugin | undefined;
    let instance: Connector | null = null;
    let started = false;
    try {
      plugin = await plugins.connector((stored['connector.class'] ?? '').trim());
      const upgraded = plugin.upgradeConfig?.(stored);
      const logger = logHub.logger(plugin.className, { connector: name });
      const notes = [
        ...(upgraded?.warnings ?? []),
        ...keyWarnings(upgraded?.config ?? stored, plugin, plugins),
      ];
      for (const { key, message } of notes) logger.warn({ key }, message);
      const config = await resolveVariables(upgraded?.config ?? stored, providers);
      instance = plugin.createConnector();
      const made = instance;
      await this.#calls.run(name, stored, 'start', () =>
        made.start(this.#contextOf(name, made, logger), config),
      );
      this.#running.set(name, { plugin, config: stored, instance, shown: 'STARTED' });
      this.#report(name, 'RUNNING', plugin.version);
      this.#options.onStarted(true);
      started = true;
      await this.#publish(name, plugin, instance, stored);
    } catch (error) {
      await this.#calls.end(instance).catch(() => undefined);
      if (!started) this.#options.onStarted(false);
      if (plugin) this.#running.set(name, { plugin, config: stored, instance: null, shown: 'STARTED' });
      this.#fail(name, error, plugin?.version ?? null);
    }
  }

  /** Shows PAUSED or STOPPED; a paused connector that never ran has no tasks until it is resumed. */
  async #park(name: string, stored: RawConfig, shown: TargetState): Promise<void> {
    try {
      const plugin = await this.#options.plugins.connector((stored['connector.class'] ?? '').trim());
      this.#running.set(name, { plugin, config: stored, instance: null, shown });
      this.#report(name, shown === 'PAUSED' ? 'PAUSED' : 'STOPPED', plugin.version);
    } catch (error) {
      this.#fail(name, error, null);
    }
  }

  #contextOf(name: string, instance: Connector, logger: Logger): Parameters<Connector['start']>[0] {
    return {
      connectorName: name,
      logger,
      requestTaskReconfiguration: () => void this.republish(name),
      raiseError: (error) =>
        void this.#queue.run(name, async () => {
          // One that was given up is nobody's any more.
          if (this.#running.get(name)?.instance !== instance) return;
          const version = this.#running.get(name)?.plugin.version ?? null;
          await this.#stopInstance(name);
          this.#fail(name, error, version);
        }),
    };
  }

  async #republish(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (!running?.instance) return;
    try {
      await this.#publish(name, running.plugin, running.instance, running.config);
    } catch (error) {
      this.#fail(name, error, running.plugin.version);
    }
  }

  async #publish(
    name: string,
    plugin: ConnectorPlugin,
    instance: Connector,
    stored: RawConfig,
  ): Promise<void> {
    const { state, providers, publishTasks } = this.#options;
    const config = plugin.upgradeConfig?.(stored).config ?? stored;
    const maxTasks = Number(config['tasks.max'] ?? 1);
    const made = await this.#calls.run(name, stored, 'taskConfigs', () => instance.taskConfigs(maxTasks));
    if (made.length > maxTasks && config['tasks.max.enforce']?.trim().toLowerCase() !== 'false') {
      throw connectError(
        'connect.too_many_tasks',
        `The connector ${name} has generated ${made.length} tasks, which is greater than ${maxTasks}, the maximum number of tasks it is configured to create.`,
      );
    }
    const resolved = await resolveVariables(config, providers);
    const configs = made.map((task) => ({
      ...unresolve(task, config, resolved),
      'task.class': taskClassOf(plugin.className),
      name,
    }));
    // Tasks take converters and transforms from the connector's config, so a change there is theirs too.
    const applied = state.appliedConfig(name);
    const known = state.tasks(name);
    const unchanged =
      applied !== null &&
      sameConfig(applied, stored) &&
      known.length === configs.length &&
      configs.every((task, index) => sameConfig(task, known[index] ?? {}));
    if (!unchanged) await publishTasks(name, configs);
  }

  async #stopInstance(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (!running?.instance) return;
    const { instance } = running;
    running.instance = null;
    try {
      await this.#calls.end(instance);
    } catch (error) {
      this.#logger().warn({ err: error, connector: name }, 'a connector did not stop cleanly');
    }
  }

  async #end(name: string): Promise<void> {
    if (!this.#running.has(name)) return;
    this.#ending.add(name);
    await this.#stopInstance(name);
    this.#ending.delete(name);
    this.#running.delete(name);
    this.#report(name, 'UNASSIGNED', null);
    const { state, status } = this.#options;
    // A connector there is no more has no status either.
    if (!state.has(name)) status.put({ kind: 'connector', connector: name, value: null });
  }

  #fail(name: string, error: unknown, version: string | null): void {
    this.#logger().error({ err: toError(error), connector: name }, 'a connector failed');
    const running = this.#running.get(name);
    if (running) running.failed = true;
    this.#report(name, 'FAILED', version, javaTrace(error));
  }

  #report(
    name: string,
    state: 'RUNNING' | 'PAUSED' | 'STOPPED' | 'FAILED' | 'UNASSIGNED' | 'RESTARTING',
    version: string | null,
    trace: string | null = null,
  ): void {
    const { status, workerId, generation } = this.#options;
    const yields = state === 'UNASSIGNED' || state === 'FAILED';
    const value = { state, trace, workerId, generation: generation(), version };
    status.put({ kind: 'connector', connector: name, value }, { yields });
  }

  #logger(): Logger {
    return this.#options.logHub.logger('org.apache.kafka.connect.runtime.WorkerConnector');
  }
}

/** Equal keys and values, in any order. */
export function sameConfig(a: RawConfig, b: RawConfig): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** Puts variables back where a task config holds what they resolved to. INV-11: secrets stay out of topics. */
function unresolve(task: RawConfig, stored: RawConfig, resolved: RawConfig): Record<string, string> {
  const secrets = new Map<string, string>();
  for (const [key, raw] of Object.entries(stored)) {
    const value = resolved[key];
    if (raw != null && value != null && raw !== value) secrets.set(value, raw);
  }
  const config: Record<string, string> = {};
  for (const [key, value] of Object.entries(task)) {
    if (value == null) continue;
    const raw = stored[key];
    config[key] = raw != null && resolved[key] === value ? raw : (secrets.get(value) ?? value);
  }
  return config;
}
