// All groups of the broker, their committed offsets, and the topic that keeps both. What a client was told is in
// that topic durably first; the maps here hold only what is.
import { randomUUID } from 'node:crypto';
import { type Clock, type Logger, toError } from '@millrace/foundation';
import { BATCH_TRANSACTIONAL, KafkaErrors } from '@millrace/kafka-protocol';
import type { TransactionMarker } from '../log/control-batch.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { replayLog } from '../log/replay-log.ts';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import { type Topic, type Topics, ZERO_UUID } from '../metadata/topics.ts';
import { Group, type GroupEnvironment } from './group.ts';
import { Member } from './member.ts';
import { OffsetsLog, type OffsetsProducer } from './offsets-log.ts';
import { PendingOffsets, type Place } from './pending-offsets.ts';
import {
  type CommittedOffset,
  decodeGroupRecord,
  type GroupRecord,
  type OffsetRecord,
  type StoredGroup,
} from './records.ts';
import { subscribedTopics } from './subscription.ts';

/** Committed offsets of one group: topic -> partition -> offset. */
export type GroupOffsets = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;

/** An offset and where its record lies in the group's partition: a transaction that ends must not undo what was committed after it. */
interface PlacedOffset extends CommittedOffset {
  readonly at: number;
}

const NO_OFFSETS: GroupOffsets = new Map();
const NEW_MEMBER_TIMEOUT_MS = 300_000;
/** Longest timer a member can ask for; Node's timers end at 2^31-1. */
const MAX_TIMER_MS = 2_147_483_647;

export class GroupCoordinator {
  readonly #topics: Topics;
  readonly #config: BrokerConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #log: OffsetsLog;
  readonly #groups = new Map<string, Group>();
  readonly #offsets = new Map<string, Map<string, Map<number, PlacedOffset>>>();
  /** Of transactions that are open. */
  readonly pending: PendingOffsets = new PendingOffsets();
  readonly #env: GroupEnvironment;

  constructor(topics: Topics, config: BrokerConfig, clock: Clock, logger: Logger) {
    this.#topics = topics;
    this.#config = config;
    this.#clock = clock;
    this.#logger = logger;
    this.#log = new OffsetsLog(topics, clock);
    this.#env = {
      nowMs: () => clock.nowMs(),
      schedule: (ms, callback) => {
        const timer = setTimeout(callback, Math.min(ms, MAX_TIMER_MS));
        timer.unref();
        return () => clearTimeout(timer);
      },
      store: (group) => this.#write(group.id, [{ kind: 'group', group: group.id, value: group.toStored() }]),
      newId: () => randomUUID(),
      initialRebalanceDelayMs: config.number('group.initial.rebalance.delay.ms'),
      newMemberTimeoutMs: NEW_MEMBER_TIMEOUT_MS,
    };
    topics.onDeleted((topic) => this.#forgetTopic(topic));
  }

  /** The topic that keeps groups and offsets; made at first use. */
  offsetsTopic(): Promise<Topic> {
    return this.#log.topic();
  }

  /** The partition of that topic which keeps a group. */
  partitionOf(groupId: string): number {
    return this.#log.partitionOf(groupId);
  }

  /** Whether a producer has a transaction open where a group is kept. */
  hasOpenTransaction(groupId: string, { producerId, producerEpoch }: OffsetsProducer): boolean {
    return this.#log.logOf(groupId)?.producers.hasOpen(producerId, producerEpoch) ?? false;
  }

