// Checks of single values and of values that do not go together, in Debezium's words.
import {
  isColumnChangeKey,
  isPostProcessorKey,
  postProcessorProblem,
  splitList,
} from '@millrace/connector-common';
import { type ConfigProblem, javaRegexProblem, parseConfigText, type RawConfig } from '@millrace/foundation';
import { KEY_VALUES, postgresConfigDef } from './config-keys.ts';

type Check = (value: string | undefined, config: RawConfig) => string | readonly string[] | undefined;

const REQUIRED = 'A value is required';
const KEY_COLUMNS = '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$';
const IDENTITY =
  '(?i)^\\s*(?<tablepredicate>[^\\s:]+):(?<replicaidentity>DEFAULT|(INDEX) (?<indexname>.\\w*)|FULL|NOTHING)\\s*$';

/** Debezium's numbers have no spaces around them. */
const numberOf = (type: 'INT' | 'LONG', text: string): number | undefined => {
  const { value, problem } = parseConfigText(type, text);
  return problem === undefined && text.trim() === text ? Number(value) : undefined;
};
const number =
  (type: 'INT' | 'LONG', message: string, least = -Infinity): Check =>
  (value) =>
    value === undefined || (numberOf(type, value) ?? -Infinity) > least - 1 ? undefined : message;

const integer = number('INT', 'An integer is expected');
const long = number('LONG', 'A long value is expected');
const boolean: Check = (value) =>
  value !== undefined && parseConfigText('BOOLEAN', value).problem !== undefined
    ? "Either 'true' or 'false' is expected"
    : undefined;
const className: Check = (value) => (value?.trim() === '' ? 'A Java class name is expected' : undefined);
const positive = number('INT', 'A positive, non-zero integer value is expected', 1);
const positiveOfLong = number('LONG', 'A positive, non-zero integer value is expected', 1);
const positiveLong = number('LONG', 'A positive, non-zero long value is expected', 1);
const nonNegative = number('INT', 'An non-negative integer is expected', 0);
const nonNegativeLong = number('LONG', 'A non-negative long value is expected', 0);
const pairs: Check = (value) =>
  splitList(value).every((pair) => /^[^=]+=[^=]+$/.test(pair))
    ? undefined
    : 'A equivalent-separated map of valid key/value pairs is expected, for example: k1=v1,k2=v2';

const required: Check = (value) => (value === undefined || value.trim() === '' ? REQUIRED : undefined);
/** Each part of a list between `separator`s; nothing at all is said to be empty, too. */
const formatted =
  (separator: string, format: string, pattern = new RegExp(format)): Check =>
  (value) => {
    if (value === undefined) return undefined;
    const parts = value.trim() === '' ? [value] : value.split(separator).filter((part) => part.trim() !== '');
    return [
      ...(value === '' ? ['Must not be empty'] : []),
      ...parts
        .filter((part) => !pattern.test(part))
        .map((part) => `${part} has an invalid format (expecting '${format}')`),
    ];
  };
const regexList: Check = (value) => {
  for (const pattern of splitList(value)) {
    const problem = javaRegexProblem(pattern);
    if (problem !== undefined)
      return `A comma-separated list of valid regular expressions is expected, but ${problem}`;
  }
  return undefined;
};
const notWith =
  (other: string, shown = other): Check =>
  (value, config) =>
    value !== undefined && config[other] != null ? `"${shown}" is already specified` : undefined;
const allOf =
  (...checks: readonly Check[]): Check =>
  (value, config) =>
    checks.flatMap((check) => check(value, config) ?? []);

/** A custom mode has a name. */
function customName(key: string): Check {
  return (value, config) =>
    config[key]?.trim().toLowerCase() === 'custom' && !value
      ? `${key}.custom.name cannot be empty when ${key} 'custom' is defined`
      : undefined;
}

