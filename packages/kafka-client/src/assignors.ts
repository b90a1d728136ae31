// How a group's leader divides partitions among consumers: Kafka's range, roundrobin and cooperative-sticky. Pure.
import type { Subscription } from './consumer-protocol.ts';
import { partitionKey, type TopicPartition } from './topic-partition.ts';

export type AssignorName = 'range' | 'roundrobin' | 'cooperative-sticky';

export interface ConsumerPeer extends Subscription {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

/** Partitions by member id; every member has an entry. */
export type Assignment = Map<string, TopicPartition[]>;
/** Topics with their number of partitions; unknown topics are left out. */
export type PartitionCounts = ReadonlyMap<string, number>;

type Assignor = (members: readonly ConsumerPeer[], counts: PartitionCounts) => Assignment;

/** All assignors by Kafka's name. */
export const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = {
  range: assignRange,
  roundrobin: assignRoundRobin,
  'cooperative-sticky': assignCooperativeSticky,
};

function emptyAssignment(members: readonly ConsumerPeer[]): Assignment {
  return new Map(members.map(({ memberId }) => [memberId, []]));
}

/** Static members first, by instance id, so that restarts do not reorder; the others by member id. */
function inOrder(members: readonly ConsumerPeer[]): ConsumerPeer[] {
  const rank = ({ groupInstanceId, memberId }: ConsumerPeer): string =>
    groupInstanceId === null ? `1${memberId}` : `0${groupInstanceId}`;
  return members.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

/** Contiguous ranges of each topic, the first members taking one more where it does not divide. */
function assignRange(members: readonly ConsumerPeer[], counts: PartitionCounts): Assignment {
  const assignment = emptyAssignment(members);
  const ordered = inOrder(members);
  for (const [topic, count] of counts) {
    const takers = ordered.filter(({ topics }) => topics.includes(topic));
    let partition = 0;
    for (const [i, { memberId }] of takers.entries()) {
      const share = Math.floor(count / takers.length) + (i < count % takers.length ? 1 : 0);
      for (let left = share; left > 0; left--)
        assignment.get(memberId)?.push({ topic, partition: partition++ });
    }
  }
  return assignment;
}

/** All partitions of all topics in turn. */
function assignRoundRobin(members: readonly ConsumerPeer[], counts: PartitionCounts): Assignment {
  const assignment = emptyAssignment(members);
  const ordered = inOrder(members);
  let turn = 0;
  for (const place of allPartitions(counts)) {
    for (let tried = 0; tried < ordered.length; tried++) {
      const member = ordered[turn++ % ordered.length];
      if (!member?.topics.includes(place.topic)) continue;
      assignment.get(member.memberId)?.push(place);
      break;
    }
  }
  return assignment;
}

/**
 * Leaves partitions where they are as far as the balance allows. A partition that has to move is given to nobody in
 * this round: its owner gives it back, joins again, and the next round hands it out.
 */
function assignCooperativeSticky(members: readonly ConsumerPeer[], counts: PartitionCounts): Assignment {
  const assignment = emptyAssignment(members);
  const owners = currentOwners(members, counts);
  const loads = new Map(members.map(({ memberId }) => [memberId, 0]));
  const byId = new Map(members.map((member) => [member.memberId, member]));
  const targets = new Map<string, string>();
  const take = (place: TopicPartition, memberId: string): void => {
    targets.set(partitionKey(place.topic, place.partition), memberId);
    loads.set(memberId, (loads.get(memberId) ?? 0) + 1);
  };
  const partitions = allPartitions(counts);
  const homeless: TopicPartition[] = [];
  for (const place of partitions) {
    const owner = owners.get(partitionKey(place.topic, place.partition));
    // Everything stays where it is at first: only a real imbalance moves a partition.
    if (owner === undefined) homeless.push(place);
    else take(place, owner);
  }
  for (const place of homeless) {
    const lightest = lightestTaker(place.topic, members, loads);
    if (lightest) take(place, lightest);
  }
  evenOut(partitions, targets, loads, byId);
  for (const place of partitions) {
    const key = partitionKey(place.topic, place.partition);
    const target = targets.get(key);
    const owner = owners.get(key);
    if (target !== undefined && (owner === undefined || owner === target))
      assignment.get(target)?.push(place);
  }
  return assignment;
}

/** Who holds what, by the highest generation where two claim the same. */
function currentOwners(members: readonly ConsumerPeer[], counts: PartitionCounts): Map<string, string> {
  const owners = new Map<string, string>();
  const oldestFirst = inOrder(members).toSorted((a, b) => a.generation - b.generation);
  for (const { memberId, owned, topics } of oldestFirst) {
    for (const { topic, partition } of owned) {
      const exists = partition < (counts.get(topic) ?? 0) && topics.includes(topic);
      if (exists) owners.set(partitionKey(topic, partition), memberId);
    }
  }
  return owners;
}

/** Moves partitions from the fullest to the emptiest who may have them, until they differ by at most one. */
function evenOut(
  partitions: readonly TopicPartition[],
  targets: Map<string, string>,
  loads: Map<string, number>,
  members: ReadonlyMap<string, ConsumerPeer>,
): void {
  // From the last on, so that the first ones stay.
  const lastFirst = partitions.toReversed();
  for (let moved = true; moved; ) {
    moved = false;
    for (const { topic, partition } of lastFirst) {
      const key = partitionKey(topic, partition);
      const from = targets.get(key);
      const to = lightestTaker(topic, [...members.values()], loads);
      if (from === undefined || to === undefined) continue;
      const [heavy, light] = [loads.get(from) ?? 0, loads.get(to) ?? 0];
      if (heavy - light < 2) continue;
      targets.set(key, to);
      loads.set(from, heavy - 1);
      loads.set(to, light + 1);
      moved = true;
    }
  }
}

function lightestTaker(
  topic: string,
  members: readonly ConsumerPeer[],
  loads: ReadonlyMap<string, number>,
): string | undefined {
  let best: string | undefined;
  for (const { memberId, topics } of members) {
    if (!topics.includes(topic)) continue;
    if (best === undefined || (loads.get(memberId) ?? 0) < (loads.get(best) ?? 0)) best = memberId;
  }
  return best;
}

function allPartitions(counts: PartitionCounts): TopicPartition[] {
  const topics = [...counts.keys()].toSorted();
  return topics.flatMap((topic) =>
    Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
  );
}
