// The leader epochs of a partition, each with its first offset: what `leader-epoch-checkpoint` holds. They rise with each
// unclean start, which tells clients that the end of the log may be another one than they saw.
import { join } from 'node:path';
import { type Disk, writeAtomically } from '../disk.ts';
import { type EpochEntry, formatLeaderEpochs } from './checkpoint.ts';

export class LeaderEpochs {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #entries: EpochEntry[];
  #changed: boolean;

  /** `changed`: the file is older than the entries. */
  constructor(disk: Disk, directory: string, entries: readonly EpochEntry[], changed: boolean) {
    this.#disk = disk;
    this.#path = join(directory, 'leader-epoch-checkpoint');
    this.#entries = [...entries];
    this.#changed = changed;
  }

  get current(): number {
    return this.#entries.at(-1)?.epoch ?? 0;
  }

  /** The epoch in which an offset was written. */
  at(offset: number): number {
    return this.#entries.findLast((entry) => entry.startOffset <= offset)?.epoch ?? 0;
  }

  /** The end of an epoch: first offset of the next one, or the log's end. -1/-1 for an epoch never used. */
  endOf(epoch: number, logEnd: number): { epoch: number; endOffset: number } {
    if (epoch > this.current || epoch < 0) return { epoch: -1, endOffset: -1 };
    if (epoch === this.current) return { epoch, endOffset: logEnd };
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch);
    const known = this.#entries[next - 1];
    const end = this.#entries[next]?.startOffset ?? -1;
    return known ? { epoch: known.epoch, endOffset: end } : { epoch, endOffset: end };
  }

  /** The first batch of a new log begins its first epoch. */
  noteAppend(baseOffset: number): void {
    if (this.#entries.length > 0) return;
    this.#entries.push({ epoch: 0, startOffset: baseOffset });
    this.#changed = true;
  }

  /** Makes them durable, when they changed. */
  async store(): Promise<void> {
    if (!this.#changed) return;
    await writeAtomically(this.#disk, this.#path, formatLeaderEpochs(this.#entries));
    this.#changed = false;
  }
}
