// Reading and writing a group's committed offsets.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { Cluster, Lane } from './cluster.ts';
import { brokerError } from './errors.ts';
import { byTopic, type TopicPartition, type TopicPartitionOffset } from './topic-partition.ts';

export interface CommittedOffset extends TopicPartition {
  /** -1 when nothing was committed. */
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

export interface OffsetToCommit extends TopicPartitionOffset {
  readonly leaderEpoch?: number;
  readonly metadata?: string;
}

/** On whose behalf offsets are committed; without it the group must be empty. */
export interface CommittingMember {
  readonly generation: number;
  readonly memberId: string;
  readonly groupInstanceId?: string;
}

const E = KafkaErrors;
const STALE = new Set<number>([
  E.ILLEGAL_GENERATION.code,
  E.UNKNOWN_MEMBER_ID.code,
  E.REBALANCE_IN_PROGRESS.code,
]);

/**
 * Committed offsets of the partitions, or of all when none are named. Waits for transactions that are still open on
 * them.
 *
 * @throws kafka.refused, kafka.unavailable
 */
export async function fetchGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | 'all',
  options: { lane?: Lane; signal?: AbortSignal } = {},
): Promise<CommittedOffset[]> {
  const topics =
    partitions === 'all'
      ? null
      : byTopic(partitions, ({ partition }) => partition).map((entry) => ({
          name: entry.topic,
          partitionIndexes: entry.partitions,
        }));
  const deadline = cluster.clock.monotonicMs() + cluster.defaultApiTimeoutMs;
  for (let attempt = 1; ; attempt++) {
    const answer = await cluster.requestCoordinator(
      groupId,
      API.OffsetFetch,
      { groupId, topics, groups: [{ groupId, topics }], requireStable: true },
      (body) => body.groups[0]?.errorCode ?? body.errorCode,
      options,
    );
    const group = answer.groups[0] ?? answer;
    if (group.errorCode !== 0) throw brokerError(group.errorCode, `Reading offsets of group ${groupId}`);
    const parts = group.topics.flatMap(({ name, partitions: list }) =>
      list.map((part) => ({ topic: name, part })),
    );
    const failed = parts.find(({ part }) => part.errorCode !== 0);
    if (!failed) {
      return parts.map(({ topic, part }) => ({
        topic,
        partition: part.partitionIndex,
        offset: Number(part.committedOffset),
        leaderEpoch: part.committedLeaderEpoch,
        metadata: part.metadata,
      }));
    }
    const { topic, part } = failed;
    const error = brokerError(
      part.errorCode,
      `Offset of group ${groupId} in ${topic}-${part.partitionIndex}`,
    );
    if (error.code !== 'kafka.unavailable' || cluster.clock.monotonicMs() >= deadline) throw error;
    await cluster.pause(attempt, options.signal);
  }
}

/**
 * Commits offsets; all of them are durable when this resolves.
 *
 * @throws kafka.group_stale when the group has moved on, kafka.group_fenced, kafka.refused, kafka.unavailable
 */
export async function commitGroupOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly OffsetToCommit[],
  options: { member?: CommittingMember; lane?: Lane; signal?: AbortSignal } = {},
): Promise<void> {
  if (offsets.length === 0) return;
  const { member, ...request } = options;
  const topics = byTopic(offsets, ({ partition, offset, leaderEpoch, metadata }) => ({
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch ?? -1,
    committedMetadata: metadata ?? '',
  }));
  const answer = await cluster.requestCoordinator(
    groupId,
    API.OffsetCommit,
    {
      groupId,
      generationIdOrMemberEpoch: member?.generation ?? -1,
      memberId: member?.memberId ?? '',
      groupInstanceId: member?.groupInstanceId ?? null,
      retentionTimeMs: -1,
      topics: topics.map(({ topic, partitions }) => ({ name: topic, partitions })),
    },
    (body) => firstError(body.topics)?.errorCode ?? 0,
    request,
  );
  const failed = firstError(answer.topics);
  if (!failed) return;
  const stale = STALE.has(failed.errorCode);
  const fenced = failed.errorCode === E.FENCED_INSTANCE_ID.code;
  throw brokerError(failed.errorCode, `Committing offsets of group ${groupId}`, {
    context: { groupId, partition: failed.partitionIndex },
    ...(stale ? { code: 'kafka.group_stale' as const } : {}),
    ...(fenced ? { code: 'kafka.group_fenced' as const } : {}),
  });
}

interface PartitionResult {
  readonly partitionIndex: number;
  readonly errorCode: number;
}

function firstError(
  topics: readonly { partitions: readonly PartitionResult[] }[],
): PartitionResult | undefined {
  return topics.flatMap(({ partitions }) => partitions).find(({ errorCode }) => errorCode !== 0);
}
