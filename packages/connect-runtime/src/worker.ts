// The worker as a whole: clients, stores, herder, task host, REST, started in this order and closed in reverse.
import path from 'node:path';
import type { PluginEntry } from '@millrace/connect-api';
import {
  type Clock,
  type LogHub,
  type LogLevel,
  type Metrics,
  type RawConfig,
  toError,
} from '@millrace/foundation';
import { Admin, Cluster, clientSecurity, fenceProducers, type HandOverEnd } from '@millrace/kafka-client';
import type { OverridePolicy } from './config/client-overrides.ts';
import { defaultProviders } from './config/providers.ts';
import { restConfig, withListener } from './config/rest-config.ts';
import {
  clientSettings,
  OFFSETS_FILE,
  parseWorkerConfig,
  securitySettings,
  type WorkerConfig,
} from './config/worker-config.ts';
import { ConnectorOffsetsService } from './herder/connector-offsets.ts';
import { DistributedHerder } from './herder/herder.ts';
import { Leadership } from './herder/leadership.ts';
import { Membership, type WorkerProtocol } from './herder/membership.ts';
import { SessionKeys } from './herder/session-keys.ts';
import { ChildHost } from './host/child-host.ts';
import type { PluginProcessSettings } from './host/child-process.ts';
import { ChoosingHost } from './host/choosing-host.ts';
import { InProcessHost } from './host/in-process-host.ts';
import type { TaskHost } from './host/task-host.ts';
import { ThreadPoolHost } from './host/thread-pool-host.ts';
import { Lease } from './lease.ts';
import { showConnections, showGroup } from './metrics/client-meters.ts';
import { showMBean } from './metrics/show-mbean.ts';
import { WorkerMeters } from './metrics/worker-meters.ts';
import { startMetricsExport } from './otlp/start.ts';
import { loadOtherPlugins, type OtherPlugins } from './plugin-packages/load.ts';
import { usesOthers } from './plugin-packages/uses.ts';
import { PluginRegistry } from './plugins.ts';
import { connectorRoutes } from './rest/connectors.ts';
import { loggerRoutes, logLevelOf } from './rest/loggers.ts';
import { MetricsPage } from './rest/metrics.ts';
import { offsetRoutes } from './rest/offsets.ts';
import { pluginRoutes } from './rest/plugins.ts';
import { rootRoutes } from './rest/root.ts';
import { RestService } from './rest/service.ts';
import { runAlone, type StandaloneConnector, standaloneLogs } from './standalone.ts';
import { ConfigStore } from './stores/config-store.ts';
import { ConnectorOffsetStores, clusterOf } from './stores/connector-offset-stores.ts';
import { OffsetStore } from './stores/offset-store.ts';
import { PrivilegedWriter } from './stores/privileged-writer.ts';
import { StatusStore } from './stores/status-store.ts';
import { transactionalIdOf } from './task/client-settings.ts';
import type { TaskSettings } from './task/task-runner.ts';
import { logOpener } from './topic-log.ts';
import { converterSettings, sessionKeySettings, workerInstanceId } from './worker-settings.ts';

export interface WorkerOptions {
  /** Keys of a worker properties file, with environment and flags put in already. */
  readonly properties: RawConfig;
  readonly pluginEntries: readonly PluginEntry[];
  /** A module that exports `pluginEntries`, which threads import for themselves; null = no threads. */
  readonly pluginsModule: URL | null;
  readonly bootstrapServers: string;
  /** Makes a way for one more thread to hand records over to a broker of this process. */
  readonly handOver?: () => HandOverEnd;
  /** Where REST listens, before the listeners of the config. */
  readonly rest?: { readonly host: string; readonly port: number };
  /**
   * A worker without a group: it runs these connectors, keeps offsets in `offset.storage.file.filename` and everything
   * else in memory.
   */
  readonly standalone?: { readonly connectors: readonly StandaloneConnector[] };
  readonly dataDir: string;
  readonly logHub: LogHub;
  readonly metrics: Metrics;
  /** Metrics of what runs beside the worker in this process, in Prometheus' text form. */
  readonly moreMetrics?: () => Promise<string>;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** The worker cannot go on; the process should end. */
  readonly onFatal: (error: Error) => void;
}

