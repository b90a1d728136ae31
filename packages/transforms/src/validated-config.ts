// How transforms refuse a config: Connect's with the first problem, Debezium's with one sentence without the reason,
// or with the first problem in words of their own.
import { type ConfigDef, MillraceError, type RawConfig, type ResolvedConfig } from '@millrace/foundation';
import { settingError } from './errors.ts';

/** The parsed settings. @throws config.invalid with the first problem alone, as Kafka's `ConfigDef.parse` */
export function parseSettings(def: ConfigDef, settings: RawConfig): ResolvedConfig {
  const { config, problems } = def.parse(settings, () => true);
  const first = problems[0];
  if (first) throw settingError(first.key, first.message);
  return config;
}

/** The parsed settings. @throws config.invalid `Unable to validate config.`; what is wrong is in the hint */
export function validated(def: ConfigDef, settings: RawConfig): ResolvedConfig {
  const { config, problems } = def.parse(settings, () => true);
  if (problems.length > 0)
    throw unableToValidate(problems.map(({ message }) => message).join('; '), problems[0]?.key);
  return config;
}

export function unableToValidate(hint: string, configKey?: string): MillraceError {
  return new MillraceError('config.invalid', 'Unable to validate config.', {
    hint,
    ...(configKey === undefined ? {} : { configKey }),
  });
}

/** The parsed settings. @throws config.invalid that names the first wrong key, as `SmtManager.validate` does */
export function validatedByKey(def: ConfigDef, settings: RawConfig): ResolvedConfig {
  const { config, problems } = def.parse(settings, () => true);
  const first = problems[0];
  if (first) {
    const shown = settings[first.key] ?? null;
    const start = `configuration ${first.key}: `;
    const at = first.message.indexOf(start);
    const reason = at < 0 ? 'A value is required' : first.message.slice(at + start.length);
    throw invalidValue(first.key, shown, reason);
  }
  return config;
}

/** A value that is wrong, in the words of `SmtManager.validate`. */
export function invalidValue(key: string, value: string | null, reason: string): MillraceError {
  return settingError(
    key,
    `Invalid value ${value} for configuration ${key}: The '${key}' value is invalid: ${reason}`,
  );
}
