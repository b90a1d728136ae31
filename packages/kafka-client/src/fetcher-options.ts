// What a fetcher is made from, and what it gives.
import type { Clock, Logger } from '@millrace/foundation';
import type { KafkaRecord } from '@millrace/kafka-protocol';
import type { Cluster } from './cluster.ts';
import type { Isolation } from './fetched-partition.ts';
import type { TopicPartition } from './topic-partition.ts';

export interface FetcherOptions {
  readonly cluster: Cluster;
  readonly isolation: Isolation;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The broker answers at once when it has so much, else after `maxWaitMs`. */
  readonly minBytes?: number;
  readonly maxWaitMs?: number;
  /** Bound of one response, and of what is held undelivered before more is asked for. */
  readonly maxBytes?: number;
  readonly maxPartitionBytes?: number;
  readonly rackId?: string;
}

export interface PollOptions {
  readonly maxWaitMs: number;
  readonly maxRecords?: number;
  readonly signal?: AbortSignal;
}

/** Consecutive records of one partition. */
export interface FetchedRecords extends TopicPartition {
  readonly records: KafkaRecord[];
  /** Position after them; beyond the last record where only markers or aborted records follow. */
  readonly nextOffset: number;
  /** With read_committed the last stable offset, up to which records are visible. */
  readonly highWatermark: number;
  /** Keys, values and headers. */
  readonly sizeInBytes: number;
}

/** What keeps records from being read. */
export interface ReadProblem {
  /** What is being tried, such as `reading orders-0`. */
  readonly doing: string;
  /** Changes with every request that is answered. */
  readonly attempt: string;
  readonly error: Error | undefined;
  /** When a request was sent that is not answered in time, on the clock that never goes back. */
  readonly sinceMs?: number;
}
