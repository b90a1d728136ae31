// The rules of creating topics, apart from the API that asks: names, partition counts, replication, configs.
import { toError } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import type { BrokerConfig } from './broker-config.ts';
import type { TopicOverrides } from './topic-config.ts';
import { parseTopicValue, TOPIC_KEYS } from './topic-keys.ts';
import { OFFSETS_TOPIC, type Topics, topicNameProblem } from './topics.ts';

/** Partitions a topic may have here; each costs files. */
const MAX_PARTITIONS = 10_000;

export interface TopicSpec {
  readonly name: string;
  /** -1 for the broker's default. */
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

/** A spec that passed all rules. */
export interface CheckedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly configs: TopicOverrides;
}

/** Checks a topic that is to be created. @throws KafkaFailure */
export function checkTopicSpec(
  spec: TopicSpec,
  topics: Topics,
  config: BrokerConfig,
  nodeId: number,
): CheckedTopic {
  const problem = topicNameProblem(spec.name);
  if (problem !== undefined) throw new KafkaFailure(KafkaErrors.INVALID_TOPIC_EXCEPTION, problem);
  if (topics.get(spec.name)) {
    throw new KafkaFailure(KafkaErrors.TOPIC_ALREADY_EXISTS, `Topic '${spec.name}' already exists.`);
  }
  const twin = collidingTopic(spec.name, topics);
  if (twin !== undefined) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_TOPIC_EXCEPTION,
      `Topic '${spec.name}' collides with existing topic: ${twin}`,
    );
  }
  const partitions = spec.assignments.length > 0 ? checkAssignments(spec, nodeId) : checkCounts(spec, config);
  return { name: spec.name, partitions, configs: checkTopicConfigs(spec.configs) };
}

/** Metric names turn dots into underscores, so two names that differ only there cannot both be. */
function collidingTopic(name: string, topics: Topics): string | undefined {
  if (!/[._]/.test(name)) return undefined;
  const merged = name.replaceAll('.', '_');
  for (const topic of topics.all()) {
    if (topic.name !== name && topic.name.replaceAll('.', '_') === merged) return topic.name;
  }
  return undefined;
}

function checkCounts(spec: TopicSpec, config: BrokerConfig): number {
  if (spec.replicationFactor !== -1 && spec.replicationFactor < 1) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_REPLICATION_FACTOR,
      'Replication factor must be larger than 0, or -1 to use the default value.',
    );
  }
  if (spec.replicationFactor > 1 && !config.boolean('millrace.replication.factor.clamp')) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${spec.replicationFactor} time(s): The target replication factor of ${spec.replicationFactor} cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.`,
    );
  }
  const partitions = spec.numPartitions === -1 ? config.number('num.partitions') : spec.numPartitions;
  if (partitions < 1) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_PARTITIONS,
      'Number of partitions was set to an invalid non-positive value.',
    );
  }
  if (partitions > MAX_PARTITIONS) {
    throw new KafkaFailure(KafkaErrors.INVALID_PARTITIONS, `More than ${MAX_PARTITIONS} partitions.`);
  }
  return partitions;
}

function checkAssignments(spec: TopicSpec, nodeId: number): number {
  if (spec.numPartitions !== -1 || spec.replicationFactor !== -1) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_REQUEST,
      'A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.',
    );
  }
  checkBrokerIds(
    spec.assignments.map((assignment) => assignment.brokerIds),
    nodeId,
  );
  const indexes = spec.assignments.map((assignment) => assignment.partitionIndex).sort((a, b) => a - b);
  if (indexes.some((index, at) => index !== at)) {
    throw new KafkaFailure(
      KafkaErrors.INVALID_REPLICA_ASSIGNMENT,
      'Partitions should be a consecutive 0-based integer sequence.',
    );
  }
  return indexes.length;
}

/** Every partition must be on this broker, the only one. @throws KafkaFailure */
export function checkBrokerIds(assignments: readonly (readonly number[])[], nodeId: number): void {
  for (const brokerIds of assignments) {
    const stranger = brokerIds.find((id) => id !== nodeId);
    if (stranger !== undefined || brokerIds.length !== 1) {
      throw new KafkaFailure(
        KafkaErrors.INVALID_REPLICA_ASSIGNMENT,
        `The manual partition assignment includes broker ${stranger ?? '(none)'}, but no such broker is registered.`,
      );
    }
  }
}

/** Checks overrides; a null value means the default. @throws KafkaFailure */
export function checkTopicConfigs(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): TopicOverrides {
  const overrides: Record<string, string> = {};
  for (const { name, value } of configs) {
    const key = TOPIC_KEYS.get(name);
    if (!key) throw new KafkaFailure(KafkaErrors.INVALID_CONFIG, `Unknown topic config name: ${name}`);
    if (value === null) {
      throw new KafkaFailure(
        KafkaErrors.INVALID_CONFIG,
        `Null value not supported for topic configs: ${name}`,
      );
    }
    const { problem } = parseTopicValue(key, value);
    if (problem !== undefined) throw new KafkaFailure(KafkaErrors.INVALID_CONFIG, problem);
    overrides[name] = value;
  }
  checkTogether(overrides);
  return overrides;
}

/** Checks what overrides say of each other. @throws KafkaFailure */
export function checkTogether(overrides: TopicOverrides): void {
  const { 'min.compaction.lag.ms': min, 'max.compaction.lag.ms': max } = overrides;
  if (min === undefined || max === undefined || BigInt(min) <= BigInt(max)) return;
  throw new KafkaFailure(
    KafkaErrors.INVALID_CONFIG,
    `conflict topic config setting min.compaction.lag.ms (${min}) > max.compaction.lag.ms (${max})`,
  );
}

/** Makes a topic that a client named in Metadata. Failures are left to the client's next try. */
export async function autoCreateTopic(broker: BrokerState, name: string): Promise<void> {
  try {
    if (name === OFFSETS_TOPIC) {
      await broker.groups.offsetsTopic();
      return;
    }
    const spec = { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
    const checked = checkTopicSpec(spec, broker.topics, broker.config, broker.nodeId);
    await broker.topics.create(checked.name, checked.partitions, checked.configs);
  } catch (error) {
    if (!(error instanceof KafkaFailure)) {
      broker.logger.error({ err: toError(error), topic: name }, 'a topic could not be made');
    }
  }
}
