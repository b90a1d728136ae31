// The cluster as a client sees it: bootstrap addresses, metadata with refresh, connections per broker and lane,
// coordinators. Requests to "any broker" or a coordinator are retried here; what belongs to a partition's leader is
// retried by the producer and the fetcher, which alone know what order they must keep.
import { type Clock, type Logger, toError } from '@millrace/foundation';
import {
  API,
  type Encodable,
  KafkaErrors,
  type RequestBody,
  type ResponseBody,
} from '@millrace/kafka-protocol';
import { backoffMs } from './backoff.ts';
import { parseBootstrapServers } from './bootstrap.ts';
import { ConnectionStats } from './client-stats.ts';
import {
  type ClusterFeatures,
  Connection,
  type ConnectionOptions,
  NO_FEATURES,
  type RequestOptions,
} from './connection.ts';
import { brokerError, clientError } from './errors.ts';
import { orGivenUp } from './given-up.ts';
import type { HandOver } from './hand-over.ts';
import {
  closeOpened,
  type Heartbeat,
  type HeartbeatAnswer,
  type HeartbeatLine,
  type HeartbeatLines,
  type Opened,
} from './heartbeat-lines.ts';
import {
  type BrokerAddress,
  MetadataCache,
  type PartitionLeader,
  type TopicMetadata,
  type TopicProblem,
} from './topic-metadata.ts';

export interface ClusterOptions {
  /** `host:port` addresses, separated by commas. */
  readonly bootstrapServers: string;
  readonly clientId: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly requestTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** How long requests to any broker are tried again before `kafka.unreachable`. */
  readonly defaultApiTimeoutMs?: number;
  readonly dial?: ConnectionOptions['dial'];
  readonly authenticate?: ConnectionOptions['authenticate'];
  readonly writes?: ConnectionOptions['writes'];
  /** Asked before each request with records; while it says no, records wait with their producer. */
  readonly mayWrite?: () => boolean;
  /** Takes large batches to a broker of this process. */
  readonly handOver?: HandOver | undefined;
  /** Sends heartbeats with those of other clients of this thread that connect as the same user in the same way. */
  readonly heartbeats?: { readonly lines: HeartbeatLines; readonly identity: string };
}

export type CoordinatorType = 'group' | 'transaction';

/** What `Cluster.refresh` is asked for. */
export interface RefreshRequest {
  readonly topics: readonly string[] | 'all';
  readonly autoCreate?: boolean;
  readonly signal?: AbortSignal;
}

/** Requests that may wait at the broker use lanes of their own, so that they do not hold others up. */
export type Lane = string;

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const DEFAULT_API_TIMEOUT_MS = 60_000;
/** A topic that is being created is there within milliseconds. */
const NEW_TOPIC_FIRST_WAIT_MS = 10;
const COORDINATOR_TYPES = { group: 0, transaction: 1 } as const;

