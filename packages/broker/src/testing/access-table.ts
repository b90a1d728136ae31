// Which rights each API asks for, as a table of requests; acl-matrix.broker.test.ts asks them.
import { type ApiName, BATCH_TRANSACTIONAL } from '@millrace/kafka-protocol';
import { type Acl, type AclFilter, CLUSTER_NAME, Operation, Resource } from '../security/acl.ts';
import { batchOf } from './test-log.ts';

const { topic, group, cluster, transactionalId } = Resource;
export const TOPIC_REFUSED: number = 29;
export const GROUP_REFUSED: number = 30;
export const CLUSTER_REFUSED: number = 31;
export const TRANSACTION_REFUSED: number = 53;

/** One right: a kind of resource, its name, what may be done. */
export type Right = readonly [resourceType: number, name: string, operation: number];

/** A request, and what it takes. */
export interface Row {
  readonly api: ApiName;
  readonly version: number;
  readonly body: object;
  /** The error without any right. */
  readonly refused: number;
  /** What is needed, in the order in which Kafka asks for it. */
  readonly needs: readonly Right[];
}

export const partition: { partitionIndex: number } = { partitionIndex: 0 };
const named = [{ name: 't', partitions: [0] }];
export const read: Right = [topic, 't', Operation.read];
export const write: Right = [topic, 't', Operation.write];
export const describeTopic: Right = [topic, 't', Operation.describe];
const readGroup: Right = [group, 'g', Operation.read];
export const describeCluster: Right = [cluster, CLUSTER_NAME, Operation.describe];
export const alterCluster: Right = [cluster, CLUSTER_NAME, Operation.alter];
const writeTransaction: Right = [transactionalId, 'x', Operation.write];
const describeTransaction: Right = [transactionalId, 'x', Operation.describe];
/** The attribute is enough: whoever may write goes on to what is wrong with the batch. */
function transactional(batch: Buffer): Buffer {
  batch.writeInt16BE(BATCH_TRANSACTIONAL, 21);
  return batch;
}
const produced = (transactionalId: string | null): object => {
  const batch = batchOf({ values: ['v'] });
  const records = transactionalId === null ? batch : transactional(batch);
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
  return { transactionalId, acks: -1, timeoutMs: 1000, topicData };
};
export const fetched: { maxWaitMs: number; maxBytes: number; sessionEpoch: number } = {
  maxWaitMs: 0,
  maxBytes: 1000,
  sessionEpoch: -1,
};
/** A filter that finds every rule. */
export const anyAcl: AclFilter = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
};
export const newAcl: Omit<Acl, 'patternType' | 'operation' | 'permissionType'> & {
  resourcePatternType: number;
} = { resourceType: 2, resourceName: 'u', resourcePatternType: 3, principal: 'User:u', host: '*' };

