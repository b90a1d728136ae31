// Transactions as clients see them, over real connections.
import { silentLogger } from '@millrace/foundation';
import { readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { expect, test } from 'vitest';
import { startBroker } from './broker.ts';
import { MemoryDisk } from './testing/memory-disk.ts';
import { startTestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';
import { openTestLogs, TEST_CONFIG } from './testing/test-log.ts';
import { endsOf, readCommitted, TransactionalProducer, whenStable } from './testing/transactional-client.ts';
import { encodeTransaction } from './transactions/records.ts';

async function createTopics(client: TestClient, ...names: string[]): Promise<void> {
  const topics = names.map((name) => ({ name, numPartitions: 1, replicationFactor: 1 }));
  await client.send('CreateTopics', 5, { topics, timeoutMs: 1000 });
}

test('kafkajs: a read_committed consumer gets committed transactions only, and offsets go with them', async () => {
  await using broker = await startTestBroker();
  const kafka = new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    transactionalId: 'x',
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  for (const [index, value] of ['kept-0', 'dropped-1', 'kept-2'].entries()) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: 'events', messages: [{ value }, { value: `${value}'` }] });
    await transaction.sendOffsets({
      consumerGroupId: 'g',
      topics: [{ topic: 'events', partitions: [{ partition: 0, offset: String(index) }] }],
    });
    if (value.startsWith('kept')) await transaction.commit();
    else await transaction.abort();
  }
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: 'readers' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'events', fromBeginning: true });
  const found: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          found.push(String(message.value));
          if (message.value?.toString() === "kept-2'") resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  expect(found).toEqual(['kept-0', "kept-0'", 'kept-2', "kept-2'"]);
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchOffsets({ groupId: 'g', topics: ['events'] });
  expect(offsets[0]?.partitions[0]?.offset).toBe('2');
  await admin.disconnect();
});

for (const generation of [1, 2] as const) {
  test(`A zombie is fenced once another producer has its id, protocol ${generation}`, async () => {
    await using broker = await startTestBroker();
    await using client = await TestClient.connect(broker.handle.port);
    await createTopics(client, 't');
    const zombie = new TransactionalProducer(client, 'x', generation);
    await zombie.init();
    await zombie.write('t', 'zombie');
    const successor = new TransactionalProducer(client, 'x', generation);
    await successor.init();
    expect(successor.producerId).toBe(zombie.producerId);
    await expect(zombie.send('t', 'late')).rejects.toThrow('Produce answered 47');
    await expect(zombie.commitOffset('g', 't', 1)).rejects.toThrow(generation === 1 ? '90' : '47');
    await expect(zombie.end(true)).rejects.toThrow('EndTxn answered 90');
    await successor.write('t', 'successor');
    await successor.end(true);
    await whenStable(client, 't');
    expect(await readCommitted(client, 't')).toEqual(['successor']);
  });

  test(`A transaction that takes too long is aborted and its producer fenced, protocol ${generation}`, async () => {
    await using broker = await startTestBroker({
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '20',
    });
    await using client = await TestClient.connect(broker.handle.port);
    await createTopics(client, 't');
    const producer = new TransactionalProducer(client, 'x', generation);
    await producer.init(1);
    await producer.write('t', 'slow');
    await whenStable(client, 't');
    expect(await endsOf(client, 't')).toEqual({ stable: 2, end: 2 });
    await expect(producer.send('t', 'later')).rejects.toThrow('Produce answered 47');
    await expect(producer.end(true)).rejects.toThrow(generation === 1 ? '90' : '48');
    expect(await readCommitted(client, 't')).toEqual([]);
  });
}

test('Writes of a new transaction keep their order when they are sent without waiting', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await createTopics(client, 't');
  const producer = new TransactionalProducer(client, 'x', 2);
  await producer.init();
  for (let round = 0; round < 3; round++) {
    // The first adds the partition, which takes a write to the disk; the others are there before that is done.
    const writes = Array.from({ length: 5 }, (_, index) => producer.write('t', `${round}.${index}`));
    expect(await Promise.all(writes)).toEqual([0, 1, 2, 3, 4].map((index) => round * 6 + index));
    await producer.end(true);
  }
});

test('A topic that was deleted does not keep a transaction from ending', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await createTopics(client, 'kept', 'gone');
  const producer = new TransactionalProducer(client, 'x', 1);
  await producer.init();
  await producer.write('kept', 'a');
  await producer.write('gone', 'b');
  await client.send('DeleteTopics', 5, { topicNames: ['gone'], timeoutMs: 1000 });
  await producer.end(true);
  await whenStable(client, 'kept');
  expect(await readCommitted(client, 'kept')).toEqual(['a']);
  await producer.write('kept', 'c');
  await producer.end(true);
});

