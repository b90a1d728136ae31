// What OffsetCommit and TxnOffsetCommit have in common: the partitions a client names, as they are checked and stored.
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';
import type { OffsetRecord } from '../groups/records.ts';
import type { Topic } from '../metadata/topics.ts';

/** One partition of either request. */
export interface AskedOffset {
  readonly partitionIndex: number;
  readonly committedOffset: number | bigint;
  readonly committedLeaderEpoch: number;
  readonly committedMetadata: string | null;
}

/** Why the offset of a partition cannot be stored. */
export function offsetProblem(
  topic: Topic | undefined,
  asked: AskedOffset,
  maxMetadata: number,
): ErrorAnswer | undefined {
  const count = topic?.partitions.length ?? 0;
  if (asked.partitionIndex < 0 || asked.partitionIndex >= count)
    return KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
  return (asked.committedMetadata?.length ?? 0) > maxMetadata
    ? KafkaErrors.OFFSET_METADATA_TOO_LARGE
    : undefined;
}

export function offsetRecord(group: string, topic: Topic, asked: AskedOffset, nowMs: number): OffsetRecord {
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

/** The `partitions` of an answer. */
export function offsetAnswers<P extends AskedOffset>(
  partitions: readonly P[],
  errorOf: (partition: P) => ErrorAnswer | undefined,
): object[] {
  return partitions.map((partition) => ({
    partitionIndex: partition.partitionIndex,
    errorCode: errorOf(partition)?.code ?? 0,
  }));
}
