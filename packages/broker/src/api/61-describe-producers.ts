// 61 DescribeProducers. The idempotent producers a partition remembers.
import { API } from '@millrace/kafka-protocol';
import { type BrokerState, partitionOf } from '../broker-state.ts';
import { once } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface DescribeProducersRequest {
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
}

export const describeProducers: RegisteredApi = defineApi<number>({
  key: API.DescribeProducers,
  versions: [0, 0],
  handle: (body, { broker }) => {
    const producersOf = once((topic: string) =>
      once((partition: number) => describe(broker, topic, partition)),
    );
    return {
      topics: (body as unknown as DescribeProducersRequest).topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partition) => producersOf(name)(partition)),
      })),
    };
  },
});

function describe(broker: BrokerState, topic: string, partitionIndex: number): object {
  const { log, error } = partitionOf(broker.topics.get(topic), partitionIndex);
  if (!log)
    return { partitionIndex, errorCode: error.code, errorMessage: error.message, activeProducers: [] };
  const activeProducers = [...log.producers.entries()].map(([producerId, producer]) => ({
    producerId,
    producerEpoch: producer.epoch,
    lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: producer.lastTimestamp,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.currentTxnFirstOffset,
  }));
  return { partitionIndex, errorCode: 0, errorMessage: null, activeProducers };
}
