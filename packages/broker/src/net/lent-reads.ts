// Reads of all connections into one piece of memory. A socket as it comes allocates 64 KB outside the heap for every
// read, dead a moment later, which costs more than what is done with a small request: page faults, and collections
// because V8 sees memory outside its heap grow. Here the bytes are lent for as long as the reader takes them, and those of
// long requests are read to where they belong.
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Large enough that a batch of common size comes in one read. */
const READ_BYTES = 256 * 1024;
const memory = Buffer.allocUnsafeSlow(READ_BYTES);

/** Options that Node's types lack: the second is documented, the first is how its own servers make sockets. */
interface HandleOptions extends SocketConstructorOpts {
  readonly handle: unknown;
  readonly onread: OnReadOpts;
}

/** Who takes what is read. */
export interface Reader {
  /** The bytes are lent until this returns. */
  receive(chunk: Buffer): void;
  /** Memory of the reader's own for what comes next, asked for before each read; undefined to be lent some. */
  space(): Buffer | undefined;
  /** So many bytes came into that memory. */
  filled(bytes: number): void;
}

/**
 * The connection of `accepted`, which must have been accepted with `pauseOnConnect` and is no more to be used, as a
 * socket that hands what it reads to `reader`. It emits no 'data'.
 */
export function lendReads(accepted: Socket, reader: Reader): Socket {
  const inner = accepted as unknown as { _handle: unknown };
  const handle = inner._handle;
  inner._handle = null;
  let space: Buffer | undefined;
  const options: HandleOptions = {
    handle,
    onread: {
      buffer: () => {
        space = reader.space();
        return space ?? memory;
      },
      callback: (bytes) => {
        if (space === undefined) reader.receive(memory.subarray(0, bytes));
        else reader.filled(bytes);
        return true;
      },
    },
  };
  const socket = new Socket(options);
  // The server counts the one that it made.
  socket.once('close', () => accepted.destroy());
  return socket;
}
