// A consumer in a group, for sinks: GroupMember and Fetcher put together by Kafka's consumer protocol. Partitions are
// handed over through awaited callbacks; offsets are committed only when the caller says so.
import { type Clock, type Logger, type MillraceError, toError } from '@millrace/foundation';
import { ASSIGNORS, type AssignorName, type ConsumerPeer } from './assignors.ts';
import type { Cluster } from './cluster.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts';
import { clientError } from './errors.ts';
import { Fetcher } from './fetcher.ts';
import type { FetchedRecords, FetcherOptions, PollOptions, ReadProblem } from './fetcher-options.ts';
import { GroupMember } from './group-member.ts';
import type { GroupAssignment, LeadRequest, LossReason } from './group-member-options.ts';
import { commitGroupOffsets, fetchGroupOffsets, type OffsetToCommit } from './group-offsets.ts';
import { listOffsets } from './list-offsets.ts';
import { partitionKey, type TopicPartition, type TopicPartitionOffset } from './topic-partition.ts';

/** A partition as it is handed over. */
export interface AssignedPartition extends TopicPartition {
  /** The group's committed offset; null when there is none. */
  readonly committed: number | null;
  /** Where reading would start. */
  readonly offset: number;
}

export interface GroupConsumerOptions
  extends Partial<
    Pick<FetcherOptions, 'minBytes' | 'maxWaitMs' | 'maxBytes' | 'maxPartitionBytes' | 'isolation'>
  > {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly groupId: string;
  /** Topic names, or a pattern that a topic's whole name must match. */
  readonly topics: readonly string[] | RegExp;
  readonly groupInstanceId?: string;
  readonly assignors?: readonly AssignorName[];
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
  readonly heartbeatIntervalMs?: number;
  /** Where a partition without committed offset starts. */
  readonly startAt?: 'earliest' | 'latest';
  /** How often topics are looked at for new partitions and new matches. */
  readonly metadataMaxAgeMs?: number;
  /** New partitions. Positions that it returns replace those given; records come only after it resolves. */
  readonly onAssigned: (
    partitions: readonly AssignedPartition[],
  ) => Promise<readonly TopicPartitionOffset[] | undefined> | undefined;
  /** Partitions to give back: commit what is done. Nothing of them is delivered any more. */
  readonly onRevoked: (partitions: readonly TopicPartition[]) => Promise<void> | void;
  /** Partitions that others may have by now: nothing can be committed. */
  readonly onLost: (partitions: readonly TopicPartition[], reason: LossReason) => Promise<void> | void;
  readonly onFatal: (error: MillraceError) => void;
}

const DEFAULT_ASSIGNORS: readonly AssignorName[] = ['range', 'cooperative-sticky'];
const DEFAULT_SESSION_MS = 45_000;
const DEFAULT_REBALANCE_MS = 60_000;
const DEFAULT_HEARTBEAT_MS = 3000;
const DEFAULT_METADATA_AGE_MS = 30_000;
/** While a subscribed topic does not exist yet, it is looked for more often. */
const MISSING_TOPIC_CHECK_MS = 2000;

export class GroupConsumer implements AsyncDisposable {
  readonly #options: GroupConsumerOptions;
  readonly #cluster: Cluster;
  readonly #member: GroupMember;
  readonly #fetcher: Fetcher;
  readonly #assignors: readonly AssignorName[];
  readonly #cooperative: boolean;
  readonly #stop = new AbortController();
  #topics: readonly string[] = [];
  #owned: TopicPartition[] = [];
  /** Partition counts that the last assignment was made from; on the leader only. */
  #assignedCounts: ReadonlyMap<string, number> | undefined;
  #watching: Promise<void> | undefined;

