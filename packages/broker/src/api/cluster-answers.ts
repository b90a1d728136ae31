// What answers about topics, groups and the cluster share: operations a client may do, as bit masks (without an
// authorizer: everything), and the shape of a partition.
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { PartitionLog } from '../log/partition-log.ts';

/** The client did not ask. */
export const NOT_ASKED: number = -2_147_483_648;
/** Read, write, create, delete, alter, describe, describe and alter configs. */
export const TOPIC_OPERATIONS = 3576;
/** Create, alter, describe, cluster action, describe and alter configs, idempotent write. */
export const CLUSTER_OPERATIONS = 8096;
/** Read, delete, describe, describe and alter configs. */
export const GROUP_OPERATIONS = 3400;

/** A partition as Metadata and its kin answer it. */
export interface DescribedPartition {
  readonly errorCode: number;
  readonly partitionIndex: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

/** One partition; without a log it is damaged and offline. */
export function describePartition(
  nodeId: number,
  log: PartitionLog | undefined,
  partitionIndex: number,
): DescribedPartition {
  const replicas = [nodeId];
  return {
    errorCode: log ? 0 : KafkaErrors.LEADER_NOT_AVAILABLE.code,
    partitionIndex,
    leaderId: log ? nodeId : -1,
    leaderEpoch: log?.leaderEpoch ?? -1,
    replicaNodes: replicas,
    isrNodes: log ? replicas : [],
    offlineReplicas: log ? [] : replicas,
  };
}
