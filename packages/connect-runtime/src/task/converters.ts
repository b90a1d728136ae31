// The converters of a task: the connector's own where it names one, with its settings, else the worker's.
import type { Converter, HeaderConverter } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { withPrefix } from '../config/client-overrides.ts';
import type { PluginRegistry } from '../plugins.ts';

export interface TaskConverters {
  readonly key: Converter;
  readonly value: Converter;
  readonly header: HeaderConverter;
  /** Java classes, for the headers of dead letters. */
  readonly classNames: { readonly key: string; readonly value: string; readonly header: string };
}

/** Makes and configures the three converters. `worker` holds the worker's `*.converter*` keys, defaults included. */
export async function createConverters(
  connector: RawConfig,
  worker: RawConfig,
  plugins: PluginRegistry,
): Promise<TaskConverters> {
  const key = await createConverter('key', connector, worker, plugins);
  const value = await createConverter('value', connector, worker, plugins);
  const from = connector['header.converter'] === undefined ? worker : connector;
  const plugin = await plugins.get(from['header.converter'] ?? '', 'header_converter');
  const header = plugin.create();
  header.configure({ 'converter.type': 'header', ...withPrefix(from, 'header.converter.') });
  return {
    key: key.converter,
    value: value.converter,
    header,
    classNames: { key: key.className, value: value.className, header: plugin.className },
  };
}

async function createConverter(
  side: 'key' | 'value',
  connector: RawConfig,
  worker: RawConfig,
  plugins: PluginRegistry,
): Promise<{ converter: Converter; className: string }> {
  // A connector that names a converter brings all its settings; the worker's are not mixed in.
  const from = connector[`${side}.converter`] === undefined ? worker : connector;
  const plugin = await plugins.get(from[`${side}.converter`] ?? '', 'converter');
  const converter = plugin.create();
  converter.configure({ 'converter.type': side, ...withPrefix(from, `${side}.converter.`) }, side === 'key');
  return { converter, className: plugin.className };
}
