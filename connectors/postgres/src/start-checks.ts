// What validation accepts, as Debezium's does, and no task starts with, in Debezium's words.
import {
  CONNECT_EXCEPTION,
  javaRegexProblem,
  MillraceError,
  type ResolvedConfig,
} from '@millrace/foundation';
import { DEBEZIUM_EXCEPTION } from './errors.ts';

/** @throws config.invalid */
export function refuseAtStart(config: ResolvedConfig): void {
  refuseCustomModes(config);
  refuseStrategy(config.string('topic.naming.strategy').trim());
  refuseTopicNames(config);
}

const CUSTOM_MODES = [
  ['snapshot.mode', 'snapshotter', 'Unable to create service io.debezium.snapshot.SnapshotterService'],
  [
    'snapshot.query.mode',
    'snapshot query mode',
    'Unable to create service io.debezium.snapshot.spi.SnapshotQuery',
  ],
  [
    'snapshot.locking.mode',
    'snapshot lock mode',
    'Unable to create service io.debezium.snapshot.spi.SnapshotLock',
  ],
] as const;

/** Custom modes are Java classes: none is found. @throws config.invalid, in Debezium's words */
function refuseCustomModes(config: ResolvedConfig): void {
  for (const [key, kind, failing] of CUSTOM_MODES) {
    if (config.string(key).toLowerCase() !== 'custom') continue;
    const name = config.optionalString(`${key}.custom.name`) ?? '';
    const text = `Unable to find ${name} ${kind}. Please check your configuration.`;
    const cause = new MillraceError('config.invalid', text, { javaClass: DEBEZIUM_EXCEPTION });
    throw new MillraceError('config.invalid', failing, {
      cause,
      configKey: `${key}.custom.name`,
      javaClass: DEBEZIUM_EXCEPTION,
    });
  }
}

const TOPIC_NAMES = [
  'topic.delimiter',
  'topic.transaction',
  'topic.heartbeat.prefix',
  'topic.heartbeat.name',
];
/** Strategies that name topics by a pattern. */
export const REGEX_STRATEGY: RegExp = /^io\.debezium\.schema\.(?:Default|Schema)RegexTopicNamingStrategy$/;

const STRATEGIES = /^io\.debezium\.schema\.(?:Default|Schema)(?:Regex|Unicode)?TopicNamingStrategy$/;

/** Other strategies are Java classes, under whose names topics would come out wrong. @throws config.invalid, as Debezium */
function refuseStrategy(name: string): void {
  if (STRATEGIES.test(name)) return;
  const cause = new MillraceError('config.invalid', name, { javaClass: 'java.lang.ClassNotFoundException' });
  throw new MillraceError('config.invalid', `Unable to find class ${name}`, {
    cause,
    configKey: 'topic.naming.strategy',
    javaClass: 'java.lang.IllegalArgumentException',
  });
}

/** What Debezium looks at when its task starts. @throws config.invalid, in its words */
function refuseTopicNames({ raw }: ResolvedConfig): void {
  const refuse = (key: string, why: string): never => {
    const cause = new MillraceError('config.invalid', `The '${key}' value is invalid: ${why}`, {
      configKey: key,
      javaClass: CONNECT_EXCEPTION,
    });
    throw new MillraceError('config.invalid', 'Unable to validate config.', {
      cause,
      configKey: key,
      javaClass: CONNECT_EXCEPTION,
    });
  };
  for (const key of TOPIC_NAMES) {
    const name = raw[key];
    if (name == null || /^[A-Za-z0-9._-]+$/.test(name) || (key === 'topic.heartbeat.name' && name === ''))
      continue;
    refuse(
      key,
      `${name} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)`,
    );
  }
  if (!REGEX_STRATEGY.test(raw['topic.naming.strategy']?.trim() ?? '')) return;
  for (const key of ['topic.regex', 'topic.replacement']) if (!raw[key]) refuse(key, 'A value is required');
  for (const key of ['topic.regex', 'topic.key.field.regex']) {
    const problem = javaRegexProblem(raw[key] ?? '');
    if (problem !== undefined)
      refuse(key, `A comma-separated list of valid regular expressions is expected, but ${problem}`);
  }
  if (raw['topic.key.field.regex']?.trim() && !raw['topic.key.field.replacement']?.trim())
    refuse(
      'topic.key.field.replacement',
      'topic.key.field.replacement must be non-empty if topic.key.field.regex is set.',
    );
}
