// Reads a text file line by line and follows it as it grows. Offsets are byte positions after a whole line.
import { fstatSync } from 'node:fs';
import { type FileHandle, open, statfs } from 'node:fs/promises';
import {
  type SourceBatch,
  type SourcePartition,
  SourceRecord,
  type SourceTask,
  type SourceTaskContext,
  type TaskActivity,
} from '@millrace/connect-api';
import { STRING } from '@millrace/data';
import { messageOf } from '@millrace/foundation';
import { BATCH_SIZE, FILE, sourceConfig, TOPIC } from './config.ts';
import { fileError } from './errors.ts';

export const FILENAME = 'filename';
export const POSITION = 'position';

const CHUNK_BYTES = 64 * 1024;
/** A poll reads no further than this, however long its lines are. */
const POLL_BYTES = 1024 * 1024;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** How long to wait for a file that is not there, and for new lines at the end of one that is. */
const MISSING_WAIT_MS = 1000;
const END_WAIT_MS = 100;
const LONGEST_END_WAIT_MS = 1000;
/** At the end of a file there is mostly nothing: that is found out with little memory. */
const PROBE_BYTES = 512;

export class FileStreamSourceTask implements SourceTask {
  #context: SourceTaskContext | undefined;
  #path = '';
  #topic = '';
  #batchSize = 0;
  #partition: SourcePartition = {};
  #file: FileHandle | undefined;
  #missingReported = false;
  /** Why what is there cannot be read; a file that is not there yet is simply waited for. */
  #unreadable: Error | undefined;
  /** Where in the file the first byte of `#pending` is: the end of the last line that was sent. */
  #position = 0;
  /** Bytes read but not sent: the start of a line whose end has not been written yet. */
  #pending: Buffer = Buffer.alloc(0);
  #endWaitMs = END_WAIT_MS;
  readonly #probe = Buffer.allocUnsafe(PROBE_BYTES);
  /** Whether the system tells the file's size without asking a disk or a network. */
  #sizeIsAtHand = false;
  /** Whether the last read found the end of the file. */
  #atEnd = false;

