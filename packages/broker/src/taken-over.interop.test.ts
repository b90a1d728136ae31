// A folder that a real Kafka has written, with groups and transactions all over the partitions of its internal topics: our
// broker goes on with each of them, in the partitions where Kafka's own tools look, and Kafka goes on after it. Needs Java 17 and Maven: named skips
// elsewhere, in CI they must be there.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readRecords } from '@millrace/kafka-protocol';
import { eventually, kafkaClassPath, RealKafka } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBroker } from './broker.ts';
import { TestClient } from './testing/test-client.ts';
import { TransactionalProducer } from './testing/transactional-client.ts';

const run = promisify(execFile);
const has = (program: string): boolean => spawnSync(program, ['-version']).error === undefined;
const testJava = (has('java') && has('mvn')) || process.env['CI'] === 'true' ? test : test.skip;

/** Partitions of their records, of fifty, as Java computes them. */
const GROUPS: ReadonlyMap<string, number> = new Map([
  ['g', 3],
  ['orders', 31],
  ['payments', 13],
  ['alpha', 18],
  ['beta', 22],
]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-taken-over-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function commit(client: TestClient, groupId: string, committedOffset: number): Promise<void> {
  await eventually(`a commit of ${groupId}`, async () => {
    await client.send('FindCoordinator', 3, { key: groupId, keyType: 0 });
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset }] }];
    const { topics: answered } = await client.send('OffsetCommit', 8, {
      groupId,
      generationIdOrMemberEpoch: -1,
      topics,
    });
    return answered[0]?.partitions[0]?.errorCode === 0;
  });
}

async function committed(client: TestClient, groupId: string): Promise<number> {
  const { topics } = await client.send('OffsetFetch', 7, { groupId, topics: null, requireStable: false });
  return Number(topics[0]?.partitions[0]?.committedOffset ?? -1);
}

/** Waits for the offsets of all groups: the end of a transaction is answered before its markers are written. */
function becomes(client: TestClient, expected: readonly number[]): Promise<boolean> {
  return eventually(`offsets ${expected.join(', ')}`, async () => {
    const found: number[] = [];
    for (const groupId of GROUPS.keys()) {
      await client.send('FindCoordinator', 3, { key: groupId, keyType: 0 });
      found.push(await committed(client, groupId));
    }
    if (String(found) !== String(expected)) throw new Error(`found ${found.join(', ')}`);
    return true;
  });
}

async function begin(client: TestClient, id: string): Promise<TransactionalProducer> {
  const producer = new TransactionalProducer(client, id, 2);
  await eventually(`the coordinator of ${id}`, async () => {
    await client.send('FindCoordinator', 3, { key: id, keyType: 1 });
    await producer.init();
    return true;
  });
  return producer;
}

/** What Kafka's DumpLogSegments finds in the partition that keeps a group. */
async function dumped(groupId: string): Promise<string> {
  const partition = join(folder, 'log', `__consumer_offsets-${GROUPS.get(groupId)}`);
  const files = (await readdir(partition)).filter((name) => name.endsWith('.log'));
  const args = ['--offsets-decoder', '--files', files.map((name) => join(partition, name)).join(',')];
  const tool = ['-cp', await kafkaClassPath(), 'org.apache.kafka.tools.DumpLogSegments'];
  return (await run('java', [...tool, ...args])).stdout;
}

testJava(
  'Groups and transactions of a real Kafka go on, wherever in its internal topics they are',
  async () => {
    let open: TransactionalProducer;
    {
      await using kafka = await RealKafka.start(folder);
      await using client = await TestClient.connect(kafka.port);
      const topic = { name: 't', numPartitions: 1, replicationFactor: 1 };
      expect((await client.send('CreateTopics', 5, { topics: [topic] })).topics[0]?.errorCode).toBe(0);
      let offset = 100;
      for (const groupId of GROUPS.keys()) await commit(client, groupId, offset++);
      const done = await begin(client, 'done');
      await done.write('t', 'committed');
      await done.commitOffset('alpha', 't', 203);
      await done.end(true);
      open = await begin(client, 'open');
      await open.write('t', 'open');
      for (const groupId of ['orders', 'payments']) await open.commitOffset(groupId, 't', 300);
    }
    const cluster = await readdir(join(folder, 'log', '__cluster_metadata-0'));

    const broker = await startBroker({ dataDirectory: folder, listen: { host: '127.0.0.1', port: 0 } });
    try {
      await using client = await TestClient.connect(broker.port);
      await becomes(client, [100, 101, 102, 203, 104]);
      const listed = await client.send('ListGroups', 4, {});
      expect(listed.groups.map(({ groupId }) => groupId).sort()).toEqual([...GROUPS.keys()].sort());

      // The same transaction ends here, in the three partitions it has reached.
      open.useClient(client);
      await open.end(true);
      await becomes(client, [100, 300, 300, 203, 104]);
      await commit(client, 'g', 400);
      const again = await begin(client, 'done');
      await again.commitOffset('beta', 't', 401);
      await again.end(true);
      await becomes(client, [400, 300, 300, 203, 401]);

      const { topics } = await client.send('Metadata', 9, { topics: null });
      const counts = topics.map(({ name, partitions }) => [name, partitions.length] as const);
      expect(Object.fromEntries(counts)).toEqual({ __consumer_offsets: 50, __transaction_state: 50, t: 1 });
    } finally {
      await broker.close();
    }
    for (const groupId of GROUPS.keys()) expect(await dumped(groupId), groupId).toContain(`"${groupId}"`);
    expect(await readdir(join(folder, 'log', '__cluster_metadata-0'))).toEqual(cluster);
    // And back: Kafka goes on with what was committed here, and makes a topic that we take over in turn.
    {
      await using kafka = await RealKafka.start(folder);
      await using client = await TestClient.connect(kafka.port);
      await becomes(client, [400, 300, 300, 203, 401]);
      const topic = { name: 'later', numPartitions: 2, replicationFactor: 1 };
      expect((await client.send('CreateTopics', 5, { topics: [topic] })).topics[0]?.errorCode).toBe(0);
      await eventually('a leader', () => client.produce('later', 1, { values: ['kept'] }).then(() => true));
      await commit(client, 'alpha', 500);
    }
    const again = await startBroker({ dataDirectory: folder, listen: { host: '127.0.0.1', port: 0 } });
    try {
      await using client = await TestClient.connect(again.port);
      await becomes(client, [400, 300, 300, 500, 401]);
      const kept = readRecords(await client.fetch('later', 1, 0), 0);
      expect(kept.map(({ value }) => String(value))).toEqual(['kept']);
    } finally {
      await again.close();
    }
  },
  180_000,
);
