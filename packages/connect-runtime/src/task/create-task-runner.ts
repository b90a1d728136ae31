// Puts a task together from its spec: plug-in, converters, transforms, error handling and Kafka clients.

import type { ConnectorPlugin, SourcePartition, TopicLog, TopicLogOptions } from '@millrace/connect-api';
import { javaRegexWhole } from '@millrace/foundation';
import {
  Admin,
  BatchProducer,
  Cluster,
  clientSecurity,
  GroupConsumer,
  TransactionalProducer,
} from '@millrace/kafka-client';
import type { ClientKind } from '../config/client-overrides.ts';
import { connectError, JAVA } from '../errors.ts';
import { TopicCreationRules, topicCreator } from '../topic-creation.ts';
import { logOpener } from '../topic-log.ts';
import {
  bootstrapServersOf,
  connectsAs,
  consumerSettings,
  hasOwnAdmin,
  producerSettings,
  producesElsewhere,
  requestTimeoutMs,
  securityOf,
  transactionSettings,
  transactionTimeoutMs,
} from './client-settings.ts';
import { createConverters } from './converters.ts';
import { deadLetterTopic, openDeadLetterQueue } from './dead-letter-queue.ts';
import { ErrorHandler, errorSettings, type FailureReporter } from './error-handling.ts';
import { ExactlyOnceSourceRunner, type TransactionBoundary } from './exactly-once-source-runner.ts';
import { OffsetMirror } from './offset-mirror.ts';
import { RecordReader } from './record-reader.ts';
import { SinkTaskRunner } from './sink-task-runner.ts';
import { SourceTaskRunner } from './source-task-runner.ts';
import type { RunnerEnvironment, TaskEnvironment, TaskEvents, TaskRunner, TaskSpec } from './task-runner.ts';
import { TransactionRequests } from './transaction-context.ts';
import { createChain } from './transformation-chain.ts';

