// 43 ElectLeaders. The only broker leads everything already. v1 election type · v2 flexible.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { partitionOf } from '../broker-state.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface ElectLeadersRequest {
  /** Null means all, of which none needs an election. */
  readonly topicPartitions:
    | readonly { readonly topic: string; readonly partitions: readonly number[] }[]
    | null;
}

export const electLeaders: RegisteredApi = defineApi<number>({
  key: API.ElectLeaders,
  versions: [0, 2],
  handle: (body, { broker }) => {
    const { topicPartitions } = body as unknown as ElectLeadersRequest;
    const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => {
        const { log, error } = partitionOf(broker.topics.get(topic), partitionId);
        const { code, message } = log ? KafkaErrors.ELECTION_NOT_NEEDED : error;
        return { partitionId, errorCode: code, errorMessage: message };
      }),
    }));
    return { errorCode: 0, replicaElectionResults };
  },
});
