// The topics of the broker: names, ids, configs, and the partition logs behind them. Changes are durable in the
// metadata log before they are answered, and made one after the other.
import { randomBytes } from 'node:crypto';
import { type Logger, toError } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import { KafkaFailure } from '../errors.ts';
import type { LogDirectory } from '../log/log-directory.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { Acl } from '../security/acl.ts';
import type { ScramRecord } from '../security/scram-credentials.ts';
import type { BrokerConfig } from './broker-config.ts';
import { type FoundTopic, foundTopics } from './found-topics.ts';
import type { MetadataLog } from './metadata-log.ts';
import { logConfigOf, type TopicOverrides } from './topic-config.ts';

/** A topic as the metadata log keeps it; the last record of a name counts. */
export interface TopicRecord {
  readonly type: 'topic';
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
  readonly configs: TopicOverrides;
}

/** What the metadata log says. */
export type MetadataRecord =
  | TopicRecord
  | { readonly type: 'topic-deleted'; readonly name: string; readonly id: string }
  | { readonly type: 'producer-ids'; readonly next: number }
  | { readonly type: 'broker-config'; readonly name: string; readonly value: string | null }
  | { readonly type: 'acl' | 'acl-deleted'; readonly acl: Acl }
  | ScramRecord;

export interface Topic {
  readonly name: string;
  /** 22 characters of base64url. */
  readonly id: string;
  readonly internal: boolean;
  configs: TopicOverrides;
  /** By partition number; undefined where the log is damaged and offline. */
  readonly partitions: (PartitionLog | undefined)[];
}

export const OFFSETS_TOPIC = '__consumer_offsets';
export const TRANSACTIONS_TOPIC = '__transaction_state';
/** With the broker's key for the size of their segments. */
const INTERNAL_TOPICS: ReadonlyMap<string, string> = new Map([
  [OFFSETS_TOPIC, 'offsets.topic.segment.bytes'],
  [TRANSACTIONS_TOPIC, 'transaction.state.log.segment.bytes'],
]);
/** Settings of topics that were found without any: what they hold may be all there is. */
const KEEP_ALL: TopicOverrides = { 'retention.ms': '-1', 'retention.bytes': '-1' };
const MAX_NAME = 249;
/** Folders made durable at the same time. */
const CREATE_TOGETHER = 16;
/** Id that no topic has. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** A new random id in Kafka's text form; never one that starts with a dash, which tools take for an option. */
export function randomUuid(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-') && id !== ZERO_UUID) return id;
  }
}

