// Administration: topics, configs, groups, offsets. Thin: one method, one request, per-item errors as typed results
// where a caller deals with items one by one, thrown where it does not.
import { API, KafkaErrors, kafkaErrorName } from '@millrace/kafka-protocol';
import type { Cluster } from './cluster.ts';
import { describeTopics, type TopicDescription } from './describe-topics.ts';
import { brokerError, clientError } from './errors.ts';
import {
  type CommittedOffset,
  commitGroupOffsets,
  fetchGroupOffsets,
  type OffsetToCommit,
} from './group-offsets.ts';
import { type FoundOffset, type ListOffsetsOptions, listOffsets, type OffsetSpec } from './list-offsets.ts';
import type { TopicMetadata } from './topic-metadata.ts';
import { byTopic, type TopicPartition, type TopicPartitionOffset } from './topic-partition.ts';

export interface NewTopic {
  readonly name: string;
  /** -1, the default, for the broker's own. */
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs?: Readonly<Record<string, string | null>>;
}

export interface TopicConfigEntry {
  readonly name: string;
  readonly value: string | null;
  /** Whether it was set for this resource, rather than being a default. */
  readonly isSet: boolean;
  readonly isSensitive: boolean;
}

export interface ClusterDescription {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
}

export interface GroupListing {
  readonly groupId: string;
  readonly protocolType: string;
  /** Empty when the broker is older than 2.6. */
  readonly state: string;
  /** `classic`, `consumer`, ...; empty when the broker is older than 3.8. */
  readonly type: string;
}

export interface GroupDescription {
  readonly groupId: string;
  readonly state: string;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly metadata: Buffer;
    readonly assignment: Buffer;
  }[];
}

const RESOURCE_TOPIC = 2;
const RESOURCE_BROKER = 4;
const SOURCE_DYNAMIC_TOPIC = 1;
const SET_CONFIG = 0;
const DELETE_CONFIG = 1;
const E = KafkaErrors;

