// Reads of all connections into one piece of memory. A socket as it comes allocates 64 KB outside the heap for every
// read, dead a moment later, which costs more than what is done with a small request: page faults, and collections
// because V8 sees memory outside its heap grow. Here the bytes are lent for as long as `onData` runs.
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Large enough that a batch of common size comes in one read. */
const READ_BYTES = 256 * 1024;
const memory = Buffer.allocUnsafeSlow(READ_BYTES);

/** Options that Node's types lack: the second is documented, the first is how its own servers make sockets. */
interface HandleOptions extends SocketConstructorOpts {
  readonly handle: unknown;
  readonly onread: OnReadOpts;
}

/**
 * The connection of `accepted`, which must have been accepted with `pauseOnConnect` and is no more to be used, as a
 * socket that hands what it reads to `onData`. It emits no 'data'.
 */
export function lendReads(accepted: Socket, onData: (chunk: Buffer) => void): Socket {
  const inner = accepted as unknown as { _handle: unknown };
  const handle = inner._handle;
  inner._handle = null;
  const options: HandleOptions = {
    handle,
    onread: {
      buffer: memory,
      callback: (bytes) => {
        onData(memory.subarray(0, bytes));
        return true;
      },
    },
  };
  const socket = new Socket(options);
  // The server counts the one that it made.
  socket.once('close', () => accepted.destroy());
  return socket;
}
