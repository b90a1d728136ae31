// What a partition knows of its idempotent producers: the last batches of each, which tell a retry from a gap.
// The snapshot file is Kafka's, followed by the older batches of each window, which Kafka's format has no room
// for and its readers do not look at: without them a retry after a restart would be taken for a gap.
//
//   version int16 = 1, crc32c uint32 over what follows, count int32, then per producer
//     producerId int64, epoch int16, lastSequence int32, lastOffset int64, offsetDelta int32, timestamp int64,
//     coordinatorEpoch int32, currentTxnFirstOffset int64
//   then, ours: count int32, per older batch: producerId int64, lastSequence int32, lastOffset int64,
//     offsetDelta int32, timestamp int64; oldest first
import { BATCH_TRANSACTIONAL, crc32c, KafkaErrors } from '@millrace/kafka-protocol';
import type { TransactionMarker } from './control-batch.ts';
import { OpenTransactions } from './open-transactions.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** Batches remembered per producer: as many as an idempotent producer may have in flight. */
const WINDOW = 5;
const MAX_SEQUENCE = 2_147_483_647;
const ENTRY_SIZE = 46;
const OLDER_SIZE = 32;

/** A batch of an idempotent producer that is in the log. */
export interface ProducedBatch {
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly offsetDelta: number;
  readonly timestamp: number;
}

/** One producer on one partition. */
export interface ProducerEntry {
  epoch: number;
  /** Oldest first, at most five. */
  readonly batches: ProducedBatch[];
  coordinatorEpoch: number;
  /** First offset of the open transaction; -1 when there is none. */
  currentTxnFirstOffset: number;
  lastTimestamp: number;
  /** When it last wrote, by the broker's clock; records may carry any timestamp. */
  lastUsedMs: number;
}

/** The identity of a batch that is about to be appended. */
export interface SequencedBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastOffsetDelta: number;
  /** Of the batch; what is missing is not transactional. */
  readonly attributes?: number;
  /** A batch that a cleaner emptied begins no transaction. */
  readonly recordCount?: number;
}

export type SequenceCheck =
  | { readonly kind: 'append' }
  | { readonly kind: 'duplicate'; readonly batch: ProducedBatch }
  | { readonly kind: 'refuse'; readonly error: { readonly code: number; readonly message: string } };

const APPEND: SequenceCheck = { kind: 'append' };

/** The sequence number `delta` behind `sequence`; wraps from 2^31-1 to 0. */
export function addSequence(sequence: number, delta: number): number {
  const sum = sequence + delta;
  return sum > MAX_SEQUENCE ? sum - MAX_SEQUENCE - 1 : sum;
}

