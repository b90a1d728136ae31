// The distributed herder: one worker of a group that shares connectors and tasks. A single worker is a group of one.
// Writes go to the config topic and take effect when they are read back; what runs where follows from the topic and
// the group's assignment. Reads are answered from memory and never wait.
import type {
  ConfigInfos,
  ConfigKeyInfo,
  ConnectorInfo,
  ConnectorKind,
  ConnectorOffsets,
  ConnectorPlugin,
  ConnectorStatus,
  ServerInfo,
  TaskInfo,
  TaskStateInfo,
  WorkerHealth,
} from '@millrace/connect-api';
import { type Logger, type RawConfig, toError } from '@millrace/foundation';
import { versionProblem } from '../config/plugin-version.ts';
import { resolveVariables } from '../config/providers.ts';
import {
  connectorOf,
  pluginKeys,
  problemText,
  type ValidationContext,
  validateConnectorConfig,
} from '../config/validate.ts';
import { connectError } from '../errors.ts';
import type { PluginInfo } from '../plugins.ts';
import type { TargetState } from '../stores/config-records.ts';
import type { ConfigChange } from '../stores/config-state.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import type { StatusStore } from '../stores/status-store.ts';
import type { WorkerAssignment } from './assignment-codec.ts';
import { ConnectorHost, type ConnectorHostOptions } from './connector-host.ts';
import type { ConnectorOffsetsService } from './connector-offsets.ts';
import type { Herder, OffsetChange, RestartRequest } from './herder-api.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { Membership } from './membership.ts';
import { planRestart } from './restart-plan.ts';
import { TaskSupervisor, type TaskSupervisorOptions } from './task-supervisor.ts';
import { ConnectorViews } from './views.ts';
import { CONNECTOR_ITSELF, type WorkItem, WorkSet } from './work.ts';

export interface HerderOptions {
  readonly configs: ConfigStore;
  readonly status: StatusStore;
  readonly offsets: ConnectorOffsetsService;
  readonly validation: ValidationContext;
  readonly connectors: Omit<
    ConnectorHostOptions,
    'state' | 'status' | 'generation' | 'isAssigned' | 'publishTasks'
  >;
  readonly tasks: Omit<TaskSupervisorOptions, 'state' | 'status' | 'generation' | 'isAssigned'>;
  readonly allowTopicReset: boolean;
  readonly version: string;
  readonly commit: string;
  readonly clusterId: () => Promise<string>;
  readonly logger: Logger;
  readonly onLoggerLevel: (namespace: string, level: string) => void;
}

const VALIDATION_TIMEOUT_MS = 90_000;
const MUST_BE_STOPPED =
  "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/%s/stop' endpoint";
const TRACKING_OFF = 'Topic tracking is disabled.';
const RESET_OFF = 'Topic tracking reset is disabled.';

export class DistributedHerder implements Herder {
  readonly #options: HerderOptions;
  readonly #views: ConnectorViews;
  readonly #connectors: ConnectorHost;
  readonly #tasks: TaskSupervisor;
  /** Writes to the config topic, one after another per connector. */
  readonly #writes = new KeyedQueue();
  /** What the group gave this worker. */
  #assigned = new WorkSet();
  #membership: Membership | undefined;