export class Admin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  // ---- topics

  /**
   * Creates topics; resolves with the names that are new. Topics that are there already are left as they are.
   *
   * @throws kafka.refused with the first refusal
   */
  async createTopics(
    topics: readonly NewTopic[],
    options: { validateOnly?: boolean } = {},
  ): Promise<string[]> {
    const created: string[] = [];
    const answer = await this.#cluster.requestController(API.CreateTopics, {
      topics: topics.map(({ name, partitions, replicationFactor, configs }) => ({
        name,
        numPartitions: partitions ?? -1,
        replicationFactor: replicationFactor ?? -1,
        configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs: this.#cluster.requestTimeoutMs,
      validateOnly: options.validateOnly ?? false,
    });
    for (const { name, errorCode, errorMessage } of answer.topics) {
      if (errorCode === 0) created.push(name);
      else if (errorCode !== E.TOPIC_ALREADY_EXISTS.code) {
        throw brokerError(errorCode, `Creating topic ${name}`, {
          detail: errorMessage,
          context: { topic: name },
        });
      }
    }
    return created;
  }

  /** Deletes topics; missing ones are ignored. @throws kafka.refused */
  async deleteTopics(names: readonly string[]): Promise<void> {
    const answer = await this.#cluster.requestController(API.DeleteTopics, {
      topics: names.map((name) => ({ name })),
      topicNames: names,
      timeoutMs: this.#cluster.requestTimeoutMs,
    });
    for (const { name, errorCode, errorMessage } of answer.responses) {
      if (errorCode === 0 || errorCode === E.UNKNOWN_TOPIC_OR_PARTITION.code) continue;
      throw brokerError(errorCode, `Deleting topic ${name}`, { detail: errorMessage });
    }
  }

  /** Topics by name with their partitions; without names all but internal ones. Missing topics are left out. */
  async listTopics(names?: readonly string[]): Promise<TopicMetadata[]> {
    if (names === undefined) return this.#cluster.listTopics();
    await this.#cluster.refresh({ topics: names });
    return names.flatMap((name) => this.#cluster.topic(name) ?? []);
  }

  /** See `describeTopics`. */
  describeTopics(names: readonly string[] | 'all'): Promise<TopicDescription[]> {
    return describeTopics(this.#cluster, names);
  }

  /** Adds partitions, up to `count`. @throws kafka.refused */
  async createPartitions(topic: string, count: number): Promise<void> {
    const answer = await this.#cluster.requestController(API.CreatePartitions, {
      topics: [{ name: topic, count, assignments: null }],
      timeoutMs: this.#cluster.requestTimeoutMs,
      validateOnly: false,
    });
    const result = answer.results[0];
    if (result && result.errorCode !== 0) {
      throw brokerError(result.errorCode, `Growing topic ${topic}`, { detail: result.errorMessage });
    }
  }

  /** Deletes records before the given offsets; resolves with the new log starts. */
  async deleteRecords(before: readonly TopicPartitionOffset[]): Promise<TopicPartitionOffset[]> {
    await this.#cluster.metadata([...new Set(before.map(({ topic }) => topic))]);
    const byLeader = new Map<number, TopicPartitionOffset[]>();
    for (const place of before) {
      const leader = this.#cluster.leaderOf(place.topic, place.partition);
      if (!leader) throw clientError('kafka.unavailable', `${place.topic}-${place.partition} has no leader.`);
      byLeader.set(leader.nodeId, [...(byLeader.get(leader.nodeId) ?? []), place]);
    }
    const starts: TopicPartitionOffset[] = [];
    for (const [nodeId, places] of byLeader) {
      const connection = await this.#cluster.connection(nodeId);
      const topics = byTopic(places, ({ partition, offset }) => ({ partitionIndex: partition, offset }));
      const answer = await connection.request(API.DeleteRecords, {
        topics: topics.map(({ topic, partitions }) => ({ name: topic, partitions })),
        timeoutMs: this.#cluster.requestTimeoutMs,
      });
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, lowWatermark, errorCode } of partitions) {
          if (errorCode !== 0) throw brokerError(errorCode, `Deleting records of ${name}-${partitionIndex}`);
          starts.push({ topic: name, partition: partitionIndex, offset: Number(lowWatermark) });
        }
      }
    }
    return starts;
  }

  // ---- configs

  /** All configs of a topic. @throws kafka.unknown_topic, kafka.refused */
  describeTopicConfigs(topic: string): Promise<TopicConfigEntry[]> {
    return this.#describeConfigs(RESOURCE_TOPIC, topic);
  }
  /** All configs of a broker. */
  describeBrokerConfigs(nodeId: number): Promise<TopicConfigEntry[]> {
    return this.#describeConfigs(RESOURCE_BROKER, String(nodeId));
  }

  async #describeConfigs(resourceType: number, resourceName: string): Promise<TopicConfigEntry[]> {
    const answer = await this.#cluster.requestAny(API.DescribeConfigs, {
      resources: [{ resourceType, resourceName, configurationKeys: null }],
    });
    const result = answer.results[0];
    if (!result) throw clientError('kafka.refused', `The broker does not describe ${resourceName}.`);
    if (result.errorCode !== 0) {
      const unknown = result.errorCode === E.UNKNOWN_TOPIC_OR_PARTITION.code;
      throw brokerError(result.errorCode, `Configs of ${resourceName}`, {
        detail: result.errorMessage,
        ...(unknown ? { code: 'kafka.unknown_topic' as const } : {}),
      });
    }
    return result.configs.map(({ name, value, configSource, isSensitive }) => ({
      name,
      value,
      isSet: configSource === SOURCE_DYNAMIC_TOPIC,
      isSensitive,
    }));
  }

  /** Sets configs of a topic; null puts one back to its default. @throws kafka.refused */
  async alterTopicConfigs(topic: string, configs: Readonly<Record<string, string | null>>): Promise<void> {
    const answer = await this.#cluster.requestController(API.IncrementalAlterConfigs, {
      resources: [
        {
          resourceType: RESOURCE_TOPIC,
          resourceName: topic,
          configs: Object.entries(configs).map(([name, value]) => ({
            name,
            configOperation: value === null ? DELETE_CONFIG : SET_CONFIG,
            value,
          })),
        },
      ],
      validateOnly: false,
    });
    const result = answer.responses[0];
    if (result && result.errorCode !== 0) {
      throw brokerError(result.errorCode, `Changing configs of ${topic}`, { detail: result.errorMessage });
    }
  }

  // ---- the cluster

  async describeCluster(): Promise<ClusterDescription> {
    const answer = await this.#cluster.requestAny(API.Metadata, {
      topics: [],
      allowAutoTopicCreation: false,
    });
    return {
      clusterId: answer.clusterId ?? '',
      controllerId: answer.controllerId,
      brokers: answer.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
    };
  }

  // ---- offsets

  /** See `listOffsets`. */
  listOffsets(
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
    options: ListOffsetsOptions = {},
  ): Promise<FoundOffset[]> {
    return listOffsets(this.#cluster, partitions, spec, options);
  }
  /** See `fetchGroupOffsets`. */
  fetchGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[] | 'all' = 'all',
  ): Promise<CommittedOffset[]> {
    return fetchGroupOffsets(this.#cluster, groupId, partitions);
  }
  /** Sets offsets of a group without members. @throws kafka.group_stale when it has members */
  alterGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return commitGroupOffsets(this.#cluster, groupId, offsets);
  }

  /** Forgets offsets of a group for partitions that no member reads. @throws kafka.refused */
  async deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const topics = byTopic(partitions, ({ partition }) => ({ partitionIndex: partition }));
    const answer = await this.#cluster.requestCoordinator(
      groupId,
      API.OffsetDelete,
      { groupId, topics: topics.map(({ topic, partitions: list }) => ({ name: topic, partitions: list })) },
      (body) => body.errorCode,
    );
    const inner = answer.topics.flatMap((topic) => topic.partitions).find(({ errorCode }) => errorCode !== 0);
    const errorCode = answer.errorCode === 0 ? (inner?.errorCode ?? 0) : answer.errorCode;
    if (errorCode !== 0)
      throw brokerError(errorCode, `Deleting offsets of group ${groupId}`, { context: { groupId } });
  }

  // ---- groups

  async listGroups(): Promise<GroupListing[]> {
    await this.#cluster.refresh({ topics: [] });
    const groups = new Map<string, GroupListing>();
    for (const nodeId of this.#cluster.brokers.keys()) {
      const connection = await this.#cluster.connection(nodeId);
      const answer = await connection.request(API.ListGroups, {});
      if (answer.errorCode !== 0) throw brokerError(answer.errorCode, 'Listing groups');
      for (const { groupId, protocolType, groupState, groupType } of answer.groups) {
        groups.set(groupId, { groupId, protocolType, state: groupState, type: groupType });
      }
    }
    return [...groups.values()];
  }

  /** A group without members and offsets is described with state `Dead`, as Kafka does. */
  async describeGroup(groupId: string): Promise<GroupDescription> {
    const answer = await this.#cluster.requestCoordinator(
      groupId,
      API.DescribeGroups,
      { groups: [groupId] },
      (body) => body.groups[0]?.errorCode ?? 0,
    );
    const group = answer.groups[0];
    if (!group) throw clientError('kafka.refused', `The broker does not describe group ${groupId}.`);
    if (group.errorCode !== 0 && group.errorCode !== E.GROUP_ID_NOT_FOUND.code) {
      throw brokerError(group.errorCode, `Describing group ${groupId}`);
    }
    const { groupState, protocolType, protocolData, members } = group;
    return {
      groupId,
      state: groupState === '' ? 'Dead' : groupState,
      protocolType,
      protocol: protocolData,
      members: members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        metadata: member.memberMetadata,
        assignment: member.memberAssignment,
      })),
    };
  }

  /** Deletes groups without members; missing ones are ignored. @throws kafka.refused */
  async deleteGroups(groupIds: readonly string[]): Promise<void> {
    for (const groupId of groupIds) {
      const answer = await this.#cluster.requestCoordinator(
        groupId,
        API.DeleteGroups,
        { groupsNames: [groupId] },
        (body) => body.results[0]?.errorCode ?? 0,
      );
      const errorCode = answer.results[0]?.errorCode ?? 0;
      if (errorCode === 0 || errorCode === E.GROUP_ID_NOT_FOUND.code) continue;
      throw brokerError(errorCode, `Deleting group ${groupId} (${kafkaErrorName(errorCode)})`);
    }
  }

  /** Removes members of a group by instance id, at once rather than after their session time. */
  async removeMembers(groupId: string, groupInstanceIds: readonly string[]): Promise<void> {
    const members = groupInstanceIds.map((groupInstanceId) => ({ memberId: '', groupInstanceId }));
    await this.#cluster.requestCoordinator(
      groupId,
      API.LeaveGroup,
      { groupId, memberId: '', members },
      (body) => body.errorCode,
    );
  }
}
