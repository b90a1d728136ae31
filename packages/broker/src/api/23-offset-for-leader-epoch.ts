// 23 OffsetForLeaderEpoch. Where a leader epoch ended, so that clients find what a crash took back. v4 flexible.
import { API } from '@millrace/kafka-protocol';
import { leaderEpochError, partitionOf } from '../broker-state.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const offsetForLeaderEpoch: RegisteredApi = defineApi({
  key: API.OffsetForLeaderEpoch,
  versions: [2, 4],
  handle: (request, { broker }) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const { log, error } = partitionOf(broker.topics.get(topic), partition);
        const problem = log ? leaderEpochError(log, currentLeaderEpoch) : error;
        if (!log || problem)
          return { errorCode: problem?.code ?? -1, partition, leaderEpoch: -1, endOffset: -1 };
        const end = log.endOfEpoch(leaderEpoch);
        return { errorCode: 0, partition, leaderEpoch: end.epoch, endOffset: end.endOffset };
      }),
    })),
  }),
});
