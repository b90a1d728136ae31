// 8 OffsetCommit. v5 no retention time · v6 leader epoch · v7 static members · v8 flexible · v9 members of KIP-848
// · v10 topic ids. Each partition succeeds or fails alone; answered once durable.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import type { GroupCoordinator } from '../groups/coordinator.ts';
import { commitProblem } from '../groups/group-requests.ts';
import type { Topic } from '../metadata/topics.ts';
import { coordinatorFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

type OffsetCommitRequest = RequestBody<typeof API.OffsetCommit>;
type AskedTopic = OffsetCommitRequest['topics'][number];
type AskedPartition = AskedTopic['partitions'][number];
type Commits = Parameters<GroupCoordinator['commit']>[1][number][];

export const offsetCommit: RegisteredApi = defineApi({
  key: API.OffsetCommit,
  versions: [2, 10],
  handle: async (request, { broker, apiVersion }) => {
    const problem = groupProblem(request, broker);
    if (problem) return answer(request, () => problem);
    const byId = apiVersion >= 10;
    const maxMetadata = broker.config.number('offset.metadata.max.bytes');
    const errors = new Map<AskedPartition, ErrorAnswer>();
    const commits: Commits = [];
    for (const asked of request.topics) {
      const topic = byId ? broker.topics.getById(asked.topicId) : broker.topics.get(asked.name);
      for (const partition of asked.partitions) {
        const error = partitionProblem(topic, partition, byId, maxMetadata);
        if (error) errors.set(partition, error);
        else if (topic) commits.push(commitOf(request.groupId, topic, partition, broker.clock.nowMs()));
      }
    }
    if (commits.length === 0) return answer(request, (partition) => errors.get(partition));
    try {
      await broker.groups.commit(request.groupId, commits);
    } catch (error) {
      const failure = coordinatorFailure(broker, error);
      return answer(request, (partition) => errors.get(partition) ?? failure);
    }
    return answer(request, (partition) => errors.get(partition));
  },
});

function groupProblem(request: OffsetCommitRequest, broker: BrokerState): ErrorAnswer | undefined {
  const { groupId, memberId, groupInstanceId } = request;
  const generationId = request.generationIdOrMemberEpoch;
  const group = broker.groups.group(groupId);
  if (group) return commitProblem(group, { memberId, groupInstanceId, generationId });
  return generationId < 0 ? undefined : KafkaErrors.ILLEGAL_GENERATION;
}

function partitionProblem(
  topic: Topic | undefined,
  asked: AskedPartition,
  byId: boolean,
  maxMetadata: number,
): ErrorAnswer | undefined {
  if (!topic) return byId ? KafkaErrors.UNKNOWN_TOPIC_ID : KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
  if (asked.partitionIndex < 0 || asked.partitionIndex >= topic.partitions.length) {
    return KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
  }
  if ((asked.committedMetadata?.length ?? 0) > maxMetadata) return KafkaErrors.OFFSET_METADATA_TOO_LARGE;
  return undefined;
}

function commitOf(group: string, topic: Topic, asked: AskedPartition, nowMs: number): Commits[number] {
  return {
    kind: 'offset',
    group,
    topic: topic.name,
    partition: asked.partitionIndex,
    value: {
      offset: Number(asked.committedOffset),
      leaderEpoch: asked.committedLeaderEpoch,
      metadata: asked.committedMetadata ?? '',
      commitTimestamp: nowMs,
      topicId: topic.id,
    },
  };
}

function answer(
  request: OffsetCommitRequest,
  errorOf: (partition: AskedPartition) => ErrorAnswer | undefined,
): { topics: object[] } {
  return {
    topics: request.topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        errorCode: errorOf(partition)?.code ?? 0,
      })),
    })),
  };
}
