// Loads the plug-ins of others that a worker config names. A package that cannot be taken is told in one line and
// left out; everything else starts (INV-6).
import type { PluginEntry } from '@millrace/connect-api';
import { messageOf, type ResolvedConfig, remedyOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { PluginPlace } from '../host/child-messages.ts';
import type { PluginProcessSettings } from '../host/child-process.ts';
import type { PluginDescription } from './exports.ts';
import { findPackage, type PluginPackage, packagesBelow } from './package-folder.ts';
import { entryOf } from './proxy.ts';
import { PackageService } from './service.ts';

export interface OtherPlugins extends AsyncDisposable {
  readonly entries: readonly PluginEntry[];
  readonly places: readonly PluginPlace[];
}

export interface LoadOptions {
  readonly config: ResolvedConfig;
  /** What comes with Millrace, whose names are taken. */
  readonly own: readonly PluginEntry[];
  /** Folder from which names and paths are looked for. */
  readonly from: string;
  readonly settings: PluginProcessSettings;
}

const LOAD_MS = 30_000;

/** Looks into every package that `plugins` names or that lies below `plugin.path`. */
export async function loadOtherPlugins(options: LoadOptions): Promise<OtherPlugins> {
  const packages = findPackages(options);
  const services = packages.map((each) => new PackageService(each, options.settings));
  const described = await Promise.all(
    services.map(async (service) => ({ service, plugins: await describe(service, options) })),
  );
  const taken = new Map<string, string>(
    options.own.flatMap((entry) => names(entry).map((name) => [name, 'Millrace'] as const)),
  );
  const entries: PluginEntry[] = [];
  const places: PluginPlace[] = [];
  for (const { service, plugins } of described) {
    const from = service.package;
    const clash = plugins.flatMap(names).find((name) => taken.has(name));
    if (clash !== undefined) {
      const [kind = '', className = ''] = clash.split(' ');
      const text = `The plug-ins of ${from.name} were not loaded: ${taken.get(clash) ?? ''} has a ${kind} ${className} already`;
      report(
        options,
        connectError('connect.plugin_not_loaded', text, {
          hint: 'Give the plug-in a className of your own.',
        }),
      );
      continue;
    }
    for (const plugin of plugins) {
      for (const name of names(plugin)) taken.set(name, from.name);
      const { kind, className, aliases } = plugin;
      const version = plugin.version ?? from.version;
      entries.push(entryOf({ ...plugin, version }, service));
      places.push({ kind, className, aliases, version, package: from });
    }
    service.know(places.filter((place) => place.package === from));
    if (plugins.length > 0) {
      const classes = plugins.map(({ className }) => className);
      options.settings.logger.info({ package: from.name, version: from.version, classes }, 'loaded plug-ins');
    }
  }
  return {
    entries,
    places,
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(services.map((service) => service.close()));
    },
  };
}

function findPackages(options: LoadOptions): PluginPackage[] {
  const { config, from, settings } = options;
  const below = packagesBelow(config.list('plugin.path'), from);
  for (const folder of below.missing)
    settings.logger.warn(`plugin.path names ${folder}, which is not there.`);
  const found = new Map<string, PluginPackage>();
  for (const name of [...packageNames(config.list('plugins')), ...below.folders]) {
    try {
      const each = findPackage(name, from);
      if (!found.has(each.folder)) found.set(each.folder, each);
    } catch (error) {
      report(options, error);
    }
  }
  return [...found.values()];
}

/** Entries of a list, which may be written as a JSON array. */
export function packageNames(list: readonly string[]): string[] {
  return list
    .map((each) =>
      each
        .replace(/^\[|\]$/g, '')
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    )
    .filter((each) => each !== '');
}

async function describe(
  service: PackageService,
  options: LoadOptions,
): Promise<readonly PluginDescription[]> {
  const from = service.package;
  try {
    return await service.call('describe', [from], LOAD_MS);
  } catch (error) {
    const text = `The plug-ins of ${from.name} were not loaded: ${messageOf(error)}`;
    report(options, connectError('connect.plugin_not_loaded', text));
    return [];
  }
}

/** One line, with what to do. */
function report({ settings }: LoadOptions, error: unknown): void {
  settings.logger.error(`${messageOf(error).replaceAll('\n', ' ')}. ${remedyOf(error) ?? ''}`.trimEnd());
}

/** Names are taken per kind: a converter of headers may have that of a converter. */
function names(plugin: { kind: string; className: string; aliases?: readonly string[] }): string[] {
  return [plugin.className, ...(plugin.aliases ?? [])].map((name) => `${plugin.kind} ${name}`);
}
