// Cleans one log: notes the newest offset of each key in the part that is new, then copies all segments without the
// records that were superseded. Runs beside the broker's loop; the log's owner puts each copied group in its place.
import { join } from 'node:path';
import {
  BATCH_CONTROL,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  batchCrcValid,
  readBatchHeader,
} from '@millrace/kafka-protocol';
import type { Disk } from '../../disk.ts';
import { brokerError } from '../../errors.ts';
import { offsetFileName, SEGMENT_FILES, Segment } from '../segment.ts';
import type { AbortedTransaction } from '../transaction-index.ts';
import { type CleanRules, cleanBatch, type LastOfProducer, markerType } from './clean-batch.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import { OffsetMap } from './offset-map.ts';
import { walkBatch } from './record-walk.ts';
import type { Throttle } from './throttle.ts';

/** Behind the names of files that are being written. */
export const CLEANED_SUFFIX = '.cleaned';

export interface JobSegment {
  readonly baseOffset: number;
  readonly size: number;
}

/** What is to be cleaned, and how; can be sent to another thread. */
export interface CleanJob {
  readonly directory: string;
  /** Everything that may be cleaned, from the log's first segment on. */
  readonly segments: readonly JobSegment[];
  /** Behind the last of them. */
  readonly endOffset: number;
  /** Everything below was cleaned before. */
  readonly firstDirtyOffset: number;
  readonly mapBytes: number;
  readonly mapLoadFactor: number;
  readonly readBytes: number;
  readonly maxBytesPerSecond: number;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly producers: readonly (readonly [number, LastOfProducer])[];
}

/** Segments that were copied into one, which is durable under CLEANED_SUFFIX. */
export interface CleanedGroup {
  readonly baseOffsets: readonly number[];
  readonly size: number;
}

export interface CleanCounts {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly recordsRead: number;
  readonly recordsDropped: number;
  readonly keyless: number;
  /** A codec of which batches had to be stored in another one. */
  readonly unwritable?: string | undefined;
}

export interface CleanResult extends CleanCounts {
  /** Everything below is clean now. */
  readonly cleanOffset: number;
}

/** Takes a copied group; the next is begun when it resolves. */
export type GroupTaker = (group: CleanedGroup) => Promise<void>;

/**
 * Runs a job to its end.
 *
 * @throws broker.log_corrupt, kafka.malformed when a batch cannot be read; what the disk throws
 */
export async function runCleanJob(
  disk: Disk,
  job: CleanJob,
  throttle: Throttle,
  take: GroupTaker,
): Promise<CleanResult> {
  const cleaning = new Cleaning(disk, job, throttle);
  const map = await cleaning.buildMap();
  const cleanOffset = map.latestOffset + 1;
  if (cleanOffset <= job.firstDirtyOffset) return { ...cleaning.counts, cleanOffset: job.firstDirtyOffset };
  const rules: CleanRules = {
    map,
    transactions: new CleanedTransactions(job.aborted),
    producers: new Map(job.producers),
    nowMs: job.nowMs,
    deleteRetentionMs: job.deleteRetentionMs,
    endOffset: job.endOffset,
  };
  const within = job.segments.filter(({ baseOffset }) => baseOffset < cleanOffset);
  for (const group of groupSegments(within, job)) {
    const size = await cleaning.copy(group, rules);
    await take({ baseOffsets: group.map(({ baseOffset }) => baseOffset), size });
  }
  return { ...cleaning.counts, cleanOffset };
}