  constructor(options: GroupConsumerOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#assignors = options.assignors ?? DEFAULT_ASSIGNORS;
    this.#cooperative = this.#assignors.every((name) => name === 'cooperative-sticky');
    const { cluster, logger, clock, groupId, groupInstanceId } = options;
    this.#fetcher = new Fetcher({ isolation: 'read_committed', ...options });
    this.#member = new GroupMember({
      cluster,
      logger,
      clock,
      groupId,
      protocolType: 'consumer',
      ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
      sessionTimeoutMs: options.sessionTimeoutMs ?? DEFAULT_SESSION_MS,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? DEFAULT_REBALANCE_MS,
      heartbeatIntervalMs: options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_MS,
      protocols: () => this.#protocols(),
      lead: (request) => this.#lead(request),
      onAssigned: (assignment) => this.#onAssigned(assignment),
      onRevoked: () =>
        this.#cooperative && !this.#stop.signal.aborted ? undefined : this.#revoke(this.#owned),
      onLost: (reason) => this.#onLost(reason),
      onFatal: options.onFatal,
    });
  }

  /** Joins the group. @throws kafka.unreachable */
  async start(): Promise<void> {
    this.#topics = await this.#subscribedTopics();
    this.#member.start();
    this.#watching ??= this.#watchTopics();
  }

  get assignment(): readonly TopicPartition[] {
    return this.#owned;
  }
  get member(): GroupMember {
    return this.#member;
  }

  /** What keeps records from coming: the group cannot be joined, or the brokers cannot be read from. */
  get problem(): ReadProblem | undefined {
    const { state, problem, silentSinceMs } = this.#member;
    if (state === 'stable') {
      const reading = this.#fetcher.problem;
      if (reading !== undefined || silentSinceMs === undefined) return reading;
      // While partitions are taken over, and where there are none, nothing is read.
      const doing = `waiting for the coordinator of group ${this.#options.groupId}`;
      return { doing, attempt: String(silentSinceMs), error: undefined };
    }
    return { doing: `joining the group ${this.#options.groupId}`, attempt: 'joining', error: problem };
  }

  /** See `Fetcher.poll`. */
  poll(options: PollOptions): Promise<FetchedRecords[]> {
    return this.#fetcher.poll(options);
  }
  seek(topic: string, partition: number, offset: number): void {
    this.#fetcher.seek(topic, partition, offset);
  }
  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions);
  }
  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.resume(partitions);
  }
  position(topic: string, partition: number): number | undefined {
    return this.#fetcher.position(topic, partition);
  }
  highWatermark(topic: string, partition: number): number | undefined {
    return this.#fetcher.highWatermark(topic, partition);
  }

  /**
   * Commits offsets in the current generation.
   *
   * @throws kafka.group_stale when the group has moved on: the partitions may be somebody else's by now
   */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { generation, memberId, lane } = this.#member;
    if (generation < 0) throw clientError('kafka.group_stale', 'There is no generation to commit in.');
    const { groupId, groupInstanceId } = this.#options;
    const member = { generation, memberId, ...(groupInstanceId === undefined ? {} : { groupInstanceId }) };
    await commitGroupOffsets(this.#cluster, groupId, offsets, { member, lane });
  }

  /** Gives back everything through `onRevoked`, then leaves. A static member keeps its place unless `forGood`. */
  async close(options: { forGood?: boolean } = {}): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await this.#member.leave(options);
    await this.#fetcher.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- joining

  #protocols(): { name: string; metadata: Buffer }[] {
    const { generation } = this.#member;
    const metadata = encodeSubscription({ topics: this.#topics, owned: this.#owned, generation });
    return this.#assignors.map((name) => ({ name, metadata }));
  }

  async #lead(request: LeadRequest): Promise<Map<string, Buffer>> {
    const peers: ConsumerPeer[] = request.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      groupInstanceId,
      ...decodeSubscription(metadata),
    }));
    const topics = new Set(peers.flatMap((peer) => peer.topics));
    const counts = await this.#countPartitions([...topics]);
    this.#assignedCounts = counts;
    const assignor = ASSIGNORS[request.protocol as AssignorName] ?? ASSIGNORS.range;
    const assignment = assignor(peers, counts);
    return new Map([...assignment].map(([memberId, places]) => [memberId, encodeAssignment(places)]));
  }

  async #countPartitions(topics: readonly string[]): Promise<Map<string, number>> {
    await this.#cluster.refresh({ topics, signal: this.#stop.signal });
    const counts = new Map<string, number>();
    for (const topic of topics.toSorted()) {
      const count = this.#cluster.partitionCount(topic);
      if (count !== undefined) counts.set(topic, count);
    }
    return counts;
  }

  // ---- taking over and giving back

  async #onAssigned({ assignment, isLeader }: GroupAssignment): Promise<void> {
    // A static leader that takes its place back is given the assignment of its former life, which knows nothing of
    // topics that came since: it asks for a round in which it assigns anew.
    if (isLeader && this.#assignedCounts === undefined) this.#member.rejoin();
    const wanted = decodeAssignment(assignment);
    const keys = new Set(wanted.map(({ topic, partition }) => partitionKey(topic, partition)));
    const held = new Set(this.#owned.map(({ topic, partition }) => partitionKey(topic, partition)));
    const leaving = this.#owned.filter(({ topic, partition }) => !keys.has(partitionKey(topic, partition)));
    const coming = wanted.filter(({ topic, partition }) => !held.has(partitionKey(topic, partition)));
    if (leaving.length > 0) {
      await this.#revoke(leaving);
      this.#member.rejoin(); // what was given back is handed out in the next round
    }
    if (coming.length === 0) return;
    const found = await this.#startPositions(coming);
    const replaced = await this.#options.onAssigned(found);
    this.#owned = [...this.#owned, ...coming];
    this.#fetcher.add(found);
    if (replaced) this.#fetcher.add(replaced);
  }

  async #startPositions(partitions: readonly TopicPartition[]): Promise<AssignedPartition[]> {
    const { groupId, startAt } = this.#options;
    const committed = await fetchGroupOffsets(this.#cluster, groupId, partitions, {
      lane: this.#member.lane,
    });
    const found = committed.filter(({ offset }) => offset >= 0);
    const fresh = committed.filter(({ offset }) => offset < 0);
    const initial = await listOffsets(this.#cluster, fresh, startAt ?? 'earliest', {
      signal: this.#stop.signal,
    });
    return [
      ...found.map(({ topic, partition, offset }) => ({ topic, partition, offset, committed: offset })),
      ...initial.map(({ topic, partition, offset }) => ({ topic, partition, offset, committed: null })),
    ];
  }

  async #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return;
    this.#drop(partitions);
    await this.#options.onRevoked(partitions);
  }

  async #onLost(reason: LossReason): Promise<void> {
    const partitions = this.#owned;
    if (partitions.length === 0) return;
    this.#drop(partitions);
    await this.#options.onLost(partitions, reason);
  }

  #drop(partitions: readonly TopicPartition[]): void {
    this.#fetcher.remove(partitions);
    const gone = new Set(partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
    this.#owned = this.#owned.filter(({ topic, partition }) => !gone.has(partitionKey(topic, partition)));
  }

  // ---- topics that come and grow

  async #subscribedTopics(): Promise<readonly string[]> {
    const { topics } = this.#options;
    if (!(topics instanceof RegExp)) return topics;
    const whole = new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, ''));
    const all = await this.#cluster.listTopics(this.#stop.signal);
    return all
      .map(({ name }) => name)
      .filter((name) => whole.test(name))
      .toSorted();
  }

  async #watchTopics(): Promise<void> {
    const { clock, logger, metadataMaxAgeMs } = this.#options;
    while (!this.#stop.signal.aborted) {
      const missing = this.#topics.length === 0 || this.#topics.some((name) => !this.#cluster.topic(name));
      const pauseMs = metadataMaxAgeMs ?? DEFAULT_METADATA_AGE_MS;
      const waitMs = missing ? Math.min(pauseMs, MISSING_TOPIC_CHECK_MS) : pauseMs;
      await clock.sleepRoughly(waitMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        if (await this.#topicsChanged()) this.#member.rejoin();
      } catch (error) {
        if (!this.#stop.signal.aborted) logger.debug({ err: toError(error) }, 'topics cannot be looked at');
      }
    }
  }

  async #topicsChanged(): Promise<boolean> {
    const topics = await this.#subscribedTopics();
    const changed = topics.join() !== this.#topics.join();
    this.#topics = topics;
    if (!this.#member.isLeader || !this.#assignedCounts) return changed;
    const known = this.#assignedCounts;
    const names = new Set([...topics, ...known.keys()]);
    const counts = await this.#countPartitions([...names]);
    return (
      changed || counts.size !== known.size || [...counts].some(([name, count]) => known.get(name) !== count)
    );
  }
}
