// Cleans the compacted logs of a broker, one after the other, the one with the largest share of new bytes first. How
// far each was cleaned is kept in Kafka's cleaner-offset-checkpoint.
import { join } from 'node:path';
import { type Clock, findCoded, type Logger, toError } from '@millrace/foundation';
import { BATCH_OVERHEAD } from '@millrace/kafka-protocol';
import { type Disk, writeAtomically } from '../../disk.ts';
import type { BrokerConfig } from '../../metadata/broker-config.ts';
import { formatOffsetCheckpoint, parseOffsetCheckpoint } from '../checkpoint.ts';
import type { LogDirectory } from '../log-directory.ts';
import type { PartitionLog } from '../partition-log.ts';
import type { CleanJob, CleanResult } from './clean-job.ts';
import { type CleanPlan, isDue, planCleaning } from './plan.ts';
import { runJob } from './run-job.ts';
import { swapIn } from './swap.ts';

const CHECKPOINT = 'cleaner-offset-checkpoint';
/** Fuller than this, a table of open addresses is slow. */
const MAX_LOAD = 0.95;
/** Codes that say that a log holds bytes no later attempt will read. */
const UNREADABLE: readonly string[] = ['broker.log_corrupt', 'kafka.malformed'];

/** What the cleaner has done since the start. */
export interface CleanerStats {
  /** Logs that were cleaned. */
  readonly runs: number;
  /** Cleanings that ended with an error. */
  readonly failures: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly recordsDropped: number;
  /** Logs that are left alone until a restart, since some batch of them cannot be read. */
  readonly uncleanable: number;
  /** When the last cleaning ended; 0 before the first. */
  readonly lastRunMs: number;
}

export interface LogCleanerParts {
  readonly directory: LogDirectory;
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface DueLog {
  readonly name: string;
  readonly log: PartitionLog;
  readonly plan: CleanPlan;
}

export class LogCleaner {
  readonly #parts: LogCleanerParts;
  readonly #cleanOffsets: Map<string, number>;
  /** Whose offsets these are: a topic may be deleted, and made again under its name. */
  readonly #known: Map<string, PartitionLog>;
  /** Told once each. */
  readonly #uncleanable = new WeakSet<PartitionLog>();
  readonly #told = new Set<string>();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #stats = { runs: 0, failures: 0, bytesRead: 0, bytesWritten: 0, recordsDropped: 0, lastRunMs: 0 };

  constructor(parts: LogCleanerParts) {
    this.#parts = parts;
    const text = parts.disk.readFile(join(parts.directory.path, CHECKPOINT))?.toString('utf8');
    this.#cleanOffsets = new Map(text === undefined ? [] : parseOffsetCheckpoint(text));
    this.#known = new Map(parts.directory.logs());
  }

