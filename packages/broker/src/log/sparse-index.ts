// Kafka's sparse indexes of a segment, held in memory in the very bytes of their files.
//
//   .index      8 bytes an entry: last offset of a batch - base offset (int32), position of that batch (int32)
//   .timeindex 12 bytes an entry: largest timestamp so far (int64), its offset - base offset (int32)
//
// All big-endian, both columns rising. Entries filled with zeros are the preallocated rest of a file that was not
// closed, and end it.

const OFFSET_ENTRY = 8;
const TIME_ENTRY = 12;

/** Growing bytes of fixed-size entries. */
class EntryBuffer {
  bytes: Buffer;
  length: number;

  constructor(bytes: Buffer, length: number) {
    this.bytes = bytes;
    this.length = length;
  }

  /** Makes room for one entry and returns where it starts. */
  grow(size: number): number {
    const at = this.length;
    if (at + size > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(64 * size, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    this.length = at + size;
    return at;
  }

  toBytes(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}

/** Finds the position of the batch from which a scan for an offset can start. */
export class OffsetIndex {
  readonly #entries: EntryBuffer;

  private constructor(entries: EntryBuffer) {
    this.#entries = entries;
  }

  static empty(): OffsetIndex {
    return new OffsetIndex(new EntryBuffer(Buffer.alloc(0), 0));
  }

  /** Takes the bytes of a file; undefined when they are no rising sequence of entries below `logSize`. */
  static parse(bytes: Buffer, logSize: number): OffsetIndex | undefined {
    let previousOffset = -1;
    let previousPosition = -1;
    let length = 0;
    for (; length + OFFSET_ENTRY <= bytes.length; length += OFFSET_ENTRY) {
      const offset = bytes.readInt32BE(length);
      const position = bytes.readInt32BE(length + 4);
      if (length > 0 && offset === 0 && position === 0) break;
      if (offset < 0 || offset <= previousOffset || position <= previousPosition || position >= logSize) {
        return undefined;
      }
      previousOffset = offset;
      previousPosition = position;
    }
    return new OffsetIndex(new EntryBuffer(bytes, length));
  }

  get count(): number {
    return this.#entries.length / OFFSET_ENTRY;
  }

  append(relativeOffset: number, position: number): void {
    const at = this.#entries.grow(OFFSET_ENTRY);
    this.#entries.bytes.writeInt32BE(relativeOffset, at);
    this.#entries.bytes.writeInt32BE(position, at + 4);
  }

  /** Position of the last indexed batch that ends at or before `relativeOffset`; 0 when there is none. */
  lookup(relativeOffset: number): number {
    const { bytes, length } = this.#entries;
    let low = 0;
    let high = length / OFFSET_ENTRY;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bytes.readInt32BE(middle * OFFSET_ENTRY) <= relativeOffset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : bytes.readInt32BE((low - 1) * OFFSET_ENTRY + 4);
  }

  /** Drops the entries of batches at or behind `logSize`. */
  truncate(logSize: number): void {
    const entries = this.#entries;
    while (entries.length > 0 && entries.bytes.readInt32BE(entries.length - 4) >= logSize) {
      entries.length -= OFFSET_ENTRY;
    }
  }

  toBytes(): Buffer {
    return this.#entries.toBytes();
  }
}

/** Finds the offset from which a scan for a timestamp can start. */
export class TimeIndex {
  readonly #entries: EntryBuffer;

  private constructor(entries: EntryBuffer) {
    this.#entries = entries;
  }

  static empty(): TimeIndex {
    return new TimeIndex(new EntryBuffer(Buffer.alloc(0), 0));
  }

  /** Takes the bytes of a file; undefined when they are no rising sequence of entries. */
  static parse(bytes: Buffer): TimeIndex | undefined {
    let previousTime = Number.NEGATIVE_INFINITY;
    let previousOffset = -1;
    let length = 0;
    for (; length + TIME_ENTRY <= bytes.length; length += TIME_ENTRY) {
      const time = readInt64(bytes, length);
      const offset = bytes.readInt32BE(length + 8);
      if (length > 0 && time === 0 && offset === 0) break;
      if (offset < 0 || offset < previousOffset || time < previousTime) return undefined;
      previousTime = time;
      previousOffset = offset;
    }
    return new TimeIndex(new EntryBuffer(bytes, length));
  }

  get count(): number {
    return this.#entries.length / TIME_ENTRY;
  }

  /** Adds an entry when both columns rise; a repeated or older timestamp is left out. */
  append(timestamp: number, relativeOffset: number): void {
    const last = this.last();
    if (last && (timestamp <= last.timestamp || relativeOffset < last.relativeOffset)) return;
    const at = this.#entries.grow(TIME_ENTRY);
    this.#entries.bytes.writeBigInt64BE(BigInt(timestamp), at);
    this.#entries.bytes.writeInt32BE(relativeOffset, at + 8);
  }

  last(): { timestamp: number; relativeOffset: number } | undefined {
    const { bytes, length } = this.#entries;
    if (length === 0) return undefined;
    return {
      timestamp: readInt64(bytes, length - TIME_ENTRY),
      relativeOffset: bytes.readInt32BE(length - 4),
    };
  }

  /** Relative offset of the last entry whose timestamp is below `timestamp`; 0 when there is none. */
  lookup(timestamp: number): number {
    const { bytes, length } = this.#entries;
    let low = 0;
    let high = length / TIME_ENTRY;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (readInt64(bytes, middle * TIME_ENTRY) < timestamp) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : bytes.readInt32BE((low - 1) * TIME_ENTRY + 8);
  }

  /** Drops the entries at or above `relativeOffset`. */
  truncate(relativeOffset: number): void {
    const entries = this.#entries;
    while (entries.length > 0 && entries.bytes.readInt32BE(entries.length - 4) >= relativeOffset) {
      entries.length -= TIME_ENTRY;
    }
  }

  toBytes(): Buffer {
    return this.#entries.toBytes();
  }
}

function readInt64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigInt64BE(at));
}
