// Shapes of Connect's REST API: what the worker answers and the console and CLI read. Types only.

export type ConnectorKind = 'source' | 'sink' | 'unknown';
export type ConnectorStateName = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'STOPPED' | 'FAILED' | 'RESTARTING';
export type TaskStateName = Exclude<ConnectorStateName, 'STOPPED'>;

/** GET / */
export interface ServerInfo {
  readonly version: string;
  readonly commit: string;
  readonly kafka_cluster_id: string;
}

/** Body of every error answer. */
export interface ErrorMessage {
  readonly error_code: number;
  readonly message: string;
}

/** GET /health */
export interface WorkerHealth {
  readonly status: 'healthy' | 'starting' | 'unhealthy';
  readonly message: string;
}

export interface ConnectorTaskId {
  readonly connector: string;
  readonly task: number;
}

/** GET /connectors/{c} */
export interface ConnectorInfo {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  readonly tasks: readonly ConnectorTaskId[];
  readonly type: ConnectorKind;
}

/** State of a connector or a task; `trace` only when it failed. */
export interface StateInfo<S = ConnectorStateName> {
  readonly state: S;
  readonly worker_id: string;
  readonly version: string | null;
  readonly trace?: string;
}

export interface TaskStateInfo extends StateInfo<TaskStateName> {
  readonly id: number;
}

/** GET /connectors/{c}/status */
export interface ConnectorStatus {
  readonly name: string;
  readonly connector: StateInfo;
  readonly tasks: readonly TaskStateInfo[];
  readonly type: ConnectorKind;
}

/** An element of GET /connectors/{c}/tasks */
export interface TaskInfo {
  readonly id: ConnectorTaskId;
  readonly config: Readonly<Record<string, string>>;
}

/** GET and PATCH /connectors/{c}/offsets */
export interface ConnectorOffsets {
  readonly offsets: readonly ConnectorOffset[];
}
export interface ConnectorOffset {
  readonly partition: Readonly<Record<string, unknown>>;
  readonly offset: Readonly<Record<string, unknown>> | null;
}

/** A config key as `validate` and `/connector-plugins/{p}/config` describe it. */
export interface ConfigKeyInfo {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly default_value: string | null;
  readonly importance: string;
  readonly documentation: string;
  readonly group: string | null;
  readonly order_in_group: number;
  readonly width: string;
  readonly display_name: string;
  readonly dependents: readonly string[];
}

export interface ConfigValueInfo {
  readonly name: string;
  readonly value: string | null;
  readonly recommended_values: readonly string[];
  readonly errors: readonly string[];
  readonly visible: boolean;
}

/** PUT /connector-plugins/{p}/config/validate */
export interface ConfigInfos {
  readonly name: string;
  readonly error_count: number;
  readonly groups: readonly string[];
  readonly configs: readonly ConfigInfo[];
}
export interface ConfigInfo {
  readonly definition: ConfigKeyInfo | null;
  readonly value: ConfigValueInfo;
}

/** GET /admin/loggers/{l} */
export interface LoggerLevel {
  readonly level: string;
  readonly last_modified: number | null;
}
