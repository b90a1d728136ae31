// Typed config definitions with Kafka's ConfigDef semantics: ordered keys, parsing and validation that report
// every problem at once in Kafka's words. The same definitions feed REST `validate`, docs and forms.
import { defineErrorCodes, MillraceError } from './errors.ts';

export type ConfigType =
  | 'BOOLEAN'
  | 'STRING'
  | 'INT'
  | 'SHORT'
  | 'LONG'
  | 'DOUBLE'
  | 'LIST'
  | 'CLASS'
  | 'PASSWORD';
export type Importance = 'HIGH' | 'MEDIUM' | 'LOW';
export type Width = 'NONE' | 'SHORT' | 'MEDIUM' | 'LONG';
export type ConfigValue = string | number | bigint | boolean | readonly string[] | Password | null;
/** A config as users post it. */
export type RawConfig = Readonly<Record<string, string | null | undefined>>;

/** A secret: prints as `[hidden]` wherever it is turned into text. */
export class Password {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[hidden]';
  }
  toJSON(): string {
    return '[hidden]';
  }
}
// util.inspect and console.log show private fields of no class, so `#value` cannot leak there either.

/**
 * Returns the problem with a value (without the `Invalid value X for configuration Y: ` part), or undefined. The value
 * is null where a required key is missing or its text has the wrong type.
 */
export type Validator = (value: ConfigValue, name: string) => string | WholeProblem | undefined;

/** A problem whose message is shown without that part. */
export class WholeProblem {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export interface ConfigKey {
  readonly name: string;
  readonly type: ConfigType;
  /** Absent = required. `null` = optional without default. */
  readonly default?: ConfigValue;
  readonly importance: Importance;
  readonly doc: string;
  readonly group?: string;
  readonly orderInGroup?: number;
  readonly width?: Width;
  readonly displayName?: string;
  readonly dependents?: readonly string[];
  readonly validator?: Validator;
  /** Values to offer, given the whole parsed config. */
  readonly recommend?: (config: ResolvedConfig) => readonly ConfigValue[];
  readonly visible?: (config: ResolvedConfig) => boolean;
  /** Older names that are still read, with a warning. */
  readonly aliases?: readonly string[];
  /** Known to the code but shown nowhere. */
  readonly internal?: boolean;
}

export interface ConfigProblem {
  readonly key: string;
  readonly message: string;
}

/** A note about a config that works: an alias that was used, an unknown key and the nearest known one. */
export interface ConfigWarning {
  readonly key: string;
  readonly message: string;
}

export interface ParseResult {
  readonly config: ResolvedConfig;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigWarning[];
}

defineErrorCodes({
  'config.invalid': {
    policy: 'needs_operator',
    remedy: 'Correct the keys named above and submit the config again.',
  },
});

/** Parsed values with typed getters; asking for a key that is not defined or not of that type is a programming error. */
export class ResolvedConfig {
  readonly raw: RawConfig;
  readonly #values: ReadonlyMap<string, ConfigValue>;

  constructor(raw: RawConfig, values: ReadonlyMap<string, ConfigValue>) {
    this.raw = raw;
    this.#values = values;
  }
  has(name: string): boolean {
    return this.#values.has(name);
  }
  get(name: string): ConfigValue {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`config key ${name} is not defined`);
    return value;
  }
  string(name: string): string {
    const value = this.get(name);
    if (typeof value !== 'string') throw new Error(`config key ${name} has no string value`);
    return value;
  }
  optionalString(name: string): string | undefined {
    const value = this.get(name);
    return typeof value === 'string' ? value : undefined;
  }
  /** INT, SHORT and LONG; a LONG beyond 2^53 is clamped there, which no limit or delay in our keys can notice. */
  int(name: string): number {
    const value = this.get(name);
    if (typeof value !== 'number' && typeof value !== 'bigint')
      throw new Error(`config key ${name} has no number value`);
    return Number(value);
  }
  optionalInt(name: string): number | undefined {
    return this.get(name) === null ? undefined : this.int(name);
  }
  double(name: string): number {
    return this.int(name);
  }
  boolean(name: string): boolean {
    const value = this.get(name);
    if (typeof value !== 'boolean') throw new Error(`config key ${name} has no boolean value`);
    return value;
  }
  list(name: string): readonly string[] {
    const value = this.get(name);
    if (value === null) return [];
    if (!Array.isArray(value)) throw new Error(`config key ${name} has no list value`);
    return value;
  }
  password(name: string): Password | undefined {
    const value = this.get(name);
    return value instanceof Password ? value : undefined;
  }
  /** The keys below a prefix, with the prefix cut off: pass-through settings. */
  withPrefix(prefix: string): Record<string, string> {
    const found: Record<string, string> = {};
    for (const [key, value] of Object.entries(this.raw)) {
      if (key.startsWith(prefix) && key.length > prefix.length && value != null)
        found[key.slice(prefix.length)] = value;
    }
    return found;
  }
}

