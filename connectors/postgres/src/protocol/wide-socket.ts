// A socket that reads much at a time. Node's own reads take 64 KB at most, and what is done once a read, in Node and by
// us, costs as much as some hundred rows.
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Memory that reads share: a read takes what the one before has left of it. */
const SLAB_BYTES = 256 * 1024;
/** Where less is left, the next slab begins. */
const SHORTEST_READ = 64 * 1024;

/**
 * A socket that is not connected yet and hands out reads of up to 256 KB as `data`. Their memory is never written again,
 * so rows may point into it.
 */
export function wideSocket(): Socket {
  let slab = new Uint8Array(0);
  let used = 0;
  const options: SocketConstructorOpts & ConnectOpts = {
    onread: {
      buffer: () => {
        if (slab.length - used < SHORTEST_READ) {
          slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
          used = 0;
        }
        return slab.subarray(used);
      },
      callback: (length, memory) => {
        used += length;
        socket.emit('data', Buffer.from(memory.buffer, memory.byteOffset, length));
        return true;
      },
    },
  };
  const socket: Socket = new Socket(options);
  return socket;
}
