// The settings of one partition log, resolved from topic and broker configs.

import type { Compression } from '@millrace/kafka-protocol';

/**
 * When a record counts as safe. `os`: in the page cache; `interval`: synced every so often; `acks-all`: a send with
 * acks=all waits for the device; `always`: every send does.
 */
export type FlushPolicy = 'os' | 'interval' | 'acks-all' | 'always';

export interface LogConfig {
  readonly segmentBytes: number;
  /** Age of a segment's first record, in records' time, at which the next one starts another. */
  readonly segmentMs: number;
  /** A segment rolls up to so much earlier than `segmentMs`, so that not all of them do at once. */
  readonly segmentJitterMs: number;
  /** Size an index file may reach. */
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly maxMessageBytes: number;
  readonly logAppendTime: boolean;
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** The codec batches are stored in; undefined: as the producer sent them. */
  readonly codec: Compression | undefined;
  /** Every record needs a key. */
  readonly compacted: boolean;
  /** Old segments go by age and size; without it only those before the log's start do. */
  readonly deletes: boolean;
  /** -1: no limit. */
  readonly retentionMs: number;
  /** -1: no limit. */
  readonly retentionBytes: number;
  /** How long the files of a segment stay that no new reader finds. */
  readonly fileDeleteDelayMs: number;
  /** Share of a compacted log that must be new before it is cleaned, 0 to 1. */
  readonly minCleanableRatio: number;
  /** Records younger than this are not cleaned. */
  readonly minCompactionLagMs: number;
  /** Records older than this are cleaned whatever the ratio. */
  readonly maxCompactionLagMs: number;
  /** How long a tombstone stays after the first cleaning that met it. */
  readonly deleteRetentionMs: number;
  readonly flushPolicy: FlushPolicy;
  /** Written records that wait for a sync at most; at this number one starts. */
  readonly flushMessages: number;
  /** How long written records may wait for a sync that nobody waits for. */
  readonly flushIntervalMs: number;
}

/** Whether consumers may see records before the device has them. */
export function showsUnsynced(policy: FlushPolicy): boolean {
  return policy === 'os' || policy === 'interval';
}
