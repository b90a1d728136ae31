// What REST asks of the worker. The distributed herder is its implementation.
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
import type { RawConfig } from '@millrace/foundation';
import type { PluginInfo } from '../plugins.ts';
import type { TargetState } from '../stores/config-records.ts';

export interface RestartRequest {
  readonly includeTasks: boolean;
  readonly onlyFailed: boolean;
}

/** Offsets as they came in a request body: partitions and offsets are checked by the herder. */
export interface OffsetChange {
  readonly partition: Readonly<Record<string, unknown>> | null;
  readonly offset: Readonly<Record<string, unknown>> | null;
}

/** Every method throws coded errors that REST maps to a status. */
export interface Herder {
  serverInfo(): Promise<ServerInfo>;
  health(): Promise<WorkerHealth>;
  /** Whether connectors and tasks that should run do; what is wrong where not. */
  readiness(): { readonly ready: boolean; readonly problems: readonly string[] };

  connectors(): string[];
  connectorInfo(name: string): ConnectorInfo;
  connectorConfig(name: string): Record<string, string>;
  connectorStatus(name: string): ConnectorStatus;
  connectorKind(config: RawConfig | undefined): ConnectorKind;
  taskStatus(name: string, task: number): TaskStateInfo;
  tasks(name: string): TaskInfo[];

  putConnector(
    name: string,
    config: RawConfig,
    options: { readonly allowReplace: boolean; readonly initialState?: TargetState },
  ): Promise<{ readonly created: boolean; readonly info: ConnectorInfo }>;
  patchConnector(name: string, patch: RawConfig): Promise<ConnectorInfo>;
  /** Whether this worker has no group: it refuses what workers ask of each other. */
  readonly isStandalone: boolean;
  /**
   * Whether a request of another worker is signed as the group has agreed.
   * @throws connect.bad_request, connect.forbidden, connect.starting
   */
  verifyInternal(body: string, headers: Readonly<Record<string, string | undefined>>): void;
  /** From the worker where the connector runs: what its tasks shall be. */
  putTaskConfigs(name: string, tasks: readonly RawConfig[]): Promise<void>;
  /** For the worker that is about to start tasks of an exactly-once source: no earlier one writes from now on. */
  fenceTasks(name: string): Promise<void>;
  deleteConnector(name: string): Promise<void>;
  setTargetState(name: string, state: TargetState): Promise<void>;
  restartConnector(name: string): Promise<void>;
  /** Restarts by plan; the answer shows what is being restarted as RESTARTING. */
  restartConnectorAndTasks(name: string, request: RestartRequest): Promise<ConnectorStatus>;
  restartTask(name: string, task: number): Promise<void>;

  activeTopics(name: string): string[];
  resetActiveTopics(name: string): void;

  offsets(name: string): Promise<ConnectorOffsets>;
  /** Returns the message to answer with. */
  alterOffsets(name: string, changes: readonly OffsetChange[]): Promise<string>;
  resetOffsets(name: string): Promise<string>;

  plugins(): PluginInfo[];
  pluginConfig(name: string, version: string | undefined): Promise<ConfigKeyInfo[]>;
  validate(config: RawConfig): Promise<ConfigInfos>;

  /** Sets a level on every worker of the group. */
  setClusterLoggerLevel(namespace: string, level: string): Promise<void>;
}