export interface WorkerHandle extends AsyncDisposable {
  /** Of the first listener. */
  readonly restHost: string;
  readonly restPort: number;
  /** `http://HOST:PORT` or `https://HOST:PORT` of it. */
  readonly restUrl: string;
}

const LOGGER = 'org.apache.kafka.connect.runtime.distributed.DistributedHerder';
const COMMIT = 'unknown';
/** A busy machine keeps a process from answering for some seconds, too. */
const LEAST_BLOCKED_MS = 5000;

/** Starts a worker; resolves when REST answers and the worker has its place in the group. */
export async function startWorker(options: WorkerOptions): Promise<WorkerHandle> {
  const worker = new Worker(options, parseWorkerConfig(withListener(options.properties, options.rest)));
  try {
    await worker.start();
  } catch (error) {
    await worker[Symbol.asyncDispose]().catch(() => undefined);
    throw error;
  }
  return worker;
}

class Worker implements WorkerHandle {
  readonly #options: WorkerOptions;
  readonly #config: WorkerConfig;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #meters: WorkerMeters;
  /** What the group allows this worker, for all its threads. */
  readonly #lease = new Lease();
  readonly #rest: RestService;
  #groupId = '';

  constructor(options: WorkerOptions, config: WorkerConfig) {
    this.#options = options;
    this.#config = config;
    const logger = options.logHub.logger('org.apache.kafka.connect.runtime.rest');
    this.#rest = new RestService(restConfig(config, options.env), { logger, clock: options.clock });
    this.#meters = new WorkerMeters(options);
  }

  get restHost(): string {
    return this.#rest.first.host;
  }
  get restPort(): number {
    return this.#rest.first.port;
  }
  get restUrl(): string {
    return this.#rest.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) await close();
  }

