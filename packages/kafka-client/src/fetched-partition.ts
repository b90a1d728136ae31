// The records of one partition in one Fetch response, decoded batch by batch as they are asked for. Pure. Control
// batches never come out; with read_committed neither do the records of aborted transactions.
import {
  BATCH_CONTROL,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  batchCrcValid,
  type Int64,
  type KafkaRecord,
  openRecords,
  type RecordReader,
  readBatchHeader,
  readRecords,
} from '@millrace/kafka-protocol';
import { clientError } from './errors.ts';

export type Isolation = 'read_committed' | 'read_uncommitted';

/** A transaction that was aborted, as a Fetch response lists it. */
export interface AbortedTransaction {
  readonly producerId: Int64;
  readonly firstOffset: Int64;
}

/** A place in a log: an offset, and the leader epoch of the record before it; -1 where that is not known. */
export interface Place {
  readonly offset: number;
  readonly epoch: number;
}

export interface FetchedPartitionOptions {
  readonly topic: string;
  readonly partition: number;
  /** Batches as the broker stores them; the first may start before `position`, the last may be cut off. */
  readonly bytes: Buffer;
  /** Offset of the first record wanted. */
  readonly position: number;
  readonly isolation: Isolation;
  readonly aborted: readonly AbortedTransaction[];
}

const ABORT_MARKER = 0;

export class FetchedPartition {
  readonly #options: FetchedPartitionOptions;
  readonly #aborted: readonly AbortedTransaction[];
  readonly #abortedProducers = new Set<number>();
  #nextAborted = 0;
  #bytePosition = 0;
  /** The batch being delivered. */
  #records: RecordReader | undefined;
  #batchEnd: number;
  #end: Place | null | undefined;
  /** Offset of the next record to deliver. */
  nextOffset: number;
  /** Leader epoch of the last batch read; -1 before the first. */
  lastEpoch = -1;

  constructor(options: FetchedPartitionOptions) {
    this.#options = options;
    this.nextOffset = options.position;
    this.#batchEnd = options.position;
    this.#aborted = options.aborted.toSorted((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
  }

  get bytesLeft(): number {
    return this.#options.bytes.length - this.#bytePosition;
  }

  get isDone(): boolean {
    return !this.#records?.hasNext && this.bytesLeft < BATCH_OVERHEAD;
  }

  /** Where its whole batches end, and the leader epoch there; undefined when there are none. */
  get end(): Place | undefined {
    this.#end ??= endOf(this.#options.bytes) ?? null;
    return this.#end ?? undefined;
  }

  /**
   * Up to `max` records in offset order; an empty answer means that the data is used up.
   *
   * @throws kafka.corrupt_records, kafka.malformed
   */
  take(max: number): KafkaRecord[] {
    const taken: KafkaRecord[] = [];
    while (taken.length < max && (this.#records?.hasNext || this.#nextBatch())) {
      const record = this.#records?.next();
      if (record === undefined || record.offset < this.nextOffset) continue;
      taken.push(record);
      this.nextOffset = record.offset + 1;
    }
    if (!this.#records?.hasNext) this.nextOffset = Math.max(this.nextOffset, this.#batchEnd);
    return taken;
  }

  /** Moves to the next batch that has records to deliver. */
  #nextBatch(): boolean {
    const { bytes } = this.#options;
    while (bytes.length - this.#bytePosition >= BATCH_OVERHEAD) {
      const header = readBatchHeader(bytes, this.#bytePosition);
      if (header.batchLength < BATCH_OVERHEAD - 12) this.#corrupt(`a batch of ${header.sizeInBytes} bytes`);
      if (header.sizeInBytes > bytes.length - this.#bytePosition) break;
      if (header.magic === 2 && !batchCrcValid(bytes, this.#bytePosition, header.sizeInBytes)) {
        this.#corrupt('a checksum that does not fit');
      }
      const start = this.#bytePosition;
      this.#bytePosition += header.sizeInBytes;
      this.#batchEnd = header.baseOffset + header.lastOffsetDelta + 1;
      this.lastEpoch = header.partitionLeaderEpoch;
      if (this.#batchEnd <= this.nextOffset || !this.#delivers(start, header)) continue;
      this.#records = openRecords(bytes, start, header);
      return true;
    }
    this.#bytePosition = bytes.length;
    return false;
  }

  // The algorithm of Kafka's own consumer: a producer's batches are aborted from the first offset listed for it up
  // to its abort marker.
  #delivers(start: number, header: BatchHeader): boolean {
    if (this.#options.isolation === 'read_committed') {
      for (let next = this.#aborted[this.#nextAborted]; next; next = this.#aborted[this.#nextAborted]) {
        if (Number(next.firstOffset) >= this.#batchEnd) break;
        this.#abortedProducers.add(Number(next.producerId));
        this.#nextAborted++;
      }
    }
    if (header.attributes & BATCH_CONTROL) {
      if (this.#isAbortMarker(start, header)) this.#abortedProducers.delete(header.producerId);
      return false;
    }
    return !(header.attributes & BATCH_TRANSACTIONAL && this.#abortedProducers.has(header.producerId));
  }

  #isAbortMarker(start: number, header: BatchHeader): boolean {
    const key = readRecords(this.#options.bytes, start, header)[0]?.key;
    return key !== null && key !== undefined && key.length >= 4 && key.readInt16BE(2) === ABORT_MARKER;
  }

  #corrupt(what: string): never {
    const { topic, partition } = this.#options;
    throw clientError(
      'kafka.corrupt_records',
      `${topic}-${partition} has ${what} at offset ${this.nextOffset}.`,
      {
        context: { topic, partition, position: this.nextOffset },
        javaClass: 'org.apache.kafka.common.errors.CorruptRecordException',
      },
    );
  }
}

/** See `FetchedPartition.end`. What is wrong with a batch is found when it is read. */
function endOf(bytes: Buffer): Place | undefined {
  let end: Place | undefined;
  for (let at = 0; bytes.length - at >= BATCH_OVERHEAD; ) {
    const { sizeInBytes, baseOffset, lastOffsetDelta, partitionLeaderEpoch } = readBatchHeader(bytes, at);
    if (sizeInBytes < BATCH_OVERHEAD || sizeInBytes > bytes.length - at) break;
    end = { offset: baseOffset + lastOffsetDelta + 1, epoch: partitionLeaderEpoch };
    at += sizeInBytes;
  }
  return end;
}
