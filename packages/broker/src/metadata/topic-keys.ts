// Topic config keys of Kafka 4.3: type, broker key that gives the default, what values are allowed.
import {
  type ConfigType,
  type ConfigValue,
  invalid,
  parseConfigText,
  type Validator,
  validators,
} from '@millrace/foundation';

export interface TopicKey {
  readonly name: string;
  readonly type: ConfigType;
  /** The broker key with the default; listed as a synonym. */
  readonly broker?: string;
  /** Default when no broker key gives one. */
  readonly fallback?: string;
  readonly validator?: Validator;
  /** Ours: shown only where it is set, since tools expect Kafka's keys. */
  readonly own?: true;
}

const LONG_MAX = '9223372036854775807';
const { atLeast, between, oneOf } = validators;

/** LIST values must come from a set. */
const listOf =
  (...allowed: readonly string[]): Validator =>
  (value) => {
    const wrong = Array.isArray(value) ? value.find((item) => !allowed.includes(item)) : undefined;
    return wrong === undefined ? undefined : `String must be one of: ${allowed.join(', ')}`;
  };

const compressionLevel: Validator = (value) => (Number(value) === -1 ? undefined : between(1, 9)(value, ''));

const KEYS: readonly TopicKey[] = [
  {
    name: 'compression.type',
    type: 'STRING',
    broker: 'compression.type',
    validator: oneOf('uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'),
  },
  { name: 'remote.log.delete.on.disable', type: 'BOOLEAN', fallback: 'false' },
  { name: 'leader.replication.throttled.replicas', type: 'LIST', fallback: '' },
  { name: 'remote.storage.enable', type: 'BOOLEAN', fallback: 'false' },
  { name: 'min.insync.replicas', type: 'INT', broker: 'min.insync.replicas', validator: atLeast(1) },
  { name: 'segment.jitter.ms', type: 'LONG', fallback: '0', validator: atLeast(0) },
  { name: 'remote.log.copy.disable', type: 'BOOLEAN', fallback: 'false' },
  { name: 'local.retention.ms', type: 'LONG', broker: 'log.local.retention.ms', validator: atLeast(-2) },
  {
    name: 'cleanup.policy',
    type: 'LIST',
    broker: 'log.cleanup.policy',
    validator: listOf('compact', 'delete'),
  },
  { name: 'flush.ms', type: 'LONG', fallback: LONG_MAX, validator: atLeast(0) },
  { name: 'follower.replication.throttled.replicas', type: 'LIST', fallback: '' },
  { name: 'compression.lz4.level', type: 'INT', broker: 'compression.lz4.level', validator: between(1, 17) },
  { name: 'segment.bytes', type: 'INT', broker: 'log.segment.bytes', validator: atLeast(1_048_576) },
  { name: 'retention.ms', type: 'LONG', fallback: '604800000', validator: atLeast(-1) },
  {
    name: 'compression.gzip.level',
    type: 'INT',
    broker: 'compression.gzip.level',
    validator: compressionLevel,
  },
  { name: 'flush.messages', type: 'LONG', broker: 'log.flush.interval.messages', validator: atLeast(1) },
  {
    name: 'compression.zstd.level',
    type: 'INT',
    broker: 'compression.zstd.level',
    validator: between(-131072, 22),
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'LONG',
    broker: 'log.cleaner.max.compaction.lag.ms',
    validator: atLeast(1),
  },
  {
    name: 'file.delete.delay.ms',
    type: 'LONG',
    broker: 'log.segment.delete.delay.ms',
    validator: atLeast(0),
  },
  { name: 'max.message.bytes', type: 'INT', broker: 'message.max.bytes', validator: atLeast(0) },
  {
    name: 'min.compaction.lag.ms',
    type: 'LONG',
    broker: 'log.cleaner.min.compaction.lag.ms',
    validator: atLeast(0),
  },
  {
    name: 'message.timestamp.type',
    type: 'STRING',
    broker: 'log.message.timestamp.type',
    validator: oneOf('CreateTime', 'LogAppendTime'),
  },
  {
    name: 'local.retention.bytes',
    type: 'LONG',
    broker: 'log.local.retention.bytes',
    validator: atLeast(-2),
  },
  { name: 'preallocate', type: 'BOOLEAN', broker: 'log.preallocate' },
  { name: 'index.interval.bytes', type: 'INT', broker: 'log.index.interval.bytes', validator: atLeast(0) },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'DOUBLE',
    broker: 'log.cleaner.min.cleanable.ratio',
    validator: between(0, 1),
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'BOOLEAN',
    broker: 'unclean.leader.election.enable',
  },
  { name: 'retention.bytes', type: 'LONG', broker: 'log.retention.bytes', validator: atLeast(-1) },
  {
    name: 'delete.retention.ms',
    type: 'LONG',
    broker: 'log.cleaner.delete.retention.ms',
    validator: atLeast(0),
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'LONG',
    broker: 'log.message.timestamp.after.max.ms',
    validator: atLeast(0),
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'LONG',
    broker: 'log.message.timestamp.before.max.ms',
    validator: atLeast(0),
  },
  { name: 'segment.ms', type: 'LONG', fallback: '604800000', validator: atLeast(1) },
  {
    name: 'millrace.log.flush.policy',
    type: 'STRING',
    broker: 'millrace.log.flush.policy',
    validator: oneOf('os', 'interval', 'acks-all', 'always'),
    own: true,
  },
  { name: 'segment.index.bytes', type: 'INT', broker: 'log.index.size.max.bytes', validator: atLeast(4) },
];

/** All topic keys by name, in the order in which Kafka lists them. */
export const TOPIC_KEYS: ReadonlyMap<string, TopicKey> = new Map(KEYS.map((key) => [key.name, key]));

/** Parses a value; `problem` holds Kafka's whole message when it is not allowed. */
export function parseTopicValue(key: TopicKey, text: string): { value: ConfigValue; problem?: string } {
  const parsed = parseConfigText(key.type, text);
  if (parsed.problem !== undefined) {
    return { value: null, problem: invalid(key.name, text, parsed.problem) };
  }
  const problem = key.validator?.(parsed.value, key.name);
  return problem === undefined
    ? parsed
    : { value: parsed.value, problem: invalid(key.name, parsed.value, problem) };
}