  async start(): Promise<void> {
    const { bootstrapServers, logHub, clock, dataDir } = this.#options;
    const { resolved, raw, warnings } = this.#config;
    const logger = logHub.logger(LOGGER);
    for (const warning of warnings) logger.warn(warning);
    if (!this.#options.standalone && raw[OFFSETS_FILE] !== undefined) {
      logger.warn(`${OFFSETS_FILE} has no effect for a worker of a group, which keeps offsets in a topic`);
    }
    await this.#rest.listen();
    this.#closers.push(async () => await this.#rest[Symbol.asyncDispose]());
    const loadingOthers = this.#loadOthers();
    const instanceId = await workerInstanceId(dataDir);
    const open = (settings: Readonly<Record<string, string>>): Cluster => {
      const opened = new Cluster({
        bootstrapServers,
        clientId: resolved.string('client.id') || `connect-${resolved.string('group.id')}`,
        logger: logHub.logger('org.apache.kafka.clients'),
        clock,
        ...clientSecurity(settings),
      });
      this.#closers.push(() => opened.close());
      return opened;
    };
    const cluster = open(securitySettings(raw, ''));
    // Whoever may make topics need not be whoever writes to them.
    const hasOwnAdmin = Object.keys(securitySettings(raw, 'admin.')).length > 0;
    const admin = new Admin(hasOwnAdmin ? open(clientSettings(raw, 'admin.')) : cluster);
    const onError = (error: Error): void => this.#options.onFatal(error);
    const openTopic = logOpener({ cluster, admin, logger, clock });
    const { openLog, openOffsets } = this.#options.standalone
      ? standaloneLogs(this.#config, clock)
      : { openLog: openTopic, openOffsets: openTopic };
    let herder: DistributedHerder | undefined;
    let leadership: Leadership | undefined;
    const configs = new ConfigStore({
      topic: resolved.string('config.storage.topic'),
      replicationFactor: resolved.int('config.storage.replication.factor'),
      openLog,
      logger,
      privileged: this.#transactionalLeader
        ? new PrivilegedWriter({
            cluster,
            logger,
            clock,
            topic: resolved.string('config.storage.topic'),
            transactionalId: `connect-cluster-${resolved.string('group.id')}`,
            leads: () => leadership?.isLeader === true,
          })
        : undefined,
      onChange: (change) => herder?.onConfigChange(change),
      onError,
    });
    const offsets = new OffsetStore({
      topic: resolved.string('offset.storage.topic'),
      partitions: resolved.int('offset.storage.partitions'),
      replicationFactor: resolved.int('offset.storage.replication.factor'),
      openLog: openOffsets,
      onError,
    });
    const status = new StatusStore({
      topic: resolved.string('status.storage.topic'),
      partitions: resolved.int('status.storage.partitions'),
      replicationFactor: resolved.int('status.storage.replication.factor'),
      openLog,
      logger,
      clock,
      mayWrite: () => this.#lease.valid,
      onError,
    });
    for (const store of [configs, offsets, status]) this.#closers.push(() => store.close());
    const starting = Promise.all([configs.start(), offsets.start(), status.start()]);
    // It is awaited below, however long that takes.
    starting.catch(() => undefined);
    this.#groupId = this.#options.standalone ? instanceId : resolved.string('group.id');
    const others = await loadingOthers;
    const plugins = new PluginRegistry([...this.#options.pluginEntries, ...others.entries]);
    const host = this.#createHost(plugins, others);
    this.#closers.push(async () => await host[Symbol.asyncDispose]());
    leadership = new Leadership({
      keys: new SessionKeys({ ...sessionKeySettings(this.#config), configs, clock, logger }),
      configs,
      ask: this.#rest.ask,
      clock,
      logger,
    });
    const made = this.#createHerder({ cluster, admin, configs, offsets, status, host, leadership, plugins });
    const [serve] = await Promise.all([this.#prepareRest(made, host), starting]);
    // What the topics held already is no change.
    herder = made;
    this.#meters.show({ clientId: cluster.clientId, ...herder.shown() });
    showConnections(this.#options.metrics, cluster, 'connect-metrics');
    const about = {
      'start-time-ms': clock.nowMs(),
      version: this.#options.version,
      'commit-id': COMMIT,
    };
    showMBean(this.#options.metrics, 'appInfo', { clientid: cluster.clientId }, () => about);
    serve();
    const { standalone } = this.#options;
    if (standalone) {
      this.#lease.keep();
      await runAlone(herder, standalone.connectors, this.#options.onFatal);
    } else await this.#join(herder, cluster, configs, instanceId);
  }

  async #loadOthers(): Promise<OtherPlugins> {
    const { resolved } = this.#config;
    const own = this.#options.pluginEntries;
    const settings = this.#processSettings();
    const others = await loadOtherPlugins({ config: resolved, own, from: process.cwd(), settings });
    this.#closers.push(async () => await others[Symbol.asyncDispose]());
    return others;
  }

  #processSettings(): PluginProcessSettings {
    const { pluginsModule, logHub, clock } = this.#options;
    const { resolved } = this.#config;
    return {
      pluginsModule,
      heapMb: resolved.int('plugin.process.heap.mb'),
      memoryMb: resolved.int('plugin.process.memory.mb'),
      blockedMs: Math.max(LEAST_BLOCKED_MS, resolved.int('task.shutdown.graceful.timeout.ms')),
      logHub,
      logger: logHub.logger(LOGGER),
      clock,
      lease: this.#lease,
    };
  }

  #createHost(plugins: PluginRegistry, { entries, places }: OtherPlugins): TaskHost {
    const own = this.#createOwnHost();
    if (places.length === 0) return own;
    const others = new Set(entries);
    const children = new ChildHost({ ...this.#processSettings(), places });
    return new ChoosingHost(own, children, (spec) => usesOthers(spec, plugins, others));
  }

  #createOwnHost(): TaskHost {
    const { pluginsModule, pluginEntries, logHub, metrics, clock, handOver } = this.#options;
    const threads = this.#config.resolved.int('task.threads');
    if (pluginsModule === null || threads === 0) {
      const plugins = new PluginRegistry(pluginEntries);
      return new InProcessHost({ plugins, logHub, metrics, clock, mayWrite: () => this.#lease.valid });
    }
    const logger = logHub.logger(LOGGER);
    const lease = this.#lease;
    return new ThreadPoolHost({ threads, pluginsModule, logHub, logger, clock, lease, handOver });
  }

  #createHerder(parts: {
    cluster: Cluster;
    admin: Admin;
    configs: ConfigStore;
    offsets: OffsetStore;
    status: StatusStore;
    host: TaskHost;
    leadership: Leadership;
    plugins: PluginRegistry;
  }): DistributedHerder {
    const { logHub, clock, env, version } = this.#options;
    const { resolved } = this.#config;
    const { cluster, admin, configs, status, host, leadership, plugins } = parts;
    const settings = this.#taskSettings();
    const providers = defaultProviders(env);
    const { workerId } = this.#rest;
    const logger = logHub.logger(LOGGER);
    const clusterId = async (): Promise<string> =>
      cluster.clusterId ?? (await admin.describeCluster()).clusterId;
    const stores = new ConnectorOffsetStores({
      worker: parts.offsets,
      settings,
      clusterId,
      partitions: resolved.int('offset.storage.partitions'),
      replicationFactor: resolved.int('offset.storage.replication.factor'),
      clock,
      logger,
    });
    const herder = new DistributedHerder({
      configs,
      status,
      meters: this.#meters,
      offsets: new ConnectorOffsetsService({ stores, admin, clock }),
      leadership,
      fenceProducers: async (connector, connectorConfig, count) => {
        await using others = clusterOf({ settings, connectorConfig }, 'producer', { clock, logger });
        const ids = Array.from({ length: count }, (_, task) =>
          transactionalIdOf(settings.groupId, connector, task),
        );
        await fenceProducers(others, ids);
      },
      validation: {
        plugins,
        providers,
        workerConverters: {
          key: resolved.string('key.converter'),
          value: resolved.string('value.converter'),
          header: resolved.string('header.converter'),
        },
        overridePolicy: resolved.string('connector.client.config.override.policy') as OverridePolicy,
        exactlyOnce: settings.exactlyOnce,
      },
      connectors: { plugins, providers, logHub, workerId, clock },
      tasks: {
        offsets: stores,
        host,
        plugins,
        providers,
        settings,
        restarts: {
          enabled: resolved.boolean('task.restart.enable'),
          backoffMs: resolved.int('task.restart.backoff.ms'),
          maxBackoffMs: resolved.int('task.restart.backoff.max.ms'),
        },
        trackTopics: resolved.boolean('topic.tracking.enable'),
        workerId,
        clock,
        logger,
      },
      isStandalone: this.#options.standalone !== undefined,
      allowTopicReset: resolved.boolean('topic.tracking.allow.reset'),
      version,
      commit: COMMIT,
      clusterId,
      logger,
      onLoggerLevel: (namespace, level) => {
        const known = logLevelOf(level);
        if (known !== undefined) this.#setLogLevel(host, namespace, known);
      },
    });
    this.#closers.push(() => herder.close());
    return herder;
  }

  get #exactlyOnceSupport(): string {
    // A worker by itself has no group whose zombies could be fenced; Connect ignores the key there, too.
    return this.#options.standalone
      ? 'disabled'
      : this.#config.resolved.string('exactly.once.source.support');
  }
  /** Whether the leader of the group writes the config topic in transactions. */
  get #transactionalLeader(): boolean {
    return this.#exactlyOnceSupport !== 'disabled';
  }

  #taskSettings(): TaskSettings {
    const { resolved, raw } = this.#config;
    return {
      bootstrapServers: this.#options.bootstrapServers,
      groupId: this.#groupId,
      spoolFolder: path.join(this.#options.dataDir, 'spool'),
      workerConverters: converterSettings(this.#config),
      workerClient: securitySettings(raw, ''),
      workerProducer: clientSettings(raw, 'producer.'),
      workerConsumer: clientSettings(raw, 'consumer.'),
      workerAdmin: clientSettings(raw, 'admin.'),
      offsetsTopic: this.#options.standalone ? null : resolved.string('offset.storage.topic'),
      exactlyOnce: this.#exactlyOnceSupport === 'enabled',
      flushIntervalMs: resolved.int('offset.flush.interval.ms'),
      flushTimeoutMs: resolved.int('offset.flush.timeout.ms'),
      stopTimeoutMs: resolved.int('task.shutdown.graceful.timeout.ms'),
      producerBufferBytes: resolved.int('task.producer.buffer.bytes'),
      stallTimeoutMs: resolved.int('task.stall.timeout.ms'),
      createTopics: resolved.boolean('topic.creation.enable'),
    };
  }

  #setLogLevel(host: TaskHost, namespace: string, level: LogLevel): string[] {
    const { logHub, clock } = this.#options;
    host.setLogLevel(namespace, level);
    return logHub.setLevel(namespace, level, clock.nowMs());
  }

  async #prepareRest(herder: DistributedHerder, host: TaskHost): Promise<() => void> {
    const { logHub, clock, metrics } = this.#options;
    const page = new MetricsPage(metrics, host, this.#options.moreMetrics);
    const serve = await this.#rest.prepare({
      main: [
        ...rootRoutes(herder, () => page.render(), metrics),
        ...connectorRoutes(herder),
        ...offsetRoutes(herder),
        ...pluginRoutes(herder),
      ],
      admin: loggerRoutes({
        herder,
        logHub,
        clock,
        setLevel: (namespace, level) => this.#setLogLevel(host, namespace, level),
      }),
      gone: (url) => herder.gone(url),
    });
    // Nobody asks any more before what answers ends.
    this.#closers.push(async () => await this.#rest[Symbol.asyncDispose]());
    const exporting = await startMetricsExport({
      env: this.#options.env,
      render: () => page.render(),
      version: this.#options.version,
      instanceId: this.#rest.workerId,
      clock,
      logger: logHub.logger('io.opentelemetry'),
    });
    if (exporting) this.#closers.push(async () => await exporting[Symbol.asyncDispose]());
    return serve;
  }

  async #join(
    herder: DistributedHerder,
    cluster: Cluster,
    configs: ConfigStore,
    instanceId: string,
  ): Promise<void> {
    const { resolved } = this.#config;
    const { logHub, clock, onFatal } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const membership = new Membership({
        cluster,
        groupId: resolved.string('group.id'),
        instanceId,
        url: `${this.#rest.advertisedUrl}/`,
        protocol: resolved.string('connect.protocol') as WorkerProtocol,
        lease: this.#lease,
        sessionTimeoutMs: resolved.int('session.timeout.ms'),
        rebalanceTimeoutMs: resolved.int('rebalance.timeout.ms'),
        heartbeatIntervalMs: resolved.int('heartbeat.interval.ms'),
        maxDelayMs: resolved.int('scheduled.rebalance.max.delay.ms'),
        syncTimeoutMs: resolved.int('worker.sync.timeout.ms'),
        unsyncBackoffMs: resolved.int('worker.unsync.backoff.ms'),
        clock,
        rebalances: this.#meters.rebalances,
        logger: logHub.logger('org.apache.kafka.connect.runtime.distributed.WorkerCoordinator'),
        configOffset: () => configs.state.offset,
        refreshConfig: () => configs.catchUp(),
        configured: () => herder.configured(),
        owned: () => herder.owned(),
        onLeading: (leads, waiting) => herder.onLeading(leads, waiting),
        onAssigned: async (work) => {
          await herder.onAssigned(work);
          resolve();
        },
        giveUp: () => herder.giveUp(),
        onLost: () => herder.onLost(),
        onFatal: (error) => {
          reject(error);
          onFatal(toError(error));
        },
      });
      showGroup(
        this.#options.metrics,
        cluster.clientId,
        { stats: () => membership.stats, clock },
        'connect-coordinator-metrics',
      );
      herder.join(membership);
    });
  }
}
