// The source offsets that go with a transaction: the last one of each source partition whose record was appended or
// dropped. Nothing is waited for here, since records and offsets become visible together or not at all.
import { offsetMapOf, type SourceOffset, type SourcePartition } from '@millrace/connect-api';
import { SourcePartitions } from './source-partitions.ts';
import type { CommittableOffset, RecordLedger } from './submitted-records.ts';

export class TransactionOffsets implements RecordLedger {
  readonly full = false;
  readonly #partitions = new SourcePartitions();
  /** By partition index; undefined where nothing has come since the last `take`. */
  #latest: (SourceOffset | undefined)[] = [];
  /** What the newest record has replaced, for its append may be refused. */
  #replaced: SourceOffset | undefined;
  #lastIndex = 0;
  #count = 0;

  /** Records since the last `take`. */
  get count(): number {
    return this.#count;
  }
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  partitionIndex(partition: SourcePartition): number {
    return this.#partitions.indexOf(partition);
  }

  submit(partitionIndex: number, offset: SourceOffset): number {
    this.#lastIndex = partitionIndex;
    this.#replaced = this.#latest[partitionIndex];
    this.#latest[partitionIndex] = offset;
    return this.#count++;
  }

  acknowledge(): void {
    // The end of the transaction acknowledges all of it.
  }

  removeLast(): void {
    // INV-3: an offset never goes ahead of a record that was not appended.
    this.#latest[this.#lastIndex] = this.#replaced;
    this.#count--;
  }

  /** What is to be stored with the transaction that ends now. */
  take(): CommittableOffset[] {
    const latest = this.#latest;
    this.#latest = [];
    this.#count = 0;
    return latest.flatMap((offset, index) => {
      const partition = this.#partitions.at(index);
      return offset === undefined || partition === undefined
        ? []
        : [{ partition, offset: offsetMapOf(offset) }];
    });
  }
}
