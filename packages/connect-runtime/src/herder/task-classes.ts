// The classes that a task is made of, with their versions, as its metrics show them.
import type { ConnectorPlugin } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import type { ClassShown, TaskClasses } from '../metrics/worker-meters.ts';
import type { PluginRegistry } from '../plugins.ts';

type Kind = 'converter' | 'header_converter' | 'transformation' | 'predicate';

/** Connect's name of a connector's task class, which task configs show too. */
export function taskClassOf(className: string): string {
  return /(Source|Sink)Connector$/.test(className)
    ? className.replace(/Connector$/, 'Task')
    : `${className}Task`;
}

export function taskClasses(
  plugin: ConnectorPlugin,
  config: RawConfig,
  { plugins, workerConverters }: { readonly plugins: PluginRegistry; readonly workerConverters: RawConfig },
): TaskClasses {
  const find = (name: string | null | undefined, kind: Kind): ClassShown => {
    const entry = plugins.find((name ?? '').trim(), kind);
    return { className: entry?.className ?? '', version: entry?.version ?? '' };
  };
  const converter = (side: string, kind: Kind): ClassShown =>
    find(config[`${side}.converter`] ?? workerConverters[`${side}.converter`], kind);
  const byAlias = (list: string, kind: Kind): Map<string, ClassShown> => {
    const aliases = (config[list] ?? '').split(',').map((alias) => alias.trim());
    return new Map(
      aliases
        .filter((alias) => alias !== '')
        .map((alias) => [alias, find(config[`${list}.${alias}.type`], kind)]),
    );
  };
  const { className } = plugin;
  const version = plugin.version ?? '';
  return {
    type: plugin.kind,
    connector: { className, version },
    task: { className: taskClassOf(className), version },
    keyConverter: converter('key', 'converter'),
    valueConverter: converter('value', 'converter'),
    headerConverter: converter('header', 'header_converter'),
    transforms: byAlias('transforms', 'transformation'),
    predicates: byAlias('predicates', 'predicate'),
  };
}
