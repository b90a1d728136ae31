// Reads a file from front to end in windows, the next one while this one is looked at.
import type { DiskFile } from '../disk.ts';

/** Bytes of a window unless more are needed. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** A window is there at once if where it starts was guessed right. */
export class Windows {
  readonly #file: DiskFile;
  readonly #fileSize: number;
  // Two pieces of memory for all windows: fresh pages would cost more than the check.
  #memory: Buffer = Buffer.alloc(0);
  #spare: Buffer = Buffer.alloc(0);
  #ahead: { readonly position: number; readonly bytes: Promise<Buffer> } | undefined;

  constructor(file: DiskFile, fileSize: number) {
    this.#file = file;
    this.#fileSize = fileSize;
  }

  /** At least `needed` bytes from `position` on, as far as the file goes; good until the next call. */
  async at(position: number, needed: number): Promise<Buffer> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const bytes = await ahead?.bytes;
    const isFit = ahead?.position === position && bytes !== undefined && bytes.length >= needed;
    return isFit ? bytes : await this.#read(position, needed);
  }

  /** Begins to read what is probably asked for next. */
  prefetch(position: number): void {
    if (position >= this.#fileSize) return;
    const bytes = this.#read(position, 0);
    // Noticed when it is awaited.
    bytes.catch(() => undefined);
    this.#ahead = { position, bytes };
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    await this.#ahead?.bytes;
  }

  async #read(position: number, needed: number): Promise<Buffer> {
    const size = Math.min(Math.max(WINDOW_BYTES, needed), this.#fileSize - position);
    let memory = this.#spare;
    if (memory.length < size) memory = Buffer.allocUnsafeSlow(size);
    this.#spare = this.#memory;
    this.#memory = memory;
    return memory.subarray(0, await this.#file.read(memory.subarray(0, size), position));
  }
}