  constructor(options: HerderOptions) {
    this.#options = options;
    const { configs, status, validation } = options;
    this.#views = new ConnectorViews(configs.state, status, validation.plugins);
    const generation = (): number => this.#membership?.generation ?? -1;
    this.#connectors = new ConnectorHost({
      ...options.connectors,
      state: configs.state,
      status,
      generation,
      isAssigned: (connector) => this.#assigned.has({ connector, task: CONNECTOR_ITSELF }),
      publishTasks: (connector, tasks) => this.#write(connector, () => configs.putTasks(connector, tasks)),
    });
    this.#tasks = new TaskSupervisor({
      ...options.tasks,
      state: configs.state,
      status,
      generation,
      isAssigned: (item) => this.#assigned.has(item),
    });
  }

  /** Takes part in the group from now on. */
  join(membership: Membership): void {
    this.#membership = membership;
    membership.start();
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.#tasks.close();
    await this.#connectors.close();
    await this.#membership?.close();
  }

  // ---- the group

  /** All connectors and tasks there are. */
  configured(): WorkSet {
    const { state } = this.#options.configs;
    const all = new WorkSet();
    for (const connector of state.connectors()) {
      all.add({ connector, task: CONNECTOR_ITSELF });
      for (const task of state.tasks(connector).keys()) all.add({ connector, task });
    }
    return all;
  }

  owned(): WorkItem[] {
    return this.#assigned.values();
  }

  async onAssigned(assignment: WorkerAssignment): Promise<void> {
    const before = this.#assigned;
    this.#assigned = new WorkSet(assignment.assigned);
    const gone = before.filter((item) => !this.#assigned.has(item));
    const configured = this.configured();
    // INV-2: what goes to another worker has ended here first. What was deleted goes nowhere, so nobody waits for it.
    const moved = gone.filter((item) => configured.has(item)).values();
    const ended = Promise.all(moved.map((item) => this.#reconcile(item)));
    const deleted = gone.filter((item) => !configured.has(item)).values();
    for (const item of [...deleted, ...this.#assigned.values()]) this.#background(this.#reconcile(item));
    this.#forgetDeleted();
    await ended;
  }

  async onLost(): Promise<void> {
    const before = this.#assigned.values();
    this.#assigned = new WorkSet();
    await Promise.all(before.map((item) => this.#reconcile(item)));
  }

  /** What the config topic brought, from this worker or another. */
  onConfigChange(change: ConfigChange): void {
    const { connector } = change as { connector: string };
    switch (change.kind) {
      case 'connector':
        if (change.isNew) this.#membership?.rejoin();
        else this.#background(this.#connectors.reconcile(connector));
        break;
      case 'removed':
        this.#onRemoved(connector);
        break;
      case 'tasks':
        this.#onTasks(connector);
        break;
      case 'target-state':
        this.#background(this.#connectors.reconcile(connector));
        for (const item of this.#tasks.tasksOf(connector)) this.#background(this.#tasks.reconcile(item));
        break;
      case 'restart':
        this.#onRestart(connector, change);
        break;
      case 'logger':
        this.#options.onLoggerLevel(change.namespace, change.level);
        break;
      default:
        change satisfies never;
    }
  }

  #reconcile(item: WorkItem): Promise<void> {
    return item.task === CONNECTOR_ITSELF
      ? this.#connectors.reconcile(item.connector)
      : this.#tasks.reconcile(item);
  }

  #onRemoved(connector: string): void {
    this.#background(
      (async () => {
        await Promise.all([
          this.#connectors.reconcile(connector),
          ...this.#tasks.tasksOf(connector).map((item) => this.#tasks.reconcile(item)),
        ]);
        this.#forgetDeleted();
        this.#membership?.rejoin();
      })(),
    );
  }

  #onTasks(connector: string): void {
    const wanted = this.#options.configs.state.tasks(connector).length;
    const assigned = this.#assigned.values().filter((item) => item.connector === connector && item.task >= 0);
    for (const item of this.#tasks.tasksOf(connector)) this.#background(this.#tasks.reconcile(item));
    if (assigned.length !== wanted) this.#membership?.rejoin();
  }

  #onRestart(connector: string, request: RestartRequest): void {
    let plan: ReturnType<typeof planRestart>;
    try {
      plan = planRestart(this.#views.status(connector), request);
    } catch {
      return; // no status yet: nothing runs that could be restarted
    }
    if (plan.connector && this.#assigned.has({ connector, task: CONNECTOR_ITSELF })) {
      this.#background(this.#connectors.restart(connector, { announce: true }));
    }
    for (const task of plan.tasks) {
      const item = { connector, task };
      if (this.#assigned.has(item)) this.#background(this.#tasks.restart(item, { announce: true }));
    }
  }

  /** Connectors that are gone leave no status behind. */
  #forgetDeleted(): void {
    const { status, configs } = this.#options;
    if (this.#membership?.isLeader !== true) return;
    for (const name of status.names()) if (!configs.state.has(name)) status.removeConnector(name);
  }

  #background(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#options.logger.error({ err: toError(error) }, 'a change could not be carried out');
    });
  }

  #write<T>(connector: string, work: () => Promise<T>): Promise<T> {
    return this.#writes.run(connector, work);
  }

  // ---- reading

  async serverInfo(): Promise<ServerInfo> {
    const { version, commit, clusterId } = this.#options;
    return { version, commit, kafka_cluster_id: await clusterId() };
  }

  health(): Promise<WorkerHealth> {
    return Promise.resolve(
      this.#membership?.ready === true
        ? { status: 'healthy', message: 'Worker has completed startup and is ready to handle requests.' }
        : { status: 'starting', message: 'Worker is still starting up.' },
    );
  }

  readiness(): { ready: boolean; problems: string[] } {
    const problems: string[] = [];
    if (this.#membership?.ready !== true) problems.push('The worker has not joined its group.');
    for (const name of this.#options.configs.state.connectors()) problems.push(...this.#views.problems(name));
    return { ready: problems.length === 0, problems };
  }

  connectors(): string[] {
    return this.#options.configs.state.connectors();
  }
  connectorInfo(name: string): ConnectorInfo {
    return this.#views.info(name);
  }
  connectorConfig(name: string): Record<string, string> {
    return this.#views.config(name);
  }
  connectorStatus(name: string): ConnectorStatus {
    return this.#views.status(name);
  }
  connectorKind(config: RawConfig | undefined): ConnectorKind {
    return this.#views.kind(config);
  }
  taskStatus(name: string, task: number): TaskStateInfo {
    return this.#views.taskStatus(name, task);
  }
  tasks(name: string): TaskInfo[] {
    return this.#views.tasks(name);
  }

  // ---- writing

  async putConnector(
    name: string,
    config: RawConfig,
    options: { readonly allowReplace: boolean; readonly initialState?: TargetState },
  ): Promise<{ created: boolean; info: ConnectorInfo }> {
    await this.#validateOrThrow(config);
    return await this.#write(name, async () => {
      const { configs } = this.#options;
      await configs.refresh();
      const exists = configs.state.has(name);
      if (exists && !options.allowReplace) {
        throw connectError('connect.conflict', `Connector ${name} already exists`);
      }
      await configs.putConnector(name, config, options.initialState);
      return { created: !exists, info: this.#views.info(name) };
    });
  }

  async patchConnector(name: string, patch: RawConfig): Promise<ConnectorInfo> {
    const merged: Record<string, string> = { ...this.#views.config(name) };
    for (const [key, value] of Object.entries(patch)) {
      if (value == null) delete merged[key];
      else merged[key] = value;
    }
    await this.#validateOrThrow(merged);
    return await this.#write(name, async () => {
      await this.#options.configs.putConnector(name, merged);
      return this.#views.info(name);
    });
  }

  async deleteConnector(name: string): Promise<void> {
    await this.#write(name, async () => {
      const { configs } = this.#options;
      if (!configs.state.has(name)) throw connectError('connect.not_found', `Connector ${name} not found`);
      await configs.removeConnector(name);
    });
  }

  async setTargetState(name: string, state: TargetState): Promise<void> {
    await this.#write(name, async () => {
      const { configs } = this.#options;
      if (!configs.state.has(name)) throw connectError('connect.not_found', `Unknown connector ${name}`);
      await configs.putTargetState(name, state);
    });
  }

  async restartConnector(name: string): Promise<void> {
    this.#knownOrThrow(name);
    await this.#connectors.restart(name, { announce: false });
  }

  async restartConnectorAndTasks(name: string, request: RestartRequest): Promise<ConnectorStatus> {
    this.#knownOrThrow(name);
    const { shown } = planRestart(this.#views.status(name), request);
    await this.#write(name, () => this.#options.configs.putRestart(name, request));
    return shown;
  }

  async restartTask(name: string, task: number): Promise<void> {
    this.#knownOrThrow(name);
    if (this.#options.configs.state.tasks(name)[task] === undefined) {
      const stopped = this.#options.configs.state.targetState(name) === 'STOPPED';
      throw stopped
        ? connectError('connect.conflict', `Connector ${name} is stopped and has no tasks`)
        : connectError('connect.not_found', `Unknown task: ${name}-${task}`);
    }
    await this.#tasks.restart({ connector: name, task }, { announce: false });
  }

  #knownOrThrow(name: string): void {
    if (!this.#options.configs.state.has(name)) {
      throw connectError('connect.not_found', `Unknown connector: ${name}`);
    }
  }

  // ---- topics

  activeTopics(name: string): string[] {
    if (!this.#options.tasks.trackTopics) throw connectError('connect.forbidden', TRACKING_OFF);
    return this.#options.status.topics(name).map(({ topic }) => topic);
  }

  resetActiveTopics(name: string): void {
    if (!this.#options.tasks.trackTopics) throw connectError('connect.forbidden', TRACKING_OFF);
    if (!this.#options.allowTopicReset) throw connectError('connect.forbidden', RESET_OFF);
    const { status } = this.#options;
    for (const { topic } of status.topics(name))
      status.put({ kind: 'topic', connector: name, topic, value: null });
    this.#tasks.forgetTopics(name);
  }

  // ---- offsets

  async offsets(name: string): Promise<ConnectorOffsets> {
    const { plugin, config } = await this.#connectorWithConfig(name);
    return { offsets: await this.#options.offsets.list(name, plugin, config) };
  }

  async alterOffsets(name: string, changes: readonly OffsetChange[]): Promise<string> {
    return await this.#changeOffsets(name, (plugin, config) =>
      this.#options.offsets.alter(name, plugin, config, changes),
    );
  }

  async resetOffsets(name: string): Promise<string> {
    return await this.#changeOffsets(name, (plugin, config) =>
      this.#options.offsets.reset(name, plugin, config),
    );
  }

  async #changeOffsets(
    name: string,
    change: (plugin: ConnectorPlugin, config: RawConfig) => Promise<string>,
  ): Promise<string> {
    const { plugin, config } = await this.#connectorWithConfig(name);
    return await this.#write(name, async () => {
      const { state } = this.#options.configs;
      if (state.targetState(name) !== 'STOPPED' || state.tasks(name).length > 0) {
        throw connectError('connect.bad_request', MUST_BE_STOPPED.replace('%s', name));
      }
      // Tasks that are still ending may store offsets of their own.
      await Promise.all(this.#tasks.tasksOf(name).map((item) => this.#tasks.reconcile(item)));
      return await change(plugin, config);
    });
  }

  async #connectorWithConfig(name: string): Promise<{ plugin: ConnectorPlugin; config: RawConfig }> {
    const stored = this.#views.config(name);
    const { plugins, providers } = this.#options.validation;
    const plugin = await connectorOf(stored, plugins);
    const upgraded = plugin.upgradeConfig?.(stored).config ?? stored;
    return { plugin, config: await resolveVariables(upgraded, providers) };
  }

  // ---- plug-ins

  plugins(): PluginInfo[] {
    return this.#options.validation.plugins.list();
  }

  async pluginConfig(name: string, version: string | undefined): Promise<ConfigKeyInfo[]> {
    const { plugins } = this.#options.validation;
    const entry = plugins.find(name);
    if (!entry && plugins.hasSides(name)) throw connectError('connect.rest_internal', 'Instantiation error');
    if (!entry) throw connectError('connect.not_found', `Unknown plugin ${name}.`);
    const problem =
      version === undefined || version === '' || entry.version === null
        ? undefined
        : versionProblem(version, entry.className, entry.version);
    if (problem !== undefined) throw connectError('connect.bad_request', problem);
    return pluginKeys(await plugins.load(entry), this.#options.validation);
  }

  async validate(config: RawConfig): Promise<ConfigInfos> {
    const signal = AbortSignal.timeout(VALIDATION_TIMEOUT_MS);
    return await validateConnectorConfig(config, this.#options.validation, signal);
  }

  async #validateOrThrow(config: RawConfig): Promise<void> {
    const problems = problemText(await this.validate(config));
    if (problems !== undefined) throw connectError('connect.bad_request', problems);
  }

  async setClusterLoggerLevel(namespace: string, level: string): Promise<void> {
    await this.#write(`logger ${namespace}`, () => this.#options.configs.putLoggerLevel(namespace, level));
  }
}
