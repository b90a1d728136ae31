// Cuts a byte stream into Kafka's frames: 4 bytes of length, big-endian, then that many bytes. Memory is asked for
// once per frame, and only after its length was found acceptable.

export interface FrameReaderOptions {
  readonly minBytes: number;
  /** Asked for each frame where it may change, such as once a peer has shown who it is. */
  readonly maxBytes: number | (() => number);
  /** Memory for a frame that comes in several pieces; fresh by default. */
  readonly allocate?: (length: number) => Buffer;
  /** The chunks are used again once `push` returns: every frame is a copy. */
  readonly lent?: boolean;
  /** The error for a length outside the limits. */
  readonly refuse: (length: number) => Error;
}

/** Gathers frames from the chunks of one stream. */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #allocate: (length: number) => Buffer;
  readonly #lent: boolean;
  readonly #head: Buffer = Buffer.alloc(4);
  #headFilled = 0;
  #frame: Buffer | undefined;
  #filled = 0;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
    this.#allocate = options.allocate ?? ((length) => Buffer.allocUnsafeSlow(length));
    this.#lent = options.lent ?? false;
  }

  /**
   * Takes the next bytes of the stream and hands out each frame they complete, without its length. Frames that lie whole in
   * `chunk` are slices of it, unless chunks are lent.
   *
   * @throws what `refuse` makes of a length outside the limits
   */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame) {
        const count = chunk.copy(this.#frame, this.#filled, at);
        at += count;
        this.filled(count, onFrame);
        continue;
      }
      if (this.#headFilled === 0 && chunk.length - at >= 4) {
        const length = this.#checked(chunk.readInt32BE(at));
        const end = at + 4 + length;
        if (end <= chunk.length) {
          onFrame(this.#lent ? this.#copyOf(chunk, at + 4, length) : chunk.subarray(at + 4, end));
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

  /**
   * Where the rest of a long frame may be read to at once, instead of being copied there from a chunk; `filled` says how
   * much of it was. Undefined when less than `atLeast` bytes of a frame are to come.
   */
  space(atLeast: number): Buffer | undefined {
    const frame = this.#frame;
    if (frame === undefined || frame.length - this.#filled < atLeast) return undefined;
    return frame.subarray(this.#filled);
  }

  /** So many more bytes of the frame are there; hands it out when they complete it. */
  filled(count: number, onFrame: (frame: Buffer) => void): void {
    const frame = this.#frame;
    if (frame === undefined) return;
    this.#filled += count;
    if (this.#filled < frame.length) return;
    this.#frame = undefined;
    onFrame(frame);
  }

  #copyOf(chunk: Buffer, at: number, length: number): Buffer {
    const frame = this.#allocate(length);
    chunk.copy(frame, 0, at, at + length);
    return frame;
  }

  #start(length: number): void {
    this.#frame = this.#allocate(length);
    this.#filled = 0;
  }

  #checked(length: number): number {
    const { minBytes, maxBytes, refuse } = this.#options;
    const most = typeof maxBytes === 'number' ? maxBytes : maxBytes();
    if (length < minBytes || length > most) throw refuse(length);
    return length;
  }
}
