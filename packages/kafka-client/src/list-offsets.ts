// Asking partition leaders for offsets: earliest, latest, or the first at or after a timestamp.
import { API } from '@millrace/kafka-protocol';
import { type Cluster, isConnectionProblem } from './cluster.ts';
import { brokerError, clientError } from './errors.ts';
import type { Isolation } from './fetched-partition.ts';
import { byTopic, partitionKey, type TopicPartition } from './topic-partition.ts';

/** `latest` is where the next record will be; a number is milliseconds since the epoch. */
export type OffsetSpec = 'earliest' | 'latest' | number;

export interface FoundOffset extends TopicPartition {
  /** -1 when no record is as late as the timestamp. */
  readonly offset: number;
  /** Of the record found by timestamp, else -1. */
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export interface ListOffsetsOptions {
  readonly isolation?: Isolation;
  readonly signal?: AbortSignal;
}

const TIMESTAMPS = { latest: -1, earliest: -2 } as const;

/**
 * One offset per partition, following leaders as they move.
 *
 * @throws kafka.unknown_topic, kafka.refused, kafka.unavailable
 */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  spec: OffsetSpec,
  options: ListOffsetsOptions = {},
): Promise<FoundOffset[]> {
  const found: FoundOffset[] = [];
  const deadline = cluster.clock.monotonicMs() + cluster.defaultApiTimeoutMs;
  let left = [...partitions];
  for (let attempt = 1; left.length > 0; attempt++) {
    const problem = await askLeaders(cluster, left, spec, options, found);
    const done = new Set(found.map(({ topic, partition }) => partitionKey(topic, partition)));
    left = left.filter(({ topic, partition }) => !done.has(partitionKey(topic, partition)));
    if (left.length === 0) break;
    if (cluster.clock.monotonicMs() >= deadline)
      throw problem ?? clientError('kafka.unavailable', 'No leader.');
    await cluster.pause(attempt, options.signal);
    await cluster.metadata([...new Set(left.map(({ topic }) => topic))], withSignal(options.signal));
  }
  return found;
}

async function askLeaders(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  spec: OffsetSpec,
  options: ListOffsetsOptions,
  found: FoundOffset[],
): Promise<Error | undefined> {
  const unknown = new Set(partitions.map(({ topic }) => topic).filter((topic) => !cluster.topic(topic)));
  if (unknown.size > 0) await cluster.metadata([...unknown], withSignal(options.signal));
  const byLeader = new Map<number, TopicPartition[]>();
  for (const place of partitions) {
    const nodeId = cluster.leaderOf(place.topic, place.partition)?.nodeId ?? -1;
    byLeader.set(nodeId, [...(byLeader.get(nodeId) ?? []), place]);
  }
  let problem: Error | undefined;
  for (const [nodeId, mine] of byLeader) {
    if (nodeId < 0) continue;
    try {
      const connection = await cluster.connection(nodeId);
      const timestamp = typeof spec === 'number' ? spec : TIMESTAMPS[spec];
      const topics = byTopic(mine, ({ topic, partition }) => ({
        partitionIndex: partition,
        currentLeaderEpoch: cluster.leaderOf(topic, partition)?.leaderEpoch ?? -1,
        timestamp,
      }));
      const answer = await connection.request(API.ListOffsets, {
        replicaId: -1,
        isolationLevel: options.isolation === 'read_committed' ? 1 : 0,
        topics: topics.map((entry) => ({ name: entry.topic, partitions: entry.partitions })),
        timeoutMs: cluster.requestTimeoutMs,
      });
      for (const { name, partitions: parts } of answer.topics) {
        for (const part of parts) {
          const place = { topic: name, partition: part.partitionIndex };
          if (part.errorCode === 0) {
            const { leaderEpoch } = part;
            found.push({
              ...place,
              offset: Number(part.offset),
              timestamp: Number(part.timestamp),
              leaderEpoch,
            });
            continue;
          }
          const error = brokerError(part.errorCode, `Offsets of ${name}-${place.partition}`, {
            context: place,
          });
          if (error.code !== 'kafka.unavailable') throw error;
          problem = error;
        }
      }
    } catch (error) {
      if (!isConnectionProblem(error)) throw error;
      problem = error as Error;
    }
  }
  return problem;
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
