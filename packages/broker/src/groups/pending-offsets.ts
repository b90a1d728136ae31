// Offsets that were committed in transactions which have not ended yet: stored, and shown to nobody. The marker in
// the topic of offsets makes them count, or drops them.
import type { OffsetRecord } from './records.ts';

/** Where a batch lies in the topic of offsets. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

interface PendingOffset {
  readonly record: OffsetRecord;
  readonly at: Place;
}

export class PendingOffsets {
  /** By producer id, in the order they were stored. */
  readonly #byProducer = new Map<number, PendingOffset[]>();
  /** Group -> `topic-partition` -> how many are pending. */
  readonly #counts = new Map<string, Map<string, number>>();

  /** Takes offsets whose records lie there. */
  add(producerId: number, records: readonly OffsetRecord[], at: Place): void {
    const pending = this.#byProducer.get(producerId) ?? [];
    this.#byProducer.set(producerId, pending);
    for (const record of records) {
      pending.push({ record, at });
      this.#count(record, 1);
    }
  }

  /** Takes back what was added for `at`: it could not be stored. */
  withdraw(producerId: number, { partition, offset }: Place): void {
    this.#remove(producerId, ({ at }) => at.partition === partition && at.offset === offset);
  }

  /** The offsets of a producer's transaction whose marker lies there; they are not pending any more. */
  take(producerId: number, marker: Place): readonly PendingOffset[] {
    // Each partition has a marker of its own.
    return this.#remove(
      producerId,
      ({ at }) => at.partition === marker.partition && at.offset < marker.offset,
    );
  }

  /** A group was deleted: what was pending for it comes to nothing. */
  drop(group: string): void {
    if (!this.hasAny(group)) return;
    for (const producerId of this.#byProducer.keys()) {
      this.#remove(producerId, ({ record }) => record.group === group);
    }
  }

  /** Whether a transaction may still change any offset of a group. */
  hasAny(group: string): boolean {
    return this.#counts.has(group);
  }

  /** Whether a transaction may still change this offset. */
  has(group: string, topic: string, partition: number): boolean {
    return this.#counts.get(group)?.has(`${topic}-${partition}`) ?? false;
  }

  #remove(producerId: number, isMeant: (pending: PendingOffset) => boolean): readonly PendingOffset[] {
    const pending = this.#byProducer.get(producerId) ?? [];
    const removed = pending.filter(isMeant);
    const kept = pending.filter((one) => !isMeant(one));
    if (kept.length > 0) this.#byProducer.set(producerId, kept);
    else this.#byProducer.delete(producerId);
    for (const { record } of removed) this.#count(record, -1);
    return removed;
  }

  #count({ group, topic, partition }: OffsetRecord, change: number): void {
    const counts = this.#counts.get(group) ?? new Map<string, number>();
    const key = `${topic}-${partition}`;
    const count = (counts.get(key) ?? 0) + change;
    if (count > 0) counts.set(key, count);
    else counts.delete(key);
    if (counts.size > 0) this.#counts.set(group, counts);
    else this.#counts.delete(group);
  }
}
