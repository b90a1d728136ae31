// Starts and stops a broker: data folder, recovery, coordinators, listeners, in that order, and back.
import { join, resolve } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import {
  type Clock,
  type Logger,
  MillraceError,
  silentLogger,
  systemClock,
  toError,
} from '@millrace/foundation';
import { FetchSessions } from './api/fetch-sessions.ts';
import { ApiRegistry } from './api/registry.ts';
import type { Address, BrokerState } from './broker-state.ts';
import { type FolderLock, lockFolder, openIdentity } from './data-folder.ts';
import { type Disk, makeDurableDirectory, nodeDisk } from './disk.ts';
import { GroupCoordinator } from './groups/coordinator.ts';
import { DiskSpace } from './log/disk-space.ts';
import { LogDirectory } from './log/log-directory.ts';
import { LogKeeper } from './log/log-keeper.ts';
import { TailCache } from './log/tail-cache.ts';
import { TurnEnd } from './log/write-pipeline.ts';
import { BrokerConfig } from './metadata/broker-config.ts';
import { MetadataLog } from './metadata/metadata-log.ts';
import { type MetadataRecord, Topics } from './metadata/topics.ts';
import { BrokerMetrics } from './metrics/broker-metrics.ts';
import { renderMetrics } from './metrics/prometheus.ts';
import { timedDisk } from './metrics/timed-disk.ts';
import { AddressLimits } from './net/address-limits.ts';
import { FramePool } from './net/frame-pool.ts';
import { Listener } from './net/listener.ts';
import { SharedRecords } from './net/shared-records.ts';
import { YoungCollector } from './net/young-collector.ts';
import { ProducerIds } from './producer-ids.ts';
import type { Authorizer } from './security/authorizer.ts';
import { type ClientProperties, insideClient, type OpenListener } from './security/inside-client.ts';
import { listenerSecurity, ownLogins, type SecurityProtocol } from './security/listener-security.ts';
import { makeAuthorizer } from './security/make-authorizer.ts';
import { ScramCredentials } from './security/scram-credentials.ts';
import { type ListenerConfig, listenersOf } from './server-properties.ts';
import { TransactionCoordinator } from './transactions/coordinator.ts';

/** What a broker may be told, whether in this thread or another. */
export interface BrokerOptions {
  /** Made when missing; one process at a time. */
  readonly dataDirectory: string;
  /** Keys of a server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Where to listen without TLS and SASL, instead of `listeners`; port 0 takes a free one. */
  readonly listen?: Address;
}

/** What else a broker in this thread takes. */
export interface BrokerParts {
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly disk?: Disk;
}

/** A listener as its clients know it. */
export interface ListenerAddress {
  readonly name: string;
  readonly protocol: SecurityProtocol;
  readonly host: string;
  readonly port: number;
}

/** A running broker. */
export interface BrokerHandle {
  /** What clients of the first listener are told. */
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly listeners: readonly ListenerAddress[];
  /** Settings for a Kafka client in the same process; with the password of its login. */
  readonly inside: ClientProperties;
  /** Takes records from another thread of this process in shared memory; see `SharedRecords.add`. */
  shareRecords(secret: string, port: MessagePort): void;
  /** The broker's metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  /** Stops taking requests, makes everything durable and leaves the mark of a clean shutdown. Idempotent. */
  close(): Promise<void>;
}

const CHECKPOINT_MS = 5000;
/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 2_147_483_647;
/** Memory of large requests that is kept for the next ones. */
const FRAME_POOL_BYTES = 8 * 1024 * 1024;

/**
 * Starts a broker in this thread.
 *
 * @throws config.invalid, broker.address_in_use, broker.data_folder_locked, broker.data_folder_invalid
 */
