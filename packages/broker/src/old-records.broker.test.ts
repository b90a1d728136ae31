// Retention and compaction of a running broker, on a real disk, with the cleaner in its own thread.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type KafkaRecord, readBatchHeader, readRecords, simpleBatch } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { startTestBroker, type TestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';

const PROPERTIES = {
  'log.cleaner.backoff.ms': '50',
  'log.retention.check.interval.ms': '50',
  'log.segment.delete.delay.ms': '0',
};
const DEADLINE_MS = 30_000;

async function create(client: TestClient, name: string, configs: Record<string, string>): Promise<void> {
  const answer = await client.send('CreateTopics', 7, {
    timeoutMs: 5000,
    topics: [
      {
        name,
        numPartitions: 1,
        replicationFactor: 1,
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  });
  expect(answer.topics[0]?.errorCode).toBe(0);
}

async function alter(client: TestClient, topic: string, configs: Record<string, string>): Promise<void> {
  const changes = Object.entries(configs).map(([name, value]) => ({ name, value, configOperation: 0 }));
  const resources = [{ resourceType: 2, resourceName: topic, configs: changes }];
  const answer = await client.send('IncrementalAlterConfigs', 1, { resources });
  expect(answer.responses[0]?.errorCode).toBe(0);
}

async function produce(
  client: TestClient,
  topic: string,
  key: string,
  value: string | null,
  timestamp: number,
): Promise<void> {
  const records = simpleBatch([
    { key: Buffer.from(key), value: value === null ? null : Buffer.from(value), timestamp },
  ]);
  const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
  const answer = await client.send('Produce', 9, { acks: -1, timeoutMs: 5000, topicData });
  expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

async function offset(client: TestClient, name: string, timestamp: -1 | -2): Promise<number> {
  const topics = [{ name, partitions: [{ partitionIndex: 0, timestamp }] }];
  const answer = await client.send('ListOffsets', 4, { replicaId: -1, topics });
  return Number(answer.topics[0]?.partitions[0]?.offset);
}

async function readAll(client: TestClient, topic: string): Promise<KafkaRecord[]> {
  const records: KafkaRecord[] = [];
  const end = await offset(client, topic, -1);
  for (let at = await offset(client, topic, -2); at < end; ) {
    const bytes = await client.fetch(topic, 0, at);
    for (let position = 0; position + 61 <= bytes.length; ) {
      const header = readBatchHeader(bytes, position);
      if (position + header.sizeInBytes > bytes.length) break;
      records.push(...readRecords(bytes, position, header));
      at = header.baseOffset + header.lastOffsetDelta + 1;
      position += header.sizeInBytes;
    }
  }
  return records;
}

async function eventually(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await probe())) {
    if (Date.now() > deadline) throw new Error(`${what}: not seen within ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const files = ({ dataDirectory }: TestBroker, topic: string): string[] =>
  readdirSync(join(dataDirectory, 'log', `${topic}-0`));

test('A compacted topic ends as its last record of each key, served all the while', async () => {
  await using broker = await startTestBroker(PROPERTIES);
  await using client = await TestClient.connect(broker.handle.port);
  await create(client, 'states', {
    'cleanup.policy': 'compact',
    'segment.ms': '10',
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '0',
  });
  const start = Date.now() - 100_000;
  for (let i = 0; i < 200; i++) {
    await produce(client, 'states', `key ${i % 10}`, i % 10 === 9 ? null : `value ${i}`, start + 20 * i);
  }
  const expected = Array.from({ length: 9 }, (_, i) => `key ${i}=value ${190 + i}`);
  const end = await offset(client, 'states', -1);
  await eventually('few records', async () => (await readAll(client, 'states')).length <= 11);
  const seen = new Map<string, string>();
  for (const { key, value } of await readAll(client, 'states')) {
    if (value) seen.set(String(key), String(value));
    else seen.delete(String(key));
  }
  expect([...seen].map(([key, value]) => `${key}=${value}`).sort()).toEqual(expected);
  expect(await offset(client, 'states', -1)).toBe(end);
  await eventually(
    'no file of a step',
    () => !files(broker, 'states').some((name) => /cleaned|swap|deleted/.test(name)),
  );
});

test('What a topic is told while it runs is done at once: retention, and compaction of what was there', async () => {
  await using broker = await startTestBroker(PROPERTIES);
  await using client = await TestClient.connect(broker.handle.port);
  await create(client, 'events', { 'segment.ms': '10' });
  await create(client, 'late', { 'segment.ms': '10' });
  const start = Date.now() - 100_000;
  for (let i = 0; i < 30; i++) {
    await produce(client, 'events', `key ${i % 3}`, `value ${i}`, start + 20 * i);
    await produce(client, 'late', `key ${i % 3}`, `value ${i}`, start + 20 * i);
  }
  await alter(client, 'late', { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' });
  await eventually('three keys', async () => (await readAll(client, 'late')).length <= 4);
  await alter(client, 'events', { 'retention.ms': '1000' });
  await eventually('an empty log', async () => (await offset(client, 'events', -2)) === 30);
  await eventually(
    'one segment',
    () => files(broker, 'events').filter((name) => name.endsWith('.log')).length === 1,
  );
  await produce(client, 'events', 'key', 'value', Date.now());
  expect(await offset(client, 'events', -1)).toBe(31);
});
