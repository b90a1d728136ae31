// The aborted transactions of one segment, in the order of their markers: Kafka's `.txnindex`. Entries of 34 bytes:
//
//   version int16 = 0, producerId int64, firstOffset int64, lastOffset int64 (the marker), lastStableOffset int64
//
// Kept as bytes, since most logs have none and a few have very many.
import type { Segment } from './segment.ts';

const ENTRY_SIZE = 34;

/** A transaction that was aborted. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the marker. */
  readonly lastOffset: number;
  /** First offset of the oldest transaction that was still open then, else the one behind the marker. */
  readonly lastStableOffset: number;
}

export class TransactionIndex {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  /** Takes the bytes of a file; undefined when they are no rising sequence of entries. */
  static parse(bytes: Buffer): TransactionIndex | undefined {
    if (bytes.length % ENTRY_SIZE !== 0) return undefined;
    const index = new TransactionIndex();
    index.#bytes = bytes;
    index.#length = bytes.length;
    let previous = -1;
    for (let at = 0; at < bytes.length; at += ENTRY_SIZE) {
      const { firstOffset, lastOffset } = index.#entry(at);
      if (bytes.readInt16BE(at) !== 0 || firstOffset > lastOffset || lastOffset <= previous) return undefined;
      previous = lastOffset;
    }
    return index;
  }

  get sizeInBytes(): number {
    return this.#length;
  }

  append(entry: AbortedTransaction): void {
    const at = this.#length;
    if (at + ENTRY_SIZE > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(8 * ENTRY_SIZE, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    const bytes = this.#bytes;
    bytes.writeInt16BE(0, at);
    bytes.writeBigInt64BE(BigInt(entry.producerId), at + 2);
    bytes.writeBigInt64BE(BigInt(entry.firstOffset), at + 10);
    bytes.writeBigInt64BE(BigInt(entry.lastOffset), at + 18);
    bytes.writeBigInt64BE(BigInt(entry.lastStableOffset), at + 26);
    this.#length = at + ENTRY_SIZE;
  }

  *entries(): Generator<AbortedTransaction> {
    for (let at = 0; at < this.#length; at += ENTRY_SIZE) yield this.#entry(at);
  }

  /** Drops the entries whose marker lies at or behind `offset`. */
  truncate(offset: number): void {
    while (this.#length > 0 && this.#entry(this.#length - ENTRY_SIZE).lastOffset >= offset) {
      this.#length -= ENTRY_SIZE;
    }
  }

  toBytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #entry(at: number): AbortedTransaction {
    const bytes = this.#bytes;
    return {
      producerId: Number(bytes.readBigInt64BE(at + 2)),
      firstOffset: Number(bytes.readBigInt64BE(at + 10)),
      lastOffset: Number(bytes.readBigInt64BE(at + 18)),
      lastStableOffset: Number(bytes.readBigInt64BE(at + 26)),
    };
  }
}

/** The aborted transactions with records at or behind `from` and below `to`; `segments` from the one of `from` on. */
export function abortedIn(segments: readonly Segment[], from: number, to: number): AbortedTransaction[] {
  const aborted: AbortedTransaction[] = [];
  for (const segment of segments) {
    for (const entry of segment.transactions.entries()) {
      if (entry.lastOffset >= from && entry.firstOffset < to) aborted.push(entry);
      // Every transaction that began below the stable offset of then has ended: later entries lie above.
      if (entry.lastStableOffset >= to) return aborted;
    }
  }
  return aborted;
}
