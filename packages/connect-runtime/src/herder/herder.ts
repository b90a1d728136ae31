// The distributed herder: one worker of a group that shares connectors and tasks. A single worker is a group of one.
// Writes go to the config topic, by the leader, and take effect when they are read back; what runs where follows from the
// topic and the group's assignment (`GroupWork`). Reads are answered from memory and never wait.
import type {
  ConfigInfos,
  ConfigKeyInfo,
  ConnectorInfo,
  ConnectorKind,
  ConnectorOffsets,
  ConnectorStatus,
  ServerInfo,
  TaskInfo,
  TaskStateInfo,
  WorkerHealth,
} from '@millrace/connect-api';
import type { Logger, RawConfig } from '@millrace/foundation';
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
import type { WorkerMeters, WorkerReadings } from '../metrics/worker-meters.ts';
import type { PluginInfo } from '../plugins.ts';
import type { TargetState } from '../stores/config-records.ts';
import type { ConfigChange } from '../stores/config-state.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import type { StatusStore } from '../stores/status-store.ts';
import { ConnectorHost, type ConnectorHostOptions } from './connector-host.ts';
import type { ConnectorOffsetsService } from './connector-offsets.ts';
import { GroupWork } from './group-work.ts';
import type { Herder, OffsetChange, RestartRequest } from './herder-api.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { Leadership } from './leadership.ts';
import type { GroupPlace } from './membership.ts';
import { type ConnectorWithConfig, OffsetChanges } from './offset-changes.ts';
import { planRestart } from './restart-plan.ts';
import { TaskSupervisor, type TaskSupervisorOptions } from './task-supervisor.ts';
import { ConnectorViews } from './views.ts';
import { CONNECTOR_ITSELF, type WorkItem, type WorkSet } from './work.ts';
import { ZombieFencing } from './zombie-fencing.ts';

export interface HerderOptions {
  readonly configs: ConfigStore;
  readonly status: StatusStore;
  readonly offsets: ConnectorOffsetsService;
  readonly leadership: Leadership;
  readonly validation: ValidationContext;
  readonly connectors: Omit<
    ConnectorHostOptions,
    'state' | 'status' | 'generation' | 'isAssigned' | 'publishTasks' | 'onStarted'
  >;
  readonly tasks: Omit<
    TaskSupervisorOptions,
    'state' | 'status' | 'generation' | 'isAssigned' | 'zombies' | 'onStarted'
  >;
  /** Fences the producers of the first tasks of a connector. */
  readonly fenceProducers: (connector: string, config: RawConfig, count: number) => Promise<void>;
  readonly meters: WorkerMeters;
  /** Whether this worker has no group; others cannot ask it for anything then. */
  readonly isStandalone: boolean;
  readonly allowTopicReset: boolean;
  readonly version: string;
  readonly commit: string;
  readonly clusterId: () => Promise<string>;
  readonly logger: Logger;
  readonly onLoggerLevel: (namespace: string, level: string) => void;
}

const VALIDATION_TIMEOUT_MS = 90_000;
const ONLY_LEADER_SETS = 'Only the leader can set connector configs.';
const ONLY_LEADER_DELETES = 'Only the leader can delete connector configs.';
const ONLY_LEADER_STOPS = 'Only the leader can transition connectors to the STOPPED state.';
const ONLY_LEADER_FENCES = 'Only the leader may perform zombie fencing.';
const TRACKING_OFF = 'Topic tracking is disabled.';
const RESET_OFF = 'Topic tracking reset is disabled.';