/** The producers of one partition. */
export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>();
  /** What holds the last stable offset back. */
  readonly open: OpenTransactions = new OpenTransactions();

  get size(): number {
    return this.#producers.size;
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#producers.get(producerId);
  }

  entries(): Iterable<[number, ProducerEntry]> {
    return this.#producers;
  }

  /** Decides about a batch without changing anything. */
  check(batch: SequencedBatch): SequenceCheck {
    const producer = this.#producers.get(batch.producerId);
    if (!producer) return APPEND;
    if (batch.producerEpoch < producer.epoch) {
      return { kind: 'refuse', error: KafkaErrors.INVALID_PRODUCER_EPOCH };
    }
    if (producer.currentTxnFirstOffset >= 0 && !isTransactional(batch)) {
      return { kind: 'refuse', error: KafkaErrors.INVALID_TXN_STATE };
    }
    if (batch.producerEpoch > producer.epoch) {
      return batch.baseSequence === 0 ? APPEND : OUT_OF_ORDER;
    }
    const lastSequence = addSequence(batch.baseSequence, batch.lastOffsetDelta);
    const duplicate = producer.batches.find(
      (known) => known.lastSequence === lastSequence && known.offsetDelta === batch.lastOffsetDelta,
    );
    if (duplicate) return { kind: 'duplicate', batch: duplicate };
    const last = producer.batches.at(-1);
    // A marker of a new epoch leaves no batches: what follows begins anew.
    return batch.baseSequence === (last ? addSequence(last.lastSequence, 1) : 0) ? APPEND : OUT_OF_ORDER;
  }

  /** Whether a producer of this epoch has a transaction open here. */
  hasOpen(producerId: number, producerEpoch: number): boolean {
    const producer = this.#producers.get(producerId);
    return producer?.epoch === producerEpoch && producer.currentTxnFirstOffset >= 0;
  }

  /** Records a batch that got its place in the log. */
  append(batch: SequencedBatch, lastOffset: number, timestamp: number, nowMs: number): void {
    const producer = this.#producerOf(batch.producerId, batch.producerEpoch);
    if (producer.currentTxnFirstOffset < 0 && isTransactional(batch) && batch.recordCount !== 0) {
      producer.currentTxnFirstOffset = lastOffset - batch.lastOffsetDelta;
      this.open.begin(producer.currentTxnFirstOffset, batch.producerId);
    }
    if (producer.batches.length === WINDOW) producer.batches.shift();
    producer.batches.push({
      lastSequence: addSequence(batch.baseSequence, batch.lastOffsetDelta),
      lastOffset,
      offsetDelta: batch.lastOffsetDelta,
      timestamp,
    });
    producer.lastTimestamp = timestamp;
    producer.lastUsedMs = nowMs;
  }

  /** Whether a marker may be written: neither its producer nor its coordinator has been followed by a newer one. */
  checkMarker(marker: TransactionMarker): { readonly code: number; readonly message: string } | undefined {
    const producer = this.#producers.get(marker.producerId);
    if (!producer) return undefined;
    if (marker.producerEpoch < producer.epoch) return KafkaErrors.INVALID_PRODUCER_EPOCH;
    if (marker.coordinatorEpoch < producer.coordinatorEpoch) {
      return KafkaErrors.TRANSACTION_COORDINATOR_FENCED;
    }
    return undefined;
  }

  /** Records a marker that got its place in the log. Returns the transaction if there was one and it was aborted. */
  complete(
    marker: TransactionMarker,
    offset: number,
    timestamp: number,
    nowMs: number,
  ): AbortedTransaction | undefined {
    const { producerId } = marker;
    const producer = this.#producerOf(producerId, marker.producerEpoch);
    producer.coordinatorEpoch = marker.coordinatorEpoch;
    producer.lastTimestamp = timestamp;
    producer.lastUsedMs = nowMs;
    const firstOffset = producer.currentTxnFirstOffset;
    if (firstOffset < 0) return undefined;
    producer.currentTxnFirstOffset = -1;
    const lastStableOffset = this.open.end(firstOffset, offset);
    return marker.commit ? undefined : { producerId, firstOffset, lastOffset: offset, lastStableOffset };
  }

  /** Forgets producers that wrote nothing since `sinceMs` and have no open transaction. */
  expire(sinceMs: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastUsedMs < sinceMs && producer.currentTxnFirstOffset < 0) this.#producers.delete(id);
    }
  }

  toSnapshot(): Buffer {
    let olderCount = 0;
    for (const producer of this.#producers.values()) olderCount += Math.max(0, producer.batches.length - 1);
    const bytes = Buffer.alloc(10 + this.#producers.size * ENTRY_SIZE + 4 + olderCount * OLDER_SIZE);
    bytes.writeInt16BE(1, 0);
    bytes.writeInt32BE(this.#producers.size, 6);
    let at = 10;
    for (const [id, producer] of this.#producers) at = writeEntry(bytes, at, id, producer);
    bytes.writeInt32BE(olderCount, at);
    at += 4;
    for (const [id, producer] of this.#producers) {
      for (const batch of producer.batches.slice(0, -1)) {
        bytes.writeBigInt64BE(BigInt(id), at);
        writeBatch(bytes, at + 8, batch);
        at += OLDER_SIZE;
      }
    }
    bytes.writeUInt32BE(crc32c(bytes, 6), 2);
    return bytes;
  }

  /** Reads a snapshot; undefined when it is damaged. One written by Kafka has a window of one. */
  static parse(bytes: Buffer, nowMs: number): ProducerState | undefined {
    if (bytes.length < 10 || bytes.readInt16BE(0) !== 1 || bytes.readUInt32BE(2) !== crc32c(bytes, 6)) {
      return undefined;
    }
    const count = bytes.readInt32BE(6);
    const end = 10 + count * ENTRY_SIZE;
    if (count < 0 || end > bytes.length) return undefined;
    const state = new ProducerState();
    for (let at = 10; at < end; at += ENTRY_SIZE) state.#readEntry(bytes, at, nowMs);
    if (end + 4 <= bytes.length) state.#readOlder(bytes, end);
    const open = [...state.#producers].filter(([, producer]) => producer.currentTxnFirstOffset >= 0);
    open.sort(([, a], [, b]) => a.currentTxnFirstOffset - b.currentTxnFirstOffset);
    for (const [id, producer] of open) state.open.begin(producer.currentTxnFirstOffset, id);
    return state;
  }

  /** The entry of a producer; its batches count within one epoch. */
  #producerOf(producerId: number, epoch: number): ProducerEntry {
    let producer = this.#producers.get(producerId);
    if (!producer) {
      producer = {
        epoch,
        batches: [],
        coordinatorEpoch: -1,
        currentTxnFirstOffset: -1,
        lastTimestamp: -1,
        lastUsedMs: 0,
      };
      this.#producers.set(producerId, producer);
    } else if (producer.epoch !== epoch) {
      producer.epoch = epoch;
      producer.batches.length = 0;
    }
    return producer;
  }

  #readEntry(bytes: Buffer, at: number, nowMs: number): void {
    const batches = bytes.readInt32BE(at + 10) < 0 ? [] : [readBatch(bytes, at + 10)];
    this.#producers.set(Number(bytes.readBigInt64BE(at)), {
      epoch: bytes.readInt16BE(at + 8),
      batches,
      lastTimestamp: Number(bytes.readBigInt64BE(at + 26)),
      lastUsedMs: nowMs,
      coordinatorEpoch: bytes.readInt32BE(at + 34),
      currentTxnFirstOffset: Number(bytes.readBigInt64BE(at + 38)),
    });
  }

  #readOlder(bytes: Buffer, start: number): void {
    const older = new Map<ProducerEntry, ProducedBatch[]>();
    for (let at = start + 4; at + OLDER_SIZE <= bytes.length; at += OLDER_SIZE) {
      const producer = this.#producers.get(Number(bytes.readBigInt64BE(at)));
      if (!producer) continue;
      const batches = older.get(producer) ?? [];
      batches.push(readBatch(bytes, at + 8));
      older.set(producer, batches);
    }
    for (const [producer, batches] of older) producer.batches.unshift(...batches.slice(1 - WINDOW));
  }
}

