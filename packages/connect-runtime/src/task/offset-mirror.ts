// Copies the offsets of a connector that has a topic of its own for them to the worker's topic, after they count: whoever
// reads only that one, or takes the connector's topic away, finds nearly the newest. Never in the way of the task.
import { type Logger, toError } from '@millrace/foundation';
import type { BatchProducer } from '@millrace/kafka-client';

export interface OffsetEntry {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

export class OffsetMirror {
  readonly #producer: BatchProducer;
  readonly #topic: string;
  readonly #logger: Logger;
  /** By key: the newest that was not written. */
  readonly #waiting = new Map<string, OffsetEntry>();
  #writing: Promise<void> | undefined;

  constructor(producer: BatchProducer, topic: string, logger: Logger) {
    this.#producer = producer;
    this.#topic = topic;
    this.#logger = logger;
  }

  note(entries: readonly OffsetEntry[]): void {
    for (const entry of entries) this.#waiting.set(entry.key.toString('latin1'), entry);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when all that was noted is written, or cannot be. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.size > 0) {
      const entries = [...this.#waiting.values()];
      this.#waiting.clear();
      try {
        await Promise.all(
          entries.map(({ key, value }) => this.#producer.send({ topic: this.#topic, key, value })),
        );
      } catch (error) {
        this.#logger.warn(
          { err: toError(error), topic: this.#topic },
          "offsets could not be copied to the worker's topic; those of the connector count",
        );
      }
    }
  }
}
