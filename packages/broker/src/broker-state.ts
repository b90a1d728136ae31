// What the API handlers share: the parts of one broker.
import type { Clock, Logger } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { FetchSessions } from './api/fetch-sessions.ts';
import type { Disk } from './disk.ts';
import type { GroupCoordinator } from './groups/coordinator.ts';
import type { LogDirectory } from './log/log-directory.ts';
import type { LogKeeper } from './log/log-keeper.ts';
import type { PartitionLog } from './log/partition-log.ts';
import type { BrokerConfig } from './metadata/broker-config.ts';
import type { MetadataLog } from './metadata/metadata-log.ts';
import type { MetadataRecord, Topic, Topics } from './metadata/topics.ts';
import type { BrokerMetrics } from './metrics/broker-metrics.ts';
import type { SharedRecords } from './net/shared-records.ts';
import type { ProducerIds } from './producer-ids.ts';
import type { Authorizer } from './security/authorizer.ts';
import type { ScramCredentials } from './security/scram-credentials.ts';
import type { TransactionCoordinator } from './transactions/coordinator.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The parts of a running broker. */
export interface BrokerState {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly config: BrokerConfig;
  readonly metadata: MetadataLog<MetadataRecord>;
  readonly directory: LogDirectory;
  readonly keeper: LogKeeper;
  readonly topics: Topics;
  readonly producerIds: ProducerIds;
  readonly groups: GroupCoordinator;
  /** Undefined: everybody may do everything. */
  readonly authorizer: Authorizer | undefined;
  readonly scram: ScramCredentials;
  readonly transactions: TransactionCoordinator;
  readonly fetchSessions: FetchSessions;
  readonly metrics: BrokerMetrics;
  readonly sharedRecords: SharedRecords;
  /** The address clients of a listener are told. */
  advertised(listener: string): Address;
}

/** An error as a Kafka code. */
export interface ErrorAnswer {
  readonly code: number;
  readonly message: string;
}

/** The log of a partition, or why there is none. */
export type PartitionLookup =
  | { readonly log: PartitionLog; readonly error?: undefined }
  | { readonly log?: undefined; readonly error: ErrorAnswer };

const UNKNOWN: PartitionLookup = { error: KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION };
const OFFLINE: PartitionLookup = { error: KafkaErrors.KAFKA_STORAGE_ERROR };

/** Finds a partition's log; a damaged one is a storage error. */
export function partitionOf(topic: Topic | undefined, partition: number): PartitionLookup {
  if (!topic || partition < 0 || partition >= topic.partitions.length) return UNKNOWN;
  const log = topic.partitions[partition];
  return log ? { log } : OFFLINE;
}

/** Checks the leader epoch a client thinks is current; -1 is not checked. */
export function leaderEpochError(log: PartitionLog, clientEpoch: number): ErrorAnswer | undefined {
  if (clientEpoch < 0 || clientEpoch === log.leaderEpoch) return undefined;
  return clientEpoch < log.leaderEpoch ? KafkaErrors.FENCED_LEADER_EPOCH : KafkaErrors.UNKNOWN_LEADER_EPOCH;
}
