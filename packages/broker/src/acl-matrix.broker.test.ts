// Every API that is served, asked by somebody without rights, with one right less than needed, and with what is needed.
import { API, type ApiName } from '@millrace/kafka-protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiRegistry } from './api/registry.ts';
import { CLUSTER_NAME, Operation, Resource } from './security/acl.ts';
import {
  alterCluster,
  anyAcl,
  CLUSTER_REFUSED,
  describeCluster,
  describeTopic,
  fetched,
  GROUP_REFUSED,
  newAcl,
  partition,
  type Right,
  ROWS,
  type Row,
  read,
  TOPIC_REFUSED,
  TRANSACTION_REFUSED,
  write,
} from './testing/access-table.ts';
import { SECURED } from './testing/secured-properties.ts';
import { startTestBroker, type TestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';
import { batchOf } from './testing/test-log.ts';

const { topic, group, cluster, transactionalId } = Resource;
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
  for (const row of ROWS) {
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

it('Markers of transactions may be written by who may alter the cluster, without the right of brokers', async () => {
  const markers = [{ producerId: 1, topics: [{ name: 't', partitionIndexes: [0] }] }];
  const row = ROWS.find(({ api }) => api === 'WriteTxnMarkers');
  expect(row?.body).toEqual({ markers });
  await grant([alterCluster]);
  expect(await refusals(row as Row)).toEqual([]);
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