/** Neighbours that fit into one segment together, so that a log does not end as a row of tiny files. */
export function groupSegments(
  segments: readonly JobSegment[],
  limits: Pick<CleanJob, 'segmentBytes' | 'segmentIndexBytes' | 'indexIntervalBytes' | 'endOffset'>,
): JobSegment[][] {
  // An entry of the larger index takes 12 bytes, and there is at most one a batch.
  const bytesPerEntry = Math.max(limits.indexIntervalBytes, BATCH_OVERHEAD);
  const maxBytes = Math.min(limits.segmentBytes, (limits.segmentIndexBytes / 12) * bytesPerEntry);
  const groups: JobSegment[][] = [];
  let size = 0;
  for (const [index, segment] of segments.entries()) {
    const group = groups.at(-1);
    const end = segments[index + 1]?.baseOffset ?? limits.endOffset;
    const fits = group?.[0] && end - group[0].baseOffset <= 0x7fff_ffff && size + segment.size <= maxBytes;
    if (group && fits) group.push(segment);
    else groups.push([segment]);
    size = (fits ? size : 0) + segment.size;
  }
  return groups;
}

class Cleaning {
  readonly #disk: Disk;
  readonly #job: CleanJob;
  readonly #throttle: Throttle;
  readonly counts = {
    bytesRead: 0,
    bytesWritten: 0,
    recordsRead: 0,
    recordsDropped: 0,
    keyless: 0,
    unwritable: undefined as string | undefined,
  };

  constructor(disk: Disk, job: CleanJob, throttle: Throttle) {
    this.#disk = disk;
    this.#job = job;
    this.#throttle = throttle;
  }

  /** Goes over the dirty part until its end, or until the map is full. */
  async buildMap(): Promise<OffsetMap> {
    const { firstDirtyOffset, segments, endOffset, mapBytes, mapLoadFactor } = this.#job;
    const dirty = segments.filter((_, i) => (segments[i + 1]?.baseOffset ?? endOffset) > firstDirtyOffset);
    const map = new OffsetMap(this.#countRecords(dirty), mapBytes, mapLoadFactor);
    map.passed(firstDirtyOffset - 1);
    const live = this.#job.aborted.filter(({ lastOffset }) => lastOffset >= firstDirtyOffset);
    const transactions = new CleanedTransactions(live);
    for (const [index, segment] of dirty.entries()) {
      for await (const { batch, header } of this.#batches(segment)) {
        const lastOffset = header.baseOffset + header.lastOffsetDelta;
        if (lastOffset < firstDirtyOffset) continue;
        if (map.size + header.recordCount > map.capacity) return this.#full(map, header);
        this.#mapBatch(map, batch, header, transactions);
        map.passed(lastOffset);
      }
      map.passed((dirty[index + 1]?.baseOffset ?? endOffset) - 1);
    }
    return map;
  }

  /** Copies a group into one segment, durably; returns its size. */
  async copy(group: readonly JobSegment[], rules: CleanRules): Promise<number> {
    const first = group[0]?.baseOffset ?? 0;
    const { directory, indexIntervalBytes } = this.#job;
    this.#removeCopy(first);
    const copy = new Segment(this.#disk, directory, first, 0, CLEANED_SUFFIX);
    try {
      for (const segment of group) {
        for await (const { batch, header } of this.#batches(segment)) {
          const cleaned = cleanBatch(batch, header, rules);
          this.counts.recordsRead += header.recordCount;
          this.counts.recordsDropped += cleaned.dropped;
          this.counts.keyless += cleaned.keyless;
          this.counts.unwritable ??= cleaned.insteadOf;
          if (cleaned.bytes) this.#append(copy, cleaned.bytes, indexIntervalBytes);
        }
      }
      await this.#finish(copy, rules.transactions.takeKept());
      return copy.size;
    } catch (error) {
      this.#removeCopy(first);
      throw error;
    } finally {
      copy.release();
    }
  }

  #append(copy: Segment, batch: Buffer, indexIntervalBytes: number): void {
    const header = readBatchHeader(batch, 0);
    const position = copy.place(header, header.baseOffset + header.lastOffsetDelta, indexIntervalBytes);
    copy.file.writeSync([batch], position);
    copy.writtenSize = copy.size;
    this.counts.bytesWritten += batch.length;
  }

  async #finish(copy: Segment, aborted: readonly AbortedTransaction[]): Promise<void> {
    await copy.sync();
    for (const entry of aborted) copy.transactions.append(entry);
    await copy.storeIndexes();
    await this.#disk.syncDirectory(this.#job.directory);
  }