export async function startBroker(options: BrokerOptions & BrokerParts): Promise<BrokerHandle> {
  const { logger = silentLogger, clock = systemClock, disk = nodeDisk } = options;
  const config = readConfig(options.properties ?? {}, logger);
  const listenerConfigs = listenersFor(config, options.listen);
  const folder = resolve(options.dataDirectory);
  await makeDurableDirectory(disk, folder);
  const lock = disk === nodeDisk ? await lockFolders([folder, logFolder(config, folder)]) : undefined;
  try {
    const running = new RunningBroker({ config, logger, clock, disk, folder, listenerConfigs });
    await running.start(lock);
    return running;
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

function readConfig(properties: Readonly<Record<string, string>>, logger: Logger): BrokerConfig {
  const { config, problems, warnings, unused } = BrokerConfig.parse(properties);
  if (problems.length > 0) {
    throw new MillraceError('config.invalid', problems.join('\n'), {
      javaClass: 'org.apache.kafka.common.config.ConfigException',
    });
  }
  for (const warning of warnings) logger.warn(warning);
  if (unused.length > 0) logger.info({ keys: unused }, 'keys of a KRaft quorum have no effect here');
  const [used, ...more] = config.list(config.isSet('log.dirs') ? 'log.dirs' : 'log.dir');
  if (more.length > 0) logger.warn({ used, unused: more }, 'only the first of log.dirs is used');
  return config;
}

function listenersFor(config: BrokerConfig, listen: Address | undefined): ListenerConfig[] {
  if (!listen) return listenersOf(config);
  if (config.isSet('listeners') && listenersOf(config).some(({ protocol }) => protocol !== 'PLAINTEXT')) {
    throw new MillraceError(
      'config.invalid',
      'The listeners of the broker config are secured, and another address was given.',
      {
        configKey: 'listeners',
        hint: 'Leave --kafka out; the broker listens where `listeners` says.',
        javaClass: 'org.apache.kafka.common.config.ConfigException',
      },
    );
  }
  return [{ name: 'PLAINTEXT', protocol: 'PLAINTEXT', bind: listen, advertised: undefined }];
}

/** The data folder, and the folder of logs, which another broker may name by itself: neither may be opened twice. */
async function lockFolders(folders: readonly string[]): Promise<FolderLock> {
  const locks: FolderLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks.splice(0).reverse()) await lock.release();
  };
  try {
    for (const path of new Set(folders)) {
      await makeDurableDirectory(nodeDisk, path);
      locks.push(await lockFolder(path));
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

interface Setup {
  readonly config: BrokerConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly folder: string;
  readonly listenerConfigs: readonly ListenerConfig[];
}

class RunningBroker implements BrokerHandle {
  readonly #setup: Setup;
  readonly #metrics = new BrokerMetrics();
  readonly #listeners: readonly Listener[];
  readonly #space: DiskSpace;
  readonly #directory: LogDirectory;
  readonly #scram = new ScramCredentials();
  readonly #authorizer: Authorizer | undefined;
  #aclRecords: () => MetadataRecord[] = () => [];
  #keeper: LogKeeper | undefined;
  #state: BrokerState | undefined;
  #lock: FolderLock | undefined;
  #storageFailed = false;
  #timers: NodeJS.Timeout[] = [];
  readonly #sharedRecords = new SharedRecords();
  #closing: Promise<void> | undefined;

  constructor(setup: Setup) {
    const disk = timedDisk(setup.disk, this.#metrics.flushes);
    this.#setup = { ...setup, disk };
    const { config, logger, clock, folder } = setup;
    const registry = new ApiRegistry();
    const youngCollector = new YoungCollector();
    const framePool = new FramePool(FRAME_POOL_BYTES);
    const addressLimits = new AddressLimits(config);
    this.#listeners = setup.listenerConfigs.map(
      (listener) =>
        new Listener({
          config: listener,
          security: listenerSecurity(config, listener.name, listener.protocol, this.#scram),
          registry,
          logger,
          framePool,
          youngCollector,
          addressLimits,
          metrics: this.#metrics,
          maxRequestBytes: config.number('socket.request.max.bytes'),
          maxConnections: Number(config.forListener(listener.name)('max.connections')),
          authenticationMs: config.number('millrace.authentication.timeout.ms'),
          maxIdleMs: config.number('connections.max.idle.ms'),
        }),
    );
    this.#authorizer = makeAuthorizer(config, logger);
    this.#space = new DiskSpace(disk, folder, config.number('millrace.disk.reserve.bytes'), logger);
    this.#directory = new LogDirectory(logFolder(config, folder), {
      disk,
      clock,
      logger,
      turnEnd: new TurnEnd(),
      tailCache: new TailCache(config.number('millrace.tail.cache.bytes')),
      space: this.#space,
      onStorageFailure: (error) => this.#failStorage(error),
      storageFailed: () => this.#storageFailed,
    });
  }

  get host(): string {
    return this.#listeners[0]?.advertised.host ?? '';
  }
  get port(): number {
    return this.#listeners[0]?.advertised.port ?? 0;
  }
  get clusterId(): string {
    return this.#state?.clusterId ?? '';
  }
  get listeners(): ListenerAddress[] {
    return this.#openListeners().map(({ name, protocol, told }) => ({ name, protocol, ...told }));
  }
  shareRecords(secret: string, port: MessagePort): void {
    this.#sharedRecords.add(secret, port);
  }
  get inside(): ClientProperties {
    return insideClient(this.#setup.config, this.#openListeners());
  }

  #openListeners(): OpenListener[] {
    return this.#setup.listenerConfigs.flatMap((config, index) => {
      const told = this.#listeners[index]?.advertised;
      return told ? [{ ...config, told }] : [];
    });
  }

  async start(lock: FolderLock | undefined): Promise<void> {
    const { config, logger, clock, disk, folder } = this.#setup;
    const identity = await openIdentity(disk, folder, config.number('node.id'));
    await this.#directory.begin();
    const opened = await MetadataLog.open<MetadataRecord>(
      disk,
      join(this.#directory.path, 'metadata.log'),
      this.#space,
      this.#directory.wasClean,
    );
    const topics = new Topics(this.#directory, opened.log, config, logger);
    restoreBrokerConfig(config, opened.records);
    await this.#loadSecurity(opened.records);
    await topics.open(opened.records);
    const producerIds = new ProducerIds(opened.log, nextProducerId(opened.records, topics));
    topics.alsoKeep(() => [
      producerIds.record(),
      ...brokerConfigRecords(config),
      ...this.#scram.records(),
      ...this.#aclRecords(),
    ]);
    topics.onDeleted(({ name }) => this.#metrics.forgetTopic(name));
    const groups = new GroupCoordinator(topics, config, clock, logger);
    await groups.load();
    const keeper = new LogKeeper({ directory: this.#directory, config, disk, clock, logger });
    const transactions = new TransactionCoordinator({ topics, config, clock, logger, producerIds, groups });
    await transactions.load();
    const state: BrokerState = {
      ...identity,
      keeper,
      clock,
      disk,
      logger,
      config,
      metadata: opened.log,
      directory: this.#directory,
      topics,
      producerIds,
      groups,
      authorizer: this.#authorizer,
      scram: this.#scram,
      transactions,
      fetchSessions: new FetchSessions(config.number('max.incremental.fetch.session.cache.slots'), () =>
        clock.monotonicMs(),
      ),
      metrics: this.#metrics,
      sharedRecords: this.#sharedRecords,
      advertised: (listener) =>
        (this.#listeners.find((candidate) => candidate.name === listener) ?? this.#listeners[0])
          ?.advertised ?? {
          host: '',
          port: 0,
        },
    };
    this.#state = state;
    for (const listener of this.#listeners) await listener.listen(state);
    const expiryCheckMs = config.number('offsets.retention.check.interval.ms');
    this.#timers = [
      setInterval(() => this.#keepUp(), CHECKPOINT_MS),
      setInterval(() => this.#expireOffsets(), Math.min(expiryCheckMs, MAX_TIMER_MS)),
    ];
    for (const timer of this.#timers) timer.unref();
    this.#keepUp();
    this.#keeper = keeper;
    keeper.start();
    this.#lock = lock;
  }

  /** Rules and credentials from the metadata log, and the users of SCRAM that the config names. */
  async #loadSecurity(records: readonly MetadataRecord[]): Promise<void> {
    const { config, listenerConfigs } = this.#setup;
    this.#scram.load(records);
    this.#authorizer?.load(records);
    // Without an authorizer its rules are kept for the day it comes back.
    this.#aclRecords = this.#authorizer
      ? () => this.#authorizer?.records() ?? []
      : keptRecords(records.filter(({ type }) => type === 'acl' || type === 'acl-deleted'));
    for (const { name, protocol } of listenerConfigs) {
      if (protocol !== 'SASL_PLAINTEXT' && protocol !== 'SASL_SSL') continue;
      for (const { mechanism, username, password } of ownLogins(config, name)) {
        if (mechanism !== 'PLAIN') await this.#scram.configure(mechanism, username, password);
      }
    }
  }

  async metrics(): Promise<string> {
    const listeners = this.#listeners.map(({ name, connectionCount }) => ({
      name,
      connections: connectionCount,
    }));
    return this.#state ? renderMetrics(this.#state, listeners, performance.now()) : '';
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#sharedRecords.close();
    this.#state?.groups.close();
    await this.#keeper?.close();
    this.#state?.transactions.close();
    try {
      await this.#directory.close();
      await this.#state?.metadata.close();
    } finally {
      await this.#lock?.release();
    }
  }

  /** Stores checkpoints and looks after the disk's reserve. */
  #keepUp(): void {
    if (this.#storageFailed || this.#closing) return;
    const { logger } = this.#setup;
    this.#space
      .restore()
      .catch((error: unknown) => logger.warn({ err: toError(error) }, 'no reserve on the disk'));
    this.#directory.checkpoint().catch(() => undefined);
    this.#state?.topics.expireProducers(
      this.#setup.clock.nowMs() - this.#setup.config.number('producer.id.expiration.ms'),
    );
  }

  #expireOffsets(): void {
    this.#state?.groups.expire().catch((error: unknown) => {
      this.#setup.logger.warn({ err: toError(error) }, 'old offsets could not be dropped');
    });
  }

  #failStorage(error: Error): void {
    if (this.#storageFailed) return;
    this.#storageFailed = true;
    this.#setup.logger.fatal(
      { err: error, path: this.#directory.path },
      'the disk failed to make records durable: nothing more is written until a restart',
    );
  }
}

function logFolder(config: BrokerConfig, folder: string): string {
  const key = ['log.dirs', 'log.dir'].find((name) => config.isSet(name));
  const first = key === undefined ? undefined : config.list(key)[0];
  return first === undefined ? join(folder, 'log') : resolve(first);
}

function keptRecords(records: readonly MetadataRecord[]): () => MetadataRecord[] {
  return () => [...records];
}

function restoreBrokerConfig(config: BrokerConfig, records: readonly MetadataRecord[]): void {
  for (const record of records) {
    if (record.type === 'broker-config') config.setDynamic(record.name, record.value);
  }
}

function brokerConfigRecords(config: BrokerConfig): MetadataRecord[] {
  return [...config.dynamicEntries()].map(([name, value]) => ({ type: 'broker-config', name, value }));
}

/** Behind every id that was reserved here, or is in a log that was taken over. */
function nextProducerId(records: readonly MetadataRecord[], topics: Topics): number {
  let next = 0;
  for (const record of records) if (record.type === 'producer-ids') next = Math.max(next, record.next);
  if (next > 0) return next;
  for (const topic of topics.all()) {
    for (const log of topic.partitions) {
      for (const [id] of log?.producers.entries() ?? []) next = Math.max(next, id + 1);
    }
  }
  return next;
}
