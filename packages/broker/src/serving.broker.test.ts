import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API, type Body, encodeRequest } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { startBroker } from './broker.ts';
import { startTestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';
import { seededRandom } from './testing/test-log.ts';

const LISTEN = { host: '127.0.0.1', port: 0 } as const;

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Sends raw bytes; resolves with what came back once the broker has closed the connection. */
function sendRaw(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

test('A data folder is used by one broker at a time, and by the next one after a close', () =>
  withFolder(async (folder) => {
    const first = await startBroker({ dataDirectory: folder, listen: LISTEN });
    await expect(startBroker({ dataDirectory: folder, listen: LISTEN })).rejects.toMatchObject({
      code: 'broker.data_folder_locked',
    });
    const { clusterId } = first;
    await first.close();
    await first.close();
    const second = await startBroker({ dataDirectory: folder, listen: LISTEN });
    expect(second.clusterId).toBe(clusterId);
    await second.close();
    expect(await readdir(folder)).toEqual(expect.arrayContaining(['log', 'meta.properties']));
    expect(existsSync(join(folder, 'log', '.kafka_cleanshutdown'))).toBe(true);
  }));

test('A port that is taken is named', () =>
  withFolder(async (folder) => {
    await using other = await startTestBroker();
    const { port } = other.handle;
    const starting = startBroker({ dataDirectory: folder, listen: { host: '127.0.0.1', port } });
    await expect(starting).rejects.toMatchObject({ code: 'broker.address_in_use' });
    // The lock was given back.
    await (await startBroker({ dataDirectory: folder, listen: LISTEN })).close();
  }));

test('All wrong settings are reported together', () =>
  withFolder(async (folder) => {
    const properties = { 'num.partitions': 'many', 'message.max.bytes': '1.5' };
    await expect(startBroker({ dataDirectory: folder, listen: LISTEN, properties })).rejects.toMatchObject({
      code: 'config.invalid',
      message:
        'Invalid value many for configuration num.partitions: Not a number of type INT\n' +
        'Invalid value 1.5 for configuration message.max.bytes: Not a number of type INT',
    });
  }));

test('INV-10: garbage closes its own connection and nothing else', async () => {
  await using broker = await startTestBroker();
  const { port } = broker.handle;
  await using good = await TestClient.connect(port);
  const random = seededRandom(42);
  const frame = (body: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeInt32BE(body.length);
    return Buffer.concat([head, body]);
  };
  for (let round = 0; round < 200; round++) {
    const body = Buffer.from(
      Array.from({ length: Math.floor(random() * 80) }, () => Math.floor(random() * 256)),
    );
    // Half of them look like a request of a served version, so that bodies are parsed too.
    if (body.length > 4 && random() < 0.5) {
      body.writeInt16BE(Math.floor(random() * 24), 0);
      body.writeInt16BE(Math.floor(random() * 6), 2);
    }
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(random() < 0.8 ? frame(body) : body);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  expect(await sendRaw(port, Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toHaveLength(0);
  expect(await sendRaw(port, Buffer.from([0xff, 0xff, 0xff, 0xff]))).toHaveLength(0);
  expect((await good.send('ApiVersions', 0, {})).errorCode).toBe(0);
});

test('Answers leave in the order of the requests, also behind a Fetch that waits', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await using other = await TestClient.connect(broker.handle.port);
  await client.send('Metadata', 9, { topics: [{ name: 'order' }], allowAutoTopicCreation: true });
  const order: string[] = [];
  const note = (name: string) => (): void => {
    order.push(name);
  };
  // Both answers may come in one piece: what is noted must hang on the answers themselves.
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
  const waiting = client
    .send('Fetch', 12, {
      replicaId: -1,
      maxWaitMs: 10_000,
      minBytes: 1,
      maxBytes: 1 << 20,
      sessionEpoch: -1,
      topics: [{ topic: 'order', partitions }],
    })
    .then(note('fetch'));
  const behind = client.send('ApiVersions', 0, {}).then(note('versions'));
  await other.send('ApiVersions', 0, {}).then(note('other'));
  await other.produce('order', 0, { values: ['wake'] });
  await Promise.all([waiting, behind]);
  expect(order).toEqual(['other', 'fetch', 'versions']);
});

test('Pipelined produce requests are stored in order and answered in order', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await client.send('Metadata', 9, { topics: [{ name: 'piped' }], allowAutoTopicCreation: true });
  const offsets = await Promise.all(
    Array.from({ length: 300 }, (_, i) =>
      client.produce('piped', 0, { values: [`v${i}`] }, i % 2 === 0 ? -1 : 1),
    ),
  );
  expect(offsets).toEqual(Array.from({ length: 300 }, (_, i) => i));
});

test('INV-5: a client that sends and does not read is not read from either, until it does', async () => {
  await using broker = await startTestBroker();
  const { port } = broker.handle;
  await using client = await TestClient.connect(port);
  await client.send('Metadata', 9, { topics: [{ name: 'slow' }], allowAutoTopicCreation: true });
  await client.produce('slow', 0, { values: ['x'.repeat(500_000)] });
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
  const topics = [{ topic: 'slow', partitions }];
  const body = { replicaId: -1, maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, sessionEpoch: -1, topics };
  const request = Buffer.concat(encodeRequest(API.Fetch, 12, 7, 'c'.repeat(20_000), body as Body));
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  const count = 1000;
  for (let i = 0; i < count; i++) socket.write(request);
  let left = 0;
  await expect
    .poll(() => {
      const before = left;
      left = socket.writableLength;
      return left > 0 && left === before;
    })
    .toBe(true);
  expect((await client.send('ApiVersions', 0, {})).errorCode).toBe(0);
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  socket.resume();
  await expect.poll(() => received, { timeout: 30_000 }).toBeGreaterThan(count * 500_000);
  socket.destroy();
});

test('Topics, records, groups and offsets are there after a restart', () =>
  withFolder(async (folder) => {
    const first = await startBroker({ dataDirectory: folder, listen: LISTEN });
    {
      await using client = await TestClient.connect(first.port);
      await client.send('Metadata', 9, { topics: [{ name: 'kept' }], allowAutoTopicCreation: true });
      await client.produce('kept', 0, { values: ['a', 'b'] });
      const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'note' }];
      const topics = [{ name: 'kept', partitions }];
      await client.send('OffsetCommit', 8, { groupId: 'g', generationIdOrMemberEpoch: -1, topics });
    }
    await first.close();
    const second = await startBroker({ dataDirectory: folder, listen: LISTEN });
    await using client = await TestClient.connect(second.port);
    expect(await client.produce('kept', 0, { values: ['c'] })).toBe(2);
    const asked = { groupId: 'g', topics: [{ name: 'kept', partitionIndexes: [0] }] };
    const fetched = await client.send('OffsetFetch', 7, asked);
    expect(fetched.topics[0]?.partitions[0]).toMatchObject({ committedOffset: 1, metadata: 'note' });
    await second.close();
  }));
