// 45 AlterPartitionReassignments, 46 ListPartitionReassignments. With one broker a partition is where it can be: none
// is ever on its way, and only staying is accepted.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { type BrokerState, type ErrorAnswer, partitionOf } from '../broker-state.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface AlterRequest {
  readonly topics: readonly {
    readonly name: string;
    /** Replicas null takes a reassignment back. */
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly replicas: readonly number[] | null;
    }[];
  }[];
}

export const alterPartitionReassignments: RegisteredApi = defineApi<number>({
  key: API.AlterPartitionReassignments,
  versions: [0, 1],
  handle: (body, { broker }) => ({
    errorCode: 0,
    errorMessage: null,
    responses: (body as unknown as AlterRequest).topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, replicas }) => {
        const error = reassignmentProblem(broker, name, partitionIndex, replicas);
        return { partitionIndex, errorCode: error?.code ?? 0, errorMessage: null };
      }),
    })),
  }),
});

function reassignmentProblem(
  broker: BrokerState,
  topic: string,
  partition: number,
  replicas: readonly number[] | null,
): ErrorAnswer | undefined {
  const { log, error } = partitionOf(broker.topics.get(topic), partition);
  if (!log) return error;
  if (replicas === null) return KafkaErrors.NO_REASSIGNMENT_IN_PROGRESS;
  const stays = replicas.length === 1 && replicas[0] === broker.nodeId;
  return stays ? undefined : KafkaErrors.INVALID_REPLICA_ASSIGNMENT;
}

export const listPartitionReassignments: RegisteredApi = defineApi<number>({
  key: API.ListPartitionReassignments,
  versions: [0, 0],
  handle: () => ({ errorCode: 0, errorMessage: null, topics: [] }),
});
