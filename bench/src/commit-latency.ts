// From the commit of a change to a consumer holding its record, at a fixed rate.
import { silentLogger, systemClock } from '@millrace/foundation';
import { type Cluster, Fetcher, listOffsets } from '@millrace/kafka-client';
import pg from 'pg';

const WRITERS = 4;
const WAIT_AT_END_MS = 10_000;

/** `at` is when the commit was asked for, both in milliseconds. */
export interface Sample {
  readonly at: number;
  readonly ms: number;
}

export interface LatencyOptions {
  readonly cluster: Cluster;
  /** Of the one partition that the table goes to; it is there already. The key of a record has no number but the id. */
  readonly topic: string;
  /** Of the database with the bench's table. */
  readonly url: string;
  /** Ids from here on are written. */
  readonly firstId: number;
  /** Changes a second, one transaction each. */
  readonly rate: number;
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface Latencies {
  readonly sent: number;
  readonly latencies: readonly Sample[];
  /** What the commits took by themselves. */
  readonly commits: readonly Sample[];
  /** Samples from here on are no longer of the warm-up. */
  readonly measuredFrom: number;
}

/** @throws when not one of the changes arrives */
export async function commitLatency(options: LatencyOptions, onWarm?: () => void): Promise<Latencies> {
  const { cluster, topic, rate, firstId } = options;
  const committedAt = new Map<number, number>();
  const latencies: Sample[] = [];
  const commits: Sample[] = [];
  await using fetcher = new Fetcher({
    cluster,
    isolation: 'read_committed',
    logger: silentLogger,
    clock: systemClock,
  });
  const [end] = await listOffsets(cluster, [{ topic, partition: 0 }], 'latest');
  fetcher.assign([{ topic, partition: 0, offset: end?.offset ?? 0 }]);
  const stop = new AbortController();
  let lastKey = '';
  const reading = (async () => {
    while (!stop.signal.aborted) {
      for (const { records } of await fetcher.poll({ maxWaitMs: 100, signal: stop.signal })) {
        const now = performance.now();
        for (const { key } of records) {
          lastKey = key?.toString('latin1') ?? '';
          const at = committedAt.get(Number(/\d+/.exec(lastKey)?.[0]));
          if (at !== undefined) latencies.push({ at, ms: now - at });
        }
      }
    }
  })();
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      const client = new pg.Client({ connectionString: options.url });
      await client.connect();
      return client;
    }),
  );
  const start = performance.now();
  const measuredFrom = start + options.warmSeconds * 1000;
  const stopAt = measuredFrom + options.seconds * 1000;
  const warmed = systemClock.sleep(options.warmSeconds * 1000).then(() => onWarm?.());
  let sent = 0;
  await Promise.all(
    writers.map(async (client, writer) => {
      for (let i = writer; ; i += WRITERS) {
        const due = start + (i * 1000) / rate;
        if (due > stopAt) return;
        const wait = due - performance.now();
        if (wait > 1) await systemClock.sleep(wait);
        const id = firstId + i;
        // Taken before the answer of COMMIT is back: the commit itself lies between the two, so this errs to our loss.
        const at = performance.now();
        committedAt.set(id, at);
        await client.query("insert into t values ($1, 1, 1, 'x', 'y', now(), 1.5, true)", [id]);
        commits.push({ at, ms: performance.now() - at });
        sent++;
      }
    }),
  );
  await warmed;
  const deadline = Date.now() + WAIT_AT_END_MS;
  while (latencies.length < sent && Date.now() < deadline) await systemClock.sleep(20);
  stop.abort();
  await reading;
  for (const client of writers) await client.end();
  if (latencies.length === 0)
    throw new Error(
      `${sent} changes were sent and none was seen in ${topic}; the last key read is '${lastKey}'`,
    );
  return { sent, latencies, commits, measuredFrom };
}
