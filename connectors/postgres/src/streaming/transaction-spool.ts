// What transactions in progress have sent, on disk until they commit (CORRECTNESS 9): one file a transaction, its
// changes one after the other as the server sends them. It knows nothing of their content. A file has no name, so that
// nothing of it outlives the process, however that ends: the server sends it all again.
//
//   change: length:4 lsn:8 bytes
import { randomUUID } from 'node:crypto';
import { constants, type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '@millrace/foundation';
import { postgresError } from '../errors.ts';
import { type Lsn, readLsn, writeLsn } from '../protocol/lsn.ts';
import { SubtransactionStarts } from './subtransaction-starts.ts';

export interface TransactionSpoolOptions {
  /** Where the files are made; created when it is not there. */
  readonly folder: string;
  /** Most bytes of all transactions together. */
  readonly maxBytes: number;
  /** Bytes that are written and read at once; for tests. */
  readonly blockBytes?: number;
  /** For tests. */
  readonly openFile?: (folder: string) => Promise<SpoolFile>;
}

/** What is asked of a file. */
export type SpoolFile = Pick<FileHandle, 'read' | 'write' | 'truncate' | 'close'>;

/** Takes a change of a transaction; the stream of them waits for the promise, where there is one. */
export type ChangeHandler = (
  lsn: Lsn,
  bytes: Buffer,
  start: number,
  end: number,
) => Promise<void> | undefined;

interface Spooled {
  readonly xid: number;
  readonly subs: SubtransactionStarts;
  file: SpoolFile | undefined;
  /** Bytes, with those that are not written yet. */
  size: number;
  written: number;
}

const HEADER = 12;
const BLOCK_BYTES = 256 * 1024;

/** One owner, one call at a time: where a call returns a promise, the next one comes after it. */
export class TransactionSpool {
  readonly #options: TransactionSpoolOptions;
  readonly #blockBytes: number;
  readonly #open = new Map<number, Spooled>();
  #current: Spooled | undefined;
  #buffer: Buffer;
  #spare: Buffer | undefined;
  #used = 0;
  #bytes = 0;

  constructor(options: TransactionSpoolOptions) {
    this.#options = options;
    this.#blockBytes = options.blockBytes ?? BLOCK_BYTES;
    this.#buffer = Buffer.allocUnsafeSlow(this.#blockBytes);
  }

  /** Of all transactions that are open. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether `begin` was called and `end` was not. */
  get isTaking(): boolean {
    return this.#current !== undefined;
  }

  /** Changes of this transaction come now. */
  begin(xid: number): void {
    let spooled = this.#open.get(xid);
    if (spooled === undefined) {
      spooled = { xid, subs: new SubtransactionStarts(), file: undefined, size: 0, written: 0 };
      this.#open.set(xid, spooled);
    }
    this.#current = spooled;
  }

  /**
   * One change of the transaction begun, made by its subtransaction `sub` or by itself: the byte `type` and
   * `bytes[from, end)`. @throws postgres.spool_full; postgres.spool_failed by the promise
   */
  append(
    sub: number,
    lsn: Lsn,
    change: { readonly type: number; readonly bytes: Buffer; readonly from: number; readonly end: number },
  ): Promise<void> | undefined {
    const spooled = this.#current;
    if (spooled === undefined) throw new Error('no transaction was begun');
    const { type, bytes, from, end } = change;
    const length = 1 + end - from;
    const needed = HEADER + length;
    // INV-5: bounded on disk too.
    if (this.#bytes + needed > this.#options.maxBytes) throw this.#full();
    const full = this.#used + needed > this.#buffer.length && this.#used > 0;
    const written = this.#buffer;
    const block = full ? written.subarray(0, this.#used) : undefined;
    if (full || needed > this.#buffer.length) {
      this.#buffer = this.#takeBuffer(needed);
      this.#used = 0;
    }
    if (sub !== spooled.xid) spooled.subs.seen(sub, spooled.size);
    const at = this.#used;
    this.#buffer.writeUInt32BE(length, at);
    writeLsn(this.#buffer, lsn, at + 4);
    this.#buffer[at + HEADER] = type;
    bytes.copy(this.#buffer, at + HEADER + 1, from, end);
    this.#used = at + needed;
    spooled.size += needed;
    this.#bytes += needed;
    if (block === undefined) return undefined;
    return this.#write(spooled, block).then(() => {
      if (written.length === this.#blockBytes) this.#spare = written;
    });
  }

  /** Two buffers in turn: one is filled while the other is written. */
  #takeBuffer(needed: number): Buffer {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare !== undefined && needed <= spare.length
      ? spare
      : Buffer.allocUnsafeSlow(Math.max(this.#blockBytes, needed));
  }

  /** No more changes of the transaction for now. */
  end(): Promise<void> | undefined {
    const spooled = this.#current;
    this.#current = undefined;
    if (spooled === undefined || this.#used === 0) return undefined;
    const block = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    return this.#write(spooled, block);
  }

  /**
   * A subtransaction was rolled back: its changes are dropped, which are the last ones, with those of subtransactions
   * in it. Where `sub` is the transaction itself, all are.
   */
  async abort(xid: number, sub: number): Promise<void> {
    const spooled = this.#open.get(xid);
    if (spooled === undefined) return;
    if (sub === xid) return await this.#drop(spooled);
    const start = spooled.subs.cut(sub);
    if (start === undefined || start >= spooled.size) return;
    this.#bytes -= spooled.size - start;
    spooled.size = start;
    spooled.written = start;
    await this.#doing(() => spooled.file?.truncate(start));
  }

  /** Whether the transaction has changes that were not rolled back. */
  hasChanges(xid: number): boolean {
    return (this.#open.get(xid)?.size ?? 0) > 0;
  }

  /** Hands over the changes of a transaction in their order, and forgets it. The bytes handed over never change. */
  async replay(xid: number, handle: ChangeHandler): Promise<void> {
    const spooled = this.#open.get(xid);
    if (spooled === undefined) return;
    const { size } = spooled;
    let next = size === 0 ? undefined : this.#read(spooled, 0);
    for (let at = 0; next !== undefined; ) {
      const block = await next;
      const whole = wholeChanges(block);
      at += whole;
      next = at < size ? this.#read(spooled, at) : undefined;
      // While this block is handled; where that fails nobody waits for the next one.
      next?.catch(() => undefined);
      for (let change = 0; change < whole; ) {
        const start = change + HEADER;
        const end = start + block.readUInt32BE(change);
        const wait = handle(readLsn(block, change + 4), block, start, end);
        if (wait !== undefined) await wait;
        change = end;
      }
    }
    await this.#drop(spooled);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#current = undefined;
    for (const spooled of this.#open.values()) await this.#drop(spooled).catch(() => undefined);
  }

  async #write(spooled: Spooled, block: Buffer): Promise<void> {
    await this.#doing(async () => {
      spooled.file ??= await (this.#options.openFile ?? openNameless)(this.#options.folder);
      for (let done = 0; done < block.length; ) {
        const { bytesWritten } = await spooled.file.write(
          block,
          done,
          block.length - done,
          spooled.written + done,
        );
        done += bytesWritten;
      }
      spooled.written += block.length;
    });
  }

  /** Bytes from `at` on, with one whole change at least. */
  async #read(spooled: Spooled, at: number): Promise<Buffer> {
    const left = spooled.size - at;
    const block = await this.#readBytes(spooled, at, Math.min(left, this.#blockBytes));
    const first = HEADER + block.readUInt32BE(0);
    return first <= block.length ? block : await this.#readBytes(spooled, at, Math.min(left, first));
  }

  async #readBytes({ file }: Spooled, at: number, length: number): Promise<Buffer> {
    const block = Buffer.allocUnsafeSlow(length);
    await this.#doing(async () => {
      for (let done = 0; done < length; ) {
        const { bytesRead } = (await file?.read(block, done, length - done, at + done)) ?? { bytesRead: 0 };
        if (bytesRead === 0) throw new Error(`the file ends at ${at + done}`);
        done += bytesRead;
      }
    });
    return block;
  }

  async #drop(spooled: Spooled): Promise<void> {
    if (!this.#open.delete(spooled.xid)) return;
    this.#bytes -= spooled.size;
    await this.#doing(() => spooled.file?.close());
  }

  async #doing(work: () => Promise<unknown> | undefined): Promise<void> {
    try {
      await work();
    } catch (cause) {
      const { folder } = this.#options;
      throw postgresError(
        'postgres.spool_failed',
        `Changes of transactions in progress cannot be kept in ${folder}: ${messageOf(cause)}`,
        { cause, configKey: 'millrace.streaming', context: { bytes: this.#bytes } },
      );
    }
  }

  #full(): Error {
    const { maxBytes } = this.#options;
    return postgresError(
      'postgres.spool_full',
      `Transactions in progress need more than the ${maxBytes} bytes of millrace.streaming.max.bytes`,
      { configKey: 'millrace.streaming.max.bytes', context: { transactions: this.#open.size } },
    );
  }
}

/** How far the changes in a block are whole. */
function wholeChanges(block: Buffer): number {
  let at = 0;
  while (at + HEADER <= block.length) {
    const end = at + HEADER + block.readUInt32BE(at);
    if (end > block.length) break;
    at = end;
  }
  if (at === 0)
    throw postgresError('postgres.spool_failed', 'A change in the spool is not as it was written');
  return at;
}

/** Linux opens a file without a name in the folder that is named; a flag that Node has no constant for. */
const O_TMPFILE = 0o20000000;

async function openNameless(folder: string): Promise<SpoolFile> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (process.platform === 'linux') {
    const { O_RDWR, O_DIRECTORY } = constants;
    const file = await open(folder, O_RDWR | O_DIRECTORY | O_TMPFILE, 0o600).catch(() => undefined);
    if (file !== undefined) return file;
  }
  // Elsewhere, and in file systems that have no such files, a kill in between leaves the name.
  const name = path.join(folder, `transaction-${randomUUID()}`);
  const file = await open(name, 'wx+', 0o600);
  await unlink(name);
  return file;
}
