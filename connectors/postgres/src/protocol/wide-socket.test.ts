import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wideSocket } from './wide-socket.ts';

let server: Server;
let peer: Promise<Socket>;

beforeEach(async () => {
  server = createServer();
  peer = once(server, 'connection').then(([socket]) => socket as Socket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  server.close();
});

async function connected(): Promise<Socket> {
  const socket = wideSocket();
  socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Bytes that differ from place to place. */
function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
}

test('what was read stays as it came while more is read', async () => {
  const socket = await connected();
  const read: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => read.push(chunk));
  const sent = pattern(5_000_000);
  (await peer).end(sent);
  await once(socket, 'end');
  expect(Buffer.concat(read).equals(sent)).toBe(true);
  expect(Math.max(...read.map((chunk) => chunk.length))).toBeGreaterThan(64 * 1024);
  socket.destroy();
});

test('a paused socket reads nothing and loses nothing', async () => {
  const socket = await connected();
  const read: Buffer[] = [];
  const sent = pattern(8_000_000);
  (await peer).end(sent);
  let pauses = 0;
  socket.on('data', (chunk: Buffer) => {
    read.push(chunk);
    if (read.length % 3 !== 0) return;
    socket.pause();
    const before = read.length;
    pauses++;
    setTimeout(() => {
      expect(read.length).toBe(before);
      socket.resume();
    }, 2);
  });
  await once(socket, 'end');
  expect(pauses).toBeGreaterThan(0);
  expect(Buffer.concat(read).equals(sent)).toBe(true);
  socket.destroy();
});

test('a connection that breaks says so', async () => {
  const socket = await connected();
  socket.on('data', () => undefined);
  const failed = once(socket, 'error');
  (await peer).resetAndDestroy();
  expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
  expect(socket.destroyed).toBe(true);
});
