// Answers the worker's calls, in the process of a package: what is in it, whether a config is right, and the life of
// its connectors.
import type { Connector, ConnectorPlugin, SourceConnectorPlugin } from '@millrace/connect-api';
import type { ConfigProblem, LogHub, RawConfig } from '@millrace/foundation';
import { MillraceError } from '@millrace/foundation';
import type { FromChild, ToChild } from '../host/child-messages.ts';
import { errorData } from '../host/error-data.ts';
import type { PluginRegistry } from '../plugins.ts';
import { describePlugin, type PluginDescription, pluginsOf } from './exports.ts';
import type { PluginPackage } from './package-folder.ts';

type Call = Extract<ToChild, { type: 'call' }>;
type Offsets = Parameters<NonNullable<SourceConnectorPlugin['alterOffsets']>>[1];
type CheckedKind = 'converter' | 'header_converter' | 'transformation' | 'predicate';

/** What may be asked, with its arguments and answer. */
export interface PackageCallTable {
  describe(from: PluginPackage): Promise<readonly PluginDescription[]>;
  /** What is wrong with the settings of a converter, transformation or predicate. */
  check(kind: CheckedKind, className: string, settings: RawConfig): Promise<readonly ConfigProblem[]>;
  validate(className: string, config: RawConfig): Promise<readonly ConfigProblem[]>;
  alterOffsets(className: string, config: RawConfig, offsets: Offsets): Promise<boolean>;
  start(instance: number, className: string, name: string, config: RawConfig): Promise<void>;
  taskConfigs(instance: number, maxTasks: number): Promise<readonly RawConfig[]>;
  stop(instance: number): Promise<void>;
}

export class PackageCalls implements PackageCallTable {
  readonly #plugins: PluginRegistry;
  readonly #logHub: LogHub;
  readonly #send: (message: FromChild) => void;
  readonly #instances = new Map<number, Connector>();

  constructor(plugins: PluginRegistry, logHub: LogHub, send: (message: FromChild) => void) {
    this.#plugins = plugins;
    this.#logHub = logHub;
    this.#send = send;
  }

  async answer({ request, method, args }: Call): Promise<void> {
    try {
      const call = this[method as keyof PackageCallTable] as (
        ...given: readonly unknown[]
      ) => Promise<unknown>;
      this.#send({ type: 'result', request, value: await call.apply(this, [...args]) });
    } catch (error) {
      this.#send({ type: 'result', request, error: errorData(error) });
    }
  }

  async describe(from: PluginPackage): Promise<readonly PluginDescription[]> {
    return (await pluginsOf(from)).map(describePlugin);
  }

  async check(kind: CheckedKind, className: string, settings: RawConfig): Promise<readonly ConfigProblem[]> {
    const plugin = await this.#plugins.get(className, kind);
    const { problems } = plugin.configDef.parse(settings);
    if (problems.length > 0 || kind === 'converter' || kind === 'header_converter') return problems;
    try {
      (plugin.create() as { configure(given: RawConfig): void }).configure(settings);
      return [];
    } catch (error) {
      if (!(error instanceof MillraceError) || error.configKey === undefined) throw error;
      return [{ key: error.configKey, message: error.message }];
    }
  }

  async validate(className: string, given: RawConfig): Promise<readonly ConfigProblem[]> {
    const plugin = await this.#plugins.connector(className);
    const config = upgraded(plugin, given);
    const problems = plugin.checkValues?.(config) ?? plugin.configDef.parse(config).problems;
    if (problems.length > 0 || !plugin.validate) return problems;
    // The worker waits for as long as it has said; the process ends with whatever is still under way.
    return (await plugin.validate(config, new AbortController().signal)).problems;
  }

  async alterOffsets(className: string, config: RawConfig, offsets: Offsets): Promise<boolean> {
    const plugin = await this.#plugins.connector(className);
    if (plugin.kind !== 'source' || !plugin.alterOffsets) return false;
    return await plugin.alterOffsets(upgraded(plugin, config), offsets);
  }

  async start(instance: number, className: string, name: string, config: RawConfig): Promise<void> {
    const plugin = await this.#plugins.connector(className);
    const connector = plugin.createConnector();
    this.#instances.set(instance, connector);
    const context = {
      connectorName: name,
      logger: this.#logHub.logger(plugin.className, { connector: name }),
      requestTaskReconfiguration: () => this.#send({ type: 'reconfigure', instance }),
      raiseError: (error: Error) => this.#send({ type: 'raise', instance, error: errorData(error) }),
    };
    await connector.start(context, upgraded(plugin, config));
  }

  async taskConfigs(instance: number, maxTasks: number): Promise<readonly RawConfig[]> {
    const connector = this.#instances.get(instance);
    if (!connector) throw new Error('the connector was not started');
    return await connector.taskConfigs(maxTasks);
  }

  async stop(instance: number): Promise<void> {
    const connector = this.#instances.get(instance);
    this.#instances.delete(instance);
    await connector?.stop();
  }
}

function upgraded(plugin: ConnectorPlugin, config: RawConfig): RawConfig {
  return plugin.upgradeConfig?.(config).config ?? config;
}