test('A transaction that hangs on one partition can be aborted there by a marker', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await createTopics(client, 't');
  const producer = new TransactionalProducer(client, 'x', 1);
  await producer.init();
  await producer.write('t', 'hangs');
  const { producerId, epoch: producerEpoch } = producer;
  const mark = async (marker: object): Promise<unknown> => {
    const topics = [{ name: 't', partitionIndexes: [0, 7] }];
    const markers = [
      { producerId, producerEpoch, transactionResult: false, topics, coordinatorEpoch: 0, ...marker },
    ];
    const answer = await client.send('WriteTxnMarkers', 2, { markers });
    const results = (
      answer as unknown as { markers: { topics: { partitions: { errorCode: number }[] }[] }[] }
    ).markers[0]?.topics[0]?.partitions;
    return results?.map(({ errorCode }) => errorCode);
  };
  // A marker of KIP-890 has a newer epoch than the records it ends.
  expect(await mark({ transactionVersion: 2 })).toEqual([47, 3]);
  expect(await mark({ producerEpoch: -1 })).toEqual([47, 3]);
  expect(await endsOf(client, 't')).toEqual({ stable: 0, end: 1 });
  expect(await mark({ transactionVersion: 0 })).toEqual([0, 3]);
  expect(await endsOf(client, 't')).toEqual({ stable: 2, end: 2 });
  expect(await readCommitted(client, 't')).toEqual([]);
});

test('An id that nobody uses is forgotten, and starts anew with another producer id', async () => {
  await using broker = await startTestBroker({
    'transactional.id.expiration.ms': '1',
    'transaction.remove.expired.transaction.cleanup.interval.ms': '20',
  });
  await using client = await TestClient.connect(broker.handle.port);
  const producer = new TransactionalProducer(client, 'x', 1);
  await producer.init();
  const { producerId } = producer;
  await expect
    .poll(async () => {
      const answer = await client.send('DescribeTransactions', 0, { transactionalIds: ['x'] });
      return (answer as unknown as { transactionStates: { errorCode: number }[] }).transactionStates[0]
        ?.errorCode;
    })
    .toBe(105);
  await producer.init();
  expect(producer.epoch).toBe(0);
  expect(producer.producerId).toBeGreaterThan(producerId);
});

test('When the epochs of an id are used up it goes on under a new producer id', async () => {
  const disk = new MemoryDisk();
  const start = (): ReturnType<typeof startBroker> =>
    startBroker({
      dataDirectory: '/data',
      listen: { host: '127.0.0.1', port: 0 },
      properties: { 'millrace.disk.reserve.bytes': '65536' },
      disk,
      logger: silentLogger,
    });
  let broker = await start();
  {
    await using client = await TestClient.connect(broker.port);
    await createTopics(client, 't');
    for (const [id, generation] of [
      ['old', 1],
      ['new', 2],
    ] as const) {
      await new TransactionalProducer(client, id, generation).init();
    }
    const metadata = await client.send('Metadata', 12, { topics: [{ name: '__transaction_state' }] });
    const topicId = metadata.topics[0]?.topicId ?? '';
    await broker.close();
    await storeEpoch(disk, topicId, { old: 32_765, new: 32_764 });
  }
  broker = await start();
  await using client = await TestClient.connect(broker.port);
  const producer = new TransactionalProducer(client, 'old', 1);
  await producer.init();
  const { producerId } = producer;
  expect(producer.epoch).toBe(32_766);
  await producer.write('t', 'last of the old');
  await producer.end(true);
  await producer.init();
  expect(producer.epoch).toBe(0);
  expect(producer.producerId).toBeGreaterThan(producerId);
  const second = new TransactionalProducer(client, 'new', 2);
  await second.init();
  const { producerId: secondId } = second;
  const seen: number[] = [];
  for (const value of ['a', 'b', 'c']) {
    await second.write('t', value);
    await second.end(true);
    seen.push(second.epoch);
  }
  expect(seen).toEqual([32_766, 0, 1]);
  expect(second.producerId).toBeGreaterThan(secondId);
  await whenStable(client, 't');
  expect(await readCommitted(client, 't')).toEqual(['last of the old', 'a', 'b', 'c']);
  await broker.close();
});

/** Appends to a stopped broker's log of transactions what it would say after very many of them. */
async function storeEpoch(disk: MemoryDisk, topicId: string, epochs: Record<string, number>): Promise<void> {
  const { directory } = await openTestLogs(disk);
  const log = await directory.open({
    topic: '__transaction_state',
    topicId,
    partition: 0,
    internal: true,
    config: TEST_CONFIG,
  });
  for (const [index, [id, producerEpoch]] of Object.entries(epochs).entries()) {
    const stored = {
      producerId: index,
      previousProducerId: index,
      nextProducerId: -1,
      producerEpoch,
      timeoutMs: 60_000,
      state: 'Empty' as const,
      partitions: new Map<string, Set<number>>(),
      lastUpdateMs: Date.now(),
      startMs: -1,
      clientVersion: 0,
    };
    const batch = simpleBatch([encodeTransaction(id, stored, Date.now())]);
    log.append(batch, readBatchHeader(batch, 0));
  }
  await directory.close();
}