function isTransactional(batch: SequencedBatch): boolean {
  return ((batch.attributes ?? 0) & BATCH_TRANSACTIONAL) !== 0;
}

const OUT_OF_ORDER: SequenceCheck = { kind: 'refuse', error: KafkaErrors.OUT_OF_ORDER_SEQUENCE_NUMBER };

function writeEntry(bytes: Buffer, at: number, id: number, producer: ProducerEntry): number {
  bytes.writeBigInt64BE(BigInt(id), at);
  bytes.writeInt16BE(producer.epoch, at + 8);
  const none = { lastSequence: -1, lastOffset: -1, offsetDelta: 0, timestamp: producer.lastTimestamp };
  writeBatch(bytes, at + 10, producer.batches.at(-1) ?? none);
  bytes.writeInt32BE(producer.coordinatorEpoch, at + 34);
  bytes.writeBigInt64BE(BigInt(producer.currentTxnFirstOffset), at + 38);
  return at + ENTRY_SIZE;
}

function writeBatch(bytes: Buffer, at: number, batch: ProducedBatch): void {
  bytes.writeInt32BE(batch.lastSequence, at);
  bytes.writeBigInt64BE(BigInt(batch.lastOffset), at + 4);
  bytes.writeInt32BE(batch.offsetDelta, at + 12);
  bytes.writeBigInt64BE(BigInt(batch.timestamp), at + 16);
}

function readBatch(bytes: Buffer, at: number): ProducedBatch {
  return {
    lastSequence: bytes.readInt32BE(at),
    lastOffset: Number(bytes.readBigInt64BE(at + 4)),
    offsetDelta: bytes.readInt32BE(at + 12),
    timestamp: Number(bytes.readBigInt64BE(at + 16)),
  };
}
