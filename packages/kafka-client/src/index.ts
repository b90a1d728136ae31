/** Producer, consumer, group member and administration on the Kafka protocol, over TCP. */

export type { HandOverEnd, KafkaRecord } from '@millrace/kafka-protocol';
export {
  Admin,
  type ClusterDescription,
  type GroupDescription,
  type GroupListing,
  type NewTopic,
  type TopicConfigEntry,
} from './admin.ts';
export {
  ASSIGNORS,
  type Assignment,
  type AssignorName,
  type ConsumerPeer,
  type PartitionCounts,
} from './assignors.ts';
export { type BackoffOptions, backoffMs } from './backoff.ts';
export { BatchProducer } from './batch-producer.ts';
export {
  type BatchProducerOptions,
  type BatchRun,
  type OpenBatch,
  type OutgoingRecord,
  RECORD_OVERHEAD,
  type RecordPlace,
} from './batch-producer-options.ts';
export { parseBootstrapServers } from './bootstrap.ts';
export { type ClientSecurity, clientSecurity, isSecurityKey } from './client-security.ts';
export { ConnectionStats, type EventTimes, GroupStats } from './client-stats.ts';
export {
  Cluster,
  type ClusterOptions,
  type CoordinatorType,
  isConnectionProblem,
  type Lane,
  type RefreshRequest,
} from './cluster.ts';
export {
  Connection,
  type ConnectionOptions,
  type RequestOptions,
  type WriteObserver,
} from './connection.ts';
export {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Subscription,
} from './consumer-protocol.ts';
export type { PartitionDescription, TopicDescription } from './describe-topics.ts';
export { brokerError, clientError, type KafkaClientCode, kafkaCodeOf } from './errors.ts';
export { type AbortedTransaction, FetchedPartition, type Isolation } from './fetched-partition.ts';
export { Fetcher } from './fetcher.ts';
export type { FetchedRecords, FetcherOptions, PollOptions, ReadProblem } from './fetcher-options.ts';
export { type AssignedPartition, GroupConsumer, type GroupConsumerOptions } from './group-consumer.ts';
export { GroupMember } from './group-member.ts';
export type {
  GroupAssignment,
  GroupMemberOptions,
  GroupPeer,
  GroupProtocol,
  LeadRequest,
  LossReason,
  MemberState,
} from './group-member-options.ts';
export {
  type CommittedOffset,
  type CommittingMember,
  commitGroupOffsets,
  fetchGroupOffsets,
  type OffsetToCommit,
} from './group-offsets.ts';
export { HandOver } from './hand-over.ts';
export { HeartbeatLines } from './heartbeat-lines.ts';
export { type FoundOffset, type ListOffsetsOptions, listOffsets, type OffsetSpec } from './list-offsets.ts';
export type { SlowPartition } from './produce-sender-options.ts';
export type { BrokerAddress, PartitionLeader, TopicMetadata, TopicProblem } from './topic-metadata.ts';
export { byTopic, partitionKey, type TopicPartition, type TopicPartitionOffset } from './topic-partition.ts';
export { TransactionalProducer, type TransactionalProducerOptions } from './transactional-producer.ts';
export { fenceProducers, type TransactionOptions, type TransactionPhase } from './transactions.ts';
