// One segment of a partition: a .log file of record batches and its two sparse indexes, named by base offset. Sizes
// and indexes run ahead of the file while appended batches wait for their write.
import { join } from 'node:path';
import { BATCH_OVERHEAD, type BatchHeader, KafkaErrors, readBatchHeader } from '@millrace/kafka-protocol';
import type { Disk, DiskFile } from '../disk.ts';
import { KafkaFailure } from '../errors.ts';
import { OffsetIndex, TimeIndex } from './sparse-index.ts';
import { TransactionIndex } from './transaction-index.ts';

/** Window of a scan that only looks at batch heads. */
const HEADER_WINDOW = 16 * 1024;
/** A larger list of aborted transactions does not stay in memory once its segment is complete. */
const KEPT_TRANSACTION_BYTES = 64 * 1024;
const MAX_RELATIVE_OFFSET = 2_147_483_647;
/** Timestamp of records that carry none. */
export const NO_TIMESTAMP = -1;

/** Files of a segment, the one that decides whether it exists last. */
export const SEGMENT_FILES = ['.timeindex', '.index', '.txnindex', '.log'] as const;
/** What Kafka calls files that wait for their removal. */
const DELETED_SUFFIX = '.deleted';

/** A batch in a segment, as a scan meets it. */
export interface PlacedBatch {
  readonly header: BatchHeader;
  readonly position: number;
}

/** Kafka's file name of an offset: 20 digits and a suffix. */
export function offsetFileName(offset: number, suffix: string): string {
  return `${String(offset).padStart(20, '0')}${suffix}`;
}

export class Segment {
  readonly baseOffset: number;
  /** Bytes of all batches appended, written or not. */
  size: number;
  /** Bytes that are in the file. */
  writtenSize: number;
  /** Where the zeros end that were written behind them; see WritePipeline. */
  zerosEnd = 0;
  maxTimestamp: number = NO_TIMESTAMP;
  /** Last offset of the batch that has `maxTimestamp`. */
  maxTimestampOffset: number;
  /** Largest timestamp of the first batch: what rolling by time counts from. */
  firstTimestamp: number | undefined;
  readonly #disk: Disk;
  readonly #directory: string;
  #file: DiskFile | undefined;
  #indexes: { offsets: OffsetIndex; times: TimeIndex } | undefined;
  #transactions: TransactionIndex | undefined;
  #bytesSinceIndexed = 0;
  /** Its lists hold what their files do not. */
  #unstored = false;
  /** Behind the names of the files: empty, or that of files that are not part of the log yet, or no more. */
  #suffix: string;
  #gone = false;

  constructor(disk: Disk, directory: string, baseOffset: number, size: number, suffix: string = '') {
    this.#suffix = suffix;
    this.#disk = disk;
    this.#directory = directory;
    this.baseOffset = baseOffset;
    this.maxTimestampOffset = baseOffset;
    this.size = size;
    this.writtenSize = size;
    if (size === 0) {
      this.#indexes = { offsets: OffsetIndex.empty(), times: TimeIndex.empty() };
      this.#transactions = new TransactionIndex();
    }
  }

