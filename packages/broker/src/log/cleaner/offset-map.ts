// The newest offset of each key, in memory of a fixed size: 128 bits of the key's SHA-256 and the offset, 24 bytes a
// slot, open addressing. Two keys with the same 128 bits would be taken for one; nobody can find such a pair.
import { hash } from 'node:crypto';

/** Bytes of one key. */
export const SLOT_BYTES = 24;
const WORDS = 4;

export class OffsetMap {
  /** Keys that fit. */
  readonly capacity: number;
  readonly #slots: number;
  readonly #hashes: Int32Array;
  /** Offset + 1 of each slot; 0 is empty. */
  readonly #offsets: Float64Array;
  readonly #probe = new Int32Array(WORDS);
  #size = 0;
  #latestOffset = -1;

  /** Of `maxBytes` no more is taken than `keys` need, at slots filled up to `loadFactor`. */
  constructor(keys: number, maxBytes: number, loadFactor: number) {
    const most = Math.floor(maxBytes / SLOT_BYTES);
    this.#slots = Math.max(16, Math.min(most, Math.ceil(keys / loadFactor) + 1));
    this.capacity = Math.max(1, Math.min(this.#slots - 1, Math.floor(this.#slots * loadFactor)));
    this.#hashes = new Int32Array(this.#slots * WORDS);
    this.#offsets = new Float64Array(this.#slots);
  }

  get size(): number {
    return this.#size;
  }
  /** Last offset that was looked at, also of records that have no entry; -1 before the first. */
  get latestOffset(): number {
    return this.#latestOffset;
  }

  /** Notes the offset of a key, which must be above all noted before. The map must have room. */
  put(key: Buffer, offset: number): void {
    const slot = this.#find(key);
    if (this.#offsets[slot] === 0) {
      this.#size++;
      this.#hashes.set(this.#probe, slot * WORDS);
    }
    this.#offsets[slot] = offset + 1;
    this.#latestOffset = offset;
  }

  /** Newest offset of a key; -1 when it has none. */
  get(key: Buffer): number {
    return (this.#offsets[this.#find(key)] ?? 0) - 1;
  }

  /** Notes that everything up to `offset` was looked at. */
  passed(offset: number): void {
    this.#latestOffset = offset;
  }

  /** The slot of a key, or the empty one where it belongs; its hash is in `#probe`. */
  #find(key: Buffer): number {
    const digest = hash('sha256', key, 'buffer');
    const probe = this.#probe;
    for (let word = 0; word < WORDS; word++) probe[word] = digest.readInt32LE(word * 4);
    let slot = ((probe[0] as number) >>> 0) % this.#slots;
    while (this.#offsets[slot] !== 0) {
      const at = slot * WORDS;
      const hashes = this.#hashes;
      if (
        hashes[at] === probe[0] &&
        hashes[at + 1] === probe[1] &&
        hashes[at + 2] === probe[2] &&
        hashes[at + 3] === probe[3]
      ) {
        return slot;
      }
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
    return slot;
  }
}
