// Offsets that were committed in transactions which have not ended yet: stored, and shown to nobody. The marker in
// the topic of offsets makes them count, or drops them.
import type { OffsetRecord } from './records.ts';

export class PendingOffsets {
  /** By producer id, in the order they were stored. */
  readonly #byProducer = new Map<number, { readonly record: OffsetRecord; readonly at: number }[]>();

  /** Takes offsets whose records lie at `at` in the log. */
  add(producerId: number, records: readonly OffsetRecord[], at: number): void {
    const pending = this.#byProducer.get(producerId) ?? [];
    for (const record of records) pending.push({ record, at });
    this.#byProducer.set(producerId, pending);
  }

  /** Takes back what was added for `at`: it could not be stored. */
  withdraw(producerId: number, at: number): void {
    this.#keep(producerId, (pendingAt) => pendingAt !== at);
  }

  /** The offsets of a producer's transaction whose marker lies at `markerOffset`; they are not pending any more. */
  take(producerId: number, markerOffset: number): { readonly record: OffsetRecord; readonly at: number }[] {
    const pending = this.#byProducer.get(producerId) ?? [];
    this.#keep(producerId, (at) => at > markerOffset);
    return pending.filter(({ at }) => at < markerOffset);
  }

  /** Whether a transaction may still change this offset; without a topic, any offset of the group. */
  has(group: string, topic?: string, partition?: number): boolean {
    for (const pending of this.#byProducer.values()) {
      for (const { record } of pending) {
        if (record.group !== group) continue;
        if (topic === undefined || (record.topic === topic && record.partition === partition)) return true;
      }
    }
    return false;
  }

  #keep(producerId: number, keep: (at: number) => boolean): void {
    const kept = (this.#byProducer.get(producerId) ?? []).filter(({ at }) => keep(at));
    if (kept.length > 0) this.#byProducer.set(producerId, kept);
    else this.#byProducer.delete(producerId);
  }
}
