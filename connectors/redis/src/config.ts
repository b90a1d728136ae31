// The sink's settings.
import { ConfigDef, type ConfigKey, type RawConfig, validators } from '@millrace/foundation';

export type RedisMode = 'string' | 'hash' | 'stream';
export type MarkerPolicy = 'rewind' | 'continue' | 'fail';

/** The settings as the task uses them. */
export interface RedisConfig {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly mode: RedisMode;
  readonly keyTemplate: string;
  readonly ttlMs: number;
  readonly batchSize: number;
  readonly batchLingerMs: number;
  /** How long the order of a deleted key is remembered. */
  readonly fenceTtlMs: number;
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  readonly markerMissing: MarkerPolicy;
  readonly commandTimeoutMs: number;
  readonly placeholder: string;
  readonly streamMaxLength: number;
}

const CONNECTION = 'Connection';
const WRITING = 'Writing';
const SAFETY = 'Safety';

/** A mode name is taken in any case; the value itself stays as posted. */
const oneOfAnyCase =
  (...allowed: string[]): NonNullable<ConfigKey['validator']> =>
  (value) =>
    allowed.includes(String(value).toLowerCase())
      ? undefined
      : `String must be one of: ${allowed.join(', ')}`;

export const redisConfigDef: ConfigDef = new ConfigDef([
  {
    name: 'redis.url',
    type: 'STRING',
    default: 'redis://127.0.0.1:6379',
    importance: 'HIGH',
    group: CONNECTION,
    orderInGroup: 1,
    width: 'LONG',
    displayName: 'Redis URL',
    aliases: ['redis.uri'],
    doc: 'redis://[user:password@]host:port[/database], or rediss:// for TLS.',
    validator: validUrl,
  },
  {
    name: 'redis.username',
    type: 'STRING',
    default: null,
    importance: 'MEDIUM',
    group: CONNECTION,
    orderInGroup: 2,
    width: 'MEDIUM',
    displayName: 'User',
    doc: 'User of the ACL, when the URL names none.',
  },
  {
    name: 'redis.password',
    type: 'PASSWORD',
    default: null,
    importance: 'MEDIUM',
    group: CONNECTION,
    orderInGroup: 3,
    width: 'MEDIUM',
    displayName: 'Password',
    doc: 'Password, when the URL holds none.',
  },
  {
    name: 'redis.command.timeout.ms',
    type: 'INT',
    default: 10_000,
    importance: 'LOW',
    group: CONNECTION,
    orderInGroup: 4,
    width: 'SHORT',
    displayName: 'Command timeout (ms)',
    doc: 'How long an answer may take before the connection counts as dead.',
    validator: validators.atLeast(1),
  },
  {
    name: 'redis.mode',
    type: 'STRING',
    default: 'string',
    importance: 'HIGH',
    group: WRITING,
    orderInGroup: 1,
    width: 'MEDIUM',
    displayName: 'Mode',
    aliases: ['redis.type'],
    doc: 'string: one JSON document a key. hash: one hash a key, a field a column. stream: every record is appended to a stream.',
    validator: oneOfAnyCase('string', 'hash', 'stream'),
    recommend: () => ['string', 'hash', 'stream'],
  },
  {
    name: 'redis.key.template',
    type: 'STRING',
    default: null,
    importance: 'HIGH',
    group: WRITING,
    orderInGroup: 2,
    width: 'LONG',
    displayName: 'Key template',
    doc: 'The Redis key of a record: ${topic}, ${partition}, ${key} (all fields joined by a colon), ${key.FIELD}. Default ${topic}:${key}, in stream mode ${topic}.',
  },
  {
    name: 'redis.ttl.seconds',
    type: 'LONG',
    default: 0,
    importance: 'MEDIUM',
    group: WRITING,
    orderInGroup: 3,
    width: 'SHORT',
    displayName: 'Time to live (s)',
    doc: 'Keys expire this long after their last write; 0 = never.',
    validator: validators.atLeast(0),
  },
  {
    name: 'redis.batch.size',
    type: 'INT',
    default: 512,
    importance: 'LOW',
    group: WRITING,
    orderInGroup: 4,
    width: 'SHORT',
    displayName: 'Batch size',
    doc: 'The most records in one script call.',
    validator: validators.between(1, 5000),
  },
  {
    name: 'redis.batch.linger.ms',
    type: 'INT',
    default: 0,
    importance: 'LOW',
    group: WRITING,
    orderInGroup: 5,
    width: 'SHORT',
    displayName: 'Batch linger (ms)',
    doc: 'How long records wait for a batch to fill; 0 = written as they come.',
    validator: validators.between(0, 60_000),
  },
  {
    name: 'redis.stream.max.length',
    type: 'LONG',
    default: 0,
    importance: 'LOW',
    group: WRITING,
    orderInGroup: 6,
    width: 'SHORT',
    displayName: 'Stream length',
    doc: 'Streams are trimmed to about this many entries; 0 = never.',
    validator: validators.atLeast(0),
  },
  {
    name: 'redis.unavailable.value.placeholder',
    type: 'STRING',
    default: '__debezium_unavailable_value',
    importance: 'LOW',
    group: WRITING,
    orderInGroup: 7,
    width: 'MEDIUM',
    displayName: 'Unavailable placeholder',
    doc: 'The text that stands for a large value that did not change; the stored value is kept in its place.',
  },
  {
    name: 'redis.fence.ttl.seconds',
    type: 'LONG',
    default: 86_400,
    importance: 'LOW',
    group: SAFETY,
    orderInGroup: 1,
    width: 'SHORT',
    displayName: 'Fence of deleted keys (s)',
    doc: 'How long the order of a deleted key is remembered, so that a late repeat does not bring it back.',
    validator: validators.atLeast(1),
  },
  {
    name: 'redis.marker.missing',
    type: 'STRING',
    default: 'rewind',
    importance: 'MEDIUM',
    group: SAFETY,
    orderInGroup: 2,
    width: 'MEDIUM',
    displayName: 'When Redis lost data',
    doc: 'What to do when Redis no longer knows how far it was filled: rewind (fill it again from the topics), continue, or fail.',
    validator: oneOfAnyCase('rewind', 'continue', 'fail'),
    recommend: () => ['rewind', 'continue', 'fail'],
  },
  {
    name: 'redis.wait.replicas',
    type: 'INT',
    default: 0,
    importance: 'LOW',
    group: SAFETY,
    orderInGroup: 3,
    width: 'SHORT',
    displayName: 'Replicas to wait for',
    doc: 'Offsets are committed only after this many replicas have a batch (WAIT).',
    validator: validators.atLeast(0),
  },
  {
    name: 'redis.wait.timeout.ms',
    type: 'INT',
    default: 5_000,
    importance: 'LOW',
    group: SAFETY,
    orderInGroup: 4,
    width: 'SHORT',
    displayName: 'Replica timeout (ms)',
    doc: 'How long to wait for the replicas.',
    validator: validators.atLeast(1),
  },
]);

