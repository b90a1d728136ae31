// The broker's only way to files: an interface small enough to be replaced by a disk that fails on purpose. Small
// and rare operations are synchronous; what may wait for the device (fsync, large reads and writes) is not.
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writev,
  writevSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** An open file. Writes are finished or throw: a short write is continued. */
export interface DiskFile {
  readonly path: string;
  size(): number;
  /** Fills `target` from `position` as far as the file goes; returns the bytes read. */
  readSync(target: Buffer, position: number): number;
  read(target: Buffer, position: number): Promise<number>;
  writeSync(chunks: readonly Buffer[], position: number): void;
  write(chunks: readonly Buffer[], position: number): Promise<void>;
  /** Makes content and size survive power loss (fdatasync). */
  sync(): Promise<void>;
  truncate(size: number): void;
  close(): void;
}

/** A file system. Paths are absolute. */
export interface Disk {
  /** Opens for reading and writing; creates the file when it is missing. */
  open(path: string): DiskFile;
  exists(path: string): boolean;
  /** When a file was last written, by the file system's clock; 0 when there is none. */
  modifiedMs(path: string): number;
  /** Whole content, or undefined when there is no such file. */
  readFile(path: string): Buffer | undefined;
  makeDirectory(path: string): void;
  /** Names in a folder, sorted; none when it is missing. */
  list(path: string): string[];
  rename(from: string, to: string): void;
  /** Removes a file or a whole folder; no error when it is missing. */
  remove(path: string): void;
  /** Makes creations, renames and removals in a folder survive power loss. */
  syncDirectory(path: string): Promise<void>;
  /** Size of the file system this path lies on, and what may still be written there. */
  space(path: string): { readonly totalBytes: number; readonly freeBytes: number };
}

/** Whether an error says that the disk has no room. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Replaces a file so that a crash leaves the old or the new content, never a mix. */
export async function writeAtomically(disk: Disk, path: string, content: Buffer | string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = disk.open(temporary);
  try {
    file.truncate(0);
    file.writeSync([typeof content === 'string' ? Buffer.from(content) : content], 0);
    await file.sync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  await disk.syncDirectory(dirname(path));
}

/** Makes a folder, and those above it, with entries that survive power loss. */
export async function makeDurableDirectory(disk: Disk, path: string): Promise<void> {
  if (disk.exists(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeDurableDirectory(disk, parent);
  disk.makeDirectory(path);
  await disk.syncDirectory(parent);
}

/** Logs hold the data of all topics, the passwords in connectors' configs, and what SCRAM checks: the owner's alone. INV-11. */
const OWN_FILE = 0o600;
const OWN_DIRECTORY = 0o700;

/** The real disk. */
export const nodeDisk: Disk = {
  open: (path) => new NodeFile(path),
  exists: (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
  modifiedMs: (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  readFile: (path) => {
    try {
      return readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  makeDirectory: (path) => {
    mkdirSync(path, { recursive: true, mode: OWN_DIRECTORY });
  },
  list: (path) => {
    try {
      return readdirSync(path).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  },
  rename: (from, to) => renameSync(from, to),
  remove: (path) => rmSync(path, { recursive: true, force: true }),
  syncDirectory: (path) =>
    new Promise((resolve, reject) => {
      const fd = openSync(path, constants.O_RDONLY);
      fsync(fd, (error) => {
        closeSync(fd);
        // Some file systems refuse to sync folders; there is nothing more that can be done on them.
        if (error && error.code !== 'EINVAL' && error.code !== 'EPERM') reject(error);
        else resolve();
      });
    }),
  space: (path) => {
    const { blocks, bavail, bsize } = statfsSync(path);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  },
};

class NodeFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  #inFlight = 0;
  #closing = false;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, OWN_FILE);
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  readSync(target: Buffer, position: number): number {
    let done = 0;
    while (done < target.length) {
      const count = readSync(this.#fd, target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async read(target: Buffer, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const start = done;
      const count = await this.#run<number>((finish) =>
        read(this.#fd, target, start, target.length - start, position + start, finish),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  writeSync(chunks: readonly Buffer[], position: number): void {
    let left = chunks;
    let at = position;
    while (left.length > 0) {
      const written = writevSync(this.#fd, left.slice(0, MAX_CHUNKS), at);
      at += written;
      left = dropBytes(left, written);
    }
  }

  async write(chunks: readonly Buffer[], position: number): Promise<void> {
    let left = chunks;
    let at = position;
    while (left.length > 0) {
      const part = left.slice(0, MAX_CHUNKS);
      const start = at;
      const written = await this.#run<number>((finish) => writev(this.#fd, part, start, finish));
      at += written;
      left = dropBytes(left, written);
    }
  }

  async sync(): Promise<void> {
    await this.#run<void>((finish) => fdatasync(this.#fd, (error) => finish(error, undefined)));
  }

  truncate(size: number): void {
    ftruncateSync(this.#fd, size);
  }

  /** Closes once the operations in flight have ended, so that a reader never meets a reused descriptor. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#inFlight === 0) closeSync(this.#fd);
  }

  #run<T>(start: (finish: (error: Error | null, value: T) => void) => void): Promise<T> {
    this.#inFlight++;
    return new Promise((resolve, reject) => {
      start((error, value) => {
        this.#inFlight--;
        if (this.#closing && this.#inFlight === 0) closeSync(this.#fd);
        if (error) reject(error);
        else resolve(value);
      });
    });
  }
}

/** writev takes at most this many chunks (IOV_MAX on Linux). */
const MAX_CHUNKS = 1024;

function dropBytes(chunks: readonly Buffer[], count: number): readonly Buffer[] {
  let left = count;
  let index = 0;
  for (; index < chunks.length; index++) {
    const chunk = chunks[index];
    if (chunk === undefined || chunk.length > left) break;
    left -= chunk.length;
  }
  const rest = chunks.slice(index);
  const first = rest[0];
  if (left > 0 && first) rest[0] = first.subarray(left);
  return rest;
}