/** An ordered set of config keys. Immutable; `extend` gives a larger one. */
export class ConfigDef {
  readonly keys: ReadonlyMap<string, ConfigKey>;

  constructor(keys: Iterable<ConfigKey>) {
    const map = new Map<string, ConfigKey>();
    for (const key of keys) {
      if (map.has(key.name)) throw new Error(`config key ${key.name} is defined twice`);
      map.set(key.name, key);
    }
    this.keys = map;
  }

  extend(keys: Iterable<ConfigKey>): ConfigDef {
    return new ConfigDef([...this.keys.values(), ...keys]);
  }

  /**
   * Parses every key and reports all problems together. Values with a problem hold the key's default, or null.
   * Unknown keys are accepted, as Connect does, with a warning that names the nearest known key; `passThrough`
   * says which unknown keys belong to somebody else.
   */
  parse(raw: RawConfig, passThrough: (key: string) => boolean = () => false): ParseResult {
    const problems: ConfigProblem[] = [];
    const warnings: ConfigWarning[] = [];
    const values = new Map<string, ConfigValue>();
    const taken = new Set<string>();
    for (const key of this.keys.values()) {
      const used = this.#nameInUse(key, raw);
      if (used !== undefined && used !== key.name) {
        warnings.push({ key: used, message: `${used} is an old name; use ${key.name} instead.` });
      }
      taken.add(used ?? key.name);
      const text = used === undefined ? undefined : raw[used];
      const { value, problem } = parseOne(key, text);
      values.set(key.name, value);
      if (problem !== undefined) problems.push({ key: key.name, message: problem });
    }
    for (const name of Object.keys(raw)) {
      if (taken.has(name) || this.keys.has(name) || passThrough(name)) continue;
      const nearest = nearestName(name, this.keys.keys());
      const guess = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
      warnings.push({ key: name, message: `${name} is not a key of this config and has no effect.${guess}` });
    }
    return { config: new ResolvedConfig(raw, values), problems, warnings };
  }

  /** Like `parse`, but any problem throws `config.invalid` that lists all of them. */
  parseOrThrow(raw: RawConfig, passThrough?: (key: string) => boolean): ParseResult {
    const result = this.parse(raw, passThrough);
    const first = result.problems[0];
    if (first) {
      throw new MillraceError('config.invalid', result.problems.map((p) => p.message).join('\n'), {
        configKey: first.key,
        javaClass: 'org.apache.kafka.common.config.ConfigException',
      });
    }
    return result;
  }

  #nameInUse(key: ConfigKey, raw: RawConfig): string | undefined {
    if (raw[key.name] !== undefined) return key.name;
    return key.aliases?.find((alias) => raw[alias] !== undefined);
  }
}

function parseOne(key: ConfigKey, text: string | null | undefined): { value: ConfigValue; problem?: string } {
  const fallback = key.default ?? null;
  if (text === undefined || text === null) {
    if (key.default === undefined) {
      return {
        value: null,
        problem: `Missing required configuration "${key.name}" which has no default value.`,
      };
    }
    const problem = key.validator?.(fallback, key.name);
    return problem === undefined
      ? { value: fallback }
      : { value: fallback, problem: invalid(key.name, fallback, problem) };
  }
  const parsed = parseConfigText(key.type, text);
  if (parsed.problem !== undefined)
    return { value: fallback, problem: invalid(key.name, text, parsed.problem) };
  const value = withoutTwice(key, parsed.value);
  const problem = key.validator?.(value, key.name);
  return problem === undefined ? { value } : { value, problem: invalid(key.name, value, problem) };
}

