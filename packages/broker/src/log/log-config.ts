// The settings of one partition log, resolved from topic and broker configs.

import type { Compression } from '@millrace/kafka-protocol';

/**
 * When a record counts as safe. `os`: in the page cache; `interval`: synced every so often; `acks-all`: a send with
 * acks=all waits for the device; `always`: every send does.
 */
export type FlushPolicy = 'os' | 'interval' | 'acks-all' | 'always';

export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly indexIntervalBytes: number;
  readonly maxMessageBytes: number;
  readonly logAppendTime: boolean;
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** The codec batches are stored in; undefined: as the producer sent them. */
  readonly codec: Compression | undefined;
  /** Every record needs a key. */
  readonly compacted: boolean;
  readonly flushPolicy: FlushPolicy;
  /** How long written records may wait for a sync that nobody waits for. */
  readonly flushIntervalMs: number;
}

/** Whether consumers may see records before the device has them. */
export function showsUnsynced(policy: FlushPolicy): boolean {
  return policy === 'os' || policy === 'interval';
}