  async start(context: SourceTaskContext): Promise<void> {
    this.#context = context;
    const { config } = sourceConfig.parseOrThrow(context.config, () => true);
    const path = config.optionalString(FILE);
    if (path === undefined || path === '') throw fileError('file.no_input', 'No file to read is configured.');
    this.#path = path;
    this.#topic = config.string(TOPIC);
    this.#batchSize = Math.max(1, config.int(BATCH_SIZE));
    this.#partition = { [FILENAME]: path };
    const stored = await context.offsets.offset(this.#partition);
    const position = stored?.[POSITION];
    this.#position = position === undefined || position === null ? 0 : Number(position);
  }

  async poll(signal: AbortSignal): Promise<SourceBatch | null> {
    const { clock, logger } = this.#started();
    if (!this.#file && !(await this.#open())) {
      if (!this.#missingReported) {
        logger.warn({ file: this.#path }, 'file is not there (yet); waiting for it');
        this.#missingReported = true;
      }
      await clock.sleepRoughly(MISSING_WAIT_MS, signal);
      return null;
    }
    const records = await this.#readLines();
    if (records.length > 0) {
      this.#endWaitMs = END_WAIT_MS;
      return { records };
    }
    await clock.sleepRoughly(this.#endWaitMs, signal);
    // A file that has long been still is looked at less often.
    this.#endWaitMs = Math.min(LONGEST_END_WAIT_MS, this.#endWaitMs * 1.25);
    return null;
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  activity(): TaskActivity | null {
    if (this.#unreadable === undefined) return null;
    return { stage: `opening ${this.#path}`, progress: 0, error: this.#unreadable };
  }

  async stop(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  #started(): SourceTaskContext {
    if (!this.#context) throw new Error('the task was not started');
    return this.#context;
  }

  /** False when there is no such file, or it is something that has no lines. */
  async #open(): Promise<boolean> {
    let file: FileHandle;
    try {
      file = await open(this.#path, 'r');
    } catch (cause) {
      const missing = (cause as { code?: string }).code === 'ENOENT';
      this.#unreadable = missing ? undefined : fileError('file.unreadable', messageOf(cause), { cause });
      return false;
    }
    const stat = await file.stat();
    const isFile = stat.isFile();
    if (stat.isDirectory()) {
      await file.close();
      this.#unreadable = fileError('file.unreadable', `${this.#path} is a folder`);
      return false;
    }
    this.#unreadable = undefined;
    this.#sizeIsAtHand = isFile && (await isOnLocalDisk(this.#path));
    this.#file = file;
    this.#pending = Buffer.alloc(0);
    return true;
  }

  /** As many lines as are there, up to `batch.size`; one at least where there is a whole one. */
  async #readLines(): Promise<SourceRecord[]> {
    const records: SourceRecord[] = [];
    const start = this.#position;
    for (;;) {
      this.#takeLines(records);
      const isFull = records.length >= this.#batchSize || this.#position - start >= POLL_BYTES;
      if (isFull || !(await this.#readChunk())) return records;
    }
  }

  async #readChunk(): Promise<boolean> {
    if (this.#atEnd && this.#sizeIsAtHand && !this.#hasGrown()) return false;
    const chunk = this.#atEnd ? this.#probe : Buffer.allocUnsafe(CHUNK_BYTES);
    const at = this.#position + this.#pending.length;
    const read = (await this.#file?.read(chunk, 0, chunk.length, at))?.bytesRead ?? 0;
    this.#atEnd = read === 0;
    if (read === 0) return false;
    this.#pending = Buffer.concat([this.#pending, chunk.subarray(0, read)]);
    return true;
  }

  /** Asks in this thread: passing a read to another one and back costs some thirty times as much. */
  #hasGrown(): boolean {
    const { fd } = this.#file ?? {};
    return fd === undefined || fstatSync(fd).size > this.#position + this.#pending.length;
  }

  /** Moves whole lines from the pending bytes to `records`; lines end in LF, CR LF or CR. */
  #takeLines(records: SourceRecord[]): void {
    const bytes = this.#pending;
    let start = 0;
    while (records.length < this.#batchSize) {
      const end = lineEnd(bytes, start);
      if (end === undefined) break;
      this.#position += end.next - start;
      records.push(this.#record(bytes.toString('utf8', start, end.line)));
      start = end.next;
    }
    if (start > 0) this.#pending = bytes.subarray(start);
  }

  #record(line: string): SourceRecord {
    return new SourceRecord({
      sourcePartition: this.#partition,
      sourceOffset: { [POSITION]: this.#position },
      topic: this.#topic,
      valueSchema: STRING,
      value: line,
      timestamp: this.#started().clock.nowMs(),
    });
  }
}

/** Types of Linux' file systems that keep in memory what is known of an open file: ext4, xfs, btrfs, tmpfs, overlay. */
const LOCAL_TYPES = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]);

async function isOnLocalDisk(path: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  try {
    return LOCAL_TYPES.has((await statfs(path)).type);
  } catch {
    return false;
  }
}

/** Where the line that starts at `start` ends and the next begins; undefined when its end is not there yet. */
function lineEnd(bytes: Buffer, start: number): { line: number; next: number } | undefined {
  const feed = bytes.indexOf(LINE_FEED, start);
  const until = feed < 0 ? bytes.length : feed;
  const carriage = bytes.subarray(start, until).indexOf(CARRIAGE_RETURN);
  if (carriage < 0) return feed < 0 ? undefined : { line: feed, next: feed + 1 };
  const at = start + carriage;
  // A CR in the last byte may be half of a CR LF.
  if (at + 1 === bytes.length) return undefined;
  return { line: at, next: bytes[at + 1] === LINE_FEED ? at + 2 : at + 1 };
}
