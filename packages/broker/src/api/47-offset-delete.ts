// 47 OffsetDelete. Takes committed offsets back, unless a member of the group reads the topic.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { Group } from '../groups/group.ts';
import { subscribedTopics } from '../groups/subscription.ts';
import { coordinatorFailure } from './answers.ts';
import { defineApi, type RegisteredApi, type RequestContext } from './definition.ts';

type OffsetDeleteRequest = RequestBody<typeof API.OffsetDelete>;

export const offsetDelete: RegisteredApi = defineApi({
  key: API.OffsetDelete,
  versions: [0, 0],
  handle: (request, context) => {
    const group = context.broker.groups.group(request.groupId);
    if (!group || group.is('Dead')) return { errorCode: KafkaErrors.GROUP_ID_NOT_FOUND.code, topics: [] };
    if (!group.is('Empty') && group.protocolType !== 'consumer') {
      return { errorCode: KafkaErrors.NON_EMPTY_GROUP.code, topics: [] };
    }
    return remove(group, request, context);
  },
});

async function remove(
  group: Group,
  request: OffsetDeleteRequest,
  { broker }: RequestContext,
): Promise<{ errorCode: number; topics: object[] }> {
  const subscribed = subscribedTopics(group);
  const isKnown = (name: string, index: number): boolean =>
    index >= 0 && index < (broker.topics.get(name)?.partitions.length ?? 0);
  const records = request.topics.flatMap(({ name, partitions }) =>
    subscribed.has(name)
      ? []
      : partitions
          .filter(({ partitionIndex }) => isKnown(name, partitionIndex))
          .map(({ partitionIndex }) => ({
            kind: 'offset' as const,
            group: group.id,
            topic: name,
            partition: partitionIndex,
            value: undefined,
          })),
  );
  try {
    if (records.length > 0) await broker.groups.commit(group.id, records);
  } catch (error) {
    return { errorCode: coordinatorFailure(broker, error).code, topics: [] };
  }
  const codeOf = (name: string, index: number): number => {
    if (!isKnown(name, index)) return KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code;
    return subscribed.has(name) ? KafkaErrors.GROUP_SUBSCRIBED_TO_TOPIC.code : 0;
  };
  return {
    errorCode: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: codeOf(name, partitionIndex),
      })),
    })),
  };
}
