// One record batch of the producer, from the first append to its acknowledgement.

import type { MillraceError } from '@millrace/foundation';
import {
  type BatchBuilder,
  type Compression,
  type KafkaRecord,
  readRecords,
  resealBatch,
  simpleBatch,
  writeBatchCrc,
} from '@millrace/kafka-protocol';

/** `open`: takes records; `closed`: waits to be sent; the others: was sent at least once. */
export type BatchStatus = 'open' | 'closed' | 'inFlight' | 'retry' | 'refused' | 'split';

/** Something that waits until a set of batches is done. */
export interface BatchWaiter {
  remaining: number;
  readonly done: () => void;
}

/** Who writes: as the broker's dedup window knows it. Id -1 without idempotence. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly epoch: number;
}

export class ProducerBatch {
  status: BatchStatus = 'open';
  readonly createdAtMs: number;
  /** One number a record, in order. Belongs to the callback once the batch is done. */
  readonly tokens: number[] = [];
  /** What the records count against the memory bound. */
  accountedBytes = 0;
  baseSequence = -1;
  attempts = 0;
  /** The error of a refused batch. */
  error: MillraceError | undefined;
  waiters: BatchWaiter[] | undefined;
  #builder: BatchBuilder | undefined;
  #bytes: Buffer | undefined;
  #hasChecksum = false;
  #count = 0;

  constructor(builder: BatchBuilder | undefined, nowMs: number) {
    this.#builder = builder;
    this.createdAtMs = nowMs;
  }

  /** The open builder. */
  get builder(): BatchBuilder {
    if (this.#builder) return this.#builder;
    throw new Error('the batch is sealed already');
  }
  get count(): number {
    return this.#builder?.count ?? this.#count;
  }
  get sizeInBytes(): number {
    return this.#bytes?.length ?? this.#builder?.sizeInBytes ?? 0;
  }
  /** The bytes to send. */
  get bytes(): Buffer {
    const bytes = this.unchecked;
    if (!this.#hasChecksum) writeBatchCrc(bytes, 0, bytes.length);
    this.#hasChecksum = true;
    return bytes;
  }
  /** The same, maybe without their checksum: of what is handed over the broker computes it. */
  get unchecked(): Buffer {
    if (this.#bytes) return this.#bytes;
    throw new Error('the batch is not sealed yet');
  }
  get isSealed(): boolean {
    return this.#bytes !== undefined;
  }

  /** Makes the bytes, or gives bytes that exist to another identity and sequence. Returns memory that is free now. */
  seal(
    identity: ProducerIdentity,
    baseSequence: number,
    { compression, transactional }: { readonly compression: Compression; readonly transactional: boolean },
  ): Buffer | undefined {
    const { producerId, epoch } = identity;
    this.baseSequence = baseSequence;
    if (this.#bytes) {
      resealBatch(this.#bytes, producerId, epoch, baseSequence);
      this.#hasChecksum = true;
      return undefined;
    }
    const builder = this.builder;
    this.#count = builder.count;
    const memory = builder.memory();
    this.#bytes = builder.close({
      compression,
      producerId,
      producerEpoch: epoch,
      baseSequence,
      transactional,
    });
    this.#builder = undefined;
    return this.#bytes.buffer === memory.buffer ? undefined : memory;
  }

  /** What the sealed batch holds; empty before. */
  records(): readonly KafkaRecord[] {
    return this.#bytes === undefined ? [] : readRecords(this.#bytes, 0);
  }

  /** Two batches with half of the records each; this one is not to be used afterwards. */
  split(compression: Compression): [ProducerBatch, ProducerBatch] {
    const records = readRecords(this.bytes, 0);
    const middle = records.length >> 1;
    const part = (from: number, to: number): ProducerBatch => {
      const batch = new ProducerBatch(undefined, this.createdAtMs);
      batch.#bytes = simpleBatch(records.slice(from, to), { compression });
      batch.#count = to - from;
      batch.status = 'retry';
      batch.accountedBytes = Math.round((this.accountedBytes * (to - from)) / records.length);
      for (let i = from; i < to; i++) batch.tokens.push(this.tokens[i] as number);
      if (this.waiters) {
        batch.waiters = [...this.waiters];
        for (const waiter of batch.waiters) waiter.remaining++;
      }
      return batch;
    };
    const halves: [ProducerBatch, ProducerBatch] = [part(0, middle), part(middle, records.length)];
    halves[1].accountedBytes = this.accountedBytes - halves[0].accountedBytes;
    this.finish();
    return halves;
  }

  /** Tells the waiters that this batch is done. */
  finish(): void {
    for (const waiter of this.waiters ?? []) {
      waiter.remaining--;
      if (waiter.remaining === 0) waiter.done();
    }
    this.waiters = undefined;
  }
}
