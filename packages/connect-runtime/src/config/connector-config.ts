// The keys Connect adds to every connector's own: their order and metadata are what `validate` shows.
import {
  ConfigDef,
  type ConfigKey,
  type ConfigValue,
  javaRegexProblem,
  type Validator,
  validators,
} from '@millrace/foundation';
import type { PluginRegistry } from '../plugins.ts';

/** The key that gives tasks threads of their own, and its value that does. */
export const TASK_THREAD = 'task.thread';
export const DEDICATED = 'dedicated';

/** What the common keys depend on: the worker's converters and the plug-ins there are. */
export interface CommonKeyContext {
  readonly plugins: PluginRegistry;
  /** Defaults of the converter keys; null where no worker is asked for. */
  readonly workerConverters: Readonly<Record<'key' | 'value' | 'header', string | null>>;
  /** Version of the class a key names, for the `*.plugin.version` keys. */
  readonly versionOf: (className: string | null) => string | null;
}

/** What of a connector config decides about the common keys. */
export interface CommonKeyValues {
  readonly connectorVersion: string | null;
  readonly keyConverter: string | null;
  readonly valueConverter: string | null;
  readonly headerConverter: string | null;
}

const tasksMaxValidator: Validator = (value) => {
  if (value === null) return 'Value must be non-null';
  return Number(value) < 1 ? 'Value must be at least 1' : undefined;
};

const nameValidator: Validator = (value) => {
  if (typeof value !== 'string') return undefined;
  if (value === '') return 'String may not be empty';
  const control = Array.from(value).filter((char) => char < ' ' || char === '\u007f');
  if (control.length === 0) return undefined;
  const codes = control.map((char) => char.charCodeAt(0)).join(', ');
  return `String may not contain control sequences but had the following ASCII chars: ${codes}`;
};

/** Aliases of transforms, predicates or topic groups: none twice. */
const uniqueAliases: Validator = (value) => {
  if (!Array.isArray(value)) return undefined;
  return new Set(value).size < value.length ? 'Duplicate alias provided.' : undefined;
};

/** Like Kafka's ValidString in its case-insensitive form. */
export function oneOfIgnoringCase(...allowed: readonly string[]): Validator {
  return (value) =>
    typeof value === 'string' &&
    !allowed.includes(value.toUpperCase()) &&
    !allowed.includes(value.toLowerCase())
      ? `String must be one of (case insensitive): ${allowed.join(', ')}`
      : undefined;
}

function versionKey(
  name: string,
  displayName: string,
  orderInGroup: number,
  version: string | null,
): ConfigKey {
  return {
    name,
    type: 'STRING',
    default: version,
    importance: name === 'connector.plugin.version' ? 'MEDIUM' : 'LOW',
    doc: `Version of the plug-in that ${name.replace('.plugin.version', '')} names.`,
    group: 'Common',
    orderInGroup,
    width: name === 'connector.plugin.version' ? 'MEDIUM' : 'SHORT',
    displayName,
    recommend: () => (version === null ? [] : [version]),
  };
}

function converterKey(
  name: string,
  displayName: string,
  orderInGroup: number,
  options: { readonly default: string | null; readonly recommended: readonly string[] },
): ConfigKey {
  return {
    name,
    type: 'CLASS',
    default: options.default,
    importance: 'LOW',
    doc: `Converts the ${name.replace('.converter', '')} of records to and from bytes; the worker's by default.`,
    group: 'Common',
    orderInGroup,
    width: 'SHORT',
    displayName,
    recommend: (): readonly ConfigValue[] => options.recommended,
  };
}

