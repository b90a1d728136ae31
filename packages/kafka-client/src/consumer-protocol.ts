// The bytes that consumers exchange through their group's leader: subscriptions and assignments.
// Spec: Kafka's ConsumerProtocolSubscription and ConsumerProtocolAssignment messages, version 3.
import { NEVER, type StructCodec, structCodec } from '@millrace/kafka-protocol';
import { clientError } from './errors.ts';
import { byTopic, type TopicPartition } from './topic-partition.ts';

export interface Subscription {
  readonly topics: readonly string[];
  /** What the member holds while it joins; what sticky assignors build on. */
  readonly owned: readonly TopicPartition[];
  /** In which generation it got them; -1 when unknown. */
  readonly generation: number;
}

interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

const VERSION = 3;

const subscriptionCodec: StructCodec = structCodec(
  `
  topics: [string]
  userData: bytes? = null
  ownedPartitions: [struct] 1+ {
    topic: string
    partitions: [int32]
  }
  generationId: int32 2+ = -1
  rackId: string? 3+ = null
`,
  NEVER,
);

const assignmentCodec: StructCodec = structCodec(
  `
  assignedPartitions: [struct] {
    topic: string
    partitions: [int32]
  }
  userData: bytes? = null
`,
  NEVER,
);

export function encodeSubscription(subscription: Subscription): Buffer {
  const value = {
    topics: subscription.topics,
    ownedPartitions: byTopic(subscription.owned, ({ partition }) => partition),
    generationId: subscription.generation,
  };
  return withVersion(subscriptionCodec.encode(VERSION, value));
}

/** Reads a subscription of any version. @throws kafka.malformed */
export function decodeSubscription(bytes: Buffer): Subscription {
  const value = subscriptionCodec.decode(versionOf(bytes), bytes, 2) as {
    topics: string[];
    ownedPartitions: TopicPartitions[];
    generationId: number;
  };
  return { topics: value.topics, owned: flatten(value.ownedPartitions), generation: value.generationId };
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const assignedPartitions = byTopic(partitions, ({ partition }) => partition);
  return withVersion(assignmentCodec.encode(VERSION, { assignedPartitions }));
}

/** Reads an assignment; a leader may give a member nothing at all. @throws kafka.malformed */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  if (bytes.length === 0) return [];
  const value = assignmentCodec.decode(versionOf(bytes), bytes, 2) as {
    assignedPartitions: TopicPartitions[];
  };
  return flatten(value.assignedPartitions);
}

function withVersion(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, VERSION]), body]);
}

// Newer versions only ever add fields at the end, so the newest known layout reads their beginning.
function versionOf(bytes: Buffer): number {
  if (bytes.length < 2) throw clientError('kafka.refused', 'Group metadata of a consumer is cut off.');
  return Math.max(0, Math.min(bytes.readInt16BE(0), VERSION));
}

function flatten(topics: readonly TopicPartitions[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}
