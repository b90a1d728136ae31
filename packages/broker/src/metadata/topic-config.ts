// Resolves a topic's settings: its own overrides over the broker's values. Gives the log what it works with and
// DescribeConfigs what it prints.
import { parseConfigText } from '@millrace/foundation';
import type { Compression } from '@millrace/kafka-protocol';
import type { FlushPolicy, LogConfig } from '../log/log-config.ts';
import { type BrokerConfig, ConfigSource, type SourcedValue } from './broker-config.ts';
import { TOPIC_KEYS, type TopicKey } from './topic-keys.ts';

/** Overrides of a topic, as users wrote them. */
export type TopicOverrides = Readonly<Record<string, string>>;

/** All values of a topic key, the one in force first. */
export function topicSources(key: TopicKey, overrides: TopicOverrides, broker: BrokerConfig): SourcedValue[] {
  const found: SourcedValue[] = [];
  const own = overrides[key.name];
  if (own !== undefined) found.push({ name: key.name, value: own, source: ConfigSource.topic });
  if (key.broker !== undefined) found.push(...broker.sources(key.broker));
  else found.push({ name: key.name, value: fallbackOf(key, broker), source: ConfigSource.defaults });
  return found;
}

/** Keys whose default is spread over several broker keys, of which the most exact that is set counts. */
function fallbackOf(key: TopicKey, broker: BrokerConfig): string {
  if (key.name === 'retention.ms') return durationOf(broker, 'log.retention') ?? key.fallback ?? '';
  if (key.name === 'segment.ms') return durationOf(broker, 'log.roll') ?? key.fallback ?? '';
  if (key.name === 'segment.jitter.ms') return durationOf(broker, 'log.roll.jitter') ?? key.fallback ?? '';
  if (key.name === 'flush.ms') return broker.text('log.flush.interval.ms') ?? key.fallback ?? '';
  return key.fallback ?? '';
}

function durationOf(broker: BrokerConfig, prefix: string): string | undefined {
  for (const [suffix, factor] of [
    ['ms', 1],
    ['minutes', 60_000],
    ['hours', 3_600_000],
  ] as const) {
    const found = broker.sources(`${prefix}.${suffix}`)[0];
    const value = found?.source === ConfigSource.defaults ? null : found?.value;
    if (value !== undefined && value !== null)
      return value === '-1' ? value : String(BigInt(value) * BigInt(factor));
  }
  return undefined;
}

/** The text in force of a topic key. */
export function topicText(name: string, overrides: TopicOverrides, broker: BrokerConfig): string {
  const key = TOPIC_KEYS.get(name);
  return (key && topicSources(key, overrides, broker)[0]?.value) ?? '';
}

/** What the partition logs of a topic work with. */
export function logConfigOf(overrides: TopicOverrides, broker: BrokerConfig, internal: boolean): LogConfig {
  const text = (name: string): string => topicText(name, overrides, broker);
  const number = (name: string): number => {
    const key = TOPIC_KEYS.get(name);
    return key ? Number(parseConfigText(key.type, text(name)).value) : 0;
  };
  const policies = text('cleanup.policy').split(/\s*,\s*/);
  const compacted = policies.includes('compact');
  const maxCompactionLagMs = number('max.compaction.lag.ms');
  return {
    segmentBytes: number('segment.bytes'),
    // The active segment is never cleaned: what must be cleaned by then has to leave it.
    segmentMs: Math.min(number('segment.ms'), compacted ? maxCompactionLagMs : Number.MAX_VALUE),
    segmentJitterMs: number('segment.jitter.ms'),
    segmentIndexBytes: number('segment.index.bytes'),
    indexIntervalBytes: number('index.interval.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    logAppendTime: text('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    codec: codecOf(text('compression.type')),
    compacted,
    deletes: policies.includes('delete'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    fileDeleteDelayMs: number('file.delete.delay.ms'),
    minCleanableRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs,
    deleteRetentionMs: number('delete.retention.ms'),
    flushPolicy: flushPolicyOf(number('flush.messages'), text('millrace.log.flush.policy'), internal),
    flushMessages: number('flush.messages'),
    flushIntervalMs: Math.min(number('flush.ms'), broker.number('millrace.log.flush.interval.ms')),
  };
}

function codecOf(text: string): LogConfig['codec'] {
  if (text === 'producer') return undefined;
  return text === 'uncompressed' ? 'none' : (text as Compression);
}

function flushPolicyOf(flushMessages: number, policy: string, internal: boolean): FlushPolicy {
  // INV-1: offsets and groups are never weaker than what producers may ask for.
  if (internal) return 'acks-all';
  if (flushMessages === 1) return 'always';
  return policy as FlushPolicy;
}
