import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBrokerThread } from './broker-thread.ts';
import { TestClient } from './testing/test-client.ts';

test('A broker in a thread serves clients, reports its errors as they are, and closes', async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
  const listen = { host: '127.0.0.1', port: 0 };
  const broker = await startBrokerThread({ dataDirectory, listen });
  try {
    await using client = await TestClient.connect(broker.port);
    expect((await client.send('Metadata', 9, { topics: [] })).clusterId).toBe(broker.clusterId);
    // Asked for at the same time, each gets an answer.
    const pages = await Promise.all([broker.metrics(), broker.metrics()]);
    for (const page of pages) expect(page).toMatch(/^kafka_server_kafkaserver_brokerstate 3$/m);
    await expect(startBrokerThread({ dataDirectory, listen })).rejects.toMatchObject({
      code: 'broker.data_folder_locked',
    });
  } finally {
    await broker.close();
    await rm(dataDirectory, { recursive: true, force: true });
  }
});