export class Cluster implements AsyncDisposable {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly defaultApiTimeoutMs: number;
  /** Counts what goes over all its connections. */
  readonly stats: ConnectionStats = new ConnectionStats();
  readonly #options: ClusterOptions;
  readonly #bootstrap: readonly BrokerAddress[];
  readonly #cache = new MetadataCache();
  readonly #connections = new Map<string, Opened>();
  readonly #coordinators = new Map<string, number>();
  /** Shared with other clients, by their names. */
  readonly #lines = new Map<string, HeartbeatLine>();
  readonly #stop = new AbortController();
  #laneCount = 0;
  #nextAddress = 0;
  #features: ClusterFeatures = NO_FEATURES;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.logger = options.logger;
    this.clock = options.clock;
    this.requestTimeoutMs = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    this.defaultApiTimeoutMs = options.defaultApiTimeoutMs ?? DEFAULT_API_TIMEOUT_MS;
    this.#bootstrap = parseBootstrapServers(options.bootstrapServers);
  }

  get clientId(): string {
    return this.#options.clientId;
  }
  get handOver(): HandOver | undefined {
    return this.#options.handOver;
  }
  get isClosed(): boolean {
    return this.#stop.signal.aborted;
  }
  get clusterId(): string | undefined {
    return this.#cache.clusterId;
  }
  get brokers(): ReadonlyMap<number, BrokerAddress> {
    return this.#cache.brokers;
  }

  /** The level of a feature in the cluster, as the brokers that were talked to know it; 0 where it has none. */
  featureLevel(name: string): number {
    return this.#features.levels.get(name) ?? 0;
  }

  // ---- metadata

  /** What is cached of a topic; undefined before it was asked for. */
  topic(name: string): TopicMetadata | undefined {
    return this.#cache.topics.get(name);
  }
  topicNameOf(topicId: string): string | undefined {
    return this.#cache.nameOf(topicId);
  }
  /** The cached number of partitions. */
  partitionCount(topic: string): number | undefined {
    return this.#cache.topics.get(topic)?.partitions.length;
  }
  /** The cached leader; undefined when the topic is not known or the partition has none. */
  leaderOf(topic: string, partition: number): PartitionLeader | undefined {
    const leader = this.#cache.topics.get(topic)?.partitions[partition];
    return leader && leader.nodeId >= 0 ? leader : undefined;
  }

  /**
   * Asks any broker and updates the cache; returns the topics that could not be described.
   *
   * @throws kafka.unreachable
   */
  async refresh(request: RefreshRequest): Promise<TopicProblem[]> {
    const topics = request.topics === 'all' ? null : request.topics.map((name) => ({ name }));
    const answer = await this.requestAny(
      API.Metadata,
      { topics, allowAutoTopicCreation: request.autoCreate ?? false },
      request.signal === undefined ? {} : { signal: request.signal },
    );
    if (topics === null) this.#cache.topics.clear();
    return this.#cache.update(answer);
  }

  /**
   * Metadata of topics with all their leaders, waiting for topics that are being created.
   *
   * @throws kafka.unknown_topic when one is still unknown after the API timeout, kafka.refused, kafka.unreachable
   */
  async metadata(
    topics: readonly string[],
    options: { autoCreate?: boolean; timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<Map<string, TopicMetadata>> {
    const deadline = this.clock.monotonicMs() + (options.timeoutMs ?? this.defaultApiTimeoutMs);
    for (let attempt = 1; ; attempt++) {
      const { timeoutMs: _, ...rest } = options;
      const problems = await this.refresh({ topics, ...rest });
      const problem = problems.find(({ kafkaCode }) => !isPassing(kafkaCode)) ?? problems[0];
      const found = this.#complete(topics);
      if (found) return found;
      const late = this.clock.monotonicMs() >= deadline;
      if (problem && (late || !isPassing(problem.kafkaCode))) throw topicError(problem);
      if (late) throw clientError('kafka.unavailable', `No leader for a partition of ${topics.join(', ')}.`);
      await this.pause(attempt, options.signal, NEW_TOPIC_FIRST_WAIT_MS);
    }
  }

  #complete(topics: readonly string[]): Map<string, TopicMetadata> | undefined {
    const found = new Map<string, TopicMetadata>();
    for (const name of topics) {
      const topic = this.#cache.topics.get(name);
      if (!topic || topic.partitions.some(({ nodeId }) => nodeId < 0)) return undefined;
      found.set(name, topic);
    }
    return found;
  }

  /** Names of all topics, without Kafka's internal ones. */
  async listTopics(signal?: AbortSignal): Promise<TopicMetadata[]> {
    await this.refresh(signal === undefined ? { topics: 'all' } : { topics: 'all', signal });
    return [...this.#cache.topics.values()].filter(({ internal }) => !internal);
  }

  // ---- connections

  /** A lane name that nobody else uses. */
  newLane(purpose: string): Lane {
    return `${purpose}-${++this.#laneCount}`;
  }

  /** The open connection of a lane to a broker, made when there is none. @throws kafka.unreachable */
  connection(nodeId: number, lane: Lane = 'shared'): Promise<Connection> {
    const address = this.#cache.brokers.get(nodeId);
    if (!address) {
      return Promise.reject(clientError('kafka.unreachable', `Broker ${nodeId} is not known at present.`));
    }
    return this.#connect(address, lane);
  }

  /** Whether producers may send records at the moment. */
  get mayWrite(): boolean {
    return this.#options.mayWrite?.() ?? true;
  }

  /** Closes the connections of a lane. */
  async closeLane(lane: Lane): Promise<void> {
    const open = [...this.#connections].filter(([key]) => key.endsWith(`/${lane}`));
    for (const [key] of open) this.#connections.delete(key);
    await Promise.all(open.map(([, opened]) => closeOpened(opened)));
  }

  #connect(address: BrokerAddress, lane: Lane): Promise<Connection> {
    if (this.isClosed) return Promise.reject(clientError('kafka.closed', 'The Kafka client is closed.'));
    const key = `${address.host}:${address.port}/${lane}`;
    const known = this.#connections.get(key);
    if (known) return known.connection;
    const opened = this.#open(address, { stats: this.stats });
    this.#connections.set(key, opened);
    const made = opened.connection;
    const remove = (): void => {
      if (this.#connections.get(key)?.connection === made) this.#connections.delete(key);
    };
    made
      .then(
        (connection) => {
          if (connection.features.epoch >= this.#features.epoch) this.#features = connection.features;
          return connection.closed;
        },
        () => undefined,
      )
      .then(remove, remove);
    return made;
  }

  #open(address: BrokerAddress, counted: Pick<ConnectionOptions, 'stats'>): Opened {
    const { clientId, connectTimeoutMs, dial, authenticate, writes } = this.#options;
    const givenUp = new AbortController();
    const connection = Connection.connect({
      ...address,
      ...counted,
      clientId,
      signal: givenUp.signal,
      requestTimeoutMs: this.requestTimeoutMs,
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(dial === undefined ? {} : { dial }),
      ...(authenticate === undefined ? {} : { authenticate }),
      ...(writes === undefined ? {} : { writes }),
    });
    return { connection, giveUp: () => givenUp.abort() };
  }

  // ---- heartbeats

  /** Resolves when a heartbeat is due that is sent every so many milliseconds, or when the signal fires. */
  heartbeatDue(intervalMs: number, signal: AbortSignal): Promise<void> {
    const { heartbeats } = this.#options;
    return heartbeats
      ? heartbeats.lines.due(intervalMs, signal)
      : this.clock.sleepRoughly(intervalMs, signal);
  }

  /**
   * The answer to a heartbeat that went to the group's coordinator with those of others. Undefined where none do, or none
   * came within `waitMs`: it is to be sent by itself.
   */
  async sharedHeartbeat(
    body: Heartbeat,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<HeartbeatAnswer | undefined> {
    const { heartbeats, clientId } = this.#options;
    const address = this.#cache.brokers.get(this.#coordinators.get(`group/${body.groupId}`) ?? -1);
    if (!heartbeats || !address || waitMs <= 0 || this.isClosed) return undefined;
    const name = `${address.host}:${address.port}/${heartbeats.identity}`;
    const line = this.#lines.get(name) ?? heartbeats.lines.enter(name);
    this.#lines.set(name, line);
    const open = (): Opened => this.#open(address, {});
    const { stats, logger } = this;
    return await line.beat(body, { open, waitMs, signal, logger, clientId, stats });
  }

  // ---- requests that any broker, the controller or a coordinator answers

  /** Sends to any broker, trying others until the API timeout. @throws kafka.unreachable */
  async requestAny<K extends number>(
    key: K,
    body: Encodable<RequestBody<K>>,
    options: RequestOptions = {},
  ): Promise<ResponseBody<K>> {
    return this.#retrying(`${key}`, options.signal, async () => {
      const connection = await orGivenUp(this.#connect(this.#anyAddress(), 'shared'), options.signal);
      return connection.request(key, body, options);
    });
  }

  /** Sends to the controller, as it is known. @throws kafka.unreachable */
  async requestController<K extends number>(
    key: K,
    body: Encodable<RequestBody<K>>,
    options: RequestOptions = {},
  ): Promise<ResponseBody<K>> {
    if (this.#cache.controllerId < 0) await this.refresh({ topics: [] });
    return this.#retrying(`${key}`, options.signal, async () => {
      const connection = await orGivenUp(this.connection(this.#cache.controllerId), options.signal);
      return connection.request(key, body, options);
    });
  }

  /**
   * The node that coordinates a group or transactional id; waits while the cluster is still choosing one.
   *
   * @throws kafka.unavailable, kafka.refused, kafka.unreachable
   */
  async coordinator(id: string, type: CoordinatorType = 'group', signal?: AbortSignal): Promise<number> {
    const cacheKey = `${type}/${id}`;
    const known = this.#coordinators.get(cacheKey);
    if (known !== undefined && this.#cache.brokers.has(known)) return known;
    const deadline = this.clock.monotonicMs() + this.defaultApiTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      const keyType = COORDINATOR_TYPES[type];
      const options = signal === undefined ? {} : { signal };
      const body = { key: id, keyType, coordinatorKeys: [id] };
      const answer = await this.requestAny(API.FindCoordinator, body, options);
      const found = answer.coordinators[0] ?? answer;
      if (found.errorCode === 0) {
        if (!this.#cache.brokers.has(found.nodeId)) await this.refresh({ topics: [], ...options });
        this.#coordinators.set(cacheKey, found.nodeId);
        return found.nodeId;
      }
      const error = brokerError(found.errorCode, `Finding the coordinator of ${type} ${id}`);
      const passing = found.errorCode === 14 || found.errorCode === 15;
      if (!passing || this.clock.monotonicMs() >= deadline) throw error;
      await this.pause(attempt, signal);
    }
  }

  /** Forgets a coordinator after NOT_COORDINATOR or a lost connection. */
  forgetCoordinator(id: string, type: CoordinatorType = 'group'): void {
    this.#coordinators.delete(`${type}/${id}`);
  }

  /**
   * Sends to the coordinator of a group or transactional id and asks `codeOf` for the error code of the answer; looks for
   * the coordinator again while that says it has moved or is loading.
   */
  async requestCoordinator<K extends number>(
    id: string,
    key: K,
    body: Encodable<RequestBody<K>>,
    codeOf: (answer: ResponseBody<K>) => number,
    options: RequestOptions & { lane?: Lane; coordinator?: CoordinatorType } = {},
  ): Promise<ResponseBody<K>> {
    const type = options.coordinator ?? 'group';
    return this.#retrying(`${key}`, options.signal, async () => {
      const nodeId = await this.coordinator(id, type, options.signal);
      try {
        const connection = await orGivenUp(this.connection(nodeId, options.lane), options.signal);
        const answer = await connection.request(key, body, options);
        const code = codeOf(answer);
        if (code < 14 || code > 16) return answer;
        throw brokerError(code, `Asking the coordinator of ${type} ${id}`, { code: 'kafka.unavailable' });
      } catch (error) {
        this.forgetCoordinator(id, type);
        throw error;
      }
    });
  }

  /** Waits before attempt `attempt + 1`; ends early when the signal fires or the client closes. */
  async pause(attempt: number, signal?: AbortSignal, firstMs = 100): Promise<void> {
    const either = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    await this.clock.sleep(backoffMs(attempt, { firstMs }), either);
    if (either.aborted) throw clientError('kafka.closed', 'The Kafka client is closed or was told to stop.');
  }

  /** Closes all connections. May be called repeatedly. */
  async close(): Promise<void> {
    this.#stop.abort();
    const open = [...this.#connections.values()];
    this.#connections.clear();
    // INV-2: nothing of a client that was closed keeps a membership alive.
    for (const line of this.#lines.values()) line.leave();
    this.#lines.clear();
    await Promise.all(open.map(closeOpened));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #anyAddress(): BrokerAddress {
    const known = [...this.#cache.brokers.values()];
    const all = [...known, ...this.#bootstrap];
    // Known brokers first; the bootstrap list is the way back when all of them are gone.
    const address = all[this.#nextAddress % all.length];
    if (!address) throw clientError('kafka.unreachable', 'There is no broker address to try.');
    return address;
  }

  async #retrying<T>(what: string, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    const deadline = this.clock.monotonicMs() + this.defaultApiTimeoutMs;
    for (let count = 1; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        if (!isConnectionProblem(error)) throw error;
        this.#nextAddress++;
        if (signal?.aborted || this.isClosed || this.clock.monotonicMs() >= deadline) throw toError(error);
        this.logger.debug({ err: error, api: what, attempt: count }, 'request failed, trying again');
        await this.pause(count, signal);
      }
    }
  }
}

const CONNECTION_PROBLEMS = new Set([
  'kafka.unreachable',
  'kafka.connection_closed',
  'kafka.request_timeout',
  'kafka.unavailable',
]);

/** Whether an error says that the broker could not be asked, rather than that it refused. */
export function isConnectionProblem(error: unknown): boolean {
  return CONNECTION_PROBLEMS.has((error as { code?: string }).code ?? '');
}

// UNKNOWN_TOPIC_OR_PARTITION is the first answer for a topic that is being created.
function isPassing(kafkaCode: number): boolean {
  return kafkaCode === KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code || kafkaCode === 5;
}

function topicError(problem: TopicProblem): Error {
  const unknown = problem.kafkaCode === KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code;
  return brokerError(problem.kafkaCode, `Topic ${problem.name}`, {
    context: { topic: problem.name },
    ...(unknown ? { code: 'kafka.unknown_topic' as const } : {}),
  });
}
