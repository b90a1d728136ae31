// Plug-ins of others as the worker sees them: manifests made of what their process told, whose every deed is a call.
import type {
  Connector,
  ConnectorContext,
  ConnectorPlugin,
  Plugin,
  PluginEntry,
} from '@millrace/connect-api';
import { ConfigDef, MillraceError, type RawConfig, systemClock, toError } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { PluginDescription } from './exports.ts';
import type { PackageService } from './service.ts';

/** As long as Connect's own REST requests may take. */
const CALL_MS = 90_000;

/** The entry of a plug-in of others. */
export function entryOf(description: PluginDescription, service: PackageService): PluginEntry {
  const { kind, className, aliases, version } = description;
  const plugin =
    kind === 'source' || kind === 'sink'
      ? connectorOf(description, kind, service)
      : ({
          ...description,
          configDef: new ConfigDef(description.keys),
          create: () => elsewhere(className),
        } as Plugin);
  const entry = { kind, className, aliases, version, load: () => Promise.resolve(plugin) };
  if (kind === 'source' || kind === 'sink') return entry;
  return { ...entry, check: (settings) => service.call('check', [kind, className, settings], CALL_MS) };
}

function elsewhere(className: string): never {
  throw connectError('connect.plugin_failed', `${className} runs in a process of its own, not here`);
}

function connectorOf(
  { className, aliases, version, keys, passesThrough, altersOffsets }: PluginDescription,
  kind: 'source' | 'sink',
  service: PackageService,
): ConnectorPlugin {
  const base = {
    className,
    aliases,
    version: version ?? '',
    configDef: new ConfigDef(keys),
    ...(passesThrough ? { passThrough: () => true } : {}),
    validate: async (config: RawConfig) => ({
      problems: await service.call('validate', [className, config], CALL_MS),
    }),
    createConnector: () => new RemoteConnector(className, service),
    createTask: () => elsewhere(className),
  };
  if (kind === 'sink') return { ...base, kind };
  if (!altersOffsets) return { ...base, kind };
  return {
    ...base,
    kind,
    alterOffsets: (config, offsets) => service.call('alterOffsets', [className, config, offsets], CALL_MS),
  };
}

/** So often within a minute a connector is started again that died with the process of another one. */
const MOST_RESTARTS = 3;
const RESTARTS_WITHIN_MS = 60_000;

class RemoteConnector implements Connector {
  readonly #className: string;
  readonly #service: PackageService;
  #instance: number | undefined;
  #restartsMs: number[] = [];
  #stopped = false;

  constructor(className: string, service: PackageService) {
    this.#className = className;
    this.#service = service;
  }

  async start(context: ConnectorContext, config: RawConfig): Promise<void> {
    let starting = true;
    const instance = this.#service.follow({
      reconfigure: () => context.requestTaskReconfiguration(),
      // While it starts, the call tells.
      raise: (error) => {
        if (!starting) this.#onError(error, context, config);
      },
    });
    this.#instance = instance;
    await this.#service.call('start', [instance, this.#className, context.connectorName, config], CALL_MS);
    starting = false;
  }

  taskConfigs(maxTasks: number): Promise<readonly RawConfig[]> {
    if (this.#instance === undefined) throw new Error('the connector was not started');
    return this.#service.call('taskConfigs', [this.#instance, maxTasks], CALL_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const instance = this.#instance;
    if (instance === undefined || !this.#service.has(instance)) return;
    try {
      await this.#service.call('stop', [instance], CALL_MS);
    } finally {
      this.#service.forget(instance);
    }
  }

  /** INV-6: another connector of the package may have ended the process; this one goes on in a new one. */
  #onError(reason: Error, context: ConnectorContext, config: RawConfig): void {
    const now = systemClock.monotonicMs();
    this.#restartsMs = this.#restartsMs.filter((at) => now - at < RESTARTS_WITHIN_MS);
    const isLost = reason instanceof MillraceError && reason.code === 'connect.plugin_process_lost';
    if (!isLost || this.#stopped || this.#restartsMs.length >= MOST_RESTARTS) {
      context.raiseError(reason);
      return;
    }
    this.#restartsMs.push(now);
    this.start(context, config).catch((failed: unknown) => context.raiseError(toError(failed)));
  }
}
