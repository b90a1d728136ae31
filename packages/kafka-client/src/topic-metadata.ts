// What the client remembers of the cluster: brokers, topics, partition leaders. A plain cache without I/O.
import type { API, ResponseBody } from '@millrace/kafka-protocol';

type MetadataResponse = ResponseBody<typeof API.Metadata>;

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface PartitionLeader {
  /** -1 while there is no leader. */
  readonly nodeId: number;
  /** -1 when the broker does not tell. */
  readonly leaderEpoch: number;
}

export interface TopicMetadata {
  readonly name: string;
  /** Kafka's 22-character id; all `A` when the broker has none. */
  readonly topicId: string;
  readonly internal: boolean;
  /** By partition number. */
  readonly partitions: readonly PartitionLeader[];
}

/** A topic the broker could not describe, with its error code. */
export interface TopicProblem {
  readonly name: string;
  readonly kafkaCode: number;
}

const NO_LEADER: PartitionLeader = { nodeId: -1, leaderEpoch: -1 };

/** The cache. Answers only ever add to or replace what is known of the topics they name. */
export class MetadataCache {
  readonly brokers: Map<number, BrokerAddress> = new Map();
  readonly topics: Map<string, TopicMetadata> = new Map();
  readonly #names = new Map<string, string>();
  controllerId = -1;
  clusterId: string | undefined;

  /** Takes an answer in; returns the topics that have an error. */
  update(answer: MetadataResponse): TopicProblem[] {
    this.brokers.clear();
    for (const { nodeId, host, port } of answer.brokers) this.brokers.set(nodeId, { host, port });
    this.controllerId = answer.controllerId;
    this.clusterId = answer.clusterId ?? undefined;
    const problems: TopicProblem[] = [];
    for (const { name, errorCode, topicId, isInternal, partitions } of answer.topics) {
      if (name === null) continue;
      if (errorCode !== 0) {
        problems.push({ name, kafkaCode: errorCode });
        this.forget(name);
        continue;
      }
      const leaders: PartitionLeader[] = Array.from({ length: partitions.length }, () => NO_LEADER);
      for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
        if (partitionIndex < leaders.length) leaders[partitionIndex] = { nodeId: leaderId, leaderEpoch };
      }
      this.forget(name);
      this.topics.set(name, { name, topicId, internal: isInternal, partitions: leaders });
      this.#names.set(topicId, name);
    }
    return problems;
  }

  forget(name: string): void {
    const known = this.topics.get(name);
    if (!known) return;
    this.#names.delete(known.topicId);
    this.topics.delete(name);
  }

  nameOf(topicId: string): string | undefined {
    return this.#names.get(topicId);
  }
}
