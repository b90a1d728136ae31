// The newest batches of all partitions, so that consumers that keep up cost no system call. Batches are copied into
// one ring of memory for the whole broker: the bound is exact, and the frames they came in are free at once. Reading
// copies out again, since an answer may wait in a socket longer than its bytes stay here.
import type { BatchHeader } from '@millrace/kafka-protocol';

interface CachedBatch {
  readonly tail: Tail;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly position: number;
  readonly size: number;
}

/** The cached end of one partition: contiguous batches. */
export class Tail {
  readonly #cache: TailCache;
  #batches: CachedBatch[] = [];
  #head = 0;
  /** Added since the last read. */
  #unreadBytes = 0;

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  /** Keeps a batch that was appended behind the last one, while somebody reads here. */
  add(header: BatchHeader, baseOffset: number, batch: Buffer): void {
    this.#unreadBytes += batch.length;
    // Whoever has left half of the ring unread does not keep up, or is not there: a copy would be for nobody.
    if (this.#unreadBytes > this.#cache.capacity / 2) {
      this.clear();
      return;
    }
    const position = this.#cache.copyIn(batch);
    if (position < 0) {
      this.clear();
      return;
    }
    const lastOffset = baseOffset + header.lastOffsetDelta;
    const cached = { tail: this, baseOffset, lastOffset, position, size: batch.length };
    this.#batches.push(cached);
    this.#cache.own(cached);
  }

  /**
   * Batches from the one that holds `offset` up to `limitOffset`, the last cut at `maxBytes`; undefined when
   * `offset` is not cached. The first is never cut: it is there whole when `atLeastOne`, or not at all.
   */
  read(offset: number, limitOffset: number, maxBytes: number, atLeastOne: boolean): Buffer | undefined {
    this.#unreadBytes = 0;
    const batches = this.#batches;
    const first = batches[this.#head];
    if (!first || offset < first.baseOffset) return undefined;
    const start = this.#search(offset);
    let size = 0;
    let end = start;
    for (; end < batches.length && size < maxBytes; end++) {
      const batch = batches[end];
      if (!batch || batch.lastOffset >= limitOffset) break;
      if (end === start && batch.size > maxBytes) {
        if (!atLeastOne) return EMPTY;
        return this.#cache.copyOut(batches, start, start + 1, batch.size);
      }
      size += batch.size;
    }
    return this.#cache.copyOut(batches, start, end, Math.min(size, maxBytes));
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

  /** The ring takes the memory of a batch back; every older one has gone before. */
  evict(batch: CachedBatch): void {
    this.dropBelow(batch.lastOffset + 1);
  }

  /** Forgets the batches that end before `offset`. */
  dropBelow(offset: number): void {
    while (this.#head < this.#batches.length && (this.#batches[this.#head]?.lastOffset ?? 0) < offset) {
      this.#head++;
    }
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

const EMPTY = Buffer.alloc(0);

/** The ring behind all tails. */
export class TailCache {
  /** Bytes in the ring. */
  readonly capacity: number;
  #memory: Buffer = EMPTY;
  /** Where the next batch goes. */
  #next = 0;
  /** What lies in the ring, oldest first. */
  #owned: CachedBatch[] = [];
  #head = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Copies a batch to where the oldest ones lay; -1 when it is too large to be worth their place. */
  copyIn(batch: Buffer): number {
    if (batch.length * 4 > this.capacity) return -1;
    if (this.#memory.length === 0) this.#memory = Buffer.allocUnsafeSlow(this.capacity);
    if (this.#next + batch.length > this.capacity) {
      this.#evictWithin(this.#next, this.capacity);
      this.#next = 0;
    }
    const position = this.#next;
    this.#next += batch.length;
    this.#evictWithin(position, this.#next);
    batch.copy(this.#memory, position);
    return position;
  }

  own(batch: CachedBatch): void {
    this.#owned.push(batch);
  }

  /** `size` bytes of `batches[start]` up to before `batches[end]`, in memory of their own. */
  copyOut(batches: readonly CachedBatch[], start: number, end: number, size: number): Buffer {
    if (size === 0) return EMPTY;
    const target = Buffer.allocUnsafeSlow(size);
    let at = 0;
    for (let index = start; index < end && at < size; index++) {
      const batch = batches[index];
      if (batch) at += this.#memory.copy(target, at, batch.position, batch.position + batch.size);
    }
    return target;
  }

  /** Evicts the oldest batches as long as they lie in this part of the ring. */
  #evictWithin(from: number, to: number): void {
    for (;;) {
      const oldest = this.#owned[this.#head];
      if (!oldest || oldest.position >= to || oldest.position + oldest.size <= from) break;
      this.#head++;
      oldest.tail.evict(oldest);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#owned.length) {
      this.#owned.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
