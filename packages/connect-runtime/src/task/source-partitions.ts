// The source partitions of a task, by a number: records carry the same object for the same partition, or equal ones.
import type { SourcePartition } from '@millrace/connect-api';

export class SourcePartitions {
  readonly #known: SourcePartition[] = [];
  readonly #byIdentity = new Map<SourcePartition, number>();
  readonly #byText = new Map<string, number>();

  get count(): number {
    return this.#known.length;
  }
  at(index: number): SourcePartition | undefined {
    return this.#known[index];
  }

  /** Equal content is the same partition. */
  indexOf(partition: SourcePartition): number {
    const known = this.#byIdentity.get(partition);
    if (known !== undefined) return known;
    const text = JSON.stringify(partition, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
    let index = this.#byText.get(text);
    if (index === undefined) {
      index = this.#known.length;
      this.#known.push(partition);
      this.#byText.set(text, index);
    }
    // Bounded: a connector that makes a new object per record costs a lookup by text, not memory.
    if (this.#byIdentity.size >= 10_000) this.#byIdentity.clear();
    this.#byIdentity.set(partition, index);
    return index;
  }
}
