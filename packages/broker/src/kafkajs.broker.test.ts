// kafkajs, in this process, against the broker.
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { expect, test } from 'vitest';
import { startTestBroker, type TestBroker } from './testing/test-broker.ts';

function client(broker: TestBroker): Kafka {
  return new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING });
}

async function produce(kafka: Kafka, topic: string, values: readonly string[]): Promise<void> {
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({
    topic,
    messages: values.map((value) => ({ key: value, value, headers: { h: 'v' } })),
  });
  await producer.disconnect();
}

/** Consumes until `count` messages are there, as `partition:offset=value`. */
async function consume(kafka: Kafka, groupId: string, topic: string, count: number): Promise<string[]> {
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          found.push(`${partition}:${message.offset}=${String(message.value)}`);
          if (found.length === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return found.sort();
}

test('kafkajs produces, consumes as a group, and goes on after a restart of the group', async () => {
  await using broker = await startTestBroker();
  const kafka = client(broker);
  await produce(kafka, 'events', ['a', 'b', 'c']);
  expect(await consume(kafka, 'g', 'events', 3)).toEqual(['0:0=a', '0:1=b', '0:2=c']);
  await produce(kafka, 'events', ['d']);
  expect(await consume(kafka, 'g', 'events', 1)).toEqual(['0:3=d']);
});

test('kafkajs administers topics, configs, offsets and groups', async () => {
  await using broker = await startTestBroker();
  const kafka = client(broker);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    // Connect asks for three replicas unless told otherwise; one broker gives one.
    topics: [{ topic: 'admin', numPartitions: 3, replicationFactor: 3, configEntries: [] }],
  });
  await produce(kafka, 'admin', ['a', 'b', 'c', 'd', 'e', 'f']);
  const offsets = await admin.fetchTopicOffsets('admin');
  expect(offsets.reduce((sum, partition) => sum + Number(partition.offset), 0)).toBe(6);
  await consume(kafka, 'g', 'admin', 6);
  expect((await admin.describeGroups(['g'])).groups[0]).toMatchObject({
    state: 'Empty',
    protocolType: 'consumer',
  });
  await admin.setOffsets({ groupId: 'g', topic: 'admin', partitions: [{ partition: 0, offset: '0' }] });
  await admin.deleteGroups(['g']);
  expect((await admin.listGroups()).groups).toEqual([]);
  await admin.createPartitions({ topicPartitions: [{ topic: 'admin', count: 4 }] });
  expect((await admin.fetchTopicMetadata({ topics: ['admin'] })).topics[0]?.partitions).toHaveLength(4);
  await admin.deleteTopics({ topics: ['admin'] });
  expect(await admin.listTopics()).not.toContain('admin');
  expect((await admin.describeCluster()).clusterId).toBe(broker.handle.clusterId);
  await admin.disconnect();
});

test('Four kafkajs consumers of one group share eight partitions and read each message once', async () => {
  await using broker = await startTestBroker({ 'num.partitions': '8' });
  const kafka = client(broker);
  const values = Array.from({ length: 200 }, (_, i) => `v${i}`);
  await produce(kafka, 'shared', values);
  const found: string[] = [];
  const consumers = Array.from({ length: 4 }, () => kafka.consumer({ groupId: 'g' }));
  await new Promise<void>((resolve, reject) => {
    const start = async (consumer: (typeof consumers)[number]): Promise<void> => {
      await consumer.connect();
      await consumer.subscribe({ topic: 'shared', fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message }) => {
          found.push(String(message.value));
          if (new Set(found).size === values.length) resolve();
        },
      });
    };
    Promise.all(consumers.map(start)).catch(reject);
  });
  await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  expect([...new Set(found)].sort()).toEqual([...values].sort());
});
