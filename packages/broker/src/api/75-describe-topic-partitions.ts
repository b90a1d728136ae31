// 75 DescribeTopicPartitions (KIP-966). Topics by name in pages of partitions; a cursor says where the next page begins.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { topicNameProblem, ZERO_UUID } from '../metadata/topics.ts';
import { describePartition, TOPIC_OPERATIONS } from './cluster-answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface Cursor {
  readonly topicName: string;
  readonly partitionIndex: number;
}
interface DescribeTopicPartitionsRequest {
  /** Empty means all. */
  readonly topics: readonly { readonly name: string }[];
  readonly responsePartitionLimit: number;
  readonly cursor: Cursor | null;
}

export const describeTopicPartitions: RegisteredApi = defineApi<number>({
  key: API.DescribeTopicPartitions,
  versions: [0, 0],
  handle: (body, { broker }) => {
    const {
      topics: asked,
      responsePartitionLimit,
      cursor,
    } = body as unknown as DescribeTopicPartitionsRequest;
    const limit = Math.min(responsePartitionLimit, broker.config.number('max.request.partition.size.limit'));
    const topics: object[] = [];
    let left = limit;
    for (const name of namesFrom(broker, asked, cursor)) {
      const first = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
      const count = broker.topics.get(name)?.partitions.length ?? 0;
      if (left <= 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } };
      const end = Math.min(count, first + left);
      topics.push(describe(broker, name, first, end));
      left -= end - first;
      if (end < count) return { topics, nextCursor: { topicName: name, partitionIndex: end } };
    }
    return { topics, nextCursor: null };
  },
});

/** Names in order, from the cursor on. */
function namesFrom(
  broker: BrokerState,
  asked: DescribeTopicPartitionsRequest['topics'],
  cursor: Cursor | null,
): string[] {
  const names =
    asked.length > 0 ? asked.map(({ name }) => name) : [...broker.topics.all()].map(({ name }) => name);
  return [...new Set(names)].sort().filter((name) => cursor === null || name >= cursor.topicName);
}

function describe(broker: BrokerState, name: string, first: number, end: number): object {
  const topic = broker.topics.get(name);
  const common = { name, topicAuthorizedOperations: TOPIC_OPERATIONS };
  if (!topic) {
    const isValid = topicNameProblem(name) === undefined;
    const error = isValid ? KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION : KafkaErrors.INVALID_TOPIC_EXCEPTION;
    return { ...common, errorCode: error.code, topicId: ZERO_UUID, isInternal: false, partitions: [] };
  }
  const partitions = topic.partitions.slice(first, end).map((log, index) => ({
    ...describePartition(broker.nodeId, log, first + index),
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
  }));
  return { ...common, errorCode: 0, topicId: topic.id, isInternal: topic.internal, partitions };
}
