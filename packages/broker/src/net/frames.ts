// Cuts a byte stream into frames: 4 bytes of length, big-endian, then that many bytes. Memory is allocated once per
// frame, and only after its length was found acceptable.

import type { FramePool } from './frame-pool.ts';

/** The stream is no sequence of frames: a length is negative or above the limit. */
export class BadFrame extends Error {}

export class FrameReader {
  readonly #maxBytes: number;
  readonly #pool: FramePool;
  readonly #head: Buffer = Buffer.alloc(4);
  #headFilled = 0;
  #frame: Buffer | undefined;
  #filled = 0;

  constructor(maxBytes: number, pool: FramePool) {
    this.#maxBytes = maxBytes;
    this.#pool = pool;
  }

  /**
   * Takes the next bytes of the stream and hands out each frame they complete. Frames that lie whole in `chunk` are
   * slices of it.
   *
   * @throws BadFrame
   */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame) {
        const count = chunk.copy(this.#frame, this.#filled, at);
        this.#filled += count;
        at += count;
        if (this.#filled < this.#frame.length) return;
        const frame = this.#frame;
        this.#frame = undefined;
        onFrame(frame);
        continue;
      }
      if (this.#headFilled === 0 && chunk.length - at >= 4) {
        const length = this.#checked(chunk.readInt32BE(at));
        const end = at + 4 + length;
        if (end <= chunk.length) {
          onFrame(chunk.subarray(at + 4, end));
          at = end;
          continue;
        }
        at += 4;
        this.#start(length);
        continue;
      }
      this.#head[this.#headFilled++] = chunk[at++] as number;
      if (this.#headFilled < 4) continue;
      this.#headFilled = 0;
      const length = this.#checked(this.#head.readInt32BE(0));
      if (length === 0) onFrame(Buffer.alloc(0));
      else this.#start(length);
    }
  }

  #start(length: number): void {
    this.#frame = this.#pool.take(length);
    this.#filled = 0;
  }

  #checked(length: number): number {
    if (length < 0 || length > this.#maxBytes) throw new BadFrame(`a frame of ${length} bytes`);
    return length;
  }
}
