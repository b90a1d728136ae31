// A server that knows only where Kafka's frames end, and answers each with 60 bytes after `argv[2]` milliseconds: what
// Node and the machine take for a request before anything is done with it. With the path of a file behind, what comes in
// is written there and synced before it is answered. Tells its parent the port.
import { fdatasync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { FrameCounter } from './raw-client.ts';

const waitMs = Number(process.argv[2]);
const path = process.argv[3];
const file = path === undefined ? undefined : openSync(path, 'w');
const answer = Buffer.alloc(60);
answer.writeInt32BE(56);

const server = createServer({ noDelay: true }, (socket) => {
  const frames = new FrameCounter();
  const reply = (count: number): void => {
    socket.write(Buffer.concat(Array.from({ length: count }, () => answer)));
  };
  socket.on('data', (chunk) => {
    const count = frames.push(chunk);
    if (count === 0) return;
    if (file !== undefined) {
      writeSync(file, chunk);
      fdatasync(file, (error) => {
        if (error) throw error;
        reply(count);
      });
    } else if (waitMs > 0) setTimeout(() => reply(count), waitMs);
    else setImmediate(() => reply(count));
  });
  socket.on('error', () => undefined);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.(typeof address === 'object' && address !== null ? address.port : 0);
});
process.on('disconnect', () => process.exit());
