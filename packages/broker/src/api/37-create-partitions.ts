// 37 CreatePartitions. Grows a topic; partitions are never taken away.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import { checkBrokerIds } from '../metadata/create-topic.ts';
import { storageFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

type CreatePartitionsRequest = RequestBody<typeof API.CreatePartitions>;
type Asked = CreatePartitionsRequest['topics'][number];

export const createPartitions: RegisteredApi = defineApi({
  key: API.CreatePartitions,
  versions: [0, 3],
  handle: async (request, { broker }) => {
    const results = [];
    for (const asked of request.topics) {
      try {
        await grow(asked, request.validateOnly, broker);
        results.push({ name: asked.name, errorCode: 0, errorMessage: null });
      } catch (error) {
        const failure = storageFailure(broker, error);
        results.push({ name: asked.name, errorCode: failure.errorCode, errorMessage: failure.message });
      }
    }
    return { results };
  },
});

async function grow(asked: Asked, validateOnly: boolean, broker: BrokerState): Promise<void> {
  const topic = broker.topics.get(asked.name);
  if (!topic) throw new KafkaFailure(KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
  const present = topic.partitions.length;
  if (topic.internal) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_PARTITIONS,
      `The number of partitions of ${asked.name} cannot be changed: it says where each group or transactional id is kept.`,
    );
  }
  if (asked.count <= present) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_PARTITIONS,
      asked.count === present
        ? `Topic already has ${present} partition(s).`
        : `The topic ${asked.name} currently has ${present} partition(s); ${asked.count} would not be an increase.`,
    );
  }
  if (asked.assignments !== null) {
    if (asked.assignments.length !== asked.count - present) {
      throw new KafkaFailure(
        KafkaErrors.INVALID_REPLICA_ASSIGNMENT,
        `Attempted to add ${asked.count - present} additional partition(s), but only ${asked.assignments.length} assignment(s) were specified.`,
      );
    }
    checkBrokerIds(
      asked.assignments.map((assignment) => assignment.brokerIds),
      broker.nodeId,
    );
  }
  if (!validateOnly) await broker.topics.grow(topic, asked.count);
}
