// What can be said of a sink task's reading: what keeps it, and how much is left.
import type { PartitionPosition, TaskActivity, TopicPartition } from '@millrace/connect-api';
import type { GroupConsumer } from '@millrace/kafka-client';
import type { PartitionLag } from '../metrics/client-meters.ts';

/** A partition as key of a map. */
export function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}:${topic}`;
}

/** What keeps records from coming; null while they may come, if there are any. */
export function readingOf({ problem }: Pick<GroupConsumer, 'problem'>): TaskActivity | null {
  if (problem === undefined) return null;
  const { doing, attempt, error, sinceMs } = problem;
  return {
    stage: doing,
    progress: attempt,
    error,
    sinceMs,
    hint: 'Check that the brokers run and can be reached.',
  };
}

/** Records of each assigned partition that the task has not taken, as far as the brokers have told. */
export function lagsOf(
  consumer: Pick<GroupConsumer, 'highWatermark' | 'position'>,
  assigned: Iterable<TopicPartition>,
  delivered: ReadonlyMap<string, PartitionPosition>,
): PartitionLag[] {
  const lags: PartitionLag[] = [];
  for (const place of assigned) {
    const end = consumer.highWatermark(place.topic, place.partition) ?? -1;
    const taken = delivered.get(keyOf(place))?.offset ?? consumer.position(place.topic, place.partition);
    if (end >= 0 && taken !== undefined) lags.push({ ...place, lag: Math.max(0, end - taken) });
  }
  return lags;
}
