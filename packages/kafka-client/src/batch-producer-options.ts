// What a producer is made from, and the records it takes.
import type { Clock, Logger, MillraceError } from '@millrace/foundation';
import type { BatchBuilder, Compression, KafkaRecord, RecordHeader } from '@millrace/kafka-protocol';
import type { Cluster } from './cluster.ts';
import type { Transactions } from './transactions.ts';

/** What a record counts against bounds beside its key, value and headers. */
export const RECORD_OVERHEAD = 32;

export interface BatchProducerOptions {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Sequence numbers, so that retries store nothing twice. On by default; needs nothing from the caller. */
  readonly idempotent?: boolean;
  /** The only value: every acknowledgement means durable in all in-sync replicas (INV-1). */
  readonly acks?: -1;
  /** How long an open batch waits for more when nothing is in flight. 0: sent at once. */
  readonly lingerMs?: number;
  readonly batchSizeBytes?: number;
  /** Unanswered requests per broker, at most 5. */
  readonly maxInFlight?: number;
  /** Bound on the records that are not acknowledged yet. */
  readonly bufferMemoryBytes?: number;
  readonly compression?: Compression;
  readonly maxRequestSize?: number;
  readonly requestTimeoutMs?: number;
  /** Records that were never sent fail after this; those sent once never expire. */
  readonly deliveryTimeoutMs?: number;
  /** How long a topic may be unknown to the cluster before its records fail. */
  readonly unknownTopicTimeoutMs?: number;
  /** Whether asking for metadata of a missing topic creates it, as Java's producer does. */
  readonly autoCreateTopics?: boolean;
  /** Every record is part of its open transaction; see TransactionalProducer. */
  readonly transactions?: Transactions;
  /** Records of one batch are durable; the arrays belong to the callee. `baseOffset` is -1 when unknown. */
  readonly onAcked?: (
    tokens: readonly number[],
    topic: string,
    partition: number,
    baseOffset: number,
  ) => void;
  /** Records of one batch are not written and will not be. `records` reads those of the tokens, while it is called. */
  readonly onFailed?: (
    tokens: readonly number[],
    topic: string,
    partition: number,
    error: MillraceError,
    records: () => readonly KafkaRecord[],
  ) => void;
}

/** A record for `send`. */
export interface OutgoingRecord {
  readonly topic: string;
  readonly partition?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
  readonly timestamp?: number;
}

/** A batch under construction: the next key and value may be written into its memory and appended from there. */
export interface OpenBatch {
  /** Where the key may be written. */
  readonly draftStart: number;
  /** Bytes to leave between key and value. */
  readonly draftGap: number;
  /** Length of the memory in bytes. */
  readonly capacity: number;
  memory(): Buffer;
}

/**
 * Records that go into one open batch one after the other: what is the same for all of them is looked up once. Nothing
 * else may be appended before the run has ended.
 */
export interface BatchRun {
  /** Takes each record. */
  readonly batch: Pick<BatchBuilder, 'append'> & OpenBatch;
  /** Takes one number a record, as `append` of the producer does. */
  readonly tokens: number[];
  /** What the records may take in all: each its key, its value, its headers and `RECORD_OVERHEAD`. */
  readonly roomBytes: number;
  /** To be told what they took, whatever happened meanwhile. */
  readonly end: (bytes: number) => void;
}

export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}