  get stats(): CleanerStats {
    let uncleanable = 0;
    for (const [, log] of this.#parts.directory.logs()) if (this.#uncleanable.has(log)) uncleanable++;
    return { ...this.#stats, uncleanable };
  }

  /** Cleans every log that is due; a second call waits for the first. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Stops a cleaning that runs; its log stays as it is. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #runAll(): Promise<void> {
    const tried = new Set<PartitionLog>();
    for (let due = this.#next(tried); due && !this.#abort.signal.aborted; due = this.#next(tried)) {
      tried.add(due.log);
      await this.#clean(due);
    }
  }

  /** The log that needs it most. */
  #next(tried: ReadonlySet<PartitionLog>): DueLog | undefined {
    const nowMs = this.#parts.clock.nowMs();
    let best: DueLog | undefined;
    for (const [name, log] of this.#parts.directory.logs()) {
      if (!log.config.compacted || tried.has(log) || this.#uncleanable.has(log)) continue;
      if (this.#known.get(name) !== log) {
        this.#known.set(name, log);
        this.#cleanOffsets.delete(name);
      }
      const plan = planCleaning(log, this.#cleanOffsets.get(name) ?? 0, nowMs);
      if (!plan || !isDue(log, plan)) continue;
      if (!best || needs(plan) > needs(best.plan)) best = { name, log, plan };
    }
    return best;
  }

  async #clean({ name, log, plan }: DueLog): Promise<void> {
    const { disk, directory, clock, logger } = this.#parts;
    const { topic, partition } = log;
    const started = clock.monotonicMs();
    log.pin();
    try {
      // Only what is below the recovery point may have gaps: an unclean start takes one above it for torn bytes.
      await directory.checkpoint();
      const take = (group: Parameters<typeof swapIn>[2]): Promise<void> => swapIn(disk, log, group);
      const result = await runJob(disk, this.#jobOf(log, plan), take, this.#abort.signal);
      this.#cleanOffsets.set(name, result.cleanOffset);
      await this.#store();
      this.#count(result);
      this.#tellLosses(log, result);
      const tookMs = Math.round(clock.monotonicMs() - started);
      const { bytesRead, bytesWritten, recordsDropped, cleanOffset } = result;
      logger.debug(
        { topic, partition, cleanOffset, bytesRead, bytesWritten, recordsDropped, tookMs },
        'cleaned a compacted log',
      );
    } catch (error) {
      this.#failed(log, error);
    } finally {
      log.unpin();
    }
  }

  #failed(log: PartitionLog, error: unknown): void {
    if (log.isClosed || this.#abort.signal.aborted) return;
    this.#stats.failures++;
    const fields = { err: toError(error), topic: log.topic, partition: log.partition };
    if (UNREADABLE.includes(findCoded(error)?.code ?? '')) {
      this.#uncleanable.add(log);
      this.#parts.logger.error(
        fields,
        'a compacted log cannot be cleaned: it grows until a restart after its repair',
      );
    } else {
      this.#parts.logger.warn(fields, 'a compacted log could not be cleaned; it is tried again');
    }
  }

  #count({ bytesRead, bytesWritten, recordsDropped }: CleanResult): void {
    const stats = this.#stats;
    stats.runs++;
    stats.bytesRead += bytesRead;
    stats.bytesWritten += bytesWritten;
    stats.recordsDropped += recordsDropped;
    stats.lastRunMs = this.#parts.clock.nowMs();
  }

  #tellLosses({ topic, partition }: PartitionLog, { keyless, unwritable }: CleanResult): void {
    if (keyless > 0) {
      // INV-4: as in Kafka they go, but not without a word.
      this.#parts.logger.warn(
        { topic, partition, records: keyless },
        'records without key were dropped: a compacted topic cannot keep them',
      );
    }
    if (unwritable === undefined || this.#told.has(unwritable)) return;
    this.#told.add(unwritable);
    this.#parts.logger.warn(
      { topic, codec: unwritable },
      'this Node release cannot write a codec: batches that are cleaned in part are stored in gzip',
    );
  }

  #jobOf(log: PartitionLog, plan: CleanPlan): CleanJob {
    const { config, clock } = this.#parts;
    const { segmentBytes, segmentIndexBytes, indexIntervalBytes, deleteRetentionMs } = log.config;
    return {
      directory: log.directory,
      segments: plan.segments.map(({ baseOffset, size }) => ({ baseOffset, size })),
      endOffset: plan.endOffset,
      firstDirtyOffset: plan.firstDirtyOffset,
      mapBytes: config.number('log.cleaner.dedupe.buffer.size'),
      mapLoadFactor: Math.min(Math.max(config.number('log.cleaner.io.buffer.load.factor'), 0.1), MAX_LOAD),
      readBytes: Math.max(config.number('log.cleaner.io.buffer.size'), BATCH_OVERHEAD),
      maxBytesPerSecond: config.number('log.cleaner.io.max.bytes.per.second'),
      segmentBytes,
      segmentIndexBytes,
      indexIntervalBytes,
      nowMs: clock.nowMs(),
      deleteRetentionMs,
      aborted: log.abortedIn(0, plan.endOffset),
      producers: [...log.producers.entries()].map(([id, { epoch, batches }]) => [
        id,
        { epoch, lastDataOffset: batches.at(-1)?.lastOffset ?? -1 },
      ]),
    };
  }

  async #store(): Promise<void> {
    const { disk, directory } = this.#parts;
    const logs = new Map(directory.logs());
    for (const [name, log] of this.#known) {
      if (logs.get(name) === log) continue;
      this.#known.delete(name);
      this.#cleanOffsets.delete(name);
    }
    await writeAtomically(disk, join(directory.path, CHECKPOINT), formatOffsetCheckpoint(this.#cleanOffsets));
  }
}

function needs({ isOverdue, dirtyRatio }: CleanPlan): number {
  return (isOverdue ? 1 : 0) + dirtyRatio;
}
