// Every API that is served, asked by somebody without rights, with one right less than needed, and with what is needed.
import { API, type ApiName, BATCH_TRANSACTIONAL } from '@millrace/kafka-protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiRegistry } from './api/registry.ts';
import { CLUSTER_NAME, Operation, Resource } from './security/acl.ts';
import { SECURED } from './testing/secured-properties.ts';
import { startTestBroker, type TestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';
import { batchOf } from './testing/test-log.ts';

const { topic, group, cluster, transactionalId } = Resource;
const TOPIC_REFUSED = 29;
const GROUP_REFUSED = 30;
const CLUSTER_REFUSED = 31;
const TRANSACTION_REFUSED = 53;

type Right = readonly [resourceType: number, name: string, operation: number];

interface Row {
  readonly api: ApiName;
  readonly version: number;
  readonly body: object;
  /** The error without any right. */
  readonly refused: number;
  /** What is needed, in the order in which Kafka asks for it. */
  readonly needs: readonly Right[];
}

const partition = { partitionIndex: 0 };
const named = [{ name: 't', partitions: [0] }];
const read: Right = [topic, 't', Operation.read];
const write: Right = [topic, 't', Operation.write];
const describeTopic: Right = [topic, 't', Operation.describe];
const readGroup: Right = [group, 'g', Operation.read];
const describeCluster: Right = [cluster, CLUSTER_NAME, Operation.describe];
const alterCluster: Right = [cluster, CLUSTER_NAME, Operation.alter];
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
const fetched = { maxWaitMs: 0, maxBytes: 1000, sessionEpoch: -1 };
const anyAcl = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
};
const newAcl = { resourceType: 2, resourceName: 'u', resourcePatternType: 3, principal: 'User:u', host: '*' };

