// A small durable log of JSON records: topics, configs, producer id blocks. Appended and synced record by record,
// rewritten whole when it has grown to a multiple of what it says.
//
//   record: length uint32, crc32c uint32 of the text, UTF-8 JSON of that length; an array when several were
//     appended together, so that a crash leaves all of them or none
import { dirname } from 'node:path';
import { crc32c } from '@millrace/kafka-protocol';
import { type Disk, type DiskFile, isNoSpace, writeAtomically } from '../disk.ts';
import { brokerError } from '../errors.ts';
import type { DiskSpace } from '../log/disk-space.ts';

const HEAD = 8;
const REWRITE_BYTES = 1024 * 1024;
const INTERNAL = { internal: true } as const;

export class MetadataLog<R extends object> {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #space: DiskSpace;
  #file: DiskFile;
  #size: number;
  #writing: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, path: string, space: DiskSpace, size: number) {
    this.#disk = disk;
    this.#path = path;
    this.#space = space;
    this.#file = disk.open(path);
    this.#size = size;
  }

  /**
   * Opens the log and returns what it says. A torn last record is cut: nobody was told of it. Unless the last run ended
   * well, the rest is made durable first, since a kill may have left it in the page cache only (INV-12).
   *
   * @throws broker.data_folder_invalid when a record before the last one is damaged
   */
  static async open<R extends object>(
    disk: Disk,
    path: string,
    space: DiskSpace,
    wasClean: boolean,
  ): Promise<{ log: MetadataLog<R>; records: R[] }> {
    const isNew = !disk.exists(path);
    const bytes = disk.readFile(path) ?? Buffer.alloc(0);
    const records: R[] = [];
    let at = 0;
    while (at + HEAD <= bytes.length) {
      const length = bytes.readUInt32BE(at);
      const end = at + HEAD + length;
      // Some file systems leave a tail of zeros, of which the head alone would be sound.
      if (length === 0 || end > bytes.length) break;
      if (crc32c(bytes, at + HEAD, end) !== bytes.readUInt32BE(at + 4)) {
        if (end === bytes.length) break;
        throw brokerError('broker.data_folder_invalid', `${path} is damaged at ${at}.`, { position: at });
      }
      const found = JSON.parse(bytes.toString('utf8', at + HEAD, end)) as R | R[];
      records.push(...(Array.isArray(found) ? found : [found]));
      at = end;
    }
    const log = new MetadataLog<R>(disk, path, space, at);
    if (at < bytes.length) log.#file.truncate(at);
    if (!wasClean && at > 0) {
      log.#file.writeSync([bytes.subarray(0, at)], 0);
      await log.#file.sync();
    }
    if (isNew || !wasClean) await disk.syncDirectory(dirname(path));
    return { log, records };
  }

  /** Resolves when the records are on the device. Calls are served in order. */
  append(...records: readonly R[]): Promise<void> {
    const bytes = encode(records.length === 1 && records[0] ? records[0] : records);
    const done = this.#writing.then(() => this.#write(bytes));
    this.#writing = done.catch(() => undefined);
    return done;
  }

  /** Replaces the content by `live()` when it has grown far beyond it. */
  async compact(live: () => readonly R[]): Promise<void> {
    await this.#writing;
    if (this.#size < REWRITE_BYTES) return;
    const bytes = Buffer.concat(live().map(encode));
    if (bytes.length * 2 > this.#size) return;
    const done = this.#writing.then(async () => {
      await writeAtomically(this.#disk, this.#path, Buffer.concat(live().map(encode)));
      this.#file.close();
      this.#file = this.#disk.open(this.#path);
      this.#size = this.#file.size();
    });
    this.#writing = done.catch(() => undefined);
    await done;
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#file.close();
  }

  async #write(bytes: Buffer): Promise<void> {
    try {
      this.#file.writeSync([bytes], this.#size);
    } catch (error) {
      this.#file.truncate(this.#size);
      if (!isNoSpace(error) || !this.#space.makeRoom(INTERNAL)) throw error;
      this.#file.writeSync([bytes], this.#size);
    }
    await this.#file.sync();
    this.#size += bytes.length;
  }
}

function encode(record: object): Buffer {
  const text = Buffer.from(JSON.stringify(record));
  const bytes = Buffer.allocUnsafe(HEAD + text.length);
  bytes.writeUInt32BE(text.length, 0);
  bytes.writeUInt32BE(crc32c(text), 4);
  text.copy(bytes, HEAD);
  return bytes;
}
