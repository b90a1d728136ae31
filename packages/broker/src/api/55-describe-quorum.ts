// 55 DescribeQuorum. This broker is the only voter of its metadata, and always caught up; user interfaces ask for it to
// tell a KRaft cluster from one with ZooKeeper. v1 times of the last fetch · v2 directory ids, voters' addresses.
// The metadata log counts no offsets: its length is given as 0.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { ZERO_UUID } from '../metadata/topics.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface DescribeQuorumRequest {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly { readonly partitionIndex: number }[];
  }[];
}

const METADATA_TOPIC = '__cluster_metadata';

export const describeQuorum: RegisteredApi = defineApi<number>({
  key: API.DescribeQuorum,
  versions: [0, 2],
  handle: (body, { broker, listener }) => {
    const nowMs = broker.clock.nowMs();
    const voter = {
      replicaId: broker.nodeId,
      replicaDirectoryId: ZERO_UUID,
      logEndOffset: 0,
      lastFetchTimestamp: nowMs,
      lastCaughtUpTimestamp: nowMs,
    };
    const { UNKNOWN_TOPIC_OR_PARTITION: unknown } = KafkaErrors;
    return {
      errorCode: 0,
      errorMessage: '',
      topics: (body as unknown as DescribeQuorumRequest).topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) =>
          topicName === METADATA_TOPIC && partitionIndex === 0
            ? {
                partitionIndex,
                errorCode: 0,
                errorMessage: '',
                leaderId: broker.nodeId,
                leaderEpoch: 1,
                highWatermark: 0,
                currentVoters: [voter],
                observers: [],
              }
            : {
                partitionIndex,
                errorCode: unknown.code,
                errorMessage: unknown.message,
                leaderId: -1,
                leaderEpoch: -1,
                highWatermark: -1,
                currentVoters: [],
                observers: [],
              },
        ),
      })),
      nodes: [{ nodeId: broker.nodeId, listeners: [{ name: listener, ...broker.advertised(listener) }] }],
    };
  },
});
