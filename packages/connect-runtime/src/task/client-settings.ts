// Settings of the Kafka clients a task uses: from the worker's `producer.*` and `consumer.*` keys and the connector's
// overrides, in the Java clients' names.
import type { Logger } from '@millrace/foundation';
import type { BatchProducerOptions, GroupConsumerOptions } from '@millrace/kafka-client';
import { overridesOf } from '../config/client-overrides.ts';
import type { TaskSpec } from './task-runner.ts';

type ProducerSettings = Pick<
  BatchProducerOptions,
  'lingerMs' | 'batchSizeBytes' | 'bufferMemoryBytes' | 'compression' | 'maxRequestSize'
>;

interface ConsumerSettings
  extends Pick<
    GroupConsumerOptions,
    | 'isolation'
    | 'sessionTimeoutMs'
    | 'rebalanceTimeoutMs'
    | 'heartbeatIntervalMs'
    | 'minBytes'
    | 'maxBytes'
    | 'maxPartitionBytes'
    | 'maxWaitMs'
  > {
  readonly groupId: string | undefined;
  readonly offsetReset: 'earliest' | 'latest' | 'none';
  /** Whether the config says what to do when a position is gone; a default never makes records vanish silently. */
  readonly offsetResetChosen: boolean;
  readonly maxPollRecords: number;
}

const COMPRESSIONS = new Set(['none', 'gzip', 'snappy', 'lz4', 'zstd']);

function merged(spec: TaskSpec, kind: 'producer' | 'consumer'): Readonly<Record<string, string>> {
  const worker = kind === 'producer' ? spec.settings.workerProducer : spec.settings.workerConsumer;
  return { ...worker, ...overridesOf(spec.connectorConfig, kind) };
}

function number(config: Readonly<Record<string, string>>, key: string): number | undefined {
  const value = Number(config[key] ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** Bootstrap servers for one kind of client: the connector's own where it names some. */
export function bootstrapServersOf(spec: TaskSpec, kind: 'producer' | 'consumer' | 'admin'): string {
  return overridesOf(spec.connectorConfig, kind)['bootstrap.servers'] ?? spec.settings.bootstrapServers;
}

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;

/** After this long without an answer, and without a connection, a write of the task is taken to be lost. */
export function requestTimeoutMs(spec: TaskSpec, kind: 'producer' | 'consumer' = 'producer'): number {
  const chosen = number(merged(spec, kind), 'request.timeout.ms');
  return chosen !== undefined && chosen > 0 ? chosen : DEFAULT_REQUEST_TIMEOUT_MS;
}

export function producerSettings(spec: TaskSpec, logger: Logger): ProducerSettings {
  const config = merged(spec, 'producer');
  const acks = config['acks'];
  if (acks !== undefined && acks !== 'all' && acks !== '-1') {
    // INV-1: offsets are stored for acknowledged records, so an acknowledgement has to mean durable.
    logger.warn({ acks }, 'acks is raised to all: source offsets must not get ahead of durable records');
  }
  const compression = config['compression.type'];
  if (compression !== undefined && !COMPRESSIONS.has(compression)) {
    logger.warn({ compression }, 'compression.type is unknown and has no effect');
  }
  return {
    bufferMemoryBytes: number(config, 'buffer.memory') ?? spec.settings.producerBufferBytes,
    ...given('lingerMs', number(config, 'linger.ms')),
    ...given('batchSizeBytes', number(config, 'batch.size')),
    ...given('maxRequestSize', number(config, 'max.request.size')),
    ...(compression !== undefined && COMPRESSIONS.has(compression)
      ? { compression: compression as NonNullable<BatchProducerOptions['compression']> }
      : {}),
  };
}

export function consumerSettings(spec: TaskSpec): ConsumerSettings {
  const config = merged(spec, 'consumer');
  const reset = config['auto.offset.reset'];
  return {
    groupId: config['group.id'],
    offsetReset: reset === 'latest' || reset === 'none' ? reset : 'earliest',
    offsetResetChosen: reset !== undefined,
    isolation: config['isolation.level'] === 'read_uncommitted' ? 'read_uncommitted' : 'read_committed',
    maxPollRecords: number(config, 'max.poll.records') ?? 512,
    // INV-5: Java's default per partition. One response is worked on while the next is on its way, so this is also what
    // a task of few partitions holds.
    maxPartitionBytes: number(config, 'max.partition.fetch.bytes') ?? 1024 * 1024,
    ...given('minBytes', number(config, 'fetch.min.bytes')),
    ...given('maxBytes', number(config, 'fetch.max.bytes')),
    ...given('maxWaitMs', number(config, 'fetch.max.wait.ms')),
    ...given('sessionTimeoutMs', number(config, 'session.timeout.ms')),
    ...given('heartbeatIntervalMs', number(config, 'heartbeat.interval.ms')),
  };
}
