// Settings of the Kafka clients a task uses: from the worker's `producer.*`, `consumer.*` and `admin.*` keys and the connector's
// overrides, in the Java clients' names.
import type { Logger } from '@millrace/foundation';
import {
  type BatchProducerOptions,
  type ClientSecurity,
  clientSecurity,
  type GroupConsumerOptions,
  isSecurityKey,
  type TransactionOptions,
} from '@millrace/kafka-client';
import { type ClientKind, overridesOf } from '../config/client-overrides.ts';
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

/** What the clients of a connector are made from. */
export type ClientSpec = Pick<TaskSpec, 'settings' | 'connectorConfig'>;

/** As in Kafka's producers. */
const TRANSACTION_TIMEOUT_MS = 60_000;

const COMPRESSIONS = new Set(['none', 'gzip', 'snappy', 'lz4', 'zstd']);

function merged(spec: ClientSpec, kind: ClientKind): Readonly<Record<string, string>> {
  const { workerProducer, workerConsumer, workerAdmin } = spec.settings;
  const worker = { producer: workerProducer, consumer: workerConsumer, admin: workerAdmin }[kind];
  return { ...worker, ...overridesOf(spec.connectorConfig, kind) };
}

/** TLS and SASL of one kind of client. @throws config.invalid */
export function securityOf(spec: ClientSpec, kind: ClientKind): ClientSecurity {
  return clientSecurity(merged(spec, kind));
}

/** Whether records go to another cluster than the worker's, or are written as somebody else. */
export function producesElsewhere(spec: ClientSpec): boolean {
  const { bootstrapServers, workerClient } = spec.settings;
  return (
    bootstrapServersOf(spec, 'producer') !== bootstrapServers ||
    identityOf(merged(spec, 'producer')) !== identityOf(workerClient)
  );
}

/** Whether topics are made as somebody else than who writes to them: only where the config says who. */
export function hasOwnAdmin(spec: ClientSpec): boolean {
  const { workerAdmin, workerProducer } = spec.settings;
  const overridden = Object.keys(overridesOf(spec.connectorConfig, 'admin')).length > 0;
  return overridden || identityOf(workerAdmin) !== identityOf(workerProducer);
}

/** What a client of a kind connects as, and how; with secrets in it. */
export function connectsAs(spec: ClientSpec, kind: ClientKind): string {
  return identityOf(merged(spec, kind));
}

function identityOf(settings: Readonly<Record<string, string>>): string {
  const security = Object.entries(settings).filter(([key]) => isSecurityKey(key));
  return JSON.stringify(security.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function number(config: Readonly<Record<string, string>>, key: string): number | undefined {
  const value = Number(config[key] ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** Bootstrap servers for one kind of client: the connector's own where it names some. */
export function bootstrapServersOf(spec: ClientSpec, kind: ClientKind): string {
  return overridesOf(spec.connectorConfig, kind)['bootstrap.servers'] ?? spec.settings.bootstrapServers;
}

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;

/** After this long without an answer, and without a connection, a write of the task is taken to be lost. */
export function requestTimeoutMs(spec: ClientSpec, kind: ClientKind = 'producer'): number {
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

/** A connector's own topic for its offsets; undefined where they are in the worker's. */
export function ownOffsetsTopic({
  connectorConfig,
}: Pick<ClientSpec, 'connectorConfig'>): string | undefined {
  const topic = connectorConfig['offsets.storage.topic']?.trim();
  return topic === undefined || topic === '' ? undefined : topic;
}

/** Whether records go to brokers that are not known to be the worker's. */
export function producesToOthers(spec: ClientSpec): boolean {
  const sorted = (servers: string): string =>
    servers
      .split(',')
      .map((server) => server.trim())
      .sort()
      .join();
  return sorted(bootstrapServersOf(spec, 'producer')) !== sorted(spec.settings.bootstrapServers);
}

/** The transactional id of a task's producer. */
export function transactionalIdOf(groupId: string, connector: string, task: number): string {
  return `${groupId}-${connector}-${task}`;
}

/** The transaction of a task that delivers exactly once. */
export function transactionSettings(spec: TaskSpec, logger: Logger): TransactionOptions {
  const config = merged(spec, 'producer');
  const id = transactionalIdOf(spec.settings.groupId, spec.connector, spec.task);
  const fixed = { 'transactional.id': id, 'enable.idempotence': 'true' };
  for (const [key, value] of Object.entries(fixed)) {
    const given = config[key];
    if (given === undefined || given.trim().toLowerCase() === value.toLowerCase()) continue;
    logger.warn(
      { key },
      `The value '${given}' for the '${key}' property will be ignored as it is not supported for connectors when exactly-once source support is enabled; instead, the value '${value}' will be used`,
    );
  }
  return { id, timeoutMs: transactionTimeoutMs(spec) };
}

/** For how long a transaction of a task may be open. */
export function transactionTimeoutMs(spec: TaskSpec): number {
  return number(merged(spec, 'producer'), 'transaction.timeout.ms') ?? TRANSACTION_TIMEOUT_MS;
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
    // INV-5: Java's default per partition. One response is worked on while the next is on its way or waits, so a task of
    // few partitions holds twice that for each.
    maxPartitionBytes: number(config, 'max.partition.fetch.bytes') ?? 1024 * 1024,
    ...given('minBytes', number(config, 'fetch.min.bytes')),
    ...given('maxBytes', number(config, 'fetch.max.bytes')),
    ...given('maxWaitMs', number(config, 'fetch.max.wait.ms')),
    ...given('sessionTimeoutMs', number(config, 'session.timeout.ms')),
    ...given('heartbeatIntervalMs', number(config, 'heartbeat.interval.ms')),
  };
}