function validUrl(value: unknown): string | undefined {
  try {
    const url = new URL(String(value));
    if (url.protocol === 'redis:' || url.protocol === 'rediss:') return undefined;
  } catch {
    // Fall through: not a URL at all.
  }
  return 'expected redis://[user:password@]host:port[/database]';
}

/** @throws config.invalid with every problem */
export function parseRedisConfig(raw: RawConfig): RedisConfig {
  const { config } = redisConfigDef.parseOrThrow(raw, () => true);
  const mode = config.string('redis.mode').toLowerCase() as RedisMode;
  return {
    url: config.string('redis.url'),
    username: config.optionalString('redis.username'),
    password: config.password('redis.password')?.reveal(),
    mode,
    keyTemplate:
      config.optionalString('redis.key.template') ?? (mode === 'stream' ? '${topic}' : '${topic}:${key}'),
    ttlMs: config.int('redis.ttl.seconds') * 1000,
    batchSize: config.int('redis.batch.size'),
    batchLingerMs: config.int('redis.batch.linger.ms'),
    fenceTtlMs: config.int('redis.fence.ttl.seconds') * 1000,
    waitReplicas: config.int('redis.wait.replicas'),
    waitTimeoutMs: config.int('redis.wait.timeout.ms'),
    markerMissing: config.string('redis.marker.missing').toLowerCase() as MarkerPolicy,
    commandTimeoutMs: config.int('redis.command.timeout.ms'),
    placeholder: config.string('redis.unavailable.value.placeholder'),
    streamMaxLength: config.int('redis.stream.max.length'),
  };
}
