// The worker's own config: keys and defaults of Connect's distributed worker, and the few that are ours.
import {
  ConfigDef,
  type ConfigKey,
  type ConfigProblem,
  MillraceError,
  type RawConfig,
  type ResolvedConfig,
  validators,
} from '@millrace/foundation';
import { clientSecurity, isSecurityKey } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import { SIGNATURE_ALGORITHMS } from '../herder/session-keys.ts';
import { withPrefix } from './client-overrides.ts';
import { LOGIN_CONFIG, USERS_FILE } from './rest-users.ts';

/** Where a standalone worker keeps source offsets. */
export const OFFSETS_FILE = 'offset.storage.file.filename';

const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';

function key(
  name: string,
  type: ConfigKey['type'],
  defaultValue: ConfigKey['default'],
  doc: string,
  validator?: ConfigKey['validator'],
): ConfigKey {
  return {
    name,
    type,
    importance: 'MEDIUM',
    doc,
    ...(defaultValue === undefined ? {} : { default: defaultValue }),
    ...(validator ? { validator } : {}),
  };
}

const positive = validators.atLeast(1);
const notNegative = validators.atLeast(0);

/** Keys of a worker properties file. */
export const workerConfigDef: ConfigDef = new ConfigDef([
  key('bootstrap.servers', 'LIST', ['localhost:9092'], 'Kafka brokers, HOST:PORT separated by commas.'),
  key('client.id', 'STRING', '', 'Name under which the worker shows in broker logs and quotas.'),
  key('group.id', 'STRING', 'millrace', 'Workers with the same group share the connectors.'),
  key('key.converter', 'CLASS', JSON_CONVERTER, 'Converter of keys where a connector names none.'),
  key('value.converter', 'CLASS', JSON_CONVERTER, 'Converter of values where a connector names none.'),
  key(
    'header.converter',
    'CLASS',
    'org.apache.kafka.connect.storage.SimpleHeaderConverter',
    'Converter of headers where a connector names none.',
  ),
  key('config.storage.topic', 'STRING', 'connect-configs', 'Topic of connector and task configs.'),
  key('config.storage.replication.factor', 'SHORT', 3, 'Replicas; at most the number of brokers is used.'),
  key('offset.storage.topic', 'STRING', 'connect-offsets', 'Topic of source offsets.'),
  key('offset.storage.partitions', 'INT', 25, 'Partitions of that topic.', positive),
  key('offset.storage.replication.factor', 'SHORT', 3, 'Replicas; at most the number of brokers is used.'),
  key('status.storage.topic', 'STRING', 'connect-status', 'Topic of connector and task states.'),
  key('status.storage.partitions', 'INT', 5, 'Partitions of that topic.', positive),
  key('status.storage.replication.factor', 'SHORT', 3, 'Replicas; at most the number of brokers is used.'),
  key(
    OFFSETS_FILE,
    'STRING',
    null,
    'File of source offsets of a standalone worker, in the form of Connect; nothing for a worker of a group.',
  ),
  key(
    'offset.flush.interval.ms',
    'LONG',
    1000,
    'How often source offsets are stored and the source may be told.',
    positive,
  ),
  key(
    'offset.flush.timeout.ms',
    'LONG',
    5000,
    'How long a last flush may take when a task is stopped.',
    positive,
  ),
  key('task.shutdown.graceful.timeout.ms', 'LONG', 5000, 'How long tasks may take to stop.', notNegative),
  key('session.timeout.ms', 'INT', 10000, 'A worker that is silent for so long is taken as gone.', positive),
  key(
    'heartbeat.interval.ms',
    'INT',
    3000,
    'How often the worker tells the group that it is there.',
    positive,
  ),
  key(
    'worker.sync.timeout.ms',
    'INT',
    3000,
    'How long a worker that is behind in the config topic may take to catch up before it leaves the group for a time.',
    positive,
  ),
  key(
    'worker.unsync.backoff.ms',
    'INT',
    300000,
    'For how long it leaves the group, where five shorter breaks have not helped.',
    notNegative,
  ),
  key('rebalance.timeout.ms', 'INT', 60000, 'How long workers may take to join a rebalance.', positive),
  key(
    'scheduled.rebalance.max.delay.ms',
    'INT',
    300000,
    'How long the work of a lost worker waits for its return.',
    notNegative,
  ),
  key(
    'connect.protocol',
    'STRING',
    'sessioned',
    'How the workers of a group share work and speak to each other; sessioned ones sign what they ask.',
    validators.oneOf('sessioned', 'compatible', 'eager'),
  ),
  key(
    'inter.worker.key.generation.algorithm',
    'STRING',
    'HmacSHA256',
    'For which algorithm the leader makes keys that workers sign with.',
    validators.oneOf(...SIGNATURE_ALGORITHMS),
  ),
  key(
    'inter.worker.key.size',
    'INT',
    null,
    'Bits of such a key; absent = what its algorithm has.',
    (value) => (value !== null && Number(value) < 128 ? 'Value must be at least 128' : undefined),
  ),
  key('inter.worker.key.ttl.ms', 'INT', 3600000, 'After so long the leader makes a new key.', positive),
  key(
    'inter.worker.signature.algorithm',
    'STRING',
    'HmacSHA256',
    'With which algorithm this worker signs what it asks of others.',
    validators.oneOf(...SIGNATURE_ALGORITHMS),
  ),
  key(
    'inter.worker.verification.algorithms',
    'LIST',
    ['HmacSHA256'],
    'Which algorithms it accepts from others.',
    (value) => {
      const unknown = (value as readonly string[]).filter((name) => !SIGNATURE_ALGORITHMS.includes(name));
      return unknown.length === 0 ? undefined : `Algorithms must be of: ${SIGNATURE_ALGORITHMS.join(', ')}`;
    },
  ),
  key('listeners', 'LIST', ['http://127.0.0.1:8083'], 'Where REST listens.'),
  key('rest.port', 'INT', null, 'Old form of listeners.'),
  key('rest.host.name', 'STRING', null, 'Old form of listeners.'),
  key(
    'admin.listeners',
    'LIST',
    null,
    'Where /admin/loggers listens, without a login; absent = on listeners, empty = nowhere.',
  ),
  key('rest.advertised.listener', 'STRING', null, 'http or https: how other workers reach this one.'),
  key('rest.advertised.host.name', 'STRING', null, 'Host under which other workers reach this one.'),
  key('rest.advertised.port', 'INT', null, 'Port under which other workers reach this one.'),
  key('access.control.allow.origin', 'STRING', '', 'Origins that browsers may call REST from.'),
  key(
    'access.control.allow.methods',
    'STRING',
    '',
    'Methods that browsers may use; empty = HEAD, POST, GET.',
  ),
  key(
    'response.http.headers.config',
    'STRING',
    '',
    'Headers of every answer, such as: set X-Frame-Options: DENY.',
  ),
  key(
    'rest.extension.classes',
    'LIST',
    [],
    'BasicAuthSecurityRestExtension, with its package: REST asks for logins.',
  ),
  key(USERS_FILE, 'STRING', null, 'File of those who may log in at REST, NAME=PASSWORD a line.'),
  key(LOGIN_CONFIG, 'STRING', null, 'Login configuration of Java whose entry KafkaConnect names that file.'),
  key(
    'connector.client.config.override.policy',
    'STRING',
    'All',
    'Which client settings connectors may override.',
    validators.oneOf('All', 'None', 'Principal'),
  ),
  key('topic.creation.enable', 'BOOLEAN', true, 'Whether source connectors may describe topics to create.'),
  key('topic.tracking.enable', 'BOOLEAN', true, 'Whether the topics a connector used are kept.'),
  key('topic.tracking.allow.reset', 'BOOLEAN', true, 'Whether those may be reset by REST.'),
  key(
    'exactly.once.source.support',
    'STRING',
    'disabled',
    'Whether sources deliver exactly once: set preparing on every worker of the group first, then enabled.',
    validators.oneOf('disabled', 'preparing', 'enabled'),
  ),
  key(
    'task.restart.enable',
    'BOOLEAN',
    true,
    'Whether failed tasks restart by themselves where that can help.',
  ),
  key('task.restart.backoff.ms', 'LONG', 1000, 'Wait before the first such restart; doubles.', positive),
  key('task.restart.backoff.max.ms', 'LONG', 60000, 'Longest wait before a restart.', positive),
  key(
    'task.stall.timeout.ms',
    'LONG',
    20000,
    'A task with work to do that has made no progress for so long shows in its status what it waits for.',
    positive,
  ),
  key('task.threads', 'INT', 2, 'Threads that tasks share; 0 = the main thread.', notNegative),
  key('plugins', 'LIST', [], 'Packages with plug-ins of others: names of npm packages, or paths of folders.'),
  key(
    'plugin.path',
    'LIST',
    [],
    'Folders: of those below them, packages whose package.json has the key millrace are taken.',
  ),
  key(
    'plugin.process.heap.mb',
    'INT',
    256,
    'JavaScript heap that a process with plug-ins of others may use; it is ended when it needs more.',
    validators.atLeast(32),
  ),
  key(
    'plugin.process.memory.mb',
    'INT',
    640,
    'Resident memory of such a process, buffers and all; it is ended when it has more.',
    validators.atLeast(128),
  ),
  key('task.producer.buffer.bytes', 'LONG', 33554432, 'Records of one source task on their way.', positive),
]);

