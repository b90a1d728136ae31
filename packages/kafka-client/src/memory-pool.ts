// Memory for batches, kept in power-of-two sizes up to a bound: fresh pages cost more than everything else the
// producer does with them.

const SMALLEST = 16 * 1024;

/** Lends buffers and takes them back. What it does not take back is garbage as usual. */
export class MemoryPool {
  readonly #maxBytes: number;
  readonly #free = new Map<number, Buffer[]>();
  #keptBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A buffer of at least `size` bytes, with whatever content. */
  take(size: number): Buffer {
    const capacity = capacityFor(size);
    const kept = this.#free.get(capacity)?.pop();
    if (!kept) return Buffer.allocUnsafeSlow(capacity);
    this.#keptBytes -= capacity;
    return kept;
  }

  /** Takes a buffer back; its owner must not touch it again. */
  give(memory: Buffer): void {
    const whole = Buffer.from(memory.buffer, 0, memory.buffer.byteLength);
    const capacity = whole.length;
    if (capacity !== capacityFor(capacity) || this.#keptBytes + capacity > this.#maxBytes) return;
    const list = this.#free.get(capacity);
    if (list) list.push(whole);
    else this.#free.set(capacity, [whole]);
    this.#keptBytes += capacity;
  }
}

function capacityFor(size: number): number {
  let capacity = SMALLEST;
  while (capacity < size) capacity *= 2;
  return capacity;
}
