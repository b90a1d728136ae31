// Naming partitions.

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicPartitionOffset extends TopicPartition {
  readonly offset: number;
}

/** A map key: topic names cannot contain a colon. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}:${partition}`;
}

/** Groups entries by topic, in the shape of most requests. */
export function byTopic<T extends TopicPartition, R>(
  entries: Iterable<T>,
  toPartition: (entry: T) => R,
): { topic: string; partitions: R[] }[] {
  const topics = new Map<string, R[]>();
  for (const entry of entries) {
    const list = topics.get(entry.topic);
    if (list) list.push(toPartition(entry));
    else topics.set(entry.topic, [toPartition(entry)]);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}
