// What a producer and its sender agree on.
import type { Clock, Logger, MillraceError } from '@millrace/foundation';
import type { Cluster } from './cluster.ts';
import type { PartitionQueue, QueueLimits } from './partition-queue.ts';
import type { ProducerBatch } from './producer-batch.ts';
import type { Transactions } from './transactions.ts';

export interface ProduceSenderOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: QueueLimits;
  readonly requestTimeoutMs: number;
  readonly maxRequestSize: number;
  readonly deliveryTimeoutMs: number;
  readonly unknownTopicTimeoutMs: number;
  readonly autoCreateTopics: boolean;
  readonly transactions: Transactions | undefined;
  readonly onAcked: (queue: PartitionQueue, batch: ProducerBatch, baseOffset: number) => void;
  readonly onFailed: (queue: PartitionQueue, batch: ProducerBatch, error: MillraceError) => void;
  readonly onTopicGrown: (topic: string, partitionCount: number) => void;
  readonly recycle: (memory: Buffer) => void;
}

/** A partition whose records are not acknowledged. */
export interface SlowPartition {
  readonly topic: string;
  readonly partition: number;
  /** Since when, on the monotonic clock. */
  readonly sinceMs: number;
  /** Why the last attempt failed, while it is being repeated. */
  readonly error: Error | undefined;
}
