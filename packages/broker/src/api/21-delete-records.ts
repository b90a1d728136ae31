// 21 DeleteRecords. Moves the start of a partition forward; -1 means the high watermark.
import { toError } from '@millrace/foundation';
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { type BrokerState, type ErrorAnswer, partitionOf } from '../broker-state.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const deleteRecords: RegisteredApi = defineApi({
  key: API.DeleteRecords,
  versions: [0, 2],
  handle: async (request, { broker }) => {
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => ({
        partitionIndex,
        ...deleteBefore(broker, name, partitionIndex, Number(offset)),
      })),
    }));
    // INV-12: what was told to be gone does not come back after a crash.
    try {
      await broker.directory.store();
    } catch (error) {
      broker.logger.warn({ err: toError(error) }, 'the new starts of partitions could not be stored');
      const result = failed(KafkaErrors.KAFKA_STORAGE_ERROR);
      return {
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map((each) => (each.errorCode === 0 ? { ...each, ...result } : each)),
        })),
      };
    }
    return { topics };
  },
});

function deleteBefore(
  broker: BrokerState,
  name: string,
  partition: number,
  offset: number,
): { lowWatermark: number; errorCode: number } {
  const topic = broker.topics.get(name);
  const { log, error } = partitionOf(topic, partition);
  if (!log) return failed(error);
  if (topic?.internal || !log.config.deletes) return failed(KafkaErrors.POLICY_VIOLATION);
  const target = offset === -1 ? log.highWatermark : offset;
  if (target < 0 || target > log.highWatermark) return failed(KafkaErrors.OFFSET_OUT_OF_RANGE);
  log.advanceStart(target);
  return { lowWatermark: log.startOffset, errorCode: 0 };
}

function failed(error: ErrorAnswer): { lowWatermark: number; errorCode: number } {
  return { lowWatermark: -1, errorCode: error.code };
}
