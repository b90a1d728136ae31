// A topic as an ordered log: read to its end, follow, append. Stores, signals and schema history live on it.
import type { TopicLog, TopicLogOptions, TopicLogRecord } from '@millrace/connect-api';
import { type Clock, type Logger, messageOf } from '@millrace/foundation';
import type { Admin, BatchProducer, Cluster, Fetcher } from '@millrace/kafka-client';
import { listOffsets, BatchProducer as Producer, Fetcher as Reader } from '@millrace/kafka-client';
import { connectError } from './errors.ts';
import { ensureTopic } from './topic-creation.ts';

/** Opens a topic as a log, creating it where needed. */
export type LogOpener = (topic: string, options: TopicLogOptions) => Promise<TopicLog>;

export interface LogOpenerParts {
  readonly cluster: Cluster;
  readonly admin: Admin;
  readonly logger: Logger;
  readonly clock: Clock;
}

const POLL_MS = 1000;
const RETRY_MS = 500;

/** Makes an opener; all logs it opens share the cluster's connections. */
export function logOpener(parts: LogOpenerParts): LogOpener {
  return async (topic, options) => {
    const { admin, logger } = parts;
    await ensureTopic(admin, logger, {
      topic,
      partitions: options.partitions ?? 1,
      replicationFactor: options.replicationFactor ?? -1,
      config: options.config ?? {},
    });
    const log = new KafkaTopicLog(topic, options, parts);
    await log.start();
    return log;
  };
}

interface Waiter {
  /** By partition: the position to be reached. */
  readonly targets: ReadonlyMap<number, number>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class KafkaTopicLog implements TopicLog {
  readonly #topic: string;
  readonly #options: TopicLogOptions;
  readonly #parts: LogOpenerParts;
  readonly #fetcher: Fetcher;
  readonly #producer: BatchProducer;
  readonly #stop = new AbortController();
  /** By partition: the offset of the next record to be handed on. */
  readonly #positions = new Map<number, number>();
  #waiters: Waiter[] = [];
  #failure: Error | undefined;
  #following: Promise<void> | undefined;
  /** Lets what may come late be read now. */
  #resting: AbortController | undefined;

  constructor(topic: string, options: TopicLogOptions, parts: LogOpenerParts) {
    const { cluster, logger, clock } = parts;
    this.#topic = topic;
    this.#options = options;
    this.#parts = parts;
    this.#fetcher = new Reader({ cluster, logger, clock, isolation: 'read_committed' });
    this.#producer = new Producer({ cluster, logger, clock, autoCreateTopics: false });
  }

  async start(): Promise<void> {
    const { admin } = this.#parts;
    const partitions = await this.#partitions();
    const start = await admin.listOffsets(partitions, this.#options.from === 'end' ? 'latest' : 'earliest');
    for (const { partition, offset } of start) this.#positions.set(partition, offset);
    this.#fetcher.assign(start);
    this.#following = this.#follow();
  }

  async readToEnd(what: 'all' | 'decided' = 'all'): Promise<void> {
    if (this.#failure) throw this.#failure;
    const isolation = what === 'all' ? 'read_uncommitted' : 'read_committed';
    const { cluster } = this.#parts;
    const ends = await listOffsets(cluster, await this.#partitions(), 'latest', { isolation });
    const targets = new Map(ends.map(({ partition, offset }) => [partition, offset]));
    if (this.#reached(targets)) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ targets, resolve, reject });
      this.#settleWaiters();
      this.#resting?.abort();
    });
  }

  async append(key: Buffer | null, value: Buffer | null): Promise<void> {
    await this.#producer.send({ topic: this.#topic, key, value });
  }

  async appendTogether(records: readonly Pick<TopicLogRecord, 'key' | 'value'>[]): Promise<void> {
    await this.#producer.sendTogether(records.map(({ key, value }) => ({ topic: this.#topic, key, value })));
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#resting?.abort();
    await this.#producer.abort('its log was closed');
    await this.#fetcher.close();
    await this.#following;
    this.#failAll(connectError('connect.topic_log_failed', `The log ${this.#topic} was closed`));
  }

  async #partitions(): Promise<{ topic: string; partition: number }[]> {
    const metadata = await this.#parts.cluster.metadata([this.#topic]);
    const count = metadata.get(this.#topic)?.partitions.length ?? 1;
    return Array.from({ length: count }, (_, partition) => ({ topic: this.#topic, partition }));
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const { clock, logger } = this.#parts;
    while (!signal.aborted) {
      try {
        const found = await this.#fetcher.poll({ maxWaitMs: POLL_MS, signal });
        for (const { partition, records, nextOffset } of found) {
          for (const { offset, timestamp, key, value } of records) {
            const record: TopicLogRecord = { partition, offset, timestamp, key, value };
            this.#options.onRecord(record);
          }
          this.#positions.set(partition, nextOffset);
        }
        // Past markers and compacted ends no record follows.
        for (const partition of this.#positions.keys()) {
          const position = this.#fetcher.position(this.#topic, partition);
          if (position !== undefined) this.#positions.set(partition, position);
        }
        this.#settleWaiters();
        if (found.length > 0) await this.#rest();
      } catch (error) {
        if (signal.aborted) return;
        if ((error as { code?: string }).code === 'kafka.unavailable') {
          logger.warn({ err: error, topic: this.#topic }, 'the log cannot be read at the moment');
          await clock.sleep(RETRY_MS, signal);
          continue;
        }
        this.#fail(error);
        return;
      }
    }
  }

  /** Where records may come late, a writer of many small transactions costs a reader little. */
  async #rest(): Promise<void> {
    const { lagMs = 0 } = this.#options;
    if (lagMs === 0 || this.#waiters.length > 0 || this.#stop.signal.aborted) return;
    this.#resting = new AbortController();
    await this.#parts.clock.sleep(lagMs, this.#resting.signal);
    this.#resting = undefined;
  }

  #fail(error: unknown): void {
    const failure = connectError(
      'connect.topic_log_failed',
      `The topic ${this.#topic} cannot be followed: ${messageOf(error)}`,
      { cause: error },
    );
    this.#failAll(failure);
    this.#options.onError(failure);
  }

  #failAll(failure: Error): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiters.splice(0)) reject(failure);
  }

  #reached(targets: ReadonlyMap<number, number>): boolean {
    for (const [partition, end] of targets) {
      if ((this.#positions.get(partition) ?? 0) < end) return false;
    }
    return true;
  }

  #settleWaiters(): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      if (!this.#reached(waiter.targets)) return true;
      waiter.resolve();
      return false;
    });
  }
}