  get logPath(): string {
    return this.#path('.log');
  }
  /** The log file; opened, and created if need be, at first use. */
  get file(): DiskFile {
    // A reader that was quicker than the removal asks again, and finds what took this one's place.
    if (this.#gone) throw new KafkaFailure(KafkaErrors.NOT_LEADER_OR_FOLLOWER);
    this.#file ??= this.#disk.open(this.logPath);
    return this.#file;
  }
  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** Largest timestamp of its records; when they carry none, when the file was last written. */
  get largestTimestamp(): number {
    return this.maxTimestamp >= 0 ? this.maxTimestamp : this.#disk.modifiedMs(this.logPath);
  }

  /** The aborted transactions whose markers lie here; read at first use. */
  get transactions(): TransactionIndex {
    if (!this.#transactions) this.loadTransactions();
    this.#transactions ??= new TransactionIndex();
    return this.#transactions;
  }

  /** Whether a batch that ends at `lastOffset` can be addressed relative to the base. */
  fits(lastOffset: number, batchSize: number): boolean {
    return (
      lastOffset - this.baseOffset <= MAX_RELATIVE_OFFSET && this.size + batchSize <= MAX_RELATIVE_OFFSET
    );
  }

  /** Whether an index has no room for another entry within `maxBytes`. */
  indexesFull(maxBytes: number): boolean {
    if (!this.#indexes) return false;
    const { offsets, times } = this.#indexes;
    return (offsets.count + 1) * 8 > maxBytes || (times.count + 2) * 12 > maxBytes;
  }

  /** Takes a batch at the end; the caller sees to its bytes. Returns its position. */
  place(header: BatchHeader, lastOffset: number, indexIntervalBytes: number): number {
    const position = this.size;
    const { offsets, times } = this.#loaded();
    if (header.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = header.maxTimestamp;
      this.maxTimestampOffset = lastOffset;
    }
    this.firstTimestamp ??= header.maxTimestamp;
    if (this.#bytesSinceIndexed > indexIntervalBytes) {
      offsets.append(lastOffset - this.baseOffset, position);
      times.append(this.maxTimestamp, this.maxTimestampOffset - this.baseOffset);
      this.#bytesSinceIndexed = 0;
    }
    this.#bytesSinceIndexed += header.sizeInBytes;
    this.size += header.sizeInBytes;
    this.#unstored = true;
    return position;
  }

  /** Position from which a scan finds the batch with `offset`. */
  scanStart(offset: number): number {
    return this.#loaded().offsets.lookup(offset - this.baseOffset);
  }

  /** Position from which a scan finds the first batch with a timestamp of at least `timestamp`. */
  scanStartByTime(timestamp: number): number {
    return this.scanStart(this.baseOffset + this.#loaded().times.lookup(timestamp));
  }

  /** Heads of the batches in the file from `position` on; ends quietly where the file does or bytes make no sense. */
  *headers(position: number, end: number = this.writtenSize): Generator<PlacedBatch> {
    let window = Buffer.alloc(0);
    let windowStart = position;
    for (let at = position; at + BATCH_OVERHEAD <= end; ) {
      if (at < windowStart || at + BATCH_OVERHEAD > windowStart + window.length) {
        const target = Buffer.allocUnsafe(Math.min(HEADER_WINDOW, end - at));
        window = target.subarray(0, this.file.readSync(target, at));
        windowStart = at;
        if (window.length < BATCH_OVERHEAD) return;
      }
      const header = readBatchHeader(window, at - windowStart);
      if (header.batchLength < BATCH_OVERHEAD - 12 || at + header.sizeInBytes > end) return;
      yield { header, position: at };
      at += header.sizeInBytes;
    }
  }

  /** The batch that holds `offset`, or the first one behind it. */
  find(offset: number): PlacedBatch | undefined {
    for (const batch of this.headers(this.scanStart(offset))) {
      if (batch.header.baseOffset + batch.header.lastOffsetDelta >= offset) return batch;
    }
    return undefined;
  }

  /** Reads a whole batch. */
  async readBatch(batch: PlacedBatch): Promise<Buffer> {
    const target = Buffer.allocUnsafe(batch.header.sizeInBytes);
    const count = await this.file.read(target, batch.position);
    return target.subarray(0, count);
  }

  /** Forgets all batches, to be placed anew, of which `size` bytes are in the file. */
  clear(size: number): void {
    this.size = 0;
    this.writtenSize = size;
    this.maxTimestamp = NO_TIMESTAMP;
    this.maxTimestampOffset = this.baseOffset;
    this.firstTimestamp = undefined;
    this.#bytesSinceIndexed = 0;
    this.#indexes = { offsets: OffsetIndex.empty(), times: TimeIndex.empty() };
  }

  /** Builds indexes and timestamps anew from the batches that are in the file up to `size`. */
  rebuild(size: number, indexIntervalBytes: number): void {
    this.clear(size);
    const unstored = this.#unstored;
    for (const { header } of this.headers(0, size)) {
      this.place(header, header.baseOffset + header.lastOffsetDelta, indexIntervalBytes);
    }
    this.#unstored = unstored;
  }

  /** Takes indexes and timestamps from their files; false when those are missing or make no sense. */
  loadIndexes(): boolean {
    const offsetBytes = this.#disk.readFile(this.#path('.index'));
    const timeBytes = this.#disk.readFile(this.#path('.timeindex'));
    const offsets = offsetBytes && OffsetIndex.parse(offsetBytes, Math.max(this.size, 1));
    const times = timeBytes && TimeIndex.parse(timeBytes);
    const last = times?.last();
    if (!offsets || !times || (this.size > 0 && !last)) return false;
    this.#indexes = { offsets, times };
    this.maxTimestamp = last?.timestamp ?? NO_TIMESTAMP;
    this.maxTimestampOffset = this.baseOffset + (last?.relativeOffset ?? 0);
    for (const { header } of this.headers(0, Math.min(this.size, HEADER_WINDOW))) {
      this.firstTimestamp = header.maxTimestamp;
      break;
    }
    return true;
  }

  /** Takes the aborted transactions from their file; false when it makes no sense. A missing one holds none. */
  loadTransactions(): boolean {
    const bytes = this.#disk.readFile(this.#path('.txnindex'));
    this.#transactions = bytes ? TransactionIndex.parse(bytes) : new TransactionIndex();
    return this.#transactions !== undefined;
  }

  /** Forgets the aborted transactions, to find them anew. */
  clearTransactions(): void {
    this.#transactions = new TransactionIndex();
    this.#unstored = true;
  }

  /** Writes the aborted transactions durably; a segment without any has no such file. */
  async storeTransactions(): Promise<void> {
    const { transactions } = this;
    if (transactions.sizeInBytes > 0) await this.#store('.txnindex', transactions.toBytes());
    else this.#disk.remove(this.#path('.txnindex'));
    this.#unstored = false;
  }

  /** Writes the index files durably, as Kafka leaves them when a segment is complete. */
  async storeIndexes(): Promise<void> {
    if (!this.#indexes || this.#gone) return;
    const { offsets, times } = this.#indexes;
    if (this.size > 0) times.append(this.maxTimestamp, this.maxTimestampOffset - this.baseOffset);
    await this.#store('.index', offsets.toBytes());
    await this.#store('.timeindex', times.toBytes());
    if (this.#transactions) await this.storeTransactions();
    this.#unstored = false;
  }

  /** Makes the file durable. One that was removed meanwhile needs it no more. */
  async sync(): Promise<void> {
    if (!this.#gone) await this.file.sync();
  }

  /** Cuts the file behind what was written. */
  cut(): void {
    this.file.truncate(this.writtenSize);
    this.zerosEnd = 0;
  }

  /** Takes away the zeros behind what was written; false when there are none. */
  cutZeros(): boolean {
    if (this.zerosEnd <= this.writtenSize) return false;
    this.cut();
    return true;
  }

  /**
   * Gives back memory and descriptor of a segment that is not written any more; both come back at need. Of one whose
   * lists are not stored yet, the descriptor only.
   */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
    if (this.size === 0 || this.#unstored) return;
    this.#indexes = undefined;
    if ((this.#transactions?.sizeInBytes ?? 0) > KEPT_TRANSACTION_BYTES) this.#transactions = undefined;
  }

  /** Deletes the files. */
  remove(): void {
    this.release();
    this.#gone = this.#suffix !== '';
    for (const suffix of SEGMENT_FILES) this.#disk.remove(this.#path(suffix));
  }

  /** Renames the files so that no start finds them; who reads the segment still can, until `remove`. */
  retire(): void {
    // Without its log a segment is gone: the indexes first, so that a crash leaves none that belong to nothing. The list
    // of aborted transactions behind them, since a log without indexes has its list made anew.
    for (const suffix of SEGMENT_FILES) {
      const path = this.#path(suffix);
      if (this.#disk.exists(path)) this.#disk.rename(path, `${path}${DELETED_SUFFIX}`);
    }
    this.#suffix = DELETED_SUFFIX;
  }

  #loaded(): { offsets: OffsetIndex; times: TimeIndex } {
    if (!this.#indexes && !this.loadIndexes()) this.rebuild(this.size, 4096);
    this.#indexes ??= { offsets: OffsetIndex.empty(), times: TimeIndex.empty() };
    return this.#indexes;
  }

  async #store(suffix: string, bytes: Buffer): Promise<void> {
    const file = this.#disk.open(this.#path(suffix));
    try {
      file.truncate(bytes.length);
      file.writeSync([bytes], 0);
      await file.sync();
    } finally {
      file.close();
    }
  }

  #path(suffix: string): string {
    return join(this.#directory, `${offsetFileName(this.baseOffset, suffix)}${this.#suffix}`);
  }
}