function commonKeys(context: CommonKeyContext, values: CommonKeyValues): ConfigKey[] {
  const { plugins, workerConverters, versionOf } = context;
  const converters = plugins.classNames('converter');
  const headerConverters = plugins.classNames('header_converter');
  return [
    {
      name: 'name',
      type: 'STRING',
      importance: 'HIGH',
      doc: 'Globally unique name of the connector.',
      group: 'Common',
      orderInGroup: 1,
      width: 'MEDIUM',
      displayName: 'Connector name',
      validator: nameValidator,
    },
    {
      name: 'connector.class',
      type: 'STRING',
      importance: 'HIGH',
      doc: 'Class of the connector: its full name, its simple name, or that without "Connector".',
      group: 'Common',
      orderInGroup: 2,
      width: 'LONG',
      displayName: 'Connector class',
    },
    versionKey('connector.plugin.version', 'Connector version', 3, values.connectorVersion),
    {
      name: 'tasks.max',
      type: 'INT',
      default: 1,
      importance: 'HIGH',
      doc: 'Most tasks to use for this connector.',
      group: 'Common',
      orderInGroup: 4,
      width: 'SHORT',
      displayName: 'Tasks max',
      validator: tasksMaxValidator,
    },
    {
      name: 'tasks.max.enforce',
      type: 'BOOLEAN',
      default: true,
      importance: 'LOW',
      doc: 'Whether a connector that makes more tasks than tasks.max fails.',
      group: 'Common',
      orderInGroup: 5,
      width: 'SHORT',
      displayName: 'Enforce tasks max',
    },
    // Ours, not Connect's: shown only where it is given, so that answers list what users of Connect expect.
    {
      name: TASK_THREAD,
      type: 'STRING',
      default: 'shared',
      importance: 'LOW',
      doc: 'Whether each task runs in a thread of its own (dedicated) or in those that all tasks share.',
      group: 'Common',
      validator: validators.oneOf('shared', DEDICATED),
      internal: true,
    },
    converterKey('key.converter', 'Key converter class', 6, {
      default: workerConverters.key,
      recommended: converters,
    }),
    versionKey('key.converter.plugin.version', 'Key converter version', 7, versionOf(values.keyConverter)),
    converterKey('value.converter', 'Value converter class', 8, {
      default: workerConverters.value,
      recommended: converters,
    }),
    versionKey(
      'value.converter.plugin.version',
      'Value converter version',
      9,
      versionOf(values.valueConverter),
    ),
    converterKey('header.converter', 'Header converter class', 10, {
      default: workerConverters.header,
      recommended: headerConverters,
    }),
    versionKey(
      'header.converter.plugin.version',
      'Header converter version',
      11,
      versionOf(values.headerConverter),
    ),
    {
      name: 'transforms',
      type: 'LIST',
      default: [],
      importance: 'LOW',
      doc: 'Aliases of the transformations applied to records, in order.',
      group: 'Transforms',
      orderInGroup: 12,
      width: 'LONG',
      displayName: 'Transforms',
      validator: uniqueAliases,
    },
    {
      name: 'predicates',
      type: 'LIST',
      default: [],
      importance: 'LOW',
      doc: 'Aliases of the predicates that transformations use.',
      group: 'Predicates',
      orderInGroup: 13,
      width: 'LONG',
      displayName: 'Predicates',
      validator: uniqueAliases,
    },
    {
      name: 'config.action.reload',
      type: 'STRING',
      default: 'restart',
      importance: 'LOW',
      doc: 'What to do when a variable of the config changes.',
      group: 'Common',
      orderInGroup: 14,
      width: 'MEDIUM',
      displayName: 'Reload Action',
      validator: validators.oneOf('none', 'restart'),
    },
    errorKey('errors.retry.timeout', 'LONG', 0, 1, 'MEDIUM', 'Retry Timeout for Errors'),
    errorKey(
      'errors.retry.delay.max.ms',
      'LONG',
      60000,
      2,
      'MEDIUM',
      'Maximum Delay Between Retries for Errors',
    ),
    {
      ...errorKey('errors.tolerance', 'STRING', 'none', 3, 'SHORT', 'Error Tolerance'),
      validator: validators.oneOf('none', 'all'),
    },
    errorKey('errors.log.enable', 'BOOLEAN', false, 4, 'SHORT', 'Log Errors'),
    errorKey('errors.log.include.messages', 'BOOLEAN', false, 5, 'SHORT', 'Log Error Details'),
  ];
}

const ERROR_DOCS: Readonly<Record<string, string>> = {
  'errors.retry.timeout': 'Milliseconds to retry a failed operation; 0 = not at all, -1 = without end.',
  'errors.retry.delay.max.ms': 'Longest wait between two such retries, in milliseconds.',
  'errors.tolerance': 'none: the first error fails the task; all: records that fail are passed by.',
  'errors.log.enable': 'Whether tolerated errors are logged too.',
  'errors.log.include.messages': 'Whether such a log line names the record (its coordinates).',
  'errors.deadletterqueue.topic.name': 'Topic that takes records which fail; empty = none.',
  'errors.deadletterqueue.topic.replication.factor': 'Replicas of that topic when it has to be created.',
  'errors.deadletterqueue.context.headers.enable': 'Whether headers say where and why a record failed.',
};

function errorKey(
  name: string,
  type: ConfigKey['type'],
  defaultValue: ConfigValue,
  orderInGroup: number,
  width: 'SHORT' | 'MEDIUM',
  displayName: string,
): ConfigKey {
  return {
    name,
    type,
    default: defaultValue,
    importance: 'MEDIUM',
    doc: ERROR_DOCS[name] ?? '',
    group: 'Error Handling',
    orderInGroup,
    width,
    displayName,
  };
}