  group(id: string): Group | undefined {
    return this.#groups.get(id);
  }
  groups(): Iterable<Group> {
    return this.#groups.values();
  }
  /** The group of that id; made when there is none. */
  ensure(id: string): Group {
    let group = this.#groups.get(id);
    if (!group) {
      group = new Group(id, this.#env);
      this.#groups.set(id, group);
    }
    return group;
  }

  offsetsOf(groupId: string): GroupOffsets {
    return this.#offsets.get(groupId) ?? NO_OFFSETS;
  }

  /** Commits offsets of a group. @throws KafkaFailure when they could not be stored */
  commit(groupId: string, offsets: readonly OffsetRecord[]): Promise<void> {
    this.ensure(groupId);
    return this.#write(groupId, offsets);
  }

  /**
   * Stores offsets as part of a producer's transaction; they count from its marker on.
   *
   * @throws KafkaFailure when they could not be stored
   */
  async commitInTransaction(
    groupId: string,
    producer: OffsetsProducer,
    offsets: readonly OffsetRecord[],
  ): Promise<void> {
    // Nothing is awaited before the append: the caller has checked that the transaction is open.
    const { log, baseOffset, lastOffset } = this.#log.append(groupId, offsets, producer);
    this.ensure(groupId);
    const at = { partition: log.partition, offset: baseOffset };
    // From here on, since the marker may come before this is durable.
    this.pending.add(producer.producerId, offsets, at);
    try {
      await log.whenDurable(lastOffset);
    } catch (error) {
      this.pending.withdraw(producer.producerId, at);
      throw error;
    }
  }

  /** A producer's transaction has its durable marker in a partition of the topic of offsets. */
  transactionEnded(marker: TransactionMarker, at: Place): void {
    for (const { record, at: placed } of this.pending.take(marker.producerId, at)) {
      if (!marker.commit) continue;
      this.ensure(record.group);
      this.#applyStored(record, placed.offset);
    }
  }

  /** Deletes an empty group with all its offsets. */
  async delete(group: Group): Promise<void> {
    const tombstones: GroupRecord[] = this.#offsetRecords(group.id).map(({ tombstone }) => tombstone);
    await this.#write(group.id, [...tombstones, { kind: 'group', group: group.id, value: undefined }]);
    this.pending.drop(group.id);
    // A member may have joined while the records were written; its next generation is stored again.
    if (!group.is('Empty')) return;
    group.close(KafkaErrors.COORDINATOR_NOT_AVAILABLE);
    group.transition('removed');
    this.#groups.delete(group.id);
  }

  /**
   * Drops the offsets of groups that have been empty for longer than `offsets.retention.minutes`, groups that have
   * neither members nor offsets, and what was committed that long ago for topics that a group no longer reads.
   */
  async expire(): Promise<void> {
    const limit = this.#clock.nowMs() - this.#config.number('offsets.retention.minutes') * 60_000;
    await this.#expireUnsubscribed(limit);
    for (const group of this.#groups.values()) {
      if (!group.is('Empty') || group.pendingMembers.size > 0 || this.pending.hasAny(group.id)) continue;
      // Without a protocol nobody ever joined: then each offset counts from its own commit.
      const emptySince = group.protocolType === null ? 0 : group.stateSinceMs;
      const offsets = this.#offsetRecords(group.id);
      const expired = offsets.filter(
        ({ committed }) => Math.max(emptySince, committed.commitTimestamp) < limit,
      );
      if (expired.length === offsets.length) await this.delete(group);
      else if (expired.length > 0)
        await this.#write(
          group.id,
          expired.map(({ tombstone }) => tombstone),
        );
    }
  }