/** Each API at least once. */
export const ROWS: readonly Row[] = [
  { api: 'Produce', version: 9, body: produced(null), refused: TOPIC_REFUSED, needs: [write] },
  {
    api: 'Produce',
    version: 9,
    body: produced('x'),
    refused: TRANSACTION_REFUSED,
    needs: [writeTransaction, write],
  },
  {
    api: 'Fetch',
    version: 12,
    body: { ...fetched, topics: [{ topic: 't', partitions: [{ partition: 0, partitionMaxBytes: 1000 }] }] },
    refused: TOPIC_REFUSED,
    needs: [read],
  },
  {
    api: 'ListOffsets',
    version: 7,
    body: { topics: [{ name: 't', partitions: [{ ...partition, timestamp: -1 }] }] },
    refused: TOPIC_REFUSED,
    needs: [describeTopic],
  },
  {
    api: 'OffsetForLeaderEpoch',
    version: 4,
    body: { replicaId: -1, topics: [{ topic: 't', partitions: [{ partition: 0 }] }] },
    refused: TOPIC_REFUSED,
    needs: [describeTopic],
  },
  {
    api: 'Metadata',
    version: 12,
    body: { topics: [{ name: 't' }] },
    refused: TOPIC_REFUSED,
    needs: [describeTopic],
  },
  {
    api: 'DescribeTopicPartitions',
    version: 0,
    body: { topics: [{ name: 't' }], responsePartitionLimit: 10 },
    refused: TOPIC_REFUSED,
    needs: [describeTopic],
  },
  {
    api: 'CreateTopics',
    version: 7,
    body: { topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }], validateOnly: true },
    refused: TOPIC_REFUSED,
    // The second for the configs in the answer alone.
    needs: [
      [topic, 'new', Operation.create],
      [topic, 'new', Operation.describeConfigs],
    ],
  },
  {
    api: 'CreatePartitions',
    version: 3,
    body: { topics: [{ name: 't', count: 5, assignments: null }], validateOnly: true },
    refused: TOPIC_REFUSED,
    needs: [[topic, 't', Operation.alter]],
  },
  {
    api: 'DeleteRecords',
    version: 2,
    body: { topics: [{ name: 't', partitions: [{ ...partition, offset: 0 }] }] },
    refused: TOPIC_REFUSED,
    needs: [[topic, 't', Operation.delete]],
  },
  {
    api: 'DescribeProducers',
    version: 0,
    body: { topics: [{ name: 't', partitionIndexes: [0] }] },
    refused: TOPIC_REFUSED,
    needs: [read],
  },
  ...([2, 32] as const).flatMap((resourceType): Row[] => {
    const [resourceName, type, refused] =
      resourceType === 2 ? (['t', topic, 29] as const) : (['g', group, 30] as const);
    const configs = [{ name: 'retention.ms', value: '5', configOperation: 0 }];
    const resources = [{ resourceType, resourceName, configs, configurationKeys: null }];
    const alter: Right[] = [[type, resourceName, Operation.alterConfigs]];
    return [
      {
        api: 'DescribeConfigs',
        version: 4,
        body: { resources },
        refused,
        needs: [[type, resourceName, Operation.describeConfigs]],
      },
      {
        api: 'IncrementalAlterConfigs',
        version: 1,
        body: { resources, validateOnly: true },
        refused,
        needs: alter,
      },
      { api: 'AlterConfigs', version: 2, body: { resources, validateOnly: true }, refused, needs: alter },
    ];
  }),
  {
    api: 'DescribeConfigs',
    version: 4,
    body: { resources: [{ resourceType: 4, resourceName: '1', configurationKeys: [] }] },
    refused: CLUSTER_REFUSED,
    needs: [[cluster, CLUSTER_NAME, Operation.describeConfigs]],
  },
  {
    api: 'FindCoordinator',
    version: 4,
    body: { keyType: 0, coordinatorKeys: ['g'] },
    refused: GROUP_REFUSED,
    needs: [[group, 'g', Operation.describe]],
  },
  {
    api: 'FindCoordinator',
    version: 3,
    body: { keyType: 0, key: 'g' },
    refused: GROUP_REFUSED,
    needs: [readGroup],
  },
  {
    api: 'FindCoordinator',
    version: 4,
    body: { keyType: 1, coordinatorKeys: ['x'] },
    refused: TRANSACTION_REFUSED,
    needs: [describeTransaction],
  },
  {
    api: 'JoinGroup',
    version: 5,
    body: { groupId: 'g', memberId: 'm', sessionTimeoutMs: 10_000, protocolType: 'consumer', protocols: [] },
    refused: GROUP_REFUSED,
    needs: [readGroup],
  },
  {
    api: 'SyncGroup',
    version: 5,
    body: { groupId: 'g', memberId: 'm' },
    refused: GROUP_REFUSED,
    needs: [readGroup],
  },
  {
    api: 'Heartbeat',
    version: 4,
    body: { groupId: 'g', memberId: 'm' },
    refused: GROUP_REFUSED,
    needs: [readGroup],
  },
  {
    api: 'LeaveGroup',
    version: 5,
    body: { groupId: 'g', members: [{ memberId: 'm' }] },
    refused: GROUP_REFUSED,
    needs: [readGroup],
  },
  {
    api: 'OffsetCommit',
    version: 8,
    body: {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      topics: [{ name: 't', partitions: [{ ...partition, committedOffset: 1 }] }],
    },
    refused: GROUP_REFUSED,
    needs: [readGroup, read],
  },
  ...([1, 7] as const).map(
    (version): Row => ({
      api: 'OffsetFetch',
      version,
      body: { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] },
      refused: GROUP_REFUSED,
      needs: [[group, 'g', Operation.describe], describeTopic],
    }),
  ),
  {
    api: 'OffsetFetch',
    version: 8,
    body: { groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }] },
    refused: GROUP_REFUSED,
    needs: [[group, 'g', Operation.describe], describeTopic],
  },
  {
    api: 'DescribeGroups',
    version: 5,
    body: { groups: ['g'] },
    refused: GROUP_REFUSED,
    needs: [[group, 'g', Operation.describe]],
  },
  {
    api: 'DeleteGroups',
    version: 2,
    body: { groupsNames: ['h'] },
    refused: GROUP_REFUSED,
    needs: [[group, 'h', Operation.delete]],
  },
  {
    api: 'OffsetDelete',
    version: 0,
    body: { groupId: 'g', topics: [{ name: 't', partitions: [partition] }] },
    refused: GROUP_REFUSED,
    needs: [[group, 'g', Operation.delete], read],
  },
  {
    api: 'InitProducerId',
    version: 4,
    body: { transactionalId: null },
    refused: CLUSTER_REFUSED,
    needs: [write],
  },
  {
    api: 'InitProducerId',
    version: 4,
    body: { transactionalId: null },
    refused: CLUSTER_REFUSED,
    needs: [[cluster, CLUSTER_NAME, Operation.idempotentWrite]],
  },
  ...(
    [
      [
        'AddPartitionsToTxn',
        3,
        { v3AndBelowTransactionalId: 'x', v3AndBelowTopics: named },
        [writeTransaction, write],
      ],
      ['AddOffsetsToTxn', 3, { transactionalId: 'x', groupId: 'g' }, [writeTransaction, readGroup]],
      ['EndTxn', 3, { transactionalId: 'x' }, [writeTransaction]],
      [
        'TxnOffsetCommit',
        3,
        { transactionalId: 'x', groupId: 'g', topics: [{ name: 't', partitions: [partition] }] },
        [writeTransaction, readGroup, read],
      ],
      ['DescribeTransactions', 0, { transactionalIds: ['x'] }, [describeTransaction]],
    ] as const
  ).map(([api, version, body, needs]): Row => ({ api, version, body, refused: TRANSACTION_REFUSED, needs })),
  {
    api: 'WriteTxnMarkers',
    version: 1,
    body: { markers: [{ producerId: 1, topics: [{ name: 't', partitionIndexes: [0] }] }] },
    refused: CLUSTER_REFUSED,
    needs: [[cluster, CLUSTER_NAME, Operation.clusterAction]],
  },
  {
    api: 'DescribeLogDirs',
    version: 4,
    body: { topics: null },
    refused: CLUSTER_REFUSED,
    needs: [describeCluster],
  },
  {
    api: 'DescribeQuorum',
    version: 2,
    body: { topics: [{ topicName: '__cluster_metadata', partitions: [partition] }] },
    refused: CLUSTER_REFUSED,
    needs: [describeCluster],
  },
  {
    api: 'ElectLeaders',
    version: 2,
    body: { topicPartitions: null },
    refused: CLUSTER_REFUSED,
    needs: [alterCluster],
  },
  {
    api: 'AlterPartitionReassignments',
    version: 0,
    body: { topics: [] },
    refused: CLUSTER_REFUSED,
    needs: [alterCluster],
  },
  {
    api: 'ListPartitionReassignments',
    version: 0,
    body: { topics: null },
    refused: CLUSTER_REFUSED,
    needs: [describeCluster],
  },
  { api: 'DescribeAcls', version: 3, body: anyAcl, refused: CLUSTER_REFUSED, needs: [describeCluster] },
  {
    api: 'CreateAcls',
    version: 3,
    body: { creations: [{ ...newAcl, operation: 3, permissionType: 3 }] },
    refused: CLUSTER_REFUSED,
    needs: [alterCluster],
  },
  {
    api: 'DeleteAcls',
    version: 3,
    body: { filters: [{ ...anyAcl, principalFilter: 'User:nobody' }] },
    refused: CLUSTER_REFUSED,
    needs: [alterCluster],
  },
  {
    api: 'DescribeUserScramCredentials',
    version: 0,
    body: { users: null },
    refused: CLUSTER_REFUSED,
    needs: [describeCluster],
  },
  {
    api: 'AlterUserScramCredentials',
    version: 0,
    body: { deletions: [{ name: 'u', mechanism: 1 }], upsertions: [] },
    refused: CLUSTER_REFUSED,
    needs: [alterCluster],
  },
  {
    api: 'DeleteTopics',
    version: 5,
    body: { topicNames: ['none'] },
    refused: TOPIC_REFUSED,
    needs: [[topic, 'none', Operation.delete]],
  },
];
