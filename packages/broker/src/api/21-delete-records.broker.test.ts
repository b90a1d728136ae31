import { expect, test } from 'vitest';
import { startBroker } from '../broker.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { TestClient } from '../testing/test-client.ts';

test('INV-12: records whose new start cannot be stored are not told to be deleted', async () => {
  const disk = new MemoryDisk();
  const broker = await startBroker({
    dataDirectory: '/data',
    listen: { host: '127.0.0.1', port: 0 },
    properties: { 'millrace.disk.reserve.bytes': '65536' },
    disk,
  });
  try {
    await using client = await TestClient.connect(broker.port);
    const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }];
    await client.send('CreateTopics', 5, { topics, timeoutMs: 1000 });
    await client.produce('t', 0, { values: ['a', 'b'] });
    const deleteFirst = async (): Promise<{ code: number | undefined; start: number }> => {
      const answer = await client.send('DeleteRecords', 2, {
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 1 }] }],
        timeoutMs: 1000,
      });
      const result = answer.topics[0]?.partitions[0];
      return { code: result?.errorCode, start: Number(result?.lowWatermark) };
    };
    disk.failNext({ operation: 'write', code: 'EIO', path: 'log-start-offset-checkpoint' });
    expect(await deleteFirst()).toEqual({ code: 56, start: -1 });
    expect(await deleteFirst()).toEqual({ code: 0, start: 1 });
  } finally {
    await broker.close();
  }
});
