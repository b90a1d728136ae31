// Whether a task runs code of others: its connector, a transform, a predicate or a converter.
import type { PluginEntry } from '@millrace/connect-api';
import type { PluginRegistry } from '../plugins.ts';
import type { TaskSpec } from '../task/task-runner.ts';

/** `others` are entries of the registry. */
export function usesOthers(
  { connectorClass, connectorConfig, settings }: TaskSpec,
  plugins: PluginRegistry,
  others: ReadonlySet<PluginEntry>,
): boolean {
  const isOther = (name: string | null | undefined, ...kinds: PluginEntry['kind'][]): boolean => {
    const entry = plugins.find(name ?? '', ...kinds);
    return entry !== undefined && others.has(entry);
  };
  const aliased = (list: string): (string | null | undefined)[] =>
    (connectorConfig[list] ?? '').split(',').map((alias) => connectorConfig[`${list}.${alias.trim()}.type`]);
  const converter = (side: string): string | null | undefined =>
    connectorConfig[`${side}.converter`] ?? settings.workerConverters[`${side}.converter`];
  return (
    isOther(connectorClass, 'source', 'sink') ||
    aliased('transforms').some((name) => isOther(name, 'transformation')) ||
    aliased('predicates').some((name) => isOther(name, 'predicate')) ||
    ['key', 'value'].some((side) => isOther(converter(side), 'converter')) ||
    isOther(converter('header'), 'header_converter')
  );
}
