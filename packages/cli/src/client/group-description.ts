// What `millrace groups describe` knows of a group: its members, what they read, and how far behind they are.
import {
  type Admin,
  type Cluster,
  decodeAssignment,
  type GroupDescription,
  listOffsets,
  partitionKey,
  type TopicPartition,
} from '@millrace/kafka-client';
import { CliError } from './cli-error.ts';

export interface GroupOffset extends TopicPartition {
  /** Null when nothing was committed. */
  readonly currentOffset: number | null;
  /** Null when the partition is gone. */
  readonly endOffset: number | null;
  readonly lag: number | null;
  /** Of the member that reads it. */
  readonly memberId: string | null;
  readonly host: string | null;
  readonly clientId: string | null;
}

export interface GroupMemberLine {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly host: string;
  readonly clientId: string;
  /** Null for protocols whose assignments only their members understand. */
  readonly assignment: readonly TopicPartition[] | null;
}

export interface DescribedGroup {
  readonly group: string;
  readonly state: string;
  readonly protocolType: string;
  readonly protocol: string;
  readonly coordinator: { readonly id: number; readonly address: string };
  readonly members: readonly GroupMemberLine[];
  readonly offsets: readonly GroupOffset[];
}

/** A group that is there. @throws CliError when it is not */
export async function existingGroup(admin: Admin, groupId: string): Promise<GroupDescription> {
  const group = await admin.describeGroup(groupId);
  if (group.state !== 'Dead') return group;
  throw new CliError(
    `There is no group ${groupId}`,
    'it has neither members nor committed offsets',
    'List what there is with `millrace groups`.',
  );
}

/** @throws CliError when there is no such group */
export async function describeGroup(
  cluster: Cluster,
  admin: Admin,
  groupId: string,
): Promise<DescribedGroup> {
  const group = await existingGroup(admin, groupId);
  const members = group.members.map(
    (member): GroupMemberLine => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      host: member.clientHost,
      clientId: member.clientId,
      assignment: group.protocolType === 'consumer' ? assignmentOf(member.assignment) : null,
    }),
  );
  const id = await cluster.coordinator(groupId);
  const address = cluster.brokers.get(id);
  return {
    group: groupId,
    state: group.state,
    protocolType: group.protocolType,
    protocol: group.protocol,
    coordinator: { id, address: address ? `${address.host}:${address.port}` : '' },
    members,
    offsets: await offsetsOf(cluster, admin, groupId, members),
  };
}

function assignmentOf(bytes: Buffer): TopicPartition[] | null {
  try {
    return bytes.length === 0 ? [] : decodeAssignment(bytes);
  } catch {
    return null; // what a client of another kind wrote
  }
}

async function offsetsOf(
  cluster: Cluster,
  admin: Admin,
  groupId: string,
  members: readonly GroupMemberLine[],
): Promise<GroupOffset[]> {
  const committed = new Map<string, number>();
  const places = new Map<string, TopicPartition>();
  for (const { topic, partition, offset } of await admin.fetchGroupOffsets(groupId)) {
    if (offset < 0) continue;
    committed.set(partitionKey(topic, partition), offset);
    places.set(partitionKey(topic, partition), { topic, partition });
  }
  const readers = new Map<string, GroupMemberLine>();
  for (const member of members) {
    for (const place of member.assignment ?? []) {
      const key = partitionKey(place.topic, place.partition);
      readers.set(key, member);
      places.set(key, { topic: place.topic, partition: place.partition });
    }
  }
  const ends = await endOffsets(cluster, admin, [...places.values()]);
  const lines = [...places].map(([key, place]): GroupOffset => {
    const currentOffset = committed.get(key) ?? null;
    const endOffset = ends.get(key) ?? null;
    const reader = readers.get(key);
    return {
      ...place,
      currentOffset,
      endOffset,
      lag: currentOffset === null || endOffset === null ? null : Math.max(0, endOffset - currentOffset),
      memberId: reader?.memberId ?? null,
      host: reader?.host ?? null,
      clientId: reader?.clientId ?? null,
    };
  });
  return lines.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}

/** Log ends of those partitions that still exist. */
async function endOffsets(
  cluster: Cluster,
  admin: Admin,
  places: readonly TopicPartition[],
): Promise<Map<string, number>> {
  const topics = await admin.describeTopics([...new Set(places.map(({ topic }) => topic))]);
  const counts = new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  const there = places.filter(({ topic, partition }) => partition < (counts.get(topic) ?? 0));
  const found = await listOffsets(cluster, there, 'latest');
  return new Map(found.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
}
