// Cleaning of partition logs for tests, without timers, and the view a consumer has of a log.
import { type Clock, silentLogger, systemClock } from '@millrace/foundation';
import {
  BATCH_CONTROL,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  type KafkaRecord,
  readBatchHeader,
  readRecords,
} from '@millrace/kafka-protocol';
import type { Disk } from '../disk.ts';
import { type CleanerStats, LogCleaner } from '../log/cleaner/log-cleaner.ts';
import type { LogDirectory } from '../log/log-directory.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { BrokerConfig } from '../metadata/broker-config.ts';
import { readAllBytes } from './test-log.ts';

export interface CleanOptions {
  readonly nowMs?: number;
  readonly properties?: Readonly<Record<string, string>>;
}

/** Cleans whatever is due in a log folder, as of some time. */
export async function cleanLogs(
  disk: Disk,
  directory: LogDirectory,
  { nowMs = Date.now(), properties = {} }: CleanOptions = {},
): Promise<CleanerStats> {
  const clock: Clock = { ...systemClock, nowMs: () => nowMs };
  const { config } = BrokerConfig.parse({ 'log.cleaner.io.buffer.size': '700', ...properties });
  const cleaner = new LogCleaner({ directory, disk, config, clock, logger: silentLogger });
  await cleaner.run();
  return cleaner.stats;
}

/** A batch as it is read back. */
export interface ReadBatch {
  readonly header: BatchHeader;
  readonly records: readonly KafkaRecord[];
  readonly isControl: boolean;
}

/** All visible batches of a log, from its files. */
export async function readBatches(log: PartitionLog): Promise<ReadBatch[]> {
  log.tail.clear();
  const bytes = await readAllBytes(log, log.startOffset);
  const batches: ReadBatch[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = readBatchHeader(bytes, at);
    const isControl = (header.attributes & BATCH_CONTROL) !== 0;
    batches.push({ header, records: readRecords(bytes, at, header), isControl });
    at += header.sizeInBytes;
  }
  return batches;
}

/** Records of a log but for markers and, with read_committed, what was aborted: as clients filter them. */
export function consumed(log: PartitionLog, batches: readonly ReadBatch[]): KafkaRecord[] {
  const waiting = log.abortedIn(0, log.endOffset).sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<number>();
  const records: KafkaRecord[] = [];
  for (const batch of batches) {
    const { header } = batch;
    const lastOffset = header.baseOffset + header.lastOffsetDelta;
    if (lastOffset >= log.lastStableOffset) break;
    while ((waiting[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= lastOffset) {
      aborting.add(waiting.shift()?.producerId ?? -1);
    }
    if (batch.isControl) {
      const isAbort = batch.records[0]?.key?.readInt16BE(2) === 0;
      if (isAbort) aborting.delete(header.producerId);
    } else if (!(header.attributes & BATCH_TRANSACTIONAL) || !aborting.has(header.producerId)) {
      records.push(...batch.records);
    }
  }
  return records;
}

/** The last value of each key; keys that were deleted last are not in it. */
export function finalValues(records: readonly KafkaRecord[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { key, value } of records) {
    if (value === null) values.delete(String(key));
    else values.set(String(key), String(value));
  }
  return values;
}
