// Config definitions and values in the shape REST shows them, checked key by key in Kafka's words.
import type { ConfigInfo, ConfigKeyInfo } from '@millrace/connect-api';
import {
  type ConfigDef,
  type ConfigKey,
  type ConfigValue,
  invalid,
  parseConfigText,
  type RawConfig,
  ResolvedConfig,
} from '@millrace/foundation';

/** One key of a config while it is being checked. */
export interface CheckedKey {
  /** Null for a key that no definition has. */
  readonly key: ConfigKey | null;
  readonly name: string;
  value: ConfigValue;
  readonly errors: string[];
}

/** How a key is described by REST. */
export function keyInfo(key: ConfigKey): ConfigKeyInfo {
  return {
    name: key.name,
    type: key.type,
    required: key.default === undefined,
    default_value: key.default === undefined ? null : valueText(key.default),
    importance: key.importance,
    documentation: key.doc,
    group: key.group ?? null,
    order_in_group: key.orderInGroup ?? -1,
    width: key.width ?? 'NONE',
    display_name: key.displayName ?? key.name,
    dependents: key.dependents ?? [],
  };
}

/** A value as Kafka's ConfigDef prints it. */
export function valueText(value: ConfigValue): string | null {
  if (value === null) return null;
  return Array.isArray(value) ? value.join(',') : String(value);
}

/** Checks every key of a definition: unlike `parse`, a value may have several problems. */
export function checkKeys(definition: ConfigDef, config: RawConfig): CheckedKey[] {
  return [...definition.keys.values()]
    .filter((key) => key.internal !== true)
    .map((key) => checkKey(key, textOf(key, config)));
}

function textOf(key: ConfigKey, config: RawConfig): string | undefined {
  for (const name of [key.name, ...(key.aliases ?? [])]) {
    const text = config[name];
    if (text !== undefined && text !== null) return text;
  }
  return undefined;
}

/**
 * Checks one key; the validator runs also on the null that a missing value or one of the wrong type leaves, as in Kafka.
 * Problems of the text call the key `shownName`, the validator's by its own name.
 */
export function checkKey(key: ConfigKey, text: string | undefined, shownName: string = key.name): CheckedKey {
  const errors: string[] = [];
  let value: ConfigValue = key.default ?? null;
  if (text !== undefined) {
    const parsed = parseConfigText(key.type, text);
    value = parsed.problem === undefined ? parsed.value : null;
    if (parsed.problem !== undefined) errors.push(invalid(shownName, text, parsed.problem));
  } else if (key.default === undefined) {
    errors.push(`Missing required configuration "${shownName}" which has no default value.`);
  }
  const problem = key.validator?.(value, key.name);
  if (problem !== undefined) errors.push(invalid(key.name, value, problem));
  return { key, name: key.name, value, errors };
}

/** The answer of `validate` for checked keys; recommenders see the values of all of them. */
export function configInfos(keys: readonly CheckedKey[], config: RawConfig): ConfigInfo[] {
  const resolved = new ResolvedConfig(config, new Map(keys.map(({ name, value }) => [name, value])));
  return keys.map(({ key, name, value, errors }) => ({
    definition: key === null ? null : keyInfo(key),
    value: {
      name,
      value: valueText(value),
      recommended_values: (key?.recommend?.(resolved) ?? []).map(String),
      errors,
      visible: key?.visible?.(resolved) ?? true,
    },
  }));
}

/** Groups of a definition in order of first appearance. */
export function groupsOf(keys: Iterable<ConfigKey>): string[] {
  const groups = new Set<string>();
  for (const key of keys) {
    if (key.group !== undefined) groups.add(key.group);
  }
  return [...groups];
}