/** What is wrong with a topic name; undefined when nothing is. */
export function topicNameProblem(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed';
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`;
  if (name.length > MAX_NAME) {
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${MAX_NAME}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return undefined;
}

export class Topics {
  readonly #directory: LogDirectory;
  readonly #metadata: MetadataLog<MetadataRecord>;
  readonly #config: BrokerConfig;
  readonly #logger: Logger;
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  #changing: Promise<unknown> = Promise.resolve();
  readonly #deletionListeners: ((topic: Topic) => void)[] = [];

  constructor(
    directory: LogDirectory,
    metadata: MetadataLog<MetadataRecord>,
    config: BrokerConfig,
    logger: Logger,
  ) {
    this.#directory = directory;
    this.#metadata = metadata;
    this.#config = config;
    this.#logger = logger;
  }

  get(name: string): Topic | undefined {
    return this.#byName.get(name);
  }
  getById(id: string): Topic | undefined {
    return this.#byId.get(id);
  }
  all(): Iterable<Topic> {
    return this.#byName.values();
  }
  /** Calls back when a topic is gone. */
  onDeleted(listener: (topic: Topic) => void): void {
    this.#deletionListeners.push(listener);
  }

  /** Opens the logs of all topics that the metadata log knows, and of those that others made in the log folder. */
  async open(records: readonly MetadataRecord[]): Promise<void> {
    const known = new Map<string, TopicRecord>();
    const deletedIds = new Set<string>();
    for (const record of records) {
      if (record.type === 'topic') known.set(record.name, record);
      else if (record.type === 'topic-deleted') {
        deletedIds.add(record.id);
        if (known.get(record.name)?.id === record.id) known.delete(record.name);
      }
    }
    const folders = this.#directory.find();
    const found = await this.#takeOver(foundTopics(folders, known, deletedIds), known);
    for (const record of found) known.set(record.name, record);
    this.#directory.removeStrays(folders, (topic, id) => known.get(topic)?.id === id);
    const foundIds = new Set(found.map(({ id }) => id));
    for (const { name, id, configs, partitions } of known.values()) {
      const topic = this.#register(name, id, configs);
      for (let partition = 0; partition < partitions; partition++) {
        topic.partitions.push(await this.#openPartition(topic, partition, foundIds.has(id)));
      }
    }
  }

  /** Takes over the partition folders that the metadata log does not know, such as Kafka's. */
  async #takeOver(
    found: readonly FoundTopic[],
    known: ReadonlyMap<string, TopicRecord>,
  ): Promise<TopicRecord[]> {
    if (found.length === 0) return [];
    const records = found.map(({ name, id, partitions }): TopicRecord => {
      const same = known.get(name)?.id === id ? known.get(name)?.configs : undefined;
      const configs = INTERNAL_TOPICS.has(name) ? this.#internalConfigs(name) : KEEP_ALL;
      return { type: 'topic', name, id, partitions, configs: same ?? configs };
    });
    this.#logger.warn(
      { topics: records.length },
      'took over topics found in the log folder; their settings are not known, so nothing of them is deleted or compacted until that is configured',
    );
    await this.#metadata.append(...records);
    return records;
  }

  /** Makes a topic. @throws KafkaFailure when the name is taken */
  create(name: string, partitions: number, configs: TopicOverrides): Promise<Topic> {
    return this.#exclusive(async () => {
      if (this.#byName.has(name)) {
        throw new KafkaFailure(KafkaErrors.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
      }
      const id = randomUuid();
      const all = INTERNAL_TOPICS.has(name) ? { ...this.#internalConfigs(name), ...configs } : configs;
      await this.#metadata.append({ type: 'topic', name, id, partitions, configs: all });
      return this.#addTopic(name, id, partitions, all);
    });
  }

  /** The internal topic of that name, made at first use. */
  async internal(name: string): Promise<Topic> {
    const known = this.#byName.get(name);
    if (known) return known;
    return this.#exclusive(async () => {
      const made = this.#byName.get(name);
      if (made) return made;
      const id = randomUuid();
      const configs = this.#internalConfigs(name);
      await this.#metadata.append({ type: 'topic', name, id, partitions: 1, configs });
      return this.#addTopic(name, id, 1, configs);
    });
  }

  /** Small segments, since the active one is never cleaned. */
  #internalConfigs(name: string): TopicOverrides {
    return {
      'cleanup.policy': 'compact',
      'segment.bytes': this.#config.text(INTERNAL_TOPICS.get(name) ?? '') ?? '16777216',
      'segment.ms': '600000',
    };
  }

  /** Deletes a topic and its files. */
  delete(topic: Topic): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#byName.get(topic.name) !== topic)
        throw new KafkaFailure(KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
      await this.#metadata.append({ type: 'topic-deleted', name: topic.name, id: topic.id });
      this.#byName.delete(topic.name);
      this.#byId.delete(topic.id);
      for (const log of topic.partitions) if (log) this.#directory.delete(log, topic.id);
      for (const listener of this.#deletionListeners) listener(topic);
      // Before the record of it may go: a folder that nothing is known of would be taken for one of Kafka's.
      await this.#directory.sync();
      await this.compactMetadata();
    });
  }

  /** Grows a topic to `count` partitions. */
  grow(topic: Topic, count: number): Promise<void> {
    return this.#exclusive(async () => {
      await this.#metadata.append(this.#recordOf(topic, count));
      await this.#addPartitions(topic, count);
    });
  }

  /** Replaces the overrides of a topic; its logs follow at once. */
  configure(topic: Topic, configs: TopicOverrides): Promise<void> {
    return this.#exclusive(async () => {
      await this.#metadata.append({ ...this.#recordOf(topic), configs });
      topic.configs = configs;
      this.#applyConfig(topic);
    });
  }

  /** Forgets idempotent producers that wrote nothing since `sinceMs`. */
  expireProducers(sinceMs: number): void {
    for (const topic of this.#byName.values()) {
      for (const log of topic.partitions) log?.producers.expire(sinceMs);
    }
  }

  /** Resolves every topic's settings anew, after a broker setting changed. */
  refreshConfigs(): void {
    for (const topic of this.#byName.values()) this.#applyConfig(topic);
  }

  /** Everything the metadata log must say about topics. */
  records(): MetadataRecord[] {
    return [...this.#byName.values()].map((topic) => this.#recordOf(topic));
  }

  /** Rewrites the metadata log when most of it is history. */
  async compactMetadata(): Promise<void> {
    await this.#metadata.compact(() => this.#liveRecords());
  }

  #liveRecords: () => MetadataRecord[] = () => this.records();

  /** Adds what else the metadata log must keep when it is rewritten. */
  alsoKeep(records: () => MetadataRecord[]): void {
    const own = this.#liveRecords;
    this.#liveRecords = () => [...own(), ...records()];
  }

  async #addTopic(name: string, id: string, partitions: number, configs: TopicOverrides): Promise<Topic> {
    const topic: Topic = { name, id, internal: INTERNAL_TOPICS.has(name), configs, partitions: [] };
    await this.#addPartitions(topic, partitions);
    this.#byName.set(name, topic);
    this.#byId.set(id, topic);
    return topic;
  }

  #register(name: string, id: string, configs: TopicOverrides): Topic {
    const topic: Topic = { name, id, internal: INTERNAL_TOPICS.has(name), configs, partitions: [] };
    this.#byName.set(name, topic);
    this.#byId.set(id, topic);
    return topic;
  }

  async #addPartitions(topic: Topic, count: number): Promise<void> {
    const made: PartitionLog[] = [];
    for (let first = topic.partitions.length; first < count; first += CREATE_TOGETHER) {
      const size = Math.min(CREATE_TOGETHER, count - first);
      const partitions = Array.from({ length: size }, (_, index) => first + index);
      const create = (partition: number): Promise<PartitionLog> =>
        this.#directory.create(this.#openRequest(topic, partition));
      made.push(...(await Promise.all(partitions.map(create))));
    }
    topic.partitions.push(...made);
  }

  async #openPartition(
    topic: Topic,
    partition: number,
    mayHaveGaps: boolean,
  ): Promise<PartitionLog | undefined> {
    try {
      const request = this.#openRequest(topic, partition);
      return await this.#directory.open(mayHaveGaps ? { ...request, mayHaveGaps } : request);
    } catch (error) {
      // One damaged partition stays offline and says so; the others serve. INV-6
      this.#logger.error({ err: toError(error), topic: topic.name, partition }, 'a partition is offline');
      return undefined;
    }
  }

  #openRequest(topic: Topic, partition: number): Parameters<LogDirectory['open']>[0] {
    const { name, id, internal, configs } = topic;
    return {
      topic: name,
      topicId: id,
      partition,
      internal,
      config: logConfigOf(configs, this.#config, internal),
    };
  }

  #recordOf(topic: Topic, partitions: number = topic.partitions.length): TopicRecord {
    return { type: 'topic', name: topic.name, id: topic.id, partitions, configs: topic.configs };
  }

  #applyConfig(topic: Topic): void {
    const config = logConfigOf(topic.configs, this.#config, topic.internal);
    for (const log of topic.partitions) if (log) log.config = config;
  }

  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(change);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}