const ROWS: readonly Row[] = [
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

/** APIs without a single error to refuse by: what may not be seen is left out, or everybody may. */
const WITHOUT_REFUSAL: readonly ApiName[] = [
  'SaslHandshake',
  'SaslAuthenticate',
  'ApiVersions',
  'ListGroups',
  'ListTransactions',
  'DescribeCluster',
];

const served = new Set(new ApiRegistry().keys());
const REFUSALS = new Set([TOPIC_REFUSED, GROUP_REFUSED, CLUSTER_REFUSED, TRANSACTION_REFUSED]);
const REFUSAL_OF: Readonly<Record<number, number>> = {
  [topic]: TOPIC_REFUSED,
  [group]: GROUP_REFUSED,
  [cluster]: CLUSTER_REFUSED,
  [transactionalId]: TRANSACTION_REFUSED,
};

let broker: TestBroker;
let admin: TestClient;
let alice: TestClient;

beforeAll(async () => {
  broker = await startTestBroker(SECURED);
  admin = await TestClient.connect(broker.port('PLAINTEXT'));
  alice = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
  expect(await alice.login('alice', 'alice-secret')).toBe(0);
  await admin.send('CreateTopics', 7, { topics: [{ name: 't', numPartitions: 1, replicationFactor: 1 }] });
  await commitOffset();
});
afterAll(async () => {
  await alice[Symbol.asyncDispose]();
  await admin[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
});

async function commitOffset(): Promise<void> {
  await admin.send('OffsetCommit', 8, {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    topics: [{ name: 't', partitions: [{ ...partition, committedOffset: 1 }] }],
  });
}

async function grant(rights: readonly Right[]): Promise<void> {
  const creations = rights.map(([resourceType, resourceName, operation]) => ({
    resourceType,
    resourceName,
    resourcePatternType: 3,
    principal: 'User:alice',
    host: '127.0.0.1',
    operation,
    permissionType: 3,
  }));
  await admin.send('CreateAcls', 3, { creations });
}

afterEach(async () => {
  await admin.send('DeleteAcls', 3, { filters: [{ ...anyAcl, principalFilter: 'User:alice' }] });
});

/** All error codes of an answer that say that a right is missing. */
async function refusals({ api, version, body }: Row): Promise<number[]> {
  const found = new Set<number>();
  JSON.stringify(await alice.send(api, version, body), (name, value: unknown) => {
    if (/error_?code$/i.test(name) && REFUSALS.has(Number(value))) found.add(Number(value));
    return typeof value === 'bigint' ? String(value) : value;
  });
  return [...found];
}

describe('an API', () => {
  for (const row of ROWS.filter(({ api }) => served.has(API[api]))) {
    const { api, version, refused, needs } = row;
    it(`${api} v${version} asks for ${needs.map((right) => right.join(' ')).join(', then ')}`, async () => {
      expect(await refusals(row)).toEqual([refused]);
      for (let count = 1; count < needs.length; count++) {
        await grant(needs.slice(0, count));
        expect(await refusals(row)).toEqual([REFUSAL_OF[needs[count]?.[0] ?? 0]]);
      }
      await grant(needs);
      expect(await refusals(row)).toEqual([]);
    });
  }

  it('is in this table, whichever is served', () => {
    const known = new Set([...ROWS.map(({ api }) => API[api]), ...WITHOUT_REFUSAL.map((api) => API[api])]);
    expect([...served].filter((key) => !known.has(key as never))).toEqual([]);
  });
});

describe('what somebody may not see', () => {
  it('is left out of lists of all', async () => {
    await commitOffset();
    await admin.send('Metadata', 9, { topics: [{ name: 'hidden' }], allowAutoTopicCreation: true });
    const seen = async (): Promise<unknown[]> => {
      const metadata = await alice.send('Metadata', 0, { topics: [] });
      const pages = await alice.send('DescribeTopicPartitions', 0, {
        topics: [],
        responsePartitionLimit: 10,
      });
      const groups = await alice.send('ListGroups', 4, {});
      const offsets = await alice.send('OffsetFetch', 8, { groups: [{ groupId: 'g', topics: null }] });
      return [
        metadata.topics.map(({ name }) => name),
        (pages['topics'] as { name: string }[]).map(({ name }) => name),
        groups.groups.map(({ groupId }) => groupId),
        offsets.groups.flatMap(({ topics }) => topics.map(({ name }) => name)),
      ];
    };
    expect(await seen()).toEqual([[], [], [], []]);
    await grant([[group, 'g', Operation.describe]]);
    expect(await seen()).toEqual([[], [], ['g'], []]);
    await grant([describeTopic]);
    expect(await seen()).toEqual([['t'], ['t'], ['g'], ['t']]);
  });

  it('does not come back when version 0 asks for a topic that is refused: no list of all', async () => {
    await grant([[topic, 'other', Operation.describe]]);
    const { topics } = await alice.send('Metadata', 0, { topics: [{ name: 't' }] });
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([['t', TOPIC_REFUSED]]);
  });
});

it('What somebody may do is told as bits', async () => {
  await grant([read, [group, 'g', Operation.all], describeCluster, alterCluster]);
  const metadata = await alice.send('Metadata', 8, {
    topics: [{ name: 't' }],
    includeTopicAuthorizedOperations: true,
    includeClusterAuthorizedOperations: true,
  });
  const bits = (...operations: number[]): number => operations.reduce((sum, bit) => sum | (1 << bit), 0);
  expect(metadata.topics[0]?.topicAuthorizedOperations).toBe(bits(Operation.read, Operation.describe));
  expect(metadata.clusterAuthorizedOperations).toBe(bits(Operation.describe, Operation.alter));
  const groups = await alice.send('DescribeGroups', 5, { groups: ['g'], includeAuthorizedOperations: true });
  const all = await admin.send('DescribeGroups', 5, { groups: ['g'], includeAuthorizedOperations: true });
  expect(groups.groups[0]?.authorizedOperations).toBe(all.groups[0]?.authorizedOperations);
  const creations = [{ ...newAcl, principal: 'User:alice', resourceType: 4, resourceName: CLUSTER_NAME }].map(
    (acl) => ({
      ...acl,
      operation: Operation.describe,
      permissionType: 2,
    }),
  );
  await admin.send('CreateAcls', 3, { creations });
  const cluster = await alice.send('DescribeCluster', 1, { includeClusterAuthorizedOperations: true });
  expect(cluster.clusterAuthorizedOperations).toBe(0);
});

it('One topic that is refused does not keep the others of a request', async () => {
  await admin.send('Metadata', 9, { topics: [{ name: 'u' }], allowAutoTopicCreation: true });
  await grant([write]);
  const partitionData = [{ index: 0, records: batchOf({ values: ['v'] }) }];
  const answer = await alice.send('Produce', 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      { name: 'u', partitionData },
      { name: 't', partitionData },
    ],
  });
  const codes = answer.responses.map(({ name, partitionResponses }) => [
    name,
    partitionResponses[0]?.errorCode,
  ]);
  expect(Object.fromEntries(codes)).toEqual({ t: 0, u: TOPIC_REFUSED });
});

it('A refusal under acks=0 closes the connection: there is no other way to tell', async () => {
  await using client = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
  await client.login('alice', 'alice-secret');
  void client.produce('t', 0, { values: ['lost'] }, 0).catch(() => undefined);
  await client.closed();
});

it('A partition of a fetch session that was refused is read once it is allowed', async () => {
  await using client = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
  await client.login('alice', 'alice-secret');
  const topics = [{ topic: 't', partitions: [{ partition: 0, partitionMaxBytes: 1000 }] }];
  const first = await client.send('Fetch', 12, { ...fetched, sessionEpoch: 0, topics });
  expect(first.responses[0]?.partitions[0]?.errorCode).toBe(TOPIC_REFUSED);
  await grant([read]);
  const next = await client.send('Fetch', 12, {
    ...fetched,
    sessionId: first.sessionId,
    sessionEpoch: 1,
    topics: [],
  });
  expect(next.responses[0]?.partitions[0]?.errorCode).toBe(0);
});
