// 8 OffsetCommit. v5 no retention time · v6 leader epoch · v7 static members · v8 flexible · v9 members of KIP-848
// · v10 topic ids. Each partition succeeds or fails alone; answered once durable.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import { commitProblem } from '../groups/group-requests.ts';
import type { OffsetRecord } from '../groups/records.ts';
import { coordinatorFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';
import { offsetAnswers, offsetProblem, offsetRecord } from './offset-commits.ts';

type OffsetCommitRequest = RequestBody<typeof API.OffsetCommit>;
type AskedTopic = OffsetCommitRequest['topics'][number];
type AskedPartition = AskedTopic['partitions'][number];

export const offsetCommit: RegisteredApi = defineApi({
  key: API.OffsetCommit,
  versions: [2, 10],
  handle: async (request, { broker, apiVersion }) => {
    const problem = groupProblem(request, broker);
    if (problem) return answer(request, () => problem);
    const byId = apiVersion >= 10;
    const maxMetadata = broker.config.number('offset.metadata.max.bytes');
    const errors = new Map<AskedPartition, ErrorAnswer>();
    const commits: OffsetRecord[] = [];
    for (const asked of request.topics) {
      const topic = byId ? broker.topics.getById(asked.topicId) : broker.topics.get(asked.name);
      for (const partition of asked.partitions) {
        const error =
          byId && !topic ? KafkaErrors.UNKNOWN_TOPIC_ID : offsetProblem(topic, partition, maxMetadata);
        if (error) errors.set(partition, error);
        else if (topic) commits.push(offsetRecord(request.groupId, topic, partition, broker.clock.nowMs()));
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

function answer(
  request: OffsetCommitRequest,
  errorOf: (partition: AskedPartition) => ErrorAnswer | undefined,
): { topics: object[] } {
  return {
    topics: request.topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: offsetAnswers(topic.partitions, errorOf),
    })),
  };
}
