// Checks of single values and of values that do not go together, in Debezium's words.
import {
  isColumnChangeKey,
  isPostProcessorKey,
  postProcessorProblem,
  splitList,
} from '@millrace/connector-common';
import {
  type ConfigProblem,
  javaRegex,
  messageOf,
  parseConfigText,
  type RawConfig,
} from '@millrace/foundation';
import { KEY_VALUES, postgresConfigDef } from './config-keys.ts';

type Check = (value: string | undefined, config: RawConfig) => string | readonly string[] | undefined;

const REQUIRED = 'A value is required';
const INTEGER = 'An integer is expected';
const LONG = 'A long value is expected';
const BOOLEAN = "Either 'true' or 'false' is expected";
const POSITIVE = 'A positive, non-zero integer value is expected';
const NON_NEGATIVE = 'An non-negative integer is expected';
const KEY_COLUMNS = '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$';

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[+-]?\d+$/.test(text.trim()) ? Number(text) : undefined;

const required: Check = (value) => (value === undefined || value.trim() === '' ? REQUIRED : undefined);
const positive: Check = (value) =>
  value === undefined ? undefined : (numberOf(value) ?? 0) > 0 ? undefined : POSITIVE;
const nonNegative: Check = (value) => {
  const number = value === undefined ? 0 : numberOf(value);
  return number === undefined || number >= 0 ? undefined : NON_NEGATIVE;
};
const regexList: Check = (value) => {
  for (const pattern of splitList(value)) {
    try {
      javaRegex(pattern);
    } catch (error) {
      return `A comma-separated list of valid regular expressions is expected, but ${regexProblem(pattern, error)}`;
    }
  }
  return undefined;
};
const notWith =
  (other: string): Check =>
  (value, config) =>
    value !== undefined && value.trim() !== '' && config[other] != null
      ? `"${other}" is already specified`
      : undefined;
const allOf =
  (...checks: readonly Check[]): Check =>
  (value, config) =>
    checks.flatMap((check) => check(value, config) ?? []);
/** The first words of Java's message, which is what people recognise, with where it is. */
function regexProblem(pattern: string, error: unknown): string {
  const text = messageOf(error instanceof Error ? (error.cause ?? error) : error);
  if (/unterminated group/i.test(text)) return `Unclosed group near index ${pattern.length}\n${pattern}`;
  if (/unterminated character class/i.test(text)) {
    return `Unclosed character class near index ${pattern.length - 1}\n${pattern}`;
  }
  if (/nothing to repeat/i.test(text)) {
    const at = pattern.search(/(?<!\\)[*+?]/);
    return `Dangling meta character '${pattern.charAt(at)}' near index ${at}\n${pattern}`;
  }
  return `${text.slice(text.lastIndexOf(':') + 1).trim()}\n${pattern}`;
}

