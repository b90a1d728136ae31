// What happens when the disk is full. A reserve file is given up so that offsets, topic deletions and shutdown, all
// writes themselves, still work; records of users are refused until the reserve fits again.
import { join } from 'node:path';
import type { Logger } from '@millrace/foundation';
import { type Disk, isNoSpace } from '../disk.ts';

const CHUNK = Buffer.alloc(1024 * 1024);

export class DiskSpace {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #reserveBytes: number;
  readonly #logger: Logger;
  #full = false;

  constructor(disk: Disk, folder: string, reserveBytes: number, logger: Logger) {
    this.#disk = disk;
    this.#path = join(folder, 'reserve');
    this.#reserveBytes = reserveBytes;
    this.#logger = logger;
  }

  /** Whether records of users are refused for lack of room. */
  get full(): boolean {
    return this.#full;
  }

  /** Tells of a write that met a full disk. True when the caller is internal and room was made: try again. */
  makeRoom(caller: { readonly internal: boolean }): boolean {
    if (!this.#full) {
      this.#full = true;
      this.#logger.error({ path: this.#path }, 'the disk is full: records are refused until there is room');
    }
    if (!caller.internal || !this.#disk.exists(this.#path)) return false;
    this.#disk.remove(this.#path);
    return true;
  }

  /** Gives the reserve up for good when the disk is full: the last writes of a shutdown need it. */
  release(): void {
    if (this.#full) this.#disk.remove(this.#path);
  }

  /** Lays the reserve down where it is missing; users' records are taken again once that works. */
  async restore(): Promise<void> {
    if (!this.#full && this.#disk.exists(this.#path)) return;
    if (!(await this.#fits())) {
      this.#full = true;
      return;
    }
    if (this.#full) this.#logger.info({ path: this.#path }, 'the disk has room again: records are accepted');
    this.#full = false;
  }

  async #fits(): Promise<boolean> {
    try {
      return await this.#fill();
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      return false;
    }
  }

  /** Lays the reserve down; false when there is no room for it. */
  async #fill(): Promise<boolean> {
    // Without headroom beyond the reserve the next record would find the disk full again.
    const file = this.#disk.open(this.#path);
    try {
      let size = file.size();
      if (size >= this.#reserveBytes && !this.#full) return true;
      if (this.#disk.space(this.#path).freeBytes < this.#reserveBytes - size + CHUNK.length) return false;
      for (; size < this.#reserveBytes; size += CHUNK.length) {
        await file.write([CHUNK.subarray(0, this.#reserveBytes - size)], size);
      }
      await file.sync();
      return true;
    } finally {
      file.close();
    }
  }
}
