// What a broker does with idempotent batches, in the smallest form: the oracle for the producer's tests.
import { batchCrcValid, readBatchHeader, readRecords } from '@millrace/kafka-protocol';

interface ProducerEntry {
  epoch: number;
  nextSequence: number;
  /** The last five batches, as Kafka keeps them. */
  readonly window: { firstSequence: number; count: number; baseOffset: number }[];
}

/** One partition's log: the values it holds, and Kafka's rules about sequence numbers. */
export class ModelLog {
  readonly values: string[] = [];
  readonly #producers = new Map<number, ProducerEntry>();

  /** Appends a batch; the answer is that of a Produce response. */
  append(batch: Buffer): { errorCode: number; baseOffset: number } {
    const header = readBatchHeader(batch, 0);
    if (!batchCrcValid(batch, 0, batch.length)) return { errorCode: 2, baseOffset: -1 };
    const { producerId, producerEpoch, baseSequence, recordCount } = header;
    const store = (): number => {
      const baseOffset = this.values.length;
      for (const { value } of readRecords(batch, 0, header)) this.values.push(String(value));
      return baseOffset;
    };
    if (producerId < 0) return { errorCode: 0, baseOffset: store() };
    let entry = this.#producers.get(producerId);
    if (entry && producerEpoch < entry.epoch) return { errorCode: 47, baseOffset: -1 };
    if (entry && producerEpoch > entry.epoch) {
      if (baseSequence !== 0) return { errorCode: 45, baseOffset: -1 };
      entry = undefined;
    }
    if (entry) {
      const repeat = entry.window.find((b) => b.firstSequence === baseSequence && b.count === recordCount);
      if (repeat) return { errorCode: 0, baseOffset: repeat.baseOffset };
      if (baseSequence !== entry.nextSequence) return { errorCode: 45, baseOffset: -1 };
    }
    entry ??= { epoch: producerEpoch, nextSequence: 0, window: [] };
    this.#producers.set(producerId, entry);
    const baseOffset = store();
    entry.nextSequence = (baseSequence + recordCount) % 2 ** 31;
    entry.window.push({ firstSequence: baseSequence, count: recordCount, baseOffset });
    if (entry.window.length > 5) entry.window.shift();
    return { errorCode: 0, baseOffset };
  }

  /** Forgets records and what is known of producers, as a disk that lied would. */
  loseTail(count: number): void {
    this.values.splice(this.values.length - count);
    for (const entry of this.#producers.values()) {
      const last = entry.window.pop();
      if (last) entry.nextSequence = last.firstSequence;
    }
  }
}