const integer: Check = (value) => (value !== undefined && isBad('INT', value) ? INTEGER : undefined);
const isBad = (type: 'INT' | 'LONG' | 'BOOLEAN', value: string): boolean =>
  parseConfigText(type, value).problem !== undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  'topic.prefix': (value, config) =>
    required(value, config) ??
    (/^[A-Za-z0-9._-]+$/.test(value ?? '')
      ? undefined
      : `${value} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)`),
  'plugin.name': (value) =>
    value?.trim().toLowerCase() === 'decoderbufs'
      ? 'Only pgoutput is supported, which every server has built in; set plugin.name=pgoutput'
      : undefined,
  'database.hostname': required,
  'database.user': required,
  'database.dbname': required,
  // Debezium checks the type of these twice, and says so twice.
  'database.port': integer,
  'slot.name': (value) =>
    value === undefined || /^[a-z0-9_]{1,63}$/.test(value)
      ? undefined
      : 'Valid replication slot name must contain only digits, lowercase characters and underscores with length <= 63',
  // CORRECTNESS 5: rows consumed at PREPARE are gone after a restart.
  'slot.stream.params': (value) =>
    /(^|;)\s*two_phase\s*=\s*(on|true|1|yes)\s*(;|$)/i.test(value ?? '')
      ? 'two_phase loses rows after a restart; without it prepared transactions come at COMMIT PREPARED'
      : undefined,
  'millrace.streaming.max.bytes': positive,
  'max.batch.size': positive,
  'max.queue.size': (value, config) => {
    const size = numberOf(value);
    const batch = numberOf(config['max.batch.size'] ?? undefined) ?? 2048;
    return size !== undefined && size <= batch ? 'Must be larger than the maximum batch size' : undefined;
  },
  'poll.interval.ms': positive,
  'heartbeat.interval.ms': nonNegative,
  'max.queue.size.in.bytes': nonNegative,
  'lsn.flush.timeout.ms': positive,
  'snapshot.max.threads': positive,
  'incremental.snapshot.chunk.size': positive,
  'tombstones.on.delete': (value) => (value !== undefined && isBad('BOOLEAN', value) ? BOOLEAN : undefined),
  'skipped.operations': (value) =>
    splitList(value).every((op) => ['c', 'u', 'd', 't', 'none'].includes(op))
      ? undefined
      : 'Invalid operation',
  'table.include.list': regexList,
  'table.exclude.list': allOf(notWith('table.include.list'), regexList),
  'schema.include.list': regexList,
  'schema.exclude.list': allOf(notWith('schema.include.list'), regexList),
  'column.include.list': regexList,
  'column.exclude.list': allOf(notWith('column.include.list'), regexList),
  'message.prefix.include.list': regexList,
  'message.prefix.exclude.list': allOf(notWith('message.prefix.include.list'), regexList),
  'post.processors': (_value, config) => postProcessorProblem(config),
  'snapshot.mode.custom.name': (value, config) =>
    config['snapshot.mode'] === 'custom' && !value
      ? "snapshot.mode.custom.name cannot be empty when snapshot.mode 'custom' is defined"
      : undefined,
  'message.key.columns': (value) =>
    (value ?? '')
      .split(';')
      .filter((part) => part.trim() !== '')
      .filter((part) => !new RegExp(KEY_COLUMNS).test(part))
      .map((part) => `${part} has an invalid format (expecting '${KEY_COLUMNS}')`),
};

const TYPE_CHECKS: Readonly<Record<string, Check>> = {
  INT: integer,
  LONG: (value) => (value !== undefined && isBad('LONG', value) ? LONG : undefined),
  BOOLEAN: (value) => (value !== undefined && isBad('BOOLEAN', value) ? BOOLEAN : undefined),
};

/** All problems with single values, by key in the order of the keys. */
export function checkValues(config: RawConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const key of postgresConfigDef.keys.values()) {
    const value = config[key.name] ?? undefined;
    const add = (found: ReturnType<Check>): void => {
      for (const text of [found ?? []].flat()) {
        problems.push({ key: key.name, message: `The '${key.name}' value is invalid: ${text}` });
      }
    };
    const allowed = KEY_VALUES.get(key.name);
    if (allowed !== undefined && value !== undefined && !allowed.includes(value.trim().toLowerCase())) {
      add(`Value must be one of ${allowed.join(', ')}`);
      continue;
    }
    add(TYPE_CHECKS[key.type]?.(value, config));
    add(CHECKS[key.name]?.(value, config));
  }
  return problems;
}

/** Keys whose names no definition can list: those with parameters, and what goes to the driver. */
export function isPassThroughKey(key: string): boolean {
  return (
    isColumnChangeKey(key) ||
    isPostProcessorKey(key) ||
    key.startsWith('snapshot.select.statement.overrides.') ||
    key.startsWith('signal.consumer.') ||
    key.startsWith('driver.') ||
    key.startsWith('database.') ||
    key.startsWith('schema.history.internal') ||
    key.startsWith('producer.override.')
  );
}
