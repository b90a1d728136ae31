// The newest batches of all partitions, so that consumers that keep up cost no system call. One bound in bytes for
// the whole broker; what was appended first goes first.
import type { BatchHeader } from '@millrace/kafka-protocol';

interface CachedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: Buffer;
}

/** The cached end of one partition: contiguous batches. */
export class Tail {
  readonly #cache: TailCache;
  #batches: CachedBatch[] = [];
  #head = 0;

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  /** Keeps a batch that was appended behind the last one. */
  add(header: BatchHeader, baseOffset: number, batch: Buffer): void {
    // A small slice must not keep the whole frame it came in alive.
    const bytes = batch.length * 2 >= batch.buffer.byteLength ? batch : Buffer.from(batch);
    this.#batches.push({ baseOffset, lastOffset: baseOffset + header.lastOffsetDelta, bytes });
    this.#cache.charge(this, bytes.length);
  }

  /**
   * Batches from the one that holds `offset` up to `limitOffset`, the last cut at `maxBytes`; undefined when
   * `offset` is not cached. The first is never cut: it is there whole when `atLeastOne`, or not at all.
   */
  read(offset: number, limitOffset: number, maxBytes: number, atLeastOne: boolean): Buffer[] | undefined {
    const batches = this.#batches;
    const first = batches[this.#head];
    if (!first || offset < first.baseOffset) return undefined;
    let index = this.#search(offset);
    const chunks: Buffer[] = [];
    let size = 0;
    for (; index < batches.length; index++) {
      const batch = batches[index];
      if (!batch || batch.lastOffset >= limitOffset) break;
      const { bytes } = batch;
      const left = maxBytes - size;
      if (bytes.length > left && !(atLeastOne && chunks.length === 0)) {
        if (chunks.length > 0 && left > 0) chunks.push(bytes.subarray(0, left));
        break;
      }
      chunks.push(bytes);
      size += bytes.length;
    }
    return chunks;
  }

  /** Drops what lies at or behind `offset`. */
  truncate(offset: number): void {
    while (this.#batches.length > this.#head && (this.#batches.at(-1)?.lastOffset ?? -1) >= offset) {
      this.#batches.pop();
    }
  }

  clear(): void {
    this.#batches = [];
    this.#head = 0;
  }

  /** Drops the oldest batch. */
  evictOldest(): void {
    if (this.#head >= this.#batches.length) return;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#batches.length) {
      this.#batches.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Index of the batch with `offset`, or of the first behind it. */
  #search(offset: number): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle]?.lastOffset ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface Charge {
  readonly tail: Tail;
  readonly size: number;
}

/** The bound over all tails. */
export class TailCache {
  readonly #maxBytes: number;
  #charges: Charge[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts a batch in and evicts the oldest ones, of whichever partition, until all fit. */
  charge(tail: Tail, size: number): void {
    this.#charges.push({ tail, size });
    this.#bytes += size;
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#charges[this.#head++];
      if (!oldest) break;
      this.#bytes -= oldest.size;
      oldest.tail.evictOldest();
    }
    if (this.#head > 1024 && this.#head * 2 > this.#charges.length) {
      this.#charges.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
