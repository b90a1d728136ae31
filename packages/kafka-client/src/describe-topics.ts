// Topics as an administrator sees them: with replicas, and with topics that the cache leaves out.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { Cluster } from './cluster.ts';
import { brokerError } from './errors.ts';

export interface PartitionDescription {
  readonly partition: number;
  /** -1 while there is no leader. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

export interface TopicDescription {
  readonly name: string;
  readonly topicId: string;
  readonly internal: boolean;
  /** By partition number. */
  readonly partitions: readonly PartitionDescription[];
}

/**
 * Topics by name, or all with the internal ones. Missing topics are left out; none is created.
 *
 * @throws kafka.refused for a name that no topic can have, kafka.unreachable
 */
export async function describeTopics(
  cluster: Cluster,
  names: readonly string[] | 'all',
): Promise<TopicDescription[]> {
  if (names.length === 0) return [];
  const answer = await cluster.requestAny(API.Metadata, {
    topics: names === 'all' ? null : names.map((name) => ({ name })),
    allowAutoTopicCreation: false,
  });
  const found: TopicDescription[] = [];
  for (const { name, errorCode, topicId, isInternal, partitions } of answer.topics) {
    if (name === null || errorCode === KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code) continue;
    if (errorCode !== 0) throw brokerError(errorCode, `Topic ${name}`, { context: { topic: name } });
    found.push({
      name,
      topicId,
      internal: isInternal,
      partitions: partitions
        .map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes }) => ({
          partition: partitionIndex,
          leader: leaderId,
          leaderEpoch,
          replicas: replicaNodes,
          isr: isrNodes,
        }))
        .sort((a, b) => a.partition - b.partition),
    });
  }
  return found;
}
