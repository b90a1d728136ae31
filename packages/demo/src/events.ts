// The change events of the shop as they come out of Kafka: the last ones, and how many a second.
import { type Logger, silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, Fetcher, listOffsets } from '@millrace/kafka-client';

export interface ShopEvent {
  readonly topic: string;
  readonly table: string;
  readonly op: string;
  /** The fields of the key, such as `1` or `7:2`. */
  readonly key: string;
}

const OPERATIONS: Readonly<Record<string, string>> = { c: 'create', u: 'update', d: 'delete', r: 'read' };
const KEPT = 8;
const WINDOW_MS = 5_000;

/** Follows the shop's topics. */
export class EventFeed implements AsyncDisposable {
  readonly recent: ShopEvent[] = [];
  total = 0;
  readonly #cluster: Cluster;
  readonly #fetcher: Fetcher;
  readonly #prefix: string;
  readonly #following = new Set<string>();
  readonly #arrivals: { readonly atMs: number; readonly count: number }[] = [];
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(bootstrapServers: string, prefix: string, logger: Logger = silentLogger) {
    this.#prefix = prefix;
    this.#cluster = new Cluster({ bootstrapServers, clientId: 'millrace-demo', logger, clock: systemClock });
    this.#fetcher = new Fetcher({
      cluster: this.#cluster,
      isolation: 'read_committed',
      logger,
      clock: systemClock,
    });
  }

  /** Calls `onEvent` for each event, the snapshot's included, from the beginning of topics or from now on. */
  start(from: 'earliest' | 'latest', onEvent: (event: ShopEvent) => void): void {
    this.#loop = this.#run(from, onEvent);
  }

  perSecond(): number {
    const since = performance.now() - WINDOW_MS;
    while (this.#arrivals[0] && this.#arrivals[0].atMs < since) this.#arrivals.shift();
    return this.#arrivals.reduce((sum, each) => sum + each.count, 0) / (WINDOW_MS / 1000);
  }

  async #run(from: 'earliest' | 'latest', onEvent: (event: ShopEvent) => void): Promise<void> {
    const { signal } = this.#stop;
    let lookAgainMs = 0;
    let position = from;
    while (!signal.aborted) {
      try {
        if (performance.now() >= lookAgainMs) {
          await this.#followNewTopics(position);
          position = 'earliest'; // a topic that appears later is read whole
          lookAgainMs = performance.now() + (this.#following.size === 0 ? 100 : 2_000);
        }
        for (const { topic, records } of await this.#fetcher.poll({ maxWaitMs: 100, signal })) {
          this.#arrivals.push({ atMs: performance.now(), count: records.length });
          this.total += records.length;
          for (const record of records) {
            const event = toEvent(topic, this.#prefix, record.key, record.value);
            if (!event) continue;
            this.recent.push(event);
            if (this.recent.length > KEPT) this.recent.shift();
            onEvent(event);
          }
        }
      } catch {
        if (!signal.aborted) await systemClock.sleep(250, signal); // the broker is not there yet, or going
      }
    }
  }

  async #followNewTopics(from: 'earliest' | 'latest'): Promise<void> {
    const topics = await this.#cluster.listTopics();
    const added = topics.filter(
      ({ name }) => name.startsWith(`${this.#prefix}.public.`) && !this.#following.has(name),
    );
    if (added.length === 0) return;
    const partitions = added.flatMap(({ name, partitions: all }) =>
      all.map((_, partition) => ({ topic: name, partition })),
    );
    this.#fetcher.add(await listOffsets(this.#cluster, partitions, from));
    for (const { name } of added) this.#following.add(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await this.#fetcher.close();
    await this.#cluster.close();
  }
}

/** Undefined for tombstones and for what is no event of ours. */
function toEvent(
  topic: string,
  prefix: string,
  key: Buffer | null,
  value: Buffer | null,
): ShopEvent | undefined {
  if (key === null || value === null) return undefined;
  const payload = (json: Buffer): Record<string, unknown> => {
    const parsed = JSON.parse(json.toString('utf8')) as { payload?: Record<string, unknown> };
    return parsed.payload ?? {};
  };
  try {
    const op = payload(value)['op'];
    const fields = Object.values(payload(key)).map(String);
    if (typeof op !== 'string') return undefined;
    return {
      topic,
      table: topic.slice(prefix.length + '.public.'.length),
      op: OPERATIONS[op] ?? op,
      key: fields.join(':'),
    };
  } catch {
    return undefined; // another converter was configured
  }
}
