// A topic as an ordered, durable log: what signals, schema history and the worker's own stores need of Kafka.

export interface TopicLogRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

export interface TopicLogOptions {
  /** Used when the topic has to be created. */
  readonly partitions?: number;
  readonly config?: Readonly<Record<string, string>>;
  /** -1 or absent = the broker's default; clamped to the brokers there are. */
  readonly replicationFactor?: number;
  /** Where to start: every record there is, or only what comes from now on. */
  readonly from: 'beginning' | 'end';
  /** Records may be handed on so much later while nobody reads to the end, many at once; default 0. */
  readonly lagMs?: number;
  readonly onRecord: (record: TopicLogRecord) => void;
  /** The log cannot be followed any more. */
  readonly onError: (error: Error) => void;
}

export interface TopicLog {
  /**
   * Resolves when everything that was in the topic at the call has been handed to `onRecord`. Waits for transactions that
   * are open then, and for what lies behind them, unless only what is `decided` is asked for.
   */
  readToEnd(what?: 'all' | 'decided'): Promise<void>;
  /** Resolves when the record is durable (acks=all). */
  append(key: Buffer | null, value: Buffer | null): Promise<void>;
  /** The same for several, of which a crash leaves all or none while they fit in one batch (1 MB) and partition. */
  appendTogether(records: readonly Pick<TopicLogRecord, 'key' | 'value'>[]): Promise<void>;
  close(): Promise<void>;
}
