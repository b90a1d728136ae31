// Which source offsets may be committed: the last one of each source partition before which nothing is still
// unacknowledged. A ring over sequence numbers; no object, closure or lookup per record.
import type { OffsetMap, SourceOffset, SourcePartition } from '@millrace/connect-api';
import { offsetMapOf } from '@millrace/connect-api';
import { SourcePartitions } from './source-partitions.ts';

const FREE = 0;
const PENDING = 1;
const ACKED = 2;

/** A power of two, as every capacity is: positions in the ring are the low bits of sequence numbers. */
const INITIAL_CAPACITY = 256;

/** An offset whose records, and all before them in their source partition, are durable. */
export interface CommittableOffset {
  readonly partition: SourcePartition;
  readonly offset: OffsetMap;
}

/** Where a sender notes its records. */
export interface RecordLedger {
  /** Asks the sender to wait. */
  readonly full: boolean;
  /** The index of a source partition, to submit with. Equal content is the same partition. */
  partitionIndex(partition: SourcePartition): number;
  /** Adds a record; its sequence number is the token to acknowledge. */
  submit(partitionIndex: number, offset: SourceOffset): number;
  /** The record of that sequence number is durable, or was dropped on purpose. */
  acknowledge(sequence: number): void;
  /** Takes back the newest record, whose append was refused and will be tried again. */
  removeLast(sequence: number): void;
}

/**
 * Records in the order they were submitted. `submit` gives a sequence number, `acknowledge` takes it back in any
 * order, `takeCommittable` collects what may be stored. `full` asks the caller to wait: the ring is bounded.
 */
export class SubmittedRecords implements RecordLedger {
  readonly #maxEntries: number;
  #capacity = INITIAL_CAPACITY;
  #states = new Uint8Array(INITIAL_CAPACITY);
  #partitions = new Int32Array(INITIAL_CAPACITY);
  #offsets: (SourceOffset | null)[] = new Array<SourceOffset | null>(INITIAL_CAPACITY).fill(null);
  /** Sequence numbers: everything before `#head` is free, `#tail` is the next to be given. */
  #head = 0;
  #tail = 0;
  #pending = 0;
  /** By partition index: the newest offset that may be stored, since the last `takeCommittable`. */
  readonly #committable = new Map<number, SourceOffset>();
  readonly #sources = new SourcePartitions();

  constructor(maxEntries: number = 1 << 20) {
    this.#maxEntries = maxEntries;
  }

  /** Records that were submitted and not acknowledged. */
  get pending(): number {
    return this.#pending;
  }

  /** Whether nothing is left: every record is acknowledged, and `takeCommittable` would give nothing. */
  get isEmpty(): boolean {
    return this.#head === this.#tail && this.#committable.size === 0;
  }

  /** Whether the ring has as many entries as it may; wait for acknowledgements and take the committable ones. */
  get full(): boolean {
    return this.#tail - this.#head >= this.#maxEntries;
  }

  partitionIndex(partition: SourcePartition): number {
    return this.#sources.indexOf(partition);
  }

  submit(partitionIndex: number, offset: SourceOffset): number {
    if (this.#tail - this.#head === this.#capacity) this.#grow();
    const sequence = this.#tail++;
    const at = sequence & (this.#capacity - 1);
    this.#states[at] = PENDING;
    this.#partitions[at] = partitionIndex;
    this.#offsets[at] = offset;
    this.#pending++;
    return sequence;
  }

  /** Where the record of a sequence number is in the source; undefined once that is acknowledged. */
  positionOf(sequence: number): { partition: SourcePartition; offset: SourceOffset } | undefined {
    if (sequence < this.#head || sequence >= this.#tail) return undefined;
    const at = sequence & (this.#capacity - 1);
    const partition = this.#sources.at(this.#partitions[at] ?? -1);
    const offset = this.#offsets[at];
    return partition && offset ? { partition, offset } : undefined;
  }

  acknowledge(sequence: number): void {
    const at = sequence & (this.#capacity - 1);
    if (sequence < this.#head || sequence >= this.#tail || this.#states[at] !== PENDING) return;
    this.#states[at] = ACKED;
    this.#pending--;
    if (sequence === this.#head) this.#release();
  }

  /** The records of these sequence numbers are durable. */
  acknowledgeAll(sequences: readonly number[]): void {
    const mask = this.#capacity - 1;
    for (let i = 0; i < sequences.length; i++) {
      const sequence = sequences[i] as number;
      const at = sequence & mask;
      if (sequence < this.#head || sequence >= this.#tail || this.#states[at] !== PENDING) continue;
      this.#states[at] = ACKED;
      this.#pending--;
    }
    this.#release();
  }

  /** Lets go of everything before the oldest unacknowledged record, so that offsets live no longer than they must. */
  #release(): void {
    const states = this.#states;
    const mask = this.#capacity - 1;
    let newest: SourceOffset | null = null;
    let partition = -1;
    let head = this.#head;
    for (; head < this.#tail; head++) {
      const at = head & mask;
      if (states[at] === PENDING) break;
      const offset = states[at] === ACKED ? (this.#offsets[at] ?? null) : null;
      states[at] = FREE;
      this.#offsets[at] = null;
      if (offset === null) continue;
      const of = this.#partitions[at] as number;
      if (newest !== null && of !== partition) this.#committable.set(partition, newest);
      partition = of;
      newest = offset;
    }
    if (newest !== null) this.#committable.set(partition, newest);
    this.#head = head;
  }

  /** Takes an acknowledged entry out from behind unacknowledged ones of other partitions; its offset may be stored. */
  #free(at: number): void {
    const offset = this.#offsets[at];
    if (offset !== null && offset !== undefined) this.#committable.set(this.#partitions[at] ?? 0, offset);
    this.#states[at] = FREE;
    this.#offsets[at] = null;
  }

  removeLast(sequence: number): void {
    if (sequence !== this.#tail - 1) throw new Error('only the newest record can be taken back');
    const at = sequence & (this.#capacity - 1);
    if (this.#states[at] === PENDING) this.#pending--;
    this.#states[at] = FREE;
    this.#offsets[at] = null;
    this.#tail--;
  }

  /**
   * The newest committable offset of each source partition since the last call, in no particular order; frees what it
   * covers.
   */
  takeCommittable(): CommittableOffset[] {
    const blocked = new Set<number>();
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const at = sequence & (this.#capacity - 1);
      const state = this.#states[at];
      if (state === FREE) continue;
      const partition = this.#partitions[at] ?? 0;
      if (state === PENDING) {
        // INV-1: the oldest unacknowledged record of a source partition bounds what may be committed for it.
        blocked.add(partition);
        if (blocked.size === this.#sources.count) break;
      } else if (!blocked.has(partition)) this.#free(at);
    }
    this.#release();
    const newest = [...this.#committable];
    this.#committable.clear();
    return newest.flatMap(([index, offset]) => {
      const partition = this.#sources.at(index);
      return partition ? [{ partition, offset: offsetMapOf(offset) }] : [];
    });
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    const states = new Uint8Array(capacity);
    const partitions = new Int32Array(capacity);
    const offsets = new Array<SourceOffset | null>(capacity).fill(null);
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const from = sequence & (this.#capacity - 1);
      const to = sequence & (capacity - 1);
      states[to] = this.#states[from] ?? FREE;
      partitions[to] = this.#partitions[from] ?? 0;
      offsets[to] = this.#offsets[from] ?? null;
    }
    this.#capacity = capacity;
    this.#states = states;
    this.#partitions = partitions;
    this.#offsets = offsets;
  }
}