export class DistributedHerder implements Herder {
  readonly #options: HerderOptions;
  readonly #views: ConnectorViews;
  readonly #connectors: ConnectorHost;
  readonly #tasks: TaskSupervisor;
  /** Writes to the config topic, one after another per connector. */
  readonly #writes = new KeyedQueue();
  readonly #leadership: Leadership;
  readonly #work: GroupWork;
  readonly #fencing: ZombieFencing;
  readonly #offsets: OffsetChanges;
  /** How often the leader has not taken the task configs of a connector in a row. */
  readonly #unsent = new Map<string, number>();
  #membership: GroupPlace | undefined;

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
      onStarted: (succeeded) => options.meters.connectorStarted(succeeded),
      isAssigned: (connector) => this.#work.has({ connector, task: CONNECTOR_ITSELF }),
      publishTasks: (connector, tasks) => this.#publishTasks(connector, tasks),
    });
    this.#tasks = new TaskSupervisor({
      ...options.tasks,
      state: configs.state,
      status,
      generation,
      onStarted: (succeeded) => options.meters.taskStarted(succeeded),
      isAssigned: (item) => this.#work.has(item),
      zombies: { fence: (connector) => this.#askToFence(connector), refresh: () => configs.refresh() },
    });
    this.#leadership = options.leadership;
    this.#fencing = new ZombieFencing({
      configs,
      isSource: async (name) => (await this.#connectorWithConfig(name)).plugin.kind === 'source',
      fence: async (name, count) =>
        await options.fenceProducers(name, (await this.#connectorWithConfig(name)).config, count),
    });
    this.#offsets = new OffsetChanges({
      configs,
      status,
      clock: options.tasks.clock,
      leadership: this.#leadership,
      tasks: this.#tasks,
      offsets: options.offsets,
      fencing: options.tasks.settings.exactlyOnce ? this.#fencing : null,
      connectorWithConfig: (name) => this.#connectorWithConfig(name),
      write: (name, work) => this.#write(name, work),
    });
    const { clock, workerId } = options.tasks;
    this.#work = new GroupWork({
      configs,
      status,
      views: this.#views,
      connectors: this.#connectors,
      tasks: this.#tasks,
      workerId,
      clock,
      logger: options.logger,
      onLoggerLevel: options.onLoggerLevel,
    });
  }

  /** What the metrics show of connectors, tasks and the group. */
  shown(): Pick<WorkerReadings, 'connectors' | 'tasks' | 'group'> {
    return {
      connectors: () => this.#connectors.shown(),
      tasks: () => this.#tasks.shown(),
      group: () => ({
        generation: this.#membership?.generation ?? -1,
        leaderUrl: this.#membership?.leaderUrl ?? '',
        protocol: this.#membership?.protocol ?? '',
        ...this.#work.assignedCounts(),
      }),
    };
  }

  /** Fires when the worker that is asked at `url` may never answer. */
  gone(url: string): AbortSignal {
    return this.#leadership.gone(url);
  }

  /** Takes part in the group from now on. */
  join(membership: GroupPlace): void {
    this.#membership = membership;
    this.#leadership.join(membership);
    this.#work.join(membership);
  }

  async close(): Promise<void> {
    this.#leadership.close();
    await this.#writes.idle();
    await this.#tasks.close();
    await this.#connectors.close();
    await this.#membership?.close();
  }

  // ---- the group

  configured(): WorkSet {
    return this.#work.configured();
  }
  owned(): WorkItem[] {
    return this.#work.owned();
  }
  onAssigned(work: readonly WorkItem[]): Promise<void> {
    return this.#work.onAssigned(work);
  }
  giveUp(): Promise<void> {
    return this.#work.giveUp();
  }
  onLeading(leads: boolean, waiting: readonly WorkItem[]): void {
    this.#leadership.onLeading(leads);
    if (leads) this.#work.onLeading(waiting);
  }
  onLost(): Promise<void> {
    this.#leadership.onLeading(false);
    return this.#work.onLost();
  }
  onConfigChange(change: ConfigChange): void {
    this.#work.onConfigChange(change);
  }

  #write<T>(connector: string, work: () => Promise<T>): Promise<T> {
    return this.#writes.run(connector, work);
  }

  /** Stores what the tasks of a connector that runs here shall be: as leader, else through it. */
  async #publishTasks(connector: string, tasks: readonly RawConfig[]): Promise<void> {
    if (this.#leadership.isLeader) {
      this.#unsent.delete(connector);
      await this.#write(connector, () => this.#options.configs.putTasks(connector, tasks));
      return;
    }
    const attempt = this.#unsent.get(connector) ?? 0;
    this.#unsent.set(connector, attempt + 1);
    this.#leadership.sendTasks(connector, tasks, attempt, () => void this.#connectors.republish(connector));
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
    if (this.#membership?.ready !== true) {
      const why = this.#membership?.problem;
      problems.push(`The worker has not joined its group${why === undefined ? '.' : `: ${why}`}`);
    }
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
    await this.#leadership.require(ONLY_LEADER_SETS);
    const { configs, tasks } = this.#options;
    if (!configs.state.has(name)) tasks.host.expect();
    await this.#validateOrThrow(config);
    return await this.#write(name, async () => {
      await configs.refresh();
      this.#leadership.requireNow(ONLY_LEADER_SETS);
      const exists = configs.state.has(name);
      if (exists && !options.allowReplace) {
        throw connectError('connect.conflict', `Connector ${name} already exists`);
      }
      await configs.putConnector(name, config, options.initialState);
      return { created: !exists, info: this.#views.info(name) };
    });
  }

  async patchConnector(name: string, patch: RawConfig): Promise<ConnectorInfo> {
    await this.#leadership.require(ONLY_LEADER_SETS);
    const merged: Record<string, string> = { ...this.#views.config(name) };
    for (const [key, value] of Object.entries(patch)) {
      if (value == null) delete merged[key];
      else merged[key] = value;
    }
    await this.#validateOrThrow(merged);
    return await this.#write(name, async () => {
      this.#leadership.requireNow(ONLY_LEADER_SETS);
      await this.#options.configs.putConnector(name, merged);
      return this.#views.info(name);
    });
  }

  async deleteConnector(name: string): Promise<void> {
    await this.#leadership.require(ONLY_LEADER_DELETES);
    await this.#write(name, async () => {
      this.#leadership.requireNow(ONLY_LEADER_DELETES);
      const { configs } = this.#options;
      if (!configs.state.has(name)) throw connectError('connect.not_found', `Connector ${name} not found`);
      const config = configs.state.config(name) ?? {};
      await configs.removeConnector(name);
      await this.#tellOfLeftovers(name, config);
    });
  }

  /** What costs room at the source from now on is said once, to whoever reads the log. */
  async #tellOfLeftovers(name: string, config: RawConfig): Promise<void> {
    const { validation, logger } = this.#options;
    try {
      const plugin = await connectorOf(config, validation.plugins);
      const left = plugin.leavesBehind?.(config);
      if (left === undefined) return;
      logger.warn(
        { connector: name, name: left.name, where: left.where },
        `The connector ${name} is deleted; its ${left.kind} ${left.name} stays at ${left.where}, where it keeps what nobody reads. When it is not needed any more: ${left.release}`,
      );
    } catch (error) {
      logger.debug({ err: error, connector: name }, 'what a deleted connector leaves behind is not known');
    }
  }

  async setTargetState(name: string, state: TargetState): Promise<void> {
    // What takes tasks away is the leader's to write; pausing any worker may.
    if (state === 'STOPPED') await this.#leadership.require(ONLY_LEADER_STOPS);
    await this.#write(name, async () => {
      const { configs } = this.#options;
      if (!configs.state.has(name)) throw connectError('connect.not_found', `Unknown connector ${name}`);
      await configs.putTargetState(name, state);
    });
  }

  get isStandalone(): boolean {
    return this.#options.isStandalone;
  }

  verifyInternal(body: string, headers: Readonly<Record<string, string | undefined>>): void {
    this.#leadership.verify(body, headers);
  }

  async putTaskConfigs(name: string, tasks: readonly RawConfig[]): Promise<void> {
    await this.#leadership.require('Only the leader may write task configurations.');
    await this.#write(name, async () => {
      const { configs } = this.#options;
      if (!configs.state.has(name)) throw connectError('connect.not_found', `Connector ${name} not found`);
      if (tasks.length > 0 && configs.state.targetState(name) === 'STOPPED') {
        throw connectError(
          'connect.bad_request',
          `Cannot submit non-empty set of task configs for stopped connector ${name}`,
        );
      }
      await configs.putTasks(name, tasks);
    });
  }

  async fenceTasks(name: string): Promise<void> {
    await this.#leadership.require(ONLY_LEADER_FENCES);
    await this.#fencing.run(name);
  }

  async #askToFence(name: string): Promise<void> {
    await this.#leadership.settled();
    if (this.#leadership.isLeader) await this.fenceTasks(name);
    else await this.#leadership.askToFence(name);
  }

  async restartConnector(name: string): Promise<void> {
    await this.#leadership.settled();
    this.#knownOrThrow(name);
    const item = { connector: name, task: CONNECTOR_ITSELF };
    if (!this.#work.has(item)) this.#leadership.refuseRestart(item, 'connector');
    await this.#connectors.restart(name, { announce: false });
  }

  async restartConnectorAndTasks(name: string, request: RestartRequest): Promise<ConnectorStatus> {
    await this.#leadership.require('Only the leader can process restart requests.');
    this.#knownOrThrow(name);
    const { shown } = planRestart(this.#views.status(name), request);
    await this.#write(name, () => this.#options.configs.putRestart(name, request));
    return shown;
  }

  async restartTask(name: string, task: number): Promise<void> {
    await this.#leadership.settled();
    this.#knownOrThrow(name);
    if (this.#options.configs.state.tasks(name)[task] === undefined) {
      const stopped = this.#options.configs.state.targetState(name) === 'STOPPED';
      throw stopped
        ? connectError('connect.conflict', `Connector ${name} is stopped and has no tasks`)
        : connectError('connect.not_found', `Unknown task: ${name}-${task}`);
    }
    const item = { connector: name, task };
    if (!this.#work.has(item)) this.#leadership.refuseRestart(item, 'task');
    await this.#tasks.restart(item, { announce: false });
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
    return await this.#offsets.list(name);
  }

  async alterOffsets(name: string, changes: readonly OffsetChange[]): Promise<string> {
    return await this.#offsets.alter(name, changes);
  }

  async resetOffsets(name: string): Promise<string> {
    return await this.#offsets.reset(name);
  }

  async #connectorWithConfig(name: string): Promise<ConnectorWithConfig> {
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
