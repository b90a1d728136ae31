// The batches of one partition on their way: which may be sent next, and what an answer means for the others.
// Pure: no sockets, no clock. The rules that keep order and lose nothing:
//
// - At most `maxInFlight` batches are sent and unanswered, in sequence order. They never expire.
// - After any failure nothing more is sent until all of them are answered (`recovering`); then those that are left go
//   again, in the same order. The broker's dedup window makes that harmless.
// - A broker without memory of a producer takes any sequence as its first, so after a failure of the first batch it
//   would store the second and refuse the first for ever (KAFKA-14359). So the first batch of an epoch, and the first
//   after a long idle time, goes alone.
// - A refused batch leaves a hole in the sequence, so the rest gets a new epoch and sequences from 0.
import type { MillraceError } from '@millrace/foundation';
import { type Compression, KafkaErrors } from '@millrace/kafka-protocol';
import { brokerError } from './errors.ts';
import type { ProducerBatch, ProducerIdentity } from './producer-batch.ts';

/** Shared by all queues of a producer; a broker that refuses idempotence changes them for all. */
export interface QueueLimits {
  maxInFlight: number;
  readonly lingerMs: number;
  /** An open batch of this size is sent although others are in flight. */
  readonly eagerBytes: number;
  readonly compression: Compression;
  /** Batches are part of transactions: what fails ends the transaction, and only its abort gives a new epoch. */
  readonly transactional: boolean;
  idempotent: boolean;
}

/** What a broker's answer, or its absence, means for one batch. */
export type Outcome =
  | { readonly kind: 'acked' }
  /** Nothing is known, or it was not stored for a reason that passes; `firstWaitMs` where that is soon. */
  | { readonly kind: 'retry'; readonly firstWaitMs?: number }
  /** Its predecessor is missing at the broker. */
  | { readonly kind: 'outOfOrder'; readonly error: MillraceError }
  /** The broker forgot the producer although the log still has its records, or fenced its epoch. */
  | { readonly kind: 'newEpoch' }
  | { readonly kind: 'tooLarge'; readonly error: MillraceError }
  | { readonly kind: 'refused'; readonly error: MillraceError };

const SEQUENCE_MASK = 0x7fff_ffff;
const LAST_EPOCH = 32_766;
/** After so long the broker may have dropped what it knew of the producer; its own limit is a day by default. */
const FORGOTTEN_AFTER_MS = 10 * 60_000;

