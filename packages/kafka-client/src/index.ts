/** Producer, consumer, group member and administration on the Kafka protocol. */
export { backoffMs, type BackoffOptions } from './backoff.ts';
export {
  BatchProducer,
  type BatchProducerOptions,
  type OutgoingRecord,
  type RecordPlace,
} from './batch-producer.ts';
export { parseBootstrapServers } from './bootstrap.ts';
export {
  Cluster,
  type ClusterOptions,
  type CoordinatorType,
  isConnectionProblem,
  type RefreshRequest,
} from './cluster.ts';
export { Connection, type ConnectionOptions, type RequestOptions } from './connection.ts';
export { brokerError, clientError, type KafkaClientCode, kafkaCodeOf } from './errors.ts';
export type { BrokerAddress, PartitionLeader, TopicMetadata, TopicProblem } from './topic-metadata.ts';
