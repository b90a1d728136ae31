// The topics that a source task writes to: each is made ready before its first record, and told of after it.
import { connectError, JAVA } from '../errors.ts';

const INVALID_TOPIC = /^(?:\.{1,2}|.*[^a-zA-Z0-9._-].*)$|^.{250,}$|^$/;
/** INV-5: of more topics some are told of again. */
const MAX_TOLD = 100_000;

export interface SourceTopicsOptions {
  /** Makes a topic exist as the config says. */
  readonly ensure: (topic: string) => Promise<void>;
  /** Makes it known to the producer. */
  readonly prepare: (topic: string) => Promise<void>;
  readonly onTopic: (topic: string) => void;
  /** A topic that no record may go to. */
  readonly offsetsTopic?: string;
}

export class SourceTopics {
  readonly #options: SourceTopicsOptions;
  readonly #told = new Set<string>();

  constructor(options: SourceTopicsOptions) {
    this.#options = options;
  }

  /** @throws connect.producer_failed */
  async prepare(topic: string): Promise<void> {
    const { ensure, prepare, offsetsTopic } = this.#options;
    try {
      if (INVALID_TOPIC.test(topic)) {
        throw connectError('connect.data', `Invalid topics: [${topic}]`, {
          javaClass: JAVA.invalidTopic,
          hint: 'Topic names have letters, digits, ".", "_" and "-" only, at most 249; change the config or add a RegexRouter.',
        });
      }
      if (topic === offsetsTopic) {
        throw connectError(
          'connect.data',
          'Source tasks may not produce to their own offsets topics when exactly-once support is enabled',
        );
      }
      await ensure(topic);
      await prepare(topic);
    } catch (error) {
      throw producerFailure(error);
    }
  }

  /** A record of this topic is durable. */
  used(topic: string): void {
    if (this.#told.has(topic)) return;
    if (this.#told.size < MAX_TOLD) this.#told.add(topic);
    this.#options.onTopic(topic);
  }

  forget(): void {
    this.#told.clear();
  }
}

export function producerFailure(error: unknown): Error {
  return connectError('connect.producer_failed', 'Unrecoverable exception from producer send callback', {
    cause: error,
  });
}
