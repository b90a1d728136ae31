// Follows all topics of a cluster whose name begins with a prefix, also those that come into being meanwhile.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, Fetcher } from '@millrace/kafka-client';
import type { TopicRecord } from './topic-reader.ts';

export interface TailRecord extends TopicRecord {
  readonly topic: string;
  /** Of the topic. */
  readonly partitions: number;
}

const LOOK_FOR_TOPICS_MS = 200;

export class TopicTail implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #fetcher: Fetcher;
  readonly #prefix: string;
  readonly #known = new Map<string, number>();
  #lookedMs = 0;

  constructor(bootstrapServers: string, prefix: string) {
    const common = { logger: silentLogger, clock: systemClock };
    this.#cluster = new Cluster({
      ...common,
      bootstrapServers,
      clientId: 'millrace-test-tail',
      defaultApiTimeoutMs: 20_000,
    });
    this.#fetcher = new Fetcher({
      ...common,
      cluster: this.#cluster,
      isolation: 'read_committed',
      maxWaitMs: 100,
    });
    this.#prefix = prefix;
  }

  /** Records that are there, each partition in order; none after a short wait. */
  async poll(): Promise<TailRecord[]> {
    await this.#lookForTopics();
    if (this.#known.size === 0) return [];
    const polled = await this.#fetcher.poll({ maxWaitMs: 50 });
    return polled.flatMap(({ topic, partition, records }) =>
      records.map((record) => ({ ...record, topic, partition, partitions: this.#known.get(topic) ?? 0 })),
    );
  }

  async #lookForTopics(): Promise<void> {
    const nowMs = performance.now();
    if (this.#lookedMs > 0 && nowMs - this.#lookedMs < LOOK_FOR_TOPICS_MS) return;
    this.#lookedMs = nowMs;
    for (const { name, partitions } of await this.#cluster.listTopics()) {
      if (!name.startsWith(this.#prefix)) continue;
      for (let partition = this.#known.get(name) ?? 0; partition < partitions.length; partition++)
        this.#fetcher.add([{ topic: name, partition, offset: 0 }]);
      this.#known.set(name, partitions.length);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fetcher[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
  }
}