  #mapBatch(map: OffsetMap, batch: Buffer, header: BatchHeader, transactions: CleanedTransactions): void {
    const walked = walkBatch(batch, header);
    if (header.attributes & BATCH_CONTROL) {
      transactions.isMarkerWithoutData(header, markerType(walked));
      return;
    }
    // What was aborted supersedes nothing.
    if (transactions.isAborted(header, (header.attributes & BATCH_TRANSACTIONAL) !== 0)) return;
    for (const { key, offset } of walked.records) {
      if (key !== null && offset >= this.#job.firstDirtyOffset) map.put(key, offset);
    }
  }

  /** A map that takes no more cleans what it has; one that has nothing never would. */
  #full(map: OffsetMap, header: BatchHeader): OffsetMap {
    if (map.size > 0) return map;
    throw brokerError(
      'broker.log_corrupt',
      `The batch at offset ${header.baseOffset} says it has ${header.recordCount} records, and log.cleaner.dedupe.buffer.size holds ${map.capacity} keys.`,
    );
  }

  #countRecords(segments: readonly JobSegment[]): number {
    let count = 0;
    for (const { baseOffset, size } of segments) {
      const segment = this.#open(baseOffset, size);
      for (const { header } of segment.headers(0)) count += Math.max(0, header.recordCount);
      segment.release();
    }
    return count;
  }

  /** All batches of a segment; each is only valid until the next. */
  async *#batches({ baseOffset, size }: JobSegment): AsyncGenerator<{ batch: Buffer; header: BatchHeader }> {
    const segment = this.#open(baseOffset, size);
    try {
      let window = Buffer.allocUnsafeSlow(Math.min(size, this.#job.readBytes));
      for (let position = 0; position < size; ) {
        const bytes = window.subarray(0, await segment.file.read(window, position));
        this.counts.bytesRead += bytes.length;
        await this.#throttle(bytes.length);
        let at = 0;
        while (at + BATCH_OVERHEAD <= bytes.length) {
          const header = readBatchHeader(bytes, at);
          const { sizeInBytes } = header;
          const isSound =
            header.magic === 2 && sizeInBytes >= BATCH_OVERHEAD && position + at + sizeInBytes <= size;
          if (!isSound) corrupt(segment, position + at);
          if (at + sizeInBytes > bytes.length) break;
          if (!batchCrcValid(bytes, at, sizeInBytes)) corrupt(segment, position + at);
          yield { batch: bytes.subarray(at, at + sizeInBytes), header };
          at += sizeInBytes;
        }
        position += at;
        if (at > 0) continue;
        if (bytes.length < BATCH_OVERHEAD) corrupt(segment, position);
        // A batch larger than the window: its size is within the file, so the window may grow to it.
        window = Buffer.allocUnsafeSlow(readBatchHeader(bytes, 0).sizeInBytes);
      }
    } finally {
      segment.release();
    }
  }

  /** Opens a segment that must be there as it was planned: its topic may have been deleted, and made again. */
  #open(baseOffset: number, size: number): Segment {
    const segment = new Segment(this.#disk, this.#job.directory, baseOffset, size);
    if (!this.#disk.exists(segment.logPath) || segment.file.size() !== size) {
      segment.release();
      throw brokerError('broker.log_changed', `${segment.logPath} is not what it was.`, { size });
    }
    return segment;
  }

  #removeCopy(baseOffset: number): void {
    for (const suffix of SEGMENT_FILES) this.#disk.remove(this.#copyPath(baseOffset, suffix));
  }

  #copyPath(baseOffset: number, suffix: string): string {
    return join(this.#job.directory, `${offsetFileName(baseOffset, suffix)}${CLEANED_SUFFIX}`);
  }
}

function corrupt({ logPath }: Segment, position: number): never {
  throw brokerError('broker.log_corrupt', `${logPath} is damaged at ${position}.`, { position });
}
