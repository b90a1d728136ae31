// 27 WriteTxnMarkers. Ends a transaction on single partitions, whatever its coordinator says: what Kafka's
// `kafka-transactions abort` uses for one that hangs. Answered once the markers are durable.
//   v1 flexible · v2 transaction version: markers of KIP-890 need a higher epoch than the open transaction has
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { type BrokerState, type ErrorAnswer, partitionOf } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import type { TransactionMarker } from '../log/control-batch.ts';
import { writeMarker } from '../transactions/markers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface WriteTxnMarkersRequest {
  readonly markers: readonly {
    readonly producerId: number | bigint;
    readonly producerEpoch: number;
    readonly transactionResult: boolean;
    readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
    readonly coordinatorEpoch: number;
    readonly transactionVersion?: number;
  }[];
}

export const writeTxnMarkers: RegisteredApi = defineApi<number>({
  key: API.WriteTxnMarkers,
  versions: [1, 2],
  handle: async (body, { broker }) => {
    const markers = [];
    for (const asked of (body as unknown as WriteTxnMarkersRequest).markers) {
      const marker = {
        producerId: Number(asked.producerId),
        producerEpoch: asked.producerEpoch,
        commit: asked.transactionResult,
        coordinatorEpoch: asked.coordinatorEpoch,
      };
      const needsNewEpoch = (asked.transactionVersion ?? 0) >= 2;
      const topics = [];
      for (const { name, partitionIndexes } of asked.topics) {
        const partitions = [];
        for (const partitionIndex of partitionIndexes) {
          const error = await write(broker, name, partitionIndex, marker, needsNewEpoch);
          partitions.push({ partitionIndex, errorCode: error?.code ?? 0 });
        }
        topics.push({ name, partitions });
      }
      markers.push({ producerId: asked.producerId, topics });
    }
    return { markers };
  },
});

async function write(
  broker: BrokerState,
  topic: string,
  partition: number,
  marker: TransactionMarker,
  needsNewEpoch: boolean,
): Promise<ErrorAnswer | undefined> {
  const { log, error } = partitionOf(broker.topics.get(topic), partition);
  if (!log) return error;
  if (needsNewEpoch && log.producers.hasOpen(marker.producerId, marker.producerEpoch)) {
    return KafkaErrors.INVALID_PRODUCER_EPOCH;
  }
  try {
    await writeMarker(log, marker, broker.groups, broker.clock.nowMs());
    return undefined;
  } catch (thrown) {
    if (thrown instanceof KafkaFailure) return { code: thrown.errorCode, message: thrown.message };
    throw thrown;
  }
}
