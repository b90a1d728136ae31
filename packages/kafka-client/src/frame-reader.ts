// Cuts a byte stream into Kafka frames: a 4-byte length and that many bytes. Frames that lie whole in a chunk are
// slices of it; others are gathered in one allocation, made only after the length was checked.
import { clientError } from './errors.ts';

/** Gathers frames from chunks and hands each to a callback, without its length bytes. */
export class FrameReader {
  readonly #onFrame: (frame: Buffer) => void;
  readonly #maxBytes: number;
  readonly #head: Buffer = Buffer.alloc(4);
  #headBytes = 0;
  #frame: Buffer | undefined;
  #filled = 0;

  constructor(maxBytes: number, onFrame: (frame: Buffer) => void) {
    this.#maxBytes = maxBytes;
    this.#onFrame = onFrame;
  }

  /** @throws kafka.refused when a frame is longer than allowed */
  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.#frame) {
        const size = Math.min(this.#frame.length - this.#filled, chunk.length - position);
        chunk.copy(this.#frame, this.#filled, position, position + size);
        this.#filled += size;
        position += size;
        if (this.#filled === this.#frame.length) this.#finish(this.#frame);
        continue;
      }
      const size = Math.min(4 - this.#headBytes, chunk.length - position);
      chunk.copy(this.#head, this.#headBytes, position, position + size);
      this.#headBytes += size;
      position += size;
      if (this.#headBytes < 4) return;
      const length = this.#checked(this.#head.readInt32BE(0));
      this.#headBytes = 0;
      if (length <= chunk.length - position) {
        const start = position;
        position += length;
        this.#onFrame(chunk.subarray(start, position));
      } else {
        this.#frame = Buffer.allocUnsafeSlow(length);
        this.#filled = 0;
      }
    }
  }

  #finish(frame: Buffer): void {
    this.#frame = undefined;
    this.#onFrame(frame);
  }

  #checked(length: number): number {
    if (length >= 4 && length <= this.#maxBytes) return length;
    throw clientError('kafka.refused', `A response of ${length} bytes is outside 4 to ${this.#maxBytes}.`, {
      context: { length },
    });
  }
}
