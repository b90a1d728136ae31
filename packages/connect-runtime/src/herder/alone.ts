// The place of a standalone worker in a group that has nobody else: it leads, runs everything, and speaks to no one.
import { GroupStats } from '@millrace/kafka-client';
import type { GroupPlace } from './membership.ts';
import type { WorkItem, WorkSet } from './work.ts';

export interface AloneOptions {
  /** All connectors and tasks there are. */
  readonly configured: () => WorkSet;
  /** All that this worker runs from now on. */
  readonly onAssigned: (work: readonly WorkItem[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export class Alone implements GroupPlace {
  readonly generation = 0;
  readonly leaderUrl = '';
  readonly problem = undefined;
  readonly protocol = '';
  readonly stats: GroupStats = new GroupStats();
  /** Nobody asks for what would have to be signed; who does is refused before. */
  readonly signed = false;
  readonly #never: AbortSignal = new AbortController().signal;
  readonly #options: AloneOptions;
  #assigning: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #ready = false;

  constructor(options: AloneOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return !this.#closed;
  }
  get ready(): boolean {
    return this.#ready && !this.#closed;
  }
  ownerUrl(): undefined {
    return undefined;
  }
  hasWorker(): boolean {
    return false;
  }
  /** Nobody is asked anything. */
  gone(): AbortSignal {
    return this.#never;
  }
  settled(): Promise<void> {
    return Promise.resolve();
  }

  start(): void {
    this.rejoin();
  }

  /** Takes what there is now; one round after another. */
  rejoin(): void {
    this.#again = true;
    this.#assigning ??= this.#assign().finally(() => {
      this.#assigning = undefined;
    });
  }

  async #assign(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#options.onAssigned(this.#options.configured().values());
        this.#ready = true;
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#assigning;
  }
}
