// Values of keys that Debezium's validation does not list: it takes the default for a number or a word that it cannot
// read, and so does this, with a warning. Pure.
import { type ConfigWarning, parseConfigText, type RawConfig } from '@millrace/foundation';
import { KEY_VALUES, UNLISTED_KEYS } from './config-keys.ts';

const KINDS: Readonly<Record<string, string>> = {
  INT: 'an integer',
  LONG: 'an integer',
  BOOLEAN: 'true or false',
};

/** Refused all the same: Debezium's task does not start with a wrong one, or it is not Debezium's to read. */
const REFUSED = /^topic\.cache\.size$|^errors\.retry\.delay\.max\.ms$|^millrace\./;

const FAILURES = 'event.converting.failure.handling.mode';

/** The config without such values, and what to tell of them. */
export function withoutUnreadable(config: RawConfig): {
  readonly config: RawConfig;
  readonly warnings: readonly ConfigWarning[];
} {
  const warnings: ConfigWarning[] = [];
  const readable: Record<string, string | null | undefined> = { ...config };
  for (const { name, type, default: absent } of UNLISTED_KEYS) {
    const value = config[name];
    const kind = KINDS[type];
    if (value == null || kind === undefined || REFUSED.test(name)) continue;
    if (parseConfigText(type, value).problem === undefined) continue;
    delete readable[name];
    const instead = absent === null ? 'it has no effect' : `the default, ${String(absent)}, is used`;
    warnings.push({ key: name, message: `The value of ${name} is not ${kind}: ${instead}.` });
  }
  const failures = config[FAILURES];
  const known = KEY_VALUES.get(FAILURES) ?? [];
  if (failures != null && !known.includes(failures.trim().toLowerCase())) {
    // The first value that this is about ends Debezium's task with a NullPointerException.
    readable[FAILURES] = 'fail';
    warnings.push({
      key: FAILURES,
      message: `The value of ${FAILURES} is none of ${known.join(', ')}: fail is used.`,
    });
  }
  return { config: warnings.length === 0 ? config : readable, warnings };
}
