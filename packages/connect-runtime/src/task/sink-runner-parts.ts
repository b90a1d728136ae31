// What the runner of a sink task is put together from.
import type { PartitionPosition, SinkTask, TopicPartition } from '@millrace/connect-api';
import type { BatchProducer, Cluster, GroupConsumer, GroupConsumerOptions } from '@millrace/kafka-client';
import type { SinkMeters } from '../metrics/task-meters.ts';
import type { ErrorHandler } from './error-handling.ts';
import type { RecordReader } from './record-reader.ts';
import type { RunnerEnvironment, TaskEvents, TaskSpec } from './task-runner.ts';
import type { TransformationChain } from './transformation-chain.ts';

type ConsumerCallbacks = Pick<GroupConsumerOptions, 'onAssigned' | 'onRevoked' | 'onLost' | 'onFatal'>;

export interface SinkRunnerParts {
  readonly spec: TaskSpec;
  readonly environment: RunnerEnvironment;
  readonly events: TaskEvents;
  readonly task: SinkTask;
  readonly chain: TransformationChain;
  readonly reader: RecordReader;
  readonly errors: ErrorHandler;
  readonly meters: SinkMeters;
  readonly cluster: Cluster;
  /** Writes dead letters; null when the config names no queue. */
  readonly producer: BatchProducer | null;
  readonly reports: boolean;
  readonly createConsumer: (callbacks: ConsumerCallbacks) => GroupConsumer;
  readonly maxPollRecords: number;
  /** What to do about a position that the log no longer has; null = fail. */
  readonly offsetReset: 'earliest' | 'latest' | null;
  /** Where partitions begin; null for a sink that wants only what comes from now on. */
  readonly beginnings: ((places: readonly TopicPartition[]) => Promise<readonly PartitionPosition[]>) | null;
  readonly findOffset: (partition: TopicPartition, spec: 'earliest' | 'latest') => Promise<number>;
}
