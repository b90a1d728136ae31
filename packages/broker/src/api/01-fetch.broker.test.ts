import { expect, test } from 'vitest';
import { startBroker } from '../broker.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { TestClient } from '../testing/test-client.ts';
import { TransactionalProducer, whenStable } from '../testing/transactional-client.ts';

test('Records of an aborted transaction are marked as such also when they are deleted while they are read', async () => {
  const disk = new MemoryDisk();
  const broker = await startBroker({
    dataDirectory: '/data',
    listen: { host: '127.0.0.1', port: 0 },
    properties: { 'millrace.disk.reserve.bytes': '65536', 'millrace.tail.cache.bytes': '0' },
    disk,
  });
  try {
    await using client = await TestClient.connect(broker.port);
    await using reader = await TestClient.connect(broker.port);
    const configs = [{ name: 'segment.ms', value: '1' }];
    const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1, configs }];
    await client.send('CreateTopics', 5, { topics, timeoutMs: 1000 });
    const producer = new TransactionalProducer(client, 'x', 2);
    await producer.init();
    await producer.write('t', 'aborted');
    await producer.end(false);
    await whenStable(client, 't');
    for (let i = 0; i < 3; i++) {
      await client.produce('t', 0, { values: [`later ${i}`], timestamp: Date.now() + 10 * (i + 1) });
    }
    let started = (): void => undefined;
    const isReading = new Promise<void>((resolve) => {
      started = resolve;
    });
    let isOver = false;
    disk.readTurns = () => {
      started();
      return isOver ? 1 : 2000;
    };
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const fetching = reader.send('Fetch', 12, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 1,
      sessionEpoch: -1,
      topics: [{ topic: 't', partitions }],
    });
    await isReading;
    isOver = true;
    const deleted = await client.send('DeleteRecords', 2, {
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 5 }] }],
      timeoutMs: 1000,
    });
    expect(Number(deleted.topics[0]?.partitions[0]?.lowWatermark)).toBe(5);
    const fetched = (await fetching).responses[0]?.partitions[0];
    expect(fetched?.records?.includes('aborted')).toBe(true);
    expect(fetched?.abortedTransactions).toMatchObject([{ producerId: producer.producerId }]);
  } finally {
    await broker.close();
  }
});