  /** Only of consumers at rest: what others subscribe to nobody knows, and a rebalance may be about to change it. */
  async #expireUnsubscribed(limit: number): Promise<void> {
    for (const group of this.#groups.values()) {
      if (!group.is('Stable') || group.protocolType !== 'consumer') continue;
      const old = this.#offsetRecords(group.id).filter(({ committed }) => committed.commitTimestamp < limit);
      if (old.length === 0) continue;
      const subscribed = subscribedTopics(group);
      const left = old.filter(({ tombstone }) => !subscribed.has(tombstone.topic));
      if (left.length > 0)
        await this.#write(
          group.id,
          left.map(({ tombstone }) => tombstone),
        );
    }
  }

  /** Reads the topic from its start; to be awaited before clients come. */
  async load(): Promise<void> {
    const stored = new Map<string, StoredGroup>();
    for (const log of this.#log.logs()) await this.#replay(log, stored);
    for (const [id, group] of stored) this.#restore(id, group);
    for (const id of this.#offsets.keys()) this.ensure(id);
  }

  async #replay(log: PartitionLog, stored: Map<string, StoredGroup>): Promise<void> {
    const { partition } = log;
    let strays = 0;
    await replayLog(log, {
      record: ({ key, value, offset }, { producerId, attributes }) => {
        const record = key && this.#decode(key, value);
        if (!record) return;
        if (this.#log.partitionOf(record.group) !== partition) strays++;
        else if (record.kind === 'offset' && attributes & BATCH_TRANSACTIONAL) {
          this.pending.add(producerId, [record], { partition, offset });
        } else if (record.kind === 'offset') this.#applyStored(record, offset);
        else if (record.value) stored.set(record.group, record.value);
        else {
          stored.delete(record.group);
          this.pending.drop(record.group);
        }
      },
      marker: (marker, offset) => this.transactionEnded(marker, { partition, offset }),
    });
    if (strays === 0) return;
    this.#logger.warn(
      { partition, records: strays },
      'skipped records of groups that belong into another partition of the offsets topic',
    );
  }

  /** Answers everything that waits. */
  close(): void {
    for (const group of this.#groups.values()) group.close(KafkaErrors.NOT_COORDINATOR);
  }

  #decode(key: Buffer, value: Buffer | null): GroupRecord | undefined {
    try {
      return decodeGroupRecord(key, value);
    } catch (error) {
      this.#logger.warn({ err: toError(error) }, 'skipped an unreadable record of the offsets topic');
      return undefined;
    }
  }

  #restore(id: string, stored: StoredGroup): void {
    const group = this.ensure(id);
    const members = stored.members.map((member) => {
      const protocols = [{ name: stored.protocol ?? '', metadata: member.subscription }];
      const restored = new Member(member, member.rebalanceTimeout, member.sessionTimeout, protocols);
      restored.assignment = member.assignment;
      return restored;
    });
    group.restore(stored, members);
    for (const member of members) group.keepAlive(member);
  }

  #offsetRecords(group: string): { committed: CommittedOffset; tombstone: OffsetRecord }[] {
    return [...this.offsetsOf(group)].flatMap(([topic, partitions]) =>
      [...partitions].map(([partition, committed]) => ({
        committed,
        tombstone: { kind: 'offset', group, topic, partition, value: undefined },
      })),
    );
  }

  /** Writes records of a group as one batch; resolves, and shows them, once they are durable. INV-12 */
  async #write(groupId: string, records: readonly GroupRecord[]): Promise<void> {
    const baseOffset = await this.#log.write(groupId, records);
    for (const record of records) if (record.kind === 'offset') this.#apply(record, baseOffset);
  }

  /** A crash may have come between a topic's deletion and that of its offsets. */
  #applyStored(record: OffsetRecord, at: number): void {
    const topicId = record.value?.topicId ?? ZERO_UUID;
    const isGone = topicId !== ZERO_UUID && this.#topics.get(record.topic)?.id !== topicId;
    this.#apply(isGone ? { ...record, value: undefined } : record, at);
  }

  /** `at` is where the record lies: an older one changes nothing. */
  #apply(record: OffsetRecord, at: number): void {
    const { group, topic, partition, value } = record;
    const topics = this.#offsets.get(group) ?? new Map<string, Map<number, PlacedOffset>>();
    const partitions = topics.get(topic) ?? new Map<number, PlacedOffset>();
    if ((partitions.get(partition)?.at ?? -1) > at) return;
    if (value) partitions.set(partition, { ...value, at });
    else partitions.delete(partition);
    if (partitions.size > 0) topics.set(topic, partitions);
    else topics.delete(topic);
    if (topics.size > 0) this.#offsets.set(group, topics);
    else this.#offsets.delete(group);
  }

  /** Offsets of a deleted topic mean nothing for a later one of that name. */
  #forgetTopic(topic: Topic): void {
    const { name } = topic;
    for (const [group, topics] of this.#offsets) {
      const records = [...(topics.get(name)?.keys() ?? [])].map(
        (partition): OffsetRecord => ({ kind: 'offset', group, topic: name, partition, value: undefined }),
      );
      if (records.length === 0) continue;
      for (const record of records) this.#apply(record, Number.MAX_SAFE_INTEGER);
      this.#write(group, records).catch((error: unknown) => {
        this.#logger.warn(
          { err: toError(error), topic: name, group },
          'offsets of a deleted topic stay stored',
        );
      });
    }
  }
}