export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  readonly #limits: QueueLimits;
  #identity: ProducerIdentity | undefined;
  /** The identity that was adopted last. */
  #used: ProducerIdentity | undefined;
  #nextSequence = 0;
  /** Whether the broker surely knows the sequence, so that it refuses what comes out of order. */
  #sequenceKnown = false;
  #lastTakenMs = 0;
  #recovering = false;
  #bumpEpoch = false;
  #open: ProducerBatch | undefined;
  /** Closed, never sent. */
  readonly #closed: ProducerBatch[] = [];
  /** Sent at least once, not acknowledged, in sequence order. */
  readonly #unacked: ProducerBatch[] = [];
  /** Nothing is sent before this time of the monotonic clock. */
  retryAtMs = 0;
  /** Failures in a row. */
  failures = 0;
  /** The last of them. */
  lastError: Error | undefined;
  /** When a batch was last acknowledged. */
  ackedAtMs = 0;
  /** Since when the broker says there is no such topic. */
  unknownSinceMs: number | undefined;
  /** Where batches are closed; lowered when the broker finds one too large. */
  maxBatchBytes: number;
  lastAckedOffset = -1;
  /** Size of the last closed batch: a guess at the next one's. */
  lastBatchBytes = 0;

  constructor(topic: string, partition: number, maxBatchBytes: number, limits: QueueLimits) {
    this.topic = topic;
    this.partition = partition;
    this.maxBatchBytes = maxBatchBytes;
    this.#limits = limits;
  }

  get open(): ProducerBatch | undefined {
    return this.#open;
  }
  set open(batch: ProducerBatch) {
    this.#open = batch;
  }
  get isIdle(): boolean {
    return this.#open === undefined && this.#closed.length === 0 && this.#unacked.length === 0;
  }
  get isRecovering(): boolean {
    return this.#recovering;
  }
  get needsIdentity(): boolean {
    return this.#limits.idempotent && this.#identity === undefined;
  }
  /** All batches that are not done, oldest first. */
  *batches(): Generator<ProducerBatch> {
    yield* this.#unacked;
    yield* this.#closed;
    if (this.#open) yield this.#open;
  }

  /**
   * Takes the producer's identity for batches to come. Says no to an id it has used before: the broker would take
   * new records for repeats of old ones.
   */
  adopt(identity: ProducerIdentity): boolean {
    const used = this.#used;
    const isKnown = identity.producerId === used?.producerId;
    // Without transactions epochs are counted up here.
    if (isKnown && (!this.#limits.transactional || identity.epoch === used.epoch)) return false;
    this.#identity = identity;
    this.#used = identity;
    this.#nextSequence = 0;
    this.#sequenceKnown = false;
    return true;
  }

  /** Ends the open batch; a later append starts another. */
  closeOpen(): void {
    if (!this.#open) return;
    this.#open.status = 'closed';
    this.lastBatchBytes = this.#open.sizeInBytes;
    this.#closed.push(this.#open);
    this.#open = undefined;
  }

  /** Whether `take` would give a batch, by the state of the batches alone. */
  canSend(nowMs: number, flushing: boolean): boolean {
    if (this.#recovering || nowMs < this.retryAtMs || this.needsIdentity) return false;
    if (this.#unacked.some(({ status }) => status === 'retry')) {
      return this.#sequenceKnown || !this.#unacked.some(({ status }) => status === 'inFlight');
    }
    // INV-2
    const known = this.#sequenceKnown || !this.#limits.idempotent;
    if (this.#unacked.length >= (known ? this.#limits.maxInFlight : 1)) return false;
    if (this.#closed.length > 0) return true;
    const open = this.#open;
    if (!open || open.count === 0) return false;
    if (flushing || open.sizeInBytes >= this.#limits.eagerBytes) return true;
    // While earlier batches are on their way the open one grows: sending it now would only make smaller requests.
    return this.#unacked.length === 0 && nowMs >= open.createdAtMs + this.#limits.lingerMs;
  }

  /** When `canSend` may say something else than now, unless something happens before. */
  nextLookMs(nowMs: number): number {
    if (this.isRecovering) return Infinity; // the answers that are awaited wake the sender
    if (nowMs < this.retryAtMs) return this.retryAtMs;
    const { lingerMs } = this.#limits;
    return this.#open && lingerMs > 0 ? this.#open.createdAtMs + lingerMs : Infinity;
  }

  /** Bytes of the batch that `take` would give. */
  get nextBytes(): number {
    const next = this.#unacked.find(({ status }) => status === 'retry') ?? this.#closed[0] ?? this.#open;
    return next?.sizeInBytes ?? 0;
  }

  /** The next batch to send, sealed and marked in flight. Call only after `canSend`. */
  take(nowMs: number, recycle: (memory: Buffer) => void): ProducerBatch {
    if (this.#unacked.length === 0 && nowMs - this.#lastTakenMs > FORGOTTEN_AFTER_MS)
      this.#sequenceKnown = false;
    this.#lastTakenMs = nowMs;
    const again = this.#unacked.find(({ status }) => status === 'retry');
    if (again) {
      again.status = 'inFlight';
      again.attempts++;
      return again;
    }
    if (this.#closed.length === 0) this.closeOpen();
    const batch = this.#closed.shift();
    if (!batch) throw new Error('there is no batch to send');
    this.#seal(batch, recycle);
    batch.status = 'inFlight';
    batch.attempts++;
    this.#unacked.push(batch);
    return batch;
  }

  /**
   * Takes in what became of a batch in flight. Returns the batches that are done with an error; acknowledged ones are
   * only taken off the list.
   */
  settle(batch: ProducerBatch, outcome: Outcome): ProducerBatch[] {
    if (!this.#unacked.includes(batch)) return []; // given up on meanwhile
    if (this.#limits.transactional && outcome.kind !== 'acked' && outcome.kind !== 'retry') {
      if (outcome.kind === 'tooLarge') this.#lowerLimit(batch);
      return this.fail('error' in outcome ? outcome.error : newEpochError(this));
    }
    switch (outcome.kind) {
      case 'acked':
        this.#unacked.splice(this.#unacked.indexOf(batch), 1);
        this.failures = 0;
        this.unknownSinceMs = undefined;
        this.#sequenceKnown = true;
        break;
      case 'retry':
        batch.status = 'retry';
        this.#recovering = true;
        break;
      case 'outOfOrder':
        return this.#settleOutOfOrder(batch, outcome.error);
      case 'newEpoch':
        batch.status = 'retry';
        this.#recovering = true;
        this.#bumpEpoch = true;
        break;
      case 'tooLarge':
        batch.status = batch.count > 1 ? 'split' : 'refused';
        batch.error = outcome.error;
        this.#recovering = true;
        this.#bumpEpoch = true;
        break;
      case 'refused':
        batch.status = 'refused';
        batch.error = outcome.error;
        this.#recovering = true;
        this.#bumpEpoch = true;
        break;
      default:
        outcome satisfies never;
    }
    return this.#recovering ? this.#recoverWhenDrained() : [];
  }

  // INV-1: out of order with nothing unanswered before it means that acknowledged records are gone at the broker.
  #settleOutOfOrder(batch: ProducerBatch, error: MillraceError): ProducerBatch[] {
    if (this.#unacked[0] !== batch) return this.settle(batch, { kind: 'retry' });
    return this.fail(error);
  }

  /** Gives up on everything that is not acknowledged; returns it with the error. */
  fail(error: MillraceError): ProducerBatch[] {
    this.closeOpen();
    const all = [...this.#unacked.splice(0), ...this.#closed.splice(0)];
    for (const batch of all) batch.error = error;
    this.#recovering = false;
    this.#bumpEpoch = false;
    this.#startEpoch();
    return all;
  }

  /** Takes out batches that were never sent and are older than allowed; those sent never expire. */
  expire(createdBeforeMs: number): ProducerBatch[] {
    if (this.#open && this.#open.createdAtMs < createdBeforeMs && this.#open.count > 0) this.closeOpen();
    const fresh = this.#closed.findIndex(({ createdAtMs }) => createdAtMs >= createdBeforeMs);
    return this.#closed.splice(0, fresh < 0 ? this.#closed.length : fresh);
  }

  // INV-2: nothing is sent between a failure and the answer to the last batch in flight.
  #recoverWhenDrained(): ProducerBatch[] {
    if (this.#unacked.some(({ status }) => status === 'inFlight')) return [];
    this.#recovering = false;
    const refused: ProducerBatch[] = [];
    const rest: ProducerBatch[] = [];
    for (const batch of this.#unacked) {
      if (batch.status === 'refused') refused.push(batch);
      else if (batch.status === 'split') {
        this.#lowerLimit(batch);
        rest.push(...batch.split(this.#limits.compression));
      } else rest.push(batch);
    }
    if (this.#bumpEpoch && this.#limits.idempotent) {
      this.#startEpoch();
      if (!this.needsIdentity) for (const batch of rest) this.#seal(batch, () => undefined);
    }
    this.#bumpEpoch = false;
    this.#unacked.splice(0, this.#unacked.length, ...(this.needsIdentity ? [] : rest));
    if (this.needsIdentity) this.#requeue(rest);
    return refused;
  }

  // The epochs of this producer id are used up: the rest waits for another id as if it had never been sent.
  #requeue(rest: readonly ProducerBatch[]): void {
    for (const batch of rest) batch.status = 'closed';
    this.#closed.unshift(...rest);
  }

  #lowerLimit(batch: ProducerBatch): void {
    this.maxBatchBytes = Math.max(1024, Math.min(this.maxBatchBytes, batch.sizeInBytes >> 1));
  }

  /** Where each transaction has an identity of its own, what comes after the last one takes the next. */
  follow(current: ProducerIdentity | undefined): void {
    if (this.#limits.transactional && this.#identity !== current && this.#unacked.length === 0)
      this.dropIdentity();
  }

  /** Waits for another identity before anything more is sent. */
  dropIdentity(): void {
    this.#identity = undefined;
  }

  #startEpoch(): void {
    if (this.#limits.transactional) this.dropIdentity();
    if (!this.#identity) return;
    const { producerId, epoch } = this.#identity;
    this.#nextSequence = 0;
    this.#sequenceKnown = false;
    this.#identity = epoch >= LAST_EPOCH ? undefined : { producerId, epoch: epoch + 1 };
  }

  #seal(batch: ProducerBatch, recycle: (memory: Buffer) => void): void {
    if (!this.#limits.idempotent) {
      if (batch.isSealed) return;
      const memory = batch.seal({ producerId: -1, epoch: -1 }, -1, this.#limits);
      if (memory) recycle(memory);
      return;
    }
    if (!this.#identity) throw new Error('the producer has no id yet');
    const memory = batch.seal(this.#identity, this.#nextSequence, this.#limits);
    this.#nextSequence = (this.#nextSequence + batch.count) & SEQUENCE_MASK;
    if (memory) recycle(memory);
  }
}

function newEpochError({ topic, partition }: PartitionQueue): MillraceError {
  return brokerError(KafkaErrors.INVALID_PRODUCER_EPOCH.code, `Writing to ${topic}-${partition}`, {
    context: { topic, partition },
  });
}
