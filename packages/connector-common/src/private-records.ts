// Records that a task keeps for itself beside its offsets, in the worker's offsets topic: what it must remember and
// Debezium's offset map has no place for.
import type { CommittedOffset, OffsetMap, SourceBatch, SourcePartition } from '@millrace/connect-api';

interface Kept {
  readonly partition: SourcePartition;
  readonly offset: OffsetMap;
  readonly stored: () => void;
}

/** Hands such records to `poll` and learns from `commit` that they are stored. */
export class PrivateRecords {
  readonly #wake: () => void;
  #waiting: Kept[] = [];
  #handedOut: Kept[] = [];

  /** `wake` makes a `poll` that waits come back. */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Resolves once `offset` is durable under a private `partition`. */
  keep(partition: SourcePartition, offset: OffsetMap): Promise<void> {
    return new Promise((stored) => {
      this.#waiting.push({ partition, offset, stored });
      this.#wake();
    });
  }

  /** The next batch with one of them; undefined when there is none. Somebody waits for it to be stored. */
  take(): SourceBatch | undefined {
    const next = this.#waiting.shift();
    if (next === undefined) return undefined;
    this.#handedOut.push(next);
    return { records: [], position: { partition: next.partition, offset: next.offset }, urgent: true };
  }

  /** Told of what is durable now; a newer record of the same partition stands for the older ones. */
  stored(offsets: readonly CommittedOffset[]): void {
    if (this.#handedOut.length === 0) return;
    const partitions = new Set(offsets.map(({ partition }) => JSON.stringify(partition)));
    const isStored = ({ partition }: Kept): boolean => partitions.has(JSON.stringify(partition));
    const done = this.#handedOut.filter(isStored);
    this.#handedOut = this.#handedOut.filter((kept) => !isStored(kept));
    for (const { stored } of done) stored();
  }
}
