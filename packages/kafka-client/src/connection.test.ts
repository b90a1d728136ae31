import { createServer, type Socket } from 'node:net';
import { API, encodeResponse } from '@millrace/kafka-protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseBootstrapServers } from './bootstrap.ts';
import { Connection, type WriteObserver } from './connection.ts';
import { ScriptedBroker } from './testing/scripted-broker.ts';

let broker: ScriptedBroker;
beforeEach(async () => {
  broker = await ScriptedBroker.start({ t: 1 });
});
afterEach(async () => {
  await broker[Symbol.asyncDispose]();
});

const connect = (options: object = {}): Promise<Connection> =>
  Connection.connect({ host: '127.0.0.1', port: broker.port, clientId: 'c', ...options });

test('requests are pipelined and answered in order', async () => {
  let calls = 0;
  broker.on(API.Heartbeat, () => ({ errorCode: ++calls }));
  await using connection = await connect();
  const answers = [1, 2, 3].map(() => connection.request(API.Heartbeat, { groupId: 'g' }));
  expect(connection.inFlight).toBe(3);
  expect((await Promise.all(answers)).map(({ errorCode }) => errorCode)).toEqual([1, 2, 3]);
  expect(connection.inFlight).toBe(0);
});

test('what one connection has read stays as it was when others read', async () => {
  const bytes = (i: number): Buffer => Buffer.alloc(300, i);
  broker.on(API.SyncGroup, ({ generationId }) => ({ errorCode: 0, assignment: bytes(generationId) }));
  await using one = await connect();
  await using other = await connect();
  const read: Buffer[] = [];
  for (const [i, connection] of [one, other, one, other].entries()) {
    const body = { groupId: 'g', generationId: i, memberId: 'm' };
    read.push((await connection.request(API.SyncGroup, body)).assignment);
  }
  expect(read).toEqual([0, 1, 2, 3].map(bytes));
});

test('a broker that knows only old ApiVersions is asked again in version 0', async () => {
  const apiKeys = [{ apiKey: API.Heartbeat, minVersion: 0, maxVersion: 1 }];
  broker.on(API.ApiVersions, (_body, { version }) => ({ errorCode: version > 0 ? 35 : 0, apiKeys }));
  await using connection = await connect();
  expect(connection.versionFor(API.Heartbeat)).toBe(1);
  expect(connection.supports(API.Produce)).toBe(false);
  expect(() => connection.versionFor(API.Produce)).toThrowError(
    expect.objectContaining({ code: 'kafka.refused' }),
  );
});

test('an unanswered request closes the connection, and all that wait fail with the same error', async () => {
  broker.on(API.Heartbeat, () => 'silence');
  await using connection = await connect({ requestTimeoutMs: 50 });
  const answers = [1, 2].map(() => connection.request(API.Heartbeat, { groupId: 'g' }));
  for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: 'kafka.request_timeout' });
  expect(connection.isOpen).toBe(false);
});

test('a lost connection rejects what is in flight', async () => {
  broker.on(API.Heartbeat, () => 'close');
  await using connection = await connect();
  await expect(connection.request(API.Heartbeat, { groupId: 'g' })).rejects.toMatchObject({
    code: 'kafka.connection_closed',
  });
  expect((await connection.closed).code).toBe('kafka.connection_closed');
});

test('nobody listening is its own error', async () => {
  const { port } = broker;
  await broker[Symbol.asyncDispose]();
  await expect(Connection.connect({ host: '127.0.0.1', port, clientId: 'c' })).rejects.toMatchObject({
    code: 'kafka.unreachable',
  });
  broker = await ScriptedBroker.start();
});

test.each([
  ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['a frame that is too long', Buffer.from('7fffffff', 'hex')],
  ['an answer to another request', Buffer.concat(encodeResponse(API.ApiVersions, 0, 99, {}))],
  ['a body that is cut off', Buffer.from('0000000600000001ffff', 'hex')],
])('INV-10: a peer that sends %s is given up with a typed error', async (_what, bytes) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  await expect(Connection.connect({ host: '127.0.0.1', port, clientId: 'c' })).rejects.toMatchObject({
    code: 'kafka.connection_closed',
  });
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('bootstrap.servers takes names, IPv6 and lists, and says what is wrong', () => {
  expect(parseBootstrapServers('a:1, [::1]:2,PLAINTEXT://b:3')).toEqual([
    { host: 'a', port: 1 },
    { host: '::1', port: 2 },
    { host: 'b', port: 3 },
  ]);
  for (const wrong of ['', 'a', 'a:b', 'a:99999', 'a:1,b']) {
    expect(() => parseBootstrapServers(wrong)).toThrowError(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  }
});

test('says of each request that writes whether it was answered or lost (INV-2)', async () => {
  const told: string[] = [];
  const writes: WriteObserver = {
    sent: () => told.push('sent'),
    answered: () => told.push('answered'),
    lost: (timedOut) => told.push(`lost ${timedOut}`),
  };
  broker.on(API.Heartbeat, () => ({ errorCode: 0 }));
  const produce = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData: [] };
  const reactions = [{ responses: [] }, 'close', 'silence'] as const;
  for (const reaction of reactions) {
    broker.on(API.Produce, () => reaction);
    await using connection = await connect({ requestTimeoutMs: 50, writes });
    await connection.request(API.Heartbeat, { groupId: 'g' });
    await connection.request(API.Produce, produce).catch(() => undefined);
  }
  expect(told).toEqual(['sent', 'answered', 'sent', 'lost false', 'sent', 'lost true']);
});

test('what the system holds of a write that nobody waits for any more never arrives (INV-2)', async () => {
  const server = createServer({ pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  // The peer reads the handshake and nothing after it, so that most of a large request stays with the system.
  const opening = connect({ port, requestTimeoutMs: 300 });
  const socket = await accepted;
  socket.on('error', () => undefined);
  const apiKeys = [{ apiKey: API.Produce, minVersion: 0, maxVersion: 11 }];
  socket.once('data', (chunk) => {
    socket.pause();
    for (const part of encodeResponse(API.ApiVersions, 3, chunk.readInt32BE(8), { errorCode: 0, apiKeys }))
      socket.write(part);
  });
  socket.resume();
  await using connection = await opening;
  const records = Buffer.alloc(32 * 1024 * 1024);
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
  const answer = connection.request(API.Produce, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 300,
    topicData,
  });
  await expect(answer).rejects.toMatchObject({ code: 'kafka.request_timeout' });
  let received = 0;
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  socket.resume();
  await over;
  // An orderly close would go on sending megabytes.
  expect(received).toBeLessThan(1024 * 1024);
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
