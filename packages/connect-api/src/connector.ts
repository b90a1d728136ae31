// Connectors and the manifest with which a package offers one.
import type { ConfigDef, ConfigProblem, ConfigWarning, Logger, RawConfig } from '@millrace/foundation';
import type {
  ConverterPlugin,
  HeaderConverterPlugin,
  PredicatePlugin,
  TransformationPlugin,
} from './convert.ts';
import type { OffsetMap, SourcePartition } from './record.ts';
import type { SinkTask, SourceTask } from './task.ts';

export interface ConnectorContext {
  readonly connectorName: string;
  readonly logger: Logger;
  /** Asks the worker to call `taskConfigs` again because the tasks should change. */
  requestTaskReconfiguration(): void;
  /** Fails the connector. */
  raiseError(error: Error): void;
}

/** What validation beyond the types of keys finds: a connection that fails, values that do not go together. */
export interface ConnectorValidation {
  readonly problems: readonly ConfigProblem[];
  readonly warnings?: readonly ConfigWarning[];
}

/** One configured connector: it cuts its work into tasks and watches its source or target. */
export interface Connector {
  start(context: ConnectorContext, config: RawConfig): Promise<void>;
  /** One config per task, at most `maxTasks`. */
  taskConfigs(maxTasks: number): Promise<readonly RawConfig[]>;
  stop(): Promise<void>;
}

/** One point of a check list, as `millrace doctor` prints it. */
export interface Finding {
  /** What was looked at, in a few words. */
  readonly check: string;
  /** `problem`: the connector will not run, or not get what it should. `warning`: it will, at a price. */
  readonly state: 'ok' | 'warning' | 'problem';
  readonly detail: string;
  /** Statements or steps that repair it, one a line, ready to be run. */
  readonly fix?: readonly string[];
  /** Whether the config is wrong, or something around us is missing. */
  readonly about?: 'config' | 'environment';
}

/** Something that a connector keeps at its source and that costs room there while nobody reads it. */
export interface HeldAtSource {
  /** Such as `replication slot`. */
  readonly kind: string;
  readonly name: string;
  /** Such as `db.example:5432/shop`; the same text for all that is at one place. */
  readonly where: string;
  /** The statement that gives it up. */
  readonly release: string;
}

/** One of those that are there, whoever made it. */
export interface FoundAtSource extends HeldAtSource {
  /** Whether somebody reads it now. */
  readonly active: boolean;
  /** What the source keeps for it; null where that is not known. */
  readonly keptBytes: number | null;
  /** In the source's words, such as `reserved` or `lost`. */
  readonly state: string;
}

interface ConnectorPluginBase {
  /** Java class name that configs use; also found by its simple name, with or without `Connector`. */
  readonly className: string;
  readonly aliases?: readonly string[];
  readonly version: string;
  /** The connector's own keys; the worker adds Connect's (name, tasks.max, converters, transforms, errors, ...). */
  readonly configDef: ConfigDef;
  /**
   * Rewrites a config of an older dialect before anything else looks at it, with a warning for each key it changed.
   * Pure. Absent = configs are taken as they are.
   */
  readonly upgradeConfig?: (config: RawConfig) => {
    readonly config: RawConfig;
    readonly warnings: readonly ConfigWarning[];
  };
  /** Whether an unknown key is passed through to somebody else (a driver) and so deserves no warning. */
  readonly passThrough?: (key: string) => boolean;
  /**
   * Checks the connector's own keys in words of its own (Debezium's), in place of the ConfigDef's. A key may have
   * several problems.
   */
  readonly checkValues?: (config: RawConfig) => readonly ConfigProblem[];
  /** Called when every key parsed; may connect. Within 90 s. */
  validate?(config: RawConfig, signal: AbortSignal): Promise<ConnectorValidation>;
  /**
   * Looks at everything the connector needs, without changing anything, and says how to get what is missing. Reports
   * whatever can be found out although something else is wrong; does not throw for what it finds.
   */
  examine?(config: RawConfig, signal: AbortSignal): Promise<readonly Finding[]>;
  /** What a connector of this config leaves at its source when it is deleted; undefined = nothing. Pure. */
  leavesBehind?(config: RawConfig): HeldAtSource | undefined;
  /** Everything of that kind at the source of a config. */
  findAtSource?(config: RawConfig, signal: AbortSignal): Promise<readonly FoundAtSource[]>;
  createConnector(): Connector;
}

export interface SourceConnectorPlugin extends ConnectorPluginBase {
  readonly kind: 'source';
  createTask(): SourceTask;
  /**
   * Whether a task with this config goes on after exactly the offset it is given, so that the worker can deliver exactly
   * once. Absent = it is not known.
   */
  exactlyOnceSupport?(config: RawConfig): 'SUPPORTED' | 'UNSUPPORTED';
  /** Whether its tasks can say where transactions end. Absent = they cannot. */
  canDefineTransactionBoundaries?(config: RawConfig): 'SUPPORTED' | 'UNSUPPORTED';
  /**
   * Looks at offsets before they are altered by REST. Returns true when the connector has dealt with offsets it keeps
   * elsewhere, false when it keeps none; throws to refuse. Absent = Connect's answer for connectors without support.
   */
  alterOffsets?(
    config: RawConfig,
    offsets: readonly { partition: SourcePartition | null; offset: OffsetMap | null }[],
  ): Promise<boolean>;
}

export interface SinkConnectorPlugin extends ConnectorPluginBase {
  readonly kind: 'sink';
  createTask(): SinkTask;
}

export type ConnectorPlugin = SourceConnectorPlugin | SinkConnectorPlugin;

/** Everything a package can offer. */
export type Plugin =
  | ConnectorPlugin
  | ConverterPlugin
  | HeaderConverterPlugin
  | TransformationPlugin
  | PredicatePlugin;

/** How the worker finds a plug-in without loading it: names now, code on first use. */
export interface PluginEntry {
  readonly kind: Plugin['kind'];
  readonly className: string;
  readonly aliases?: readonly string[];
  readonly version: string | null;
  load(): Promise<Plugin>;
  /**
   * What is wrong with its settings, for a plug-in whose validators run in another process; absent = those of the
   * loaded plug-in tell.
   */
  check?(settings: RawConfig): Promise<readonly ConfigProblem[]>;
}