/** Common keys of a source connector. */
export function sourceConnectorDef(context: CommonKeyContext, values: CommonKeyValues): ConfigDef {
  return new ConfigDef([
    ...commonKeys(context, values),
    {
      name: 'topic.creation.groups',
      type: 'LIST',
      default: [],
      importance: 'LOW',
      doc: 'Names of groups of settings for topics the connector creates.',
      group: 'Topic Creation',
      orderInGroup: 1,
      width: 'LONG',
      displayName: 'Topic Creation Groups',
      validator: uniqueAliases,
    },
    {
      name: 'exactly.once.support',
      type: 'STRING',
      default: 'requested',
      importance: 'MEDIUM',
      doc: 'Whether the connector must be able to deliver exactly once.',
      group: 'Exactly Once Support',
      orderInGroup: 2,
      width: 'SHORT',
      displayName: 'Exactly once support',
      validator: oneOfIgnoringCase('REQUIRED', 'REQUESTED'),
    },
    {
      name: 'transaction.boundary',
      type: 'STRING',
      default: 'poll',
      importance: 'MEDIUM',
      doc: 'Where transactions end when delivering exactly once.',
      group: 'Exactly Once Support',
      orderInGroup: 3,
      width: 'SHORT',
      displayName: 'Transaction Boundary',
      validator: oneOfIgnoringCase('INTERVAL', 'POLL', 'CONNECTOR'),
    },
    {
      name: 'transaction.boundary.interval.ms',
      type: 'LONG',
      default: null,
      importance: 'LOW',
      doc: 'Time between the ends of transactions with transaction.boundary=interval.',
      group: 'Exactly Once Support',
      orderInGroup: 4,
      width: 'SHORT',
      displayName: 'Transaction boundary interval',
      validator: (value) => (value !== null && Number(value) < 0 ? 'Value must be at least 0' : undefined),
    },
    {
      name: 'offsets.storage.topic',
      type: 'STRING',
      default: null,
      importance: 'LOW',
      doc: "Topic for this connector's offsets in place of the worker's.",
      group: 'offsets.topic',
      orderInGroup: 1,
      width: 'LONG',
      displayName: 'Offsets topic',
      validator: validators.nonEmpty(),
    },
  ]);
}

/** Common keys of a sink connector. */
export function sinkConnectorDef(context: CommonKeyContext, values: CommonKeyValues): ConfigDef {
  return new ConfigDef([
    ...commonKeys(context, values),
    {
      name: 'topics',
      type: 'LIST',
      default: [],
      importance: 'HIGH',
      doc: 'Topics to read, separated by commas.',
      validator: validators.list('optional'),
      group: 'Common',
      orderInGroup: 4,
      width: 'LONG',
      displayName: 'Topics',
    },
    {
      name: 'topics.regex',
      type: 'STRING',
      default: '',
      importance: 'HIGH',
      doc: 'Regular expression of the topics to read.',
      group: 'Common',
      orderInGroup: 4,
      width: 'LONG',
      displayName: 'Topics regex',
      validator: regexValidator,
    },
    errorKey('errors.deadletterqueue.topic.name', 'STRING', '', 6, 'MEDIUM', 'Dead Letter Queue Topic Name'),
    errorKey(
      'errors.deadletterqueue.topic.replication.factor',
      'SHORT',
      3,
      7,
      'MEDIUM',
      'Dead Letter Queue Topic Replication Factor',
    ),
    errorKey(
      'errors.deadletterqueue.context.headers.enable',
      'BOOLEAN',
      false,
      8,
      'MEDIUM',
      'Enable Error Context Headers',
    ),
  ]);
}

const regexValidator: Validator = (value) => {
  if (typeof value !== 'string') return undefined;
  const problem = javaRegexProblem(value);
  return problem === undefined ? undefined : `Invalid regex: ${problem}`;
};

/** Keys of one transform or predicate alias, before those of its class. */
export function aliasKeys(
  kind: 'transforms' | 'predicates',
  alias: string,
  options: { readonly recommended: readonly string[]; readonly version: string | null },
): ConfigKey[] {
  const what = kind === 'transforms' ? 'Transformation' : 'Predicate';
  const group = `${kind === 'transforms' ? 'Transforms' : 'Predicates'}: ${alias}`;
  return [
    {
      name: `${kind}.${alias}.type`,
      type: 'CLASS',
      importance: 'HIGH',
      doc: `Class of '${alias}'.`,
      group,
      orderInGroup: 0,
      width: 'LONG',
      displayName: `${what} type for ${alias}`,
      recommend: () => options.recommended,
    },
    {
      name: `${kind}.${alias}.plugin.version`,
      type: 'STRING',
      default: options.version,
      importance: 'HIGH',
      doc: `Version of the class of '${alias}'.`,
      group,
      orderInGroup: 1,
      width: 'LONG',
      displayName: `${what} version for ${alias}`,
      recommend: () => (options.version === null ? [] : [options.version]),
    },
  ];
}