/** Makes the runner of a task. What it opened is closed again when that fails. */
export async function createTaskRunner(
  spec: TaskSpec,
  environment: RunnerEnvironment,
  events: TaskEvents,
): Promise<TaskRunner> {
  const plugin = await environment.plugins.connector(spec.connectorClass);
  const cluster = openCluster(spec, environment, plugin.kind === 'source' ? 'producer' : 'consumer');
  try {
    return plugin.kind === 'source'
      ? await createSource(spec, environment, events, plugin, cluster)
      : await createSink(spec, environment, events, plugin, cluster);
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

const CLIENT_METRICS = {
  producer: 'producer-metrics',
  consumer: 'consumer-metrics',
  admin: 'admin-client-metrics',
} as const;

function openCluster(
  spec: TaskSpec,
  { logger, clock, writes, mayWrite, meters, heartbeatLines, handOver }: RunnerEnvironment,
  kind: ClientKind,
): Cluster {
  const cluster = new Cluster({
    ...securityOf(spec, kind),
    bootstrapServers: bootstrapServersOf(spec, kind),
    clientId: `connector-${kind}-${spec.connector}-${spec.task}`,
    requestTimeoutMs: requestTimeoutMs(spec, kind),
    logger,
    clock,
    handOver,
    ...(writes === undefined ? {} : { writes }),
    ...(mayWrite === undefined ? {} : { mayWrite }),
    ...(heartbeatLines === undefined
      ? {}
      : { heartbeats: { lines: heartbeatLines, identity: connectsAs(spec, kind) } }),
  });
  meters.client(cluster, CLIENT_METRICS[kind]);
  return cluster;
}

function openWorkerCluster(spec: TaskSpec, { logger, clock, writes, mayWrite }: TaskEnvironment): Cluster {
  const { bootstrapServers, groupId, workerClient } = spec.settings;
  return new Cluster({
    ...clientSecurity(workerClient),
    bootstrapServers,
    clientId: `connect-${groupId}-offsets-${spec.connector}`,
    requestTimeoutMs: requestTimeoutMs(spec),
    logger,
    clock,
    ...(writes === undefined ? {} : { writes }),
    ...(mayWrite === undefined ? {} : { mayWrite }),
  });
}

async function createSource(
  spec: TaskSpec,
  environment: RunnerEnvironment,
  events: TaskEvents,
  plugin: ConnectorPlugin & { kind: 'source' },
  cluster: Cluster,
): Promise<TaskRunner> {
  const { logger, clock, metrics, meters, plugins } = environment;
  const { connectorConfig, settings } = spec;
  const clusters = [cluster];
  const opened = (other: Cluster): Cluster => {
    clusters.push(other);
    return other;
  };
  const admin = new Admin(hasOwnAdmin(spec) ? opened(openCluster(spec, environment, 'admin')) : cluster);
  const rules = settings.createTopics ? TopicCreationRules.of(connectorConfig) : null;
  // Signals, schema history and offsets are on the worker's cluster, wherever the records go.
  const own = producesElsewhere(spec) ? opened(openWorkerCluster(spec, environment)) : cluster;
  const openLog = logOpener({ cluster: own, admin: new Admin(own), logger, clock });
  const logs: TopicLog[] = [];
  const converters = await createConverters(connectorConfig, settings.workerConverters, plugins);
  const queue = deadLetterTopic(spec);
  // Of its own: what the main producer still has to send does not hold up the letter that its records wait for.
  const letters = queue === undefined ? null : new BatchProducer({ cluster, logger, clock });
  const reporters =
    queue === undefined || letters === null
      ? []
      : [
          await openDeadLetterQueue(spec, queue, {
            admin,
            producer: letters,
            logger,
            converters,
            counts: meters.errors,
          }),
        ];
  const requests = new TransactionRequests();
  const boundary = boundaryOf(spec, requests);
  const parts = {
    spec,
    environment,
    events,
    task: plugin.createTask(),
    context: {
      connectorName: spec.connector,
      taskId: spec.task,
      config: spec.config,
      logger,
      clock,
      metrics,
      spoolFolder: settings.spoolFolder,
      exactlyOnce: settings.exactlyOnce,
      transactionTimeoutMs: settings.exactlyOnce ? transactionTimeoutMs(spec) : undefined,
      transactions: settings.exactlyOnce && boundary.kind === 'connector' ? requests : undefined,
      offsets: { offset: (partition: SourcePartition) => events.readOffset(partition) },
      topicLog: async (name: string, options: TopicLogOptions) => {
        const log = await openLog(name, options);
        logs.push(log);
        return log;
      },
    },
    chain: await createChain(connectorConfig, plugins),
    converters,
    errors: new ErrorHandler(errorSettings(connectorConfig), {
      clock,
      logger,
      reporters,
      counts: meters.errors,
    }),
    letters,
    meters: meters.source(),
    clusters,
    logs,
    ensureTopic: topicCreator(rules, admin, logger),
  };
  const hasOwnOffsets = spec.offsets?.own === true;
  const plainProducer = (): BatchProducer => new BatchProducer({ cluster: own, logger, clock });
  const workerTopic = settings.offsetsTopic;
  const isExactlyOnce = settings.exactlyOnce && workerTopic !== null;
  const writesOffsets = isExactlyOnce || own === cluster;
  const offsetProducer = writesOffsets && !hasOwnOffsets ? null : plainProducer();
  const offsets = {
    offsetProducer,
    offsetMirror:
      offsetProducer && workerTopic !== null && hasOwnOffsets
        ? new OffsetMirror(offsetProducer, workerTopic, logger)
        : null,
  };
  const producerOptions = { cluster, logger, clock, ...producerSettings(spec, logger) };
  if (isExactlyOnce) {
    return new ExactlyOnceSourceRunner({
      ...parts,
      ...offsets,
      boundary,
      offsetsTopic: spec.offsets?.topic ?? workerTopic,
      createProducer: (callbacks) => {
        const transaction = transactionSettings(spec, logger);
        const producer = new TransactionalProducer({ ...producerOptions, ...callbacks, transaction });
        meters.producer(cluster.clientId, producer.producer);
        return producer;
      },
    });
  }
  return new SourceTaskRunner({
    ...parts,
    ...offsets,
    createProducer: (callbacks) => {
      const producer = new BatchProducer({ ...producerOptions, ...callbacks });
      meters.producer(cluster.clientId, producer);
      return producer;
    },
  });
}

function boundaryOf(
  { connectorConfig, settings }: TaskSpec,
  requests: TransactionRequests,
): TransactionBoundary {
  const kind = connectorConfig['transaction.boundary']?.trim().toLowerCase();
  if (kind === 'connector') return { kind, requests };
  if (kind !== 'interval') return { kind: 'poll' };
  const ms = Number(connectorConfig['transaction.boundary.interval.ms'] ?? settings.flushIntervalMs);
  return { kind, ms: Number.isFinite(ms) ? ms : settings.flushIntervalMs };
}

async function createSink(
  spec: TaskSpec,
  environment: RunnerEnvironment,
  events: TaskEvents,
  plugin: ConnectorPlugin & { kind: 'sink' },
  cluster: Cluster,
): Promise<TaskRunner> {
  const { logger, clock, meters, plugins } = environment;
  const { connectorConfig, settings } = spec;
  const admin = new Admin(cluster);
  const reporters: FailureReporter[] = [];
  const queue = deadLetterTopic(spec);
  const producer = queue === undefined ? null : new BatchProducer({ cluster, logger, clock });
  const converters = await createConverters(connectorConfig, settings.workerConverters, plugins);
  if (queue !== undefined && producer) {
    reporters.push(
      await openDeadLetterQueue(spec, queue, { admin, producer, logger, converters, counts: meters.errors }),
    );
  }
  const chain = await createChain(connectorConfig, plugins);
  const errors = new ErrorHandler(errorSettings(connectorConfig), {
    clock,
    logger,
    reporters,
    counts: meters.errors,
  });
  const reports = queue !== undefined || errors.settings.log;
  const consumer = consumerSettings(spec);
  const { groupId, offsetReset, offsetResetChosen, maxPollRecords, ...group } = consumer;
  return new SinkTaskRunner({
    spec,
    environment,
    events,
    task: plugin.createTask(),
    chain,
    reader: new RecordReader({ chain, converters, errors, keepConsumed: reports }),
    errors,
    meters: meters.sink(),
    cluster,
    producer,
    reports,
    maxPollRecords,
    offsetReset: offsetResetChosen && offsetReset !== 'none' ? offsetReset : null,
    beginnings: offsetReset === 'latest' ? null : (places) => admin.listOffsets(places, 'earliest'),
    findOffset: async (place, which) => (await admin.listOffsets([place], which))[0]?.offset ?? 0,
    createConsumer: (callbacks) =>
      new GroupConsumer({
        cluster,
        logger,
        clock,
        ...group,
        groupId: groupId ?? `connect-${spec.connector}`,
        // The same on whatever worker it runs: a task that moves takes the place of the one that did not end (INV-2).
        groupInstanceId: `${settings.groupId}-${spec.connector}-${spec.task}`,
        topics: topicsOf(spec),
        startAt: offsetReset === 'latest' ? 'latest' : 'earliest',
        ...callbacks,
      }),
  });
}

function topicsOf(spec: TaskSpec): readonly string[] | RegExp {
  const regex = spec.connectorConfig['topics.regex']?.trim();
  if (regex !== undefined && regex !== '') {
    try {
      return javaRegexWhole(regex);
    } catch (error) {
      throw connectError('connect.data', `topics.regex is no regular expression: ${regex}`, {
        configKey: 'topics.regex',
        javaClass: JAVA.config,
        cause: error,
      });
    }
  }
  return (spec.connectorConfig['topics'] ?? '')
    .split(',')
    .map((topic) => topic.trim())
    .filter((topic) => topic !== '');
}