const CHECKS: Readonly<Record<string, Check>> = {
  'topic.prefix': allOf(required, (value) =>
    value === undefined || /^[A-Za-z0-9._-]+$/.test(value)
      ? undefined
      : `${value} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)`,
  ),
  'plugin.name': (value) =>
    value?.trim().toLowerCase() === 'decoderbufs'
      ? 'Only pgoutput is supported, which every server has built in; set plugin.name=pgoutput'
      : undefined,
  // Debezium's allows one host; several have commas, ports and brackets, and a folder is that of a socket.
  'database.hostname': allOf(required, (value) =>
    /^[A-Za-z0-9._,:[\]%/ -]*$/.test(value ?? '')
      ? undefined
      : `${value} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)`,
  ),
  'database.user': required,
  'database.dbname': required,
  'slot.name': (value) =>
    value === undefined || /^[a-z0-9_]{1,63}$/.test(value)
      ? undefined
      : 'Valid replication slot name must contain only digits, lowercase characters and underscores with length <= 63',
  // CORRECTNESS 5: rows consumed at PREPARE are gone after a restart.
  'slot.stream.params': (value) =>
    /(^|;)\s*two_phase\s*=\s*(on|true|1|yes)\s*(;|$)/i.test(value ?? '')
      ? 'two_phase loses rows after a restart; without it prepared transactions come at COMMIT PREPARED'
      : undefined,
  'max.queue.size': (value, config) => {
    const size = value === undefined ? undefined : numberOf('INT', value);
    if (size === undefined) return undefined;
    const batch = numberOf('INT', config['max.batch.size'] ?? '') ?? 2048;
    return [
      ...(size <= 0 ? ['A positive queue size is required'] : []),
      ...(size <= batch ? ['Must be larger than the maximum batch size'] : []),
    ];
  },
  'skipped.operations': (value) => {
    const operations = value?.split(',').map((op) => op.trim()) ?? [];
    if (operations.some((op) => !['r', 'c', 'u', 'd', 't', 'none'].includes(op))) return 'Invalid operation';
    return operations.includes('none') && operations.length > 1
      ? "'none' cannot be specified with other skipped operation types"
      : undefined;
  },
  'notification.sink.topic.name': (value, config) =>
    value === undefined && splitList(config['notification.enabled.channels']).includes('sink')
      ? 'Notification topic name must be provided when kafka notification channel is enabled'
      : undefined,
  'table.exclude.list': allOf(notWith('table.include.list'), regexList),
  'schema.exclude.list': allOf(notWith('schema.include.list'), regexList),
  'column.exclude.list': allOf(notWith('column.include.list'), regexList),
  'message.prefix.exclude.list': allOf(
    notWith('message.prefix.include.list', 'logical_decoding_message.prefix.include.list'),
    regexList,
  ),
  'signal.data.collection': (value) =>
    splitList(value).length > 1
      ? 'For single task connector only one signal data collection is permitted.'
      : undefined,
  'post.processors': (_value, config) => postProcessorProblem(config),
  'snapshot.mode.custom.name': customName('snapshot.mode'),
  'snapshot.query.mode.custom.name': customName('snapshot.query.mode'),
  'snapshot.locking.mode.custom.name': customName('snapshot.locking.mode'),
  'message.key.columns': formatted(';', KEY_COLUMNS),
  'replica.identity.autoset.values': formatted(',', IDENTITY, new RegExp(IDENTITY.replace('(?i)', ''), 'i')),
  'column.mask.with.(d+).chars': integer,
  ...checking(integer, 'database.port', 'slot.max.retries', 'errors.max.retries', 'slot.retry.delay.ms'),
  ...checking(integer, 'column.truncate.to.(d+).chars'),
  ...checking(positive, 'status.update.interval.ms', 'max.batch.size'),
  ...checking(positive, 'snapshot.max.threads', 'snapshot.max.threads.multiplier'),
  ...checking(positive, 'poll.interval.ms', 'signal.poll.interval.ms', 'lsn.flush.timeout.ms'),
  ...checking(positiveOfLong, 'millrace.streaming.max.bytes'),
  ...checking(positiveLong, 'retriable.restart.connector.wait.ms', 'connection.validation.timeout.ms'),
  ...checking(positiveLong, 'executor.shutdown.timeout.ms'),
  ...checking(nonNegative, 'snapshot.fetch.size', 'query.fetch.size', 'guardrail.collections.max'),
  ...checking(nonNegative, 'heartbeat.interval.ms', 'incremental.snapshot.chunk.size'),
  ...checking(nonNegativeLong, 'xmin.fetch.interval.ms', 'max.queue.size.in.bytes'),
  ...checking(nonNegativeLong, 'snapshot.delay.ms', 'streaming.delay.ms'),
  ...checking(boolean, 'database.tcpKeepAlive', 'flush.lsn.source', 'extended.headers.enabled'),
  ...checking(boolean, 'publish.via.partition.root', 'tombstones.on.delete', 'table.ignore.builtin'),
  ...checking(boolean, 'include.schema.comments'),
  ...checking(pairs, 'openlineage.integration.job.tags', 'openlineage.integration.job.owners'),
  ...checking(pairs, 'custom.metric.tags'),
  ...checking(regexList, 'table.include.list', 'schema.include.list', 'column.include.list'),
  ...checking(regexList, 'message.prefix.include.list', 'snapshot.include.collection.list'),
  ...checking(regexList, 'column.propagate.source.type', 'datatype.propagate.source.type'),
};

/** Debezium checks the type of some keys twice, and says so twice: these are its second checks. */
function checking(check: Check, ...keys: readonly string[]): Record<string, Check> {
  return Object.fromEntries(keys.map((key) => [key, check]));
}

/** Keys that stand for another one, which their values are checked as. */
const OLD_NAMES: ReadonlyMap<string, string> = new Map([
  ['internal.legacy.snapshot.max.threads', 'legacy.snapshot.max.threads'],
]);
const NEW_NAMES: ReadonlyMap<string, string> = new Map([...OLD_NAMES].map(([from, to]) => [to, from]));

/** A key that Connect has, too, for all connectors. */
const CHECKED_BY_CONNECT = 'errors.retry.delay.max.ms';

const TYPE_CHECKS: Readonly<Record<string, Check>> = {
  INT: integer,
  LONG: long,
  BOOLEAN: boolean,
  CLASS: className,
};

/** Settings of Java's driver, which complains of them when it is to connect. */
const DRIVER_WORD = /^(?:driver|database)\.(targetServerType|channelBinding)$/;

/** All problems with single values, by key in the order of the keys. */
export function checkValues(config: RawConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const key of postgresConfigDef.keys.values()) {
    if (OLD_NAMES.has(key.name) || key.name === CHECKED_BY_CONNECT) continue;
    const value = config[key.name] ?? config[NEW_NAMES.get(key.name) ?? ''] ?? undefined;
    const add = (found: ReturnType<Check>): void => {
      for (const text of [found ?? []].flat()) {
        problems.push({ key: key.name, message: `The '${key.name}' value is invalid: ${text}` });
      }
    };
    const allowed = KEY_VALUES.get(key.name);
    if (allowed !== undefined && value !== undefined && !allowed.includes(value.trim().toLowerCase())) {
      const [, word] = DRIVER_WORD.exec(key.name) ?? [];
      if (word !== undefined) {
        const message = `Error while validating connector config: Invalid ${word} value: ${value}`;
        problems.push({ key: 'database.hostname', message });
        continue;
      }
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
