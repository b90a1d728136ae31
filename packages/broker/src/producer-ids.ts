// Hands out producer ids. Blocks are reserved durably before the first id of one is used, so that no id is given
// twice, whatever crashes.
import type { MetadataLog } from './metadata/metadata-log.ts';
import type { MetadataRecord } from './metadata/topics.ts';

const BLOCK = 1000;

export class ProducerIds {
  readonly #metadata: MetadataLog<MetadataRecord>;
  #next: number;
  #reserved: number;
  #reserving: Promise<void> | undefined;

  /** `start` is what the metadata log says is not reserved yet. */
  constructor(metadata: MetadataLog<MetadataRecord>, start: number) {
    this.#metadata = metadata;
    this.#next = start;
    this.#reserved = start;
  }

  async next(): Promise<number> {
    while (this.#next >= this.#reserved) {
      this.#reserving ??= this.#reserve().finally(() => {
        this.#reserving = undefined;
      });
      await this.#reserving;
    }
    return this.#next++;
  }

  /** Ids below `next` are known to be in use. */
  skipTo(next: number): void {
    this.#next = Math.max(this.#next, next);
    this.#reserved = Math.max(this.#reserved, this.#next);
  }

  /** What the metadata log must say. */
  record(): MetadataRecord {
    return { type: 'producer-ids', next: this.#reserved };
  }

  async #reserve(): Promise<void> {
    const next = this.#reserved + BLOCK;
    await this.#metadata.append({ type: 'producer-ids', next });
    this.#reserved = next;
  }
}
