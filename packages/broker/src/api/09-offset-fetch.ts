// 9 OffsetFetch. v2 null topics = all · v5 leader epoch · v6 flexible · v7 requireStable: offsets of open transactions are an error · v8 many groups · v9 members
// of KIP-848 · v10 topic ids. No committed offset is -1, not an error.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import type { CommittedOffset } from '../groups/records.ts';
import { ZERO_UUID } from '../metadata/topics.ts';
import { once } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface AskedTopic {
  readonly name: string;
  readonly topicId?: string;
  readonly partitionIndexes: readonly number[];
}

export const offsetFetch: RegisteredApi = defineApi({
  key: API.OffsetFetch,
  versions: [1, 10],
  handle: (request, { broker, apiVersion }) => {
    const { groups } = broker;
    const unstable = (groupId: string) => (topic: string, partition: number) =>
      request.requireStable && groups.pending.has(groupId, topic, partition);
    if (apiVersion < 8) {
      const { groupId, topics } = request;
      return { topics: fetchOffsets(broker, groupId, topics, false, unstable(groupId)) };
    }
    const byId = apiVersion >= 10;
    const allOf = once((groupId: string) => fetchOffsets(broker, groupId, null, byId, unstable(groupId)));
    return {
      groups: request.groups.map(({ groupId, topics }) => ({
        groupId,
        topics:
          topics === null ? allOf(groupId) : fetchOffsets(broker, groupId, topics, byId, unstable(groupId)),
        errorCode: 0,
      })),
    };
  },
});

/** Whether an open transaction may still change the offset, and the client wants to know. */
type IsUnstable = (topic: string, partition: number) => boolean;

const UNSTABLE = KafkaErrors.UNSTABLE_OFFSET_COMMIT.code;

function fetchOffsets(
  broker: BrokerState,
  groupId: string,
  asked: readonly AskedTopic[] | null,
  byId: boolean,
  isUnstable: IsUnstable,
): object[] {
  const offsets = broker.groups.offsetsOf(groupId);
  if (asked === null) {
    return [...offsets].map(([name, partitions]) => ({
      name,
      topicId: broker.topics.get(name)?.id ?? ZERO_UUID,
      partitions: [...partitions].map(([partition, committed]) =>
        isUnstable(name, partition) ? answer(partition, undefined, UNSTABLE) : answer(partition, committed),
      ),
    }));
  }
  return asked.map(({ name, topicId = ZERO_UUID, partitionIndexes }) => {
    const topic = byId ? broker.topics.getById(topicId) : undefined;
    const known = topic?.name ?? name;
    const partitions = offsets.get(known);
    const errorCode = byId && !topic ? KafkaErrors.UNKNOWN_TOPIC_ID.code : 0;
    return {
      name,
      topicId,
      partitions: partitionIndexes.map((index) =>
        isUnstable(known, index)
          ? answer(index, undefined, UNSTABLE)
          : answer(index, partitions?.get(index), errorCode),
      ),
    };
  });
}

function answer(
  partitionIndex: number,
  committed: CommittedOffset | undefined,
  errorCode: number = 0,
): object {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? -1,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode,
  };
}