/** Validation names entries that are there twice; a config that is used all the same has them once, as in Kafka. */
function withoutTwice(key: ConfigKey, value: ConfigValue): ConfigValue {
  const isList = key.validator !== undefined && LIST_VALIDATORS.has(key.validator) && Array.isArray(value);
  return isList ? [...new Set(value as readonly string[])] : value;
}

/** Kafka's wording of a bad value. */
export function invalid(name: string, value: ConfigValue, problem: string | WholeProblem): string {
  if (problem instanceof WholeProblem) return problem.message;
  const shown = Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
  return `Invalid value ${shown} for configuration ${name}${problem === '' ? '' : `: ${problem}`}`;
}

const INTEGER_RANGES = {
  SHORT: [-32768n, 32767n],
  INT: [-2147483648n, 2147483647n],
  LONG: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

/** Text to value by Kafka's rules; `problem` is Kafka's wording. */
export function parseConfigText(type: ConfigType, text: string): { value: ConfigValue; problem?: string } {
  const trimmed = text.trim();
  switch (type) {
    case 'BOOLEAN': {
      const lower = trimmed.toLowerCase();
      if (lower === 'true' || lower === 'false') return { value: lower === 'true' };
      return { value: null, problem: 'Expected value to be either true or false' };
    }
    case 'PASSWORD':
      return { value: new Password(trimmed) };
    case 'STRING':
    case 'CLASS':
      return { value: trimmed };
    case 'SHORT':
    case 'INT':
    case 'LONG': {
      if (!/^[+-]?\d{1,40}$/.test(trimmed)) return { value: null, problem: `Not a number of type ${type}` };
      const number = BigInt(trimmed.replace(/^\+/, ''));
      const [low, high] = INTEGER_RANGES[type];
      if (number < low || number > high) return { value: null, problem: `Not a number of type ${type}` };
      return { value: Number.isSafeInteger(Number(number)) ? Number(number) : number };
    }
    case 'DOUBLE': {
      if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?$/.test(trimmed)) {
        return { value: null, problem: 'Not a number of type DOUBLE' };
      }
      return { value: Number.parseFloat(trimmed) };
    }
    case 'LIST':
      return { value: trimmed === '' ? [] : trimmed.split(/\s*,\s*/) };
    default:
      return type satisfies never;
  }
}

const LIST_VALIDATORS = new WeakSet<Validator>();
const NO_NUMBER = 'Value must be non-null';

/** Validators in Kafka's words. */
export const validators = {
  atLeast:
    (min: number): Validator =>
    (value) =>
      value === null ? NO_NUMBER : Number(value) < min ? `Value must be at least ${min}` : undefined,
  between:
    (min: number, max: number): Validator =>
    (value) => {
      if (value === null) return NO_NUMBER;
      if (Number(value) < min) return `Value must be at least ${min}`;
      return Number(value) > max ? `Value must be no more than ${max}` : undefined;
    },
  oneOf:
    (...allowed: readonly string[]): Validator =>
    (value) =>
      allowed.includes(String(value)) ? undefined : `String must be one of: ${allowed.join(', ')}`,
  /** A list without empty entries and without any twice; a required one is not empty itself. Whole sentences. */
  list(required: 'required' | 'optional'): Validator {
    const validator: Validator = (value, name) => {
      const whole = (text: string): WholeProblem => new WholeProblem(`Configuration '${name}' ${text}`);
      if (value === null) return required === 'required' ? whole('values must not be null.') : undefined;
      if (!Array.isArray(value)) return undefined;
      if (required === 'required' && value.length === 0)
        return whole('must not be empty. Valid values include: any non-empty value');
      if (new Set(value).size < value.length) return whole('values must not be duplicated.');
      return value.includes('') ? whole('values must not be empty.') : undefined;
    };
    LIST_VALIDATORS.add(validator);
    return validator;
  },
  nonEmpty: (): Validator => (value) => (value === '' ? 'String must be non-empty' : undefined),
} as const;

/** The known name closest to `name` by edit distance, if it is close enough to be what was meant. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name, candidate, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let smallest = i;
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const cost = Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      row.push(cost);
      smallest = Math.min(smallest, cost);
    }
    if (smallest >= limit) return limit;
    previous = row;
  }
  return previous[b.length] ?? limit;
}
