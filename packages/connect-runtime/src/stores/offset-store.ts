// Source offsets of all connectors, as the offsets topic holds them. Tasks write the topic with their own producer;
// this store reads it, and writes only for REST.
import type { OffsetMap, SourcePartition, TopicLog, TopicLogRecord } from '@millrace/connect-api';
import { STORE_TOPIC_CONFIG } from '../topic-creation.ts';
import type { LogOpener } from '../topic-log.ts';
import { decodeOffsetRecord, offsetKey, offsetValue } from './offset-records.ts';

export interface OffsetStoreOptions {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly openLog: LogOpener;
  readonly onError: (error: Error) => void;
}

export interface StoredOffset {
  readonly partition: SourcePartition;
  readonly offset: OffsetMap;
}

/** Exactly-once sources write an offset with every transaction, of which only the last is ever asked for. */
const LAG_MS = 100;

export class OffsetStore {
  readonly #options: OffsetStoreOptions;
  /** By connector, then by key text. */
  readonly #offsets = new Map<string, Map<string, StoredOffset>>();
  #log: TopicLog | undefined;

  constructor(options: OffsetStoreOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { topic, partitions, replicationFactor, openLog, onError } = this.#options;
    this.#log = await openLog(topic, {
      partitions,
      replicationFactor,
      config: STORE_TOPIC_CONFIG,
      from: 'beginning',
      lagMs: LAG_MS,
      onRecord: (record) => this.#read(record),
      onError,
    });
    // What a worker that died has left open ends when its work goes on: that must not wait for it.
    await this.#log.readToEnd('decided');
  }

  /** The stored offset, with everything that was written before the call. */
  async offset(connector: string, partition: SourcePartition): Promise<OffsetMap | null> {
    await this.#opened().readToEnd();
    return this.#offsets.get(connector)?.get(offsetKey(connector, partition).toString())?.offset ?? null;
  }

  /** All offsets of a connector, with everything that was written before the call. */
  async list(connector: string): Promise<StoredOffset[]> {
    await this.#opened().readToEnd();
    return [...(this.#offsets.get(connector)?.values() ?? [])];
  }

  /** Stores offsets; null removes one. Resolves when they are durable and readable here. */
  async put(
    connector: string,
    offsets: readonly { readonly partition: SourcePartition; readonly offset: OffsetMap | null }[],
  ): Promise<void> {
    const log = this.#opened();
    await Promise.all(
      offsets.map(({ partition, offset }) =>
        log.append(offsetKey(connector, partition), offsetValue(offset)),
      ),
    );
    await log.readToEnd();
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  #read(record: TopicLogRecord): void {
    if (record.key === null) return;
    const decoded = decodeOffsetRecord(record.key, record.value);
    if (!decoded) return;
    const { connector, partition, offset } = decoded;
    const ofConnector = this.#offsets.get(connector) ?? new Map<string, StoredOffset>();
    this.#offsets.set(connector, ofConnector);
    const key = record.key.toString();
    if (offset === null) ofConnector.delete(key);
    else ofConnector.set(key, { partition, offset });
    if (ofConnector.size === 0) this.#offsets.delete(connector);
  }

  #opened(): TopicLog {
    if (!this.#log) throw new Error('the offset store was not started');
    return this.#log;
  }
}
