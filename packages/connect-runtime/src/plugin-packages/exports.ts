// What a package of others exports: its plug-ins, checked for what the worker will ask of them.
import type { Plugin } from '@millrace/connect-api';
import type { ConfigKey } from '@millrace/foundation';
import type { PluginPackage } from './package-folder.ts';

/** A plug-in as plain data, without what only its process can run. */
export interface PluginDescription {
  readonly kind: Plugin['kind'];
  readonly className: string;
  readonly aliases: readonly string[];
  readonly version: string | null;
  readonly keys: readonly ConfigKey[];
  /** Whether it takes keys of others, of which there is nothing to warn. */
  readonly passesThrough: boolean;
  readonly altersOffsets: boolean;
}

const FACTORIES: Readonly<Record<Plugin['kind'], readonly string[]>> = {
  source: ['createConnector', 'createTask'],
  sink: ['createConnector', 'createTask'],
  converter: ['create'],
  header_converter: ['create'],
  transformation: ['create'],
  predicate: ['create'],
};

/** Imports a package and returns its plug-ins. @throws Error that says what is wrong with what it exports */
export async function pluginsOf(from: PluginPackage): Promise<readonly Plugin[]> {
  const exported = (await import(from.entry)) as { plugin?: unknown; plugins?: unknown; default?: unknown };
  const inDefault = (exported.default ?? {}) as { plugin?: unknown; plugins?: unknown };
  const plugin = exported.plugin ?? inDefault.plugin;
  const plugins = exported.plugins ?? inDefault.plugins;
  if (plugin === undefined && plugins === undefined) {
    throw new Error('it exports neither `plugin` nor `plugins`');
  }
  if (plugins !== undefined && !Array.isArray(plugins)) throw new Error('its export `plugins` is no array');
  const all = [...(plugin === undefined ? [] : [plugin]), ...((plugins as unknown[] | undefined) ?? [])];
  if (all.length === 0) throw new Error('its export `plugins` is empty');
  for (const each of all) {
    const problem = problemOf(each);
    if (problem !== undefined) throw new Error(problem);
  }
  return all as readonly Plugin[];
}

/** The plug-in of that kind and name. */
export async function findPlugin(
  from: PluginPackage,
  kind: Plugin['kind'],
  className: string,
): Promise<Plugin> {
  const found = (await pluginsOf(from)).find((each) => each.kind === kind && each.className === className);
  if (!found) throw new Error(`${from.name} exports no ${kind} ${className} any more`);
  return found;
}

export function describePlugin(plugin: Plugin): PluginDescription {
  const connects = plugin.kind === 'source' || plugin.kind === 'sink';
  return {
    kind: plugin.kind,
    className: plugin.className,
    aliases: plugin.aliases ?? [],
    version: plugin.version,
    keys: [...plugin.configDef.keys.values()].map(plainKey),
    passesThrough: connects && plugin.passThrough !== undefined,
    altersOffsets: plugin.kind === 'source' && plugin.alterOffsets !== undefined,
  };
}

function plainKey(key: ConfigKey): ConfigKey {
  const { validator: _validator, recommend: _recommend, visible: _visible, ...plain } = key;
  // A secret is an object that tells nobody what it holds.
  const isPlain = typeof plain.default !== 'object' || plain.default === null || Array.isArray(plain.default);
  return isPlain ? plain : { ...plain, default: null };
}

function problemOf(exported: unknown): string | undefined {
  if (typeof exported !== 'object' || exported === null) return `it exports ${typeof exported} as a plug-in`;
  const plugin = exported as Record<string, unknown>;
  const factories = Object.entries(FACTORIES).find(([kind]) => kind === plugin['kind'])?.[1];
  if (!factories) {
    return `a plug-in of it has kind ${JSON.stringify(plugin['kind'])}, not one of ${Object.keys(FACTORIES).join(', ')}`;
  }
  const { className, version, aliases, configDef } = plugin;
  if (typeof className !== 'string' || !/^[\w$.]+$/.test(className)) {
    return `a plug-in of it has className ${JSON.stringify(className)}, not a name such as com.acme.ThingConnector`;
  }
  if (version !== null && typeof version !== 'string') return `${className} has no version`;
  if (aliases !== undefined && !(Array.isArray(aliases) && aliases.every((each) => typeof each === 'string')))
    return `${className} has aliases that are no array of names`;
  const { keys } = (configDef ?? {}) as { keys?: unknown };
  if (!(keys instanceof Map)) return `${className} has no configDef (a ConfigDef of @millrace/foundation)`;
  const lacking = factories.find((name) => typeof plugin[name] !== 'function');
  return lacking === undefined ? undefined : `${className} has no function ${lacking}()`;
}
