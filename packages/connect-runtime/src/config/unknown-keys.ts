// Keys of a connector config that nobody reads: accepted, as Connect does, with a note that names the nearest known key.
import type { ConnectorPlugin } from '@millrace/connect-api';
import { type ConfigWarning, nearestName, type RawConfig } from '@millrace/foundation';
import type { PluginRegistry } from '../plugins.ts';
import { commonDef } from './validate.ts';

/** Prefixes whose keys belong to converters, transforms, clients and the like. */
const PREFIXES =
  /^(key\.converter|value\.converter|header\.converter|transforms|predicates|producer\.override|consumer\.override|admin\.override|topic\.creation)\./;

/** Old names and unknown keys of a config; nothing for keys that a connector passes through to somebody else. */
export function keyWarnings(
  config: RawConfig,
  plugin: ConnectorPlugin,
  plugins: PluginRegistry,
): readonly ConfigWarning[] {
  const common = commonDef({}, plugin, plugins, { key: null, value: null, header: null }).keys;
  const known = (key: string): boolean =>
    common.has(key) || key === 'task.class' || PREFIXES.test(key) || plugin.passThrough?.(key) === true;
  const names = [...plugin.configDef.keys.keys(), ...common.keys()];
  return plugin.configDef.parse(config, known).warnings.map(({ key, message }) => {
    if (!message.includes('has no effect')) return { key, message };
    const nearest = nearestName(key, names);
    const guess = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    return { key, message: `${key} is not a key of this connector and has no effect.${guess}` };
  });
}
