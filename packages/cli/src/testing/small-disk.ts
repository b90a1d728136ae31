// A small file system of its own, for tests that fill it: only root on Linux may mount one.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A mounted tmpfs; dispose takes it away with what is on it. */
export class SmallDisk implements Disposable {
  readonly path: string;
  readonly #filler: string;

  constructor(megabytes: number) {
    this.path = mkdtempSync(path.join(tmpdir(), 'millrace-disk-'));
    this.#filler = path.join(this.path, 'filler');
    const options = ['-t', 'tmpfs', '-o', `size=${megabytes}m`];
    try {
      execFileSync('mount', [...options, 'tmpfs', this.path], { stdio: 'ignore' });
    } catch (error) {
      rmSync(this.path, { recursive: true });
      throw error;
    }
  }

  /** Leaves not a byte of it. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.path);
    try {
      writeFileSync(this.#filler, Buffer.alloc(bavail * bsize + bsize));
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error;
    }
  }

  /** Makes room again. */
  empty(): void {
    rmSync(this.#filler);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

function canMount(): boolean {
  try {
    using _disk = new SmallDisk(1);
    return true;
  } catch {
    return false;
  }
}

/** Whether a test may mount a disk here. */
export const mayMountDisks: boolean = process.getuid?.() === 0 && process.platform === 'linux' && canMount();
