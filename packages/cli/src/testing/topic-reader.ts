// Reads topics whole, as a test needs them, with a client of its own.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, Fetcher, listOffsets } from '@millrace/kafka-client';
import type { KafkaRecord } from '@millrace/kafka-protocol';

export interface TopicRecord extends KafkaRecord {
  readonly partition: number;
}

/** The records of a topic up to its end at the call, each partition in order of offsets; empty when there is no such topic. */
export async function readTopic(bootstrapServers: string, topic: string): Promise<TopicRecord[]> {
  await using cluster = new Cluster({
    bootstrapServers,
    clientId: 'millrace-test',
    logger: silentLogger,
    clock: systemClock,
    defaultApiTimeoutMs: 20_000,
  });
  const known = (await cluster.listTopics()).find(({ name }) => name === topic);
  if (!known) return [];
  const partitions = known.partitions.map((_, partition) => ({ topic, partition }));
  const ends = await listOffsets(cluster, partitions, 'latest');
  await using fetcher = new Fetcher({
    cluster,
    isolation: 'read_committed',
    logger: silentLogger,
    clock: systemClock,
  });
  fetcher.assign(await listOffsets(cluster, partitions, 'earliest'));
  const records: TopicRecord[] = [];
  const deadline = Date.now() + 60_000;
  while (ends.some((end) => (fetcher.position(topic, end.partition) ?? 0) < end.offset)) {
    if (Date.now() > deadline) throw new Error(`${topic} was not read to its end in 60 s`);
    for (const { partition, records: fetched } of await fetcher.poll({ maxWaitMs: 200 }))
      for (const record of fetched) records.push({ ...record, partition });
  }
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}
