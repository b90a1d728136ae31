// A disk that measures how long files take to become durable.
import type { Disk, DiskFile } from '../disk.ts';
import type { TimeStats } from './time-stats.ts';

/** The same disk, with every `sync` of a file recorded. */
export function timedDisk(disk: Disk, flushes: TimeStats): Disk {
  return {
    open: (path) => new TimedFile(disk.open(path), flushes),
    exists: (path) => disk.exists(path),
    readFile: (path) => disk.readFile(path),
    modifiedMs: (path) => disk.modifiedMs(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    space: (path) => disk.space(path),
  };
}

class TimedFile implements DiskFile {
  readonly path: string;
  readonly #file: DiskFile;
  readonly #flushes: TimeStats;

  constructor(file: DiskFile, flushes: TimeStats) {
    this.path = file.path;
    this.#file = file;
    this.#flushes = flushes;
  }

  async sync(): Promise<void> {
    const startMs = performance.now();
    await this.#file.sync();
    const nowMs = performance.now();
    this.#flushes.record(nowMs - startMs, nowMs);
  }

  size(): number {
    return this.#file.size();
  }
  readSync(target: Buffer, position: number): number {
    return this.#file.readSync(target, position);
  }
  read(target: Buffer, position: number): Promise<number> {
    return this.#file.read(target, position);
  }
  writeSync(chunks: readonly Buffer[], position: number): void {
    this.#file.writeSync(chunks, position);
  }
  write(chunks: readonly Buffer[], position: number): Promise<void> {
    return this.#file.write(chunks, position);
  }
  truncate(size: number): void {
    this.#file.truncate(size);
  }
  close(): void {
    this.#file.close();
  }
}
