// What a connector's tasks promise the worker, and what the worker promises them.
import type { Clock, Logger, Metrics, RawConfig } from '@millrace/foundation';
import type { TaskActivity } from './activity.ts';
import type { OffsetMap, SinkRecord, SourceOffset, SourcePartition, SourceRecord } from './record.ts';
import type { TopicLog, TopicLogOptions } from './topic-log.ts';

/** What both kinds of task are given at start. */
export interface TaskContext {
  readonly connectorName: string;
  readonly taskId: number;
  /** The task's config as the connector made it, with variables resolved. */
  readonly config: RawConfig;
  /** Bound to connector and task. */
  readonly logger: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** Offsets stored by earlier runs of the connector. */
export interface OffsetReader {
  /** The stored offset of a partition, or null. */
  offset(partition: SourcePartition): Promise<OffsetMap | null>;
}

/**
 * Where a task's transactions end when `transaction.boundary` is `connector` (KIP-618). A request holds for the batch that
 * `poll` returns next: for the whole of it, or up to and with one of its records. Without a request the transaction goes on.
 */
export interface TransactionContext {
  /** What was handed over becomes visible. */
  commitTransaction(last?: SourceRecord): void;
  /** What was handed over since the last end never becomes visible, and is not asked for again. */
  abortTransaction(last?: SourceRecord): void;
}

export interface SourceTaskContext extends TaskContext {
  readonly offsets: OffsetReader;
  /**
   * Whether records and their offsets are written in one transaction: a restart goes on after exactly what readers of
   * committed records have seen. Absent = at least once.
   */
  readonly exactlyOnce?: boolean;
  /** For how long a transaction may be open. There only where the task delivers exactly once. */
  readonly transactionTimeoutMs?: number | undefined;
  /** There only where the config lets the connector decide where transactions end. */
  readonly transactions?: TransactionContext | undefined;
  /** A folder for files that a task may lose; undefined where the host has none: then that for temporary files. */
  readonly spoolFolder?: string | undefined;
  /** Opens a topic as an ordered log, for signals and schema history. Closed with the task. */
  topicLog(name: string, options: TopicLogOptions): Promise<TopicLog>;
}

/** What one `poll` brings. */
export interface SourceBatch {
  /** In commit order; may be empty. */
  readonly records: readonly SourceRecord[];
  /**
   * The position reached after these records where it is further than the last record's own, such as a commit or a
   * keepalive. It is stored once everything before it is acknowledged.
   */
  readonly position?: { readonly partition: SourcePartition; readonly offset: SourceOffset };
  /** The task waits until `position` is stored: that is done now and not with the next flush. */
  readonly urgent?: boolean;
  /**
   * A restart from the last offset here would bring some of the records again. Where the task delivers exactly once the
   * transaction goes on with the next batch. Where that may take longer than a transaction may be open, a source that
   * would rather repeat records than never come to an end leaves this out in time.
   */
  readonly unfinished?: boolean;
}

/** A source partition and the offset that is now durable for it. */
export interface CommittedOffset {
  readonly partition: SourcePartition;
  readonly offset: OffsetMap;
}

/**
 * Reads a source. The worker calls one method at a time: `start`, then `poll` and `commit` in turn (commit never
 * during a poll that has not yet returned, except that a poll which waits must end soon after its signal fires),
 * then `stop`. Pull gives backpressure: nothing is read ahead of `poll` beyond the task's own bounded queue.
 */
export interface SourceTask {
  /** Connects and finds its position. Errors here fail the task with their code's policy. */
  start(context: SourceTaskContext): Promise<void>;
  /**
   * The next batch. Waits for data, up to a few hundred milliseconds; returns an empty batch or null when there was
   * none. When `signal` fires it returns what it has, or null.
   */
  poll(signal: AbortSignal): Promise<SourceBatch | null>;
  /**
   * Called after these offsets are durable in the offsets topic, never before. Only now may the source be told
   * (INV-1). May be called while `poll` waits.
   */
  commit(offsets: readonly CommittedOffset[]): Promise<void>;
  /** Asked about once a second, at any time; null while there is nothing that has to get on. */
  activity?(): TaskActivity | null;
  /** Ends everything the task opened. Idempotent; also called after a failed start. */
  stop(): Promise<void>;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** The position to resume from: the offset of the next record to read. */
export interface PartitionPosition extends TopicPartition {
  readonly offset: number;
}

/** Takes records a sink cannot write, instead of failing; durable in the dead letter queue before offsets pass it. */
export interface ErrantRecordReporter {
  report(record: SinkRecord, error: Error): Promise<void>;
}

export interface SinkTaskContext extends TaskContext {
  /** The partitions assigned now. */
  assignment(): readonly TopicPartition[];
  /** A stable id of a topic, the same for its lifetime and another for a topic created anew with that name. */
  topicId(topic: string): Promise<string>;
  /** Reads a partition again from this offset, before the next `put`. */
  seek(positions: readonly PartitionPosition[]): void;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Asks for offsets to be committed soon. */
  requestCommit(): void;
  /** Null when the connector's config sends errors nowhere. */
  readonly errantRecords: ErrantRecordReporter | null;
}

/**
 * Writes to a target. One method at a time. Deliveries may repeat after a restart and must converge (INV-9). A `put`
 * that fails with an error of policy `retry` is called again with the same records after a backoff, while the
 * partitions stay assigned.
 */
export interface SinkTask {
  start(context: SinkTaskContext): Promise<void>;
  /**
   * Partitions were assigned; `committed` are the group's offsets (absent = none). May answer with positions to
   * start from instead, such as the progress marker that the target itself holds.
   */
  open(
    partitions: readonly TopicPartition[],
    committed: readonly PartitionPosition[],
  ): Promise<readonly PartitionPosition[] | undefined>;
  put(records: readonly SinkRecord[], signal: AbortSignal): Promise<void>;
  /**
   * Which of the delivered positions may be committed: those whose records the target has answered for. Absent
   * partitions are not committed.
   */
  preCommit(delivered: readonly PartitionPosition[]): Promise<readonly PartitionPosition[]>;
  /** Partitions were taken away; called after a last preCommit, or without one when they were lost. */
  close(partitions: readonly TopicPartition[]): Promise<void>;
  /** As that of a source, for what a sink does in the background. */
  activity?(): TaskActivity | null;
  stop(): Promise<void>;
}
