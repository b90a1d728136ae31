// Where a sink task is in its partitions: what it was given, and what of that is committed.
import type { PartitionPosition, TopicPartition } from '@millrace/connect-api';
import { keyOf } from './sink-reading.ts';

export class SinkPositions {
  /** By partition: the offset after the last record the task took. */
  readonly delivered: Map<string, PartitionPosition> = new Map();
  readonly #committed = new Map<string, number>();
  /** Where a partition without a committed offset began. */
  readonly #firstTaken = new Map<string, number>();

  committed(place: TopicPartition): number | undefined {
    return this.#committed.get(keyOf(place));
  }

  /** The group has stored that offset. */
  commit(position: PartitionPosition): void {
    this.#committed.set(keyOf(position), position.offset);
  }

  /** The task took the records up to `position`, of which the first was at `firstOffset`. */
  deliver(position: PartitionPosition, firstOffset: number): void {
    const key = keyOf(position);
    this.delivered.set(key, position);
    if (!this.#committed.has(key) && !this.#firstTaken.has(key)) this.#firstTaken.set(key, firstOffset);
  }

  forget(place: TopicPartition): void {
    const key = keyOf(place);
    this.delivered.delete(key);
    this.#committed.delete(key);
    this.#firstTaken.delete(key);
  }

  /** Whether everything that was given is committed, of these positions. */
  allCommitted(positions: readonly PartitionPosition[]): boolean {
    return positions.every((position) => this.committed(position) === position.offset);
  }

  /** Records that the task was given and whose offsets are not committed. */
  uncommitted(): number {
    let count = 0;
    for (const [key, { offset }] of this.delivered) {
      const from = this.#committed.get(key) ?? this.#firstTaken.get(key);
      if (from !== undefined) count += Math.max(0, offset - from);
    }
    return count;
  }
}