/** Worker settings after flags, file, environment and defaults are put together. */
export interface WorkerConfig {
  readonly resolved: ResolvedConfig;
  /** All given keys, for prefixes such as `producer.` and `key.converter.`. */
  readonly raw: RawConfig;
  readonly warnings: readonly string[];
}

/** Keys of Connect's worker that have nothing to say here: taken without a word, so that files load as they are. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'auto.include.jmx.reporter',
  'client.dns.lookup',
  'connections.max.idle.ms',
  'metadata.max.age.ms',
  'metadata.recovery.rebootstrap.trigger.ms',
  'metadata.recovery.strategy',
  'receive.buffer.bytes',
  'reconnect.backoff.max.ms',
  'reconnect.backoff.ms',
  'request.timeout.ms',
  'retry.backoff.max.ms',
  'retry.backoff.ms',
  'send.buffer.bytes',
  'socket.connection.setup.timeout.max.ms',
  'socket.connection.setup.timeout.ms',
]);

const passThrough = (name: string): boolean =>
  /^(producer|consumer|admin|key\.converter|value\.converter|header\.converter|config\.providers|internal)\./.test(
    name,
  ) ||
  /^(security|ssl|sasl|plugin|config\.providers|metric)/.test(name) ||
  WITHOUT_EFFECT.has(name);

/**
 * Parses worker properties.
 * @throws connect.bad_worker_config that names every problem.
 */
