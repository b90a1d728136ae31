// Memory for request frames, used again and again: fresh memory for every frame costs more than what is done with it, in
// page faults and in full garbage collections. Sizes are powers of two; what is held idle is bounded. Small frames are cut
// from Node's own pool of memory for small buffers.

import { largeBuffer } from '@millrace/foundation';

const SMALLEST = 1 << 13;
const LARGEST = 1 << 24;

export class FramePool {
  readonly #maxIdleBytes: number;
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** A buffer of exactly `length` bytes with any content. */
  take(length: number): Buffer {
    if (length <= SMALLEST / 2) return Buffer.allocUnsafe(length);
    if (length > LARGEST) return largeBuffer(length);
    const size = 1 << (32 - Math.clz32(length - 1));
    const buffer = this.#idle.get(size)?.pop();
    if (!buffer) return Buffer.allocUnsafeSlow(size).subarray(0, length);
    this.#idleBytes -= size;
    return buffer.subarray(0, length);
  }

  /** Takes a frame back that nobody refers to any more. Frames from elsewhere are left to the garbage collector. */
  give(frame: Buffer): void {
    const { buffer } = frame;
    const size = buffer.byteLength;
    const isPooled =
      frame.byteOffset === 0 && size >= SMALLEST && size <= LARGEST && (size & (size - 1)) === 0;
    // A small frame at the start of Node's pool is no more than half as long as that.
    if (!isPooled || frame.length <= size / 2 || this.#idleBytes + size > this.#maxIdleBytes) return;
    const idle = this.#idle.get(size) ?? [];
    idle.push(Buffer.from(buffer));
    this.#idle.set(size, idle);
    this.#idleBytes += size;
  }
}