export function parseWorkerConfig(properties: RawConfig): WorkerConfig {
  const { config, problems: parsed, warnings } = workerConfigDef.parse(properties, passThrough);
  const problems = [...parsed, ...securityProblems(properties)];
  if (problems.length > 0) {
    const [first] = problems;
    const text = problems.map(({ message }) => message).join('\n');
    throw connectError('connect.bad_worker_config', text, first ? { configKey: first.key } : {});
  }
  const notes = warnings.map((warning) => warning.message);
  for (const old of ['rest.port', 'rest.host.name']) {
    if (properties[old] !== undefined) notes.push(`${old} is an old name; use listeners instead.`);
  }
  return { resolved: config, raw: properties, warnings: notes };
}

const CLIENT_PREFIXES = ['', 'producer.', 'consumer.', 'admin.'] as const;

/** What cannot work of the security of the worker's own client and of those its tasks have. */
function securityProblems(properties: RawConfig): ConfigProblem[] {
  const own = securitySettings(properties, '');
  return CLIENT_PREFIXES.flatMap((prefix) => {
    const given = securitySettings(properties, prefix);
    if (Object.keys(given).length === 0) return [];
    try {
      clientSecurity({ ...own, ...given });
      return [];
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      const key = error.configKey ?? 'security.protocol';
      // What the worker as a whole has wrong is told once.
      if (prefix !== '' && given[key] === undefined && own[key] !== undefined) return [];
      const name = prefix === '' ? '' : ` (${prefix}${key})`;
      return [{ key: `${prefix}${key}`, message: `${error.message}${name}` }];
    }
  });
}

/** The security keys of clients below a prefix, which is cut off. */
export function securitySettings(
  properties: RawConfig,
  prefix: '' | 'producer.' | 'consumer.' | 'admin.',
): Readonly<Record<string, string>> {
  const found = prefix === '' ? Object.entries(properties) : Object.entries(withPrefix(properties, prefix));
  const settings: Record<string, string> = {};
  for (const [key, value] of found) if (isSecurityKey(key) && value != null) settings[key] = value;
  return settings;
}

/**
 * The settings of one kind of client that tasks have: the worker's below `producer.` and so on, over the worker's own
 * security. Connect would leave them without any: nothing but a refusal could come of that.
 */
export function clientSettings(
  properties: RawConfig,
  prefix: 'producer.' | 'consumer.' | 'admin.',
): Readonly<Record<string, string>> {
  return { ...securitySettings(properties, ''), ...withPrefix(properties, prefix) };
}

/** Keys set by the environment: `MILLRACE_GROUP_ID`, else `CONNECT_GROUP_ID`, is `group.id`. */
export function configFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const prefix of ['CONNECT_', 'MILLRACE_']) {
    for (const [name, value] of Object.entries(env)) {
      if (!name.startsWith(prefix) || value === undefined) continue;
      const configKey = name
        .slice(prefix.length)
        .toLowerCase()
        .replace(/_{1,3}/g, (run) => (run.length === 1 ? '.' : run.length === 2 ? '-' : '_'));
      // Variables of our own commands (MILLRACE_URL and the like) are no worker keys.
      if (configKey.includes('.') || workerConfigDef.keys.has(configKey)) found[configKey] = value;
    }
  }
  return found;
}
