// From the commit of a change to a consumer holding its record, at a fixed rate. `--rate`, `--seconds`.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Fetcher } from '@millrace/kafka-client';
import pg from 'pg';
import { count, cpuSeconds, option, percentile, say } from './measure.ts';
import { Pipeline, TOPIC } from './pipeline.ts';

const rate = option('rate', 1000);
const duration = option('seconds', 15);
const WRITERS = 4;

await using pipeline = await Pipeline.start();
await pipeline.startConnector('bench', 'latency', 'no_data');
// The first change makes the topic; it does not count.
const deadline = Date.now() + 30_000;
for (let id = -1; (await pipeline.end()) === 0 && Date.now() < deadline; id--) {
  await pipeline.insertMany(id, id);
  await systemClock.sleep(100);
}
const committedAt = new Map<number, number>();
const latencies: number[] = [];
await using fetcher = new Fetcher({
  cluster: pipeline.cluster,
  isolation: 'read_committed',
  logger: silentLogger,
  clock: systemClock,
});
fetcher.assign([{ topic: TOPIC, partition: 0, offset: await pipeline.end() }]);
const stop = new AbortController();
const reading = (async () => {
  while (!stop.signal.aborted) {
    for (const { records } of await fetcher.poll({ maxWaitMs: 100, signal: stop.signal })) {
      const now = performance.now();
      for (const { key } of records) {
        const id = Number(/\d+/.exec(key?.toString('latin1') ?? '')?.[0]);
        const at = committedAt.get(id);
        if (at !== undefined) latencies.push(now - at);
      }
    }
  }
})();

const writers = await Promise.all(
  Array.from({ length: WRITERS }, async () => {
    const client = new pg.Client({ connectionString: pipeline.postgres.url() });
    await client.connect();
    return client;
  }),
);
const cpuBefore = cpuSeconds(pipeline.pid);
const start = performance.now();
let sent = 0;
await Promise.all(
  writers.map(async (client, writer) => {
    for (let i = writer; ; i += WRITERS) {
      const due = start + (i * 1000) / rate;
      if (due - start > duration * 1000) return;
      const wait = due - performance.now();
      if (wait > 1) await systemClock.sleep(wait);
      const id = i + 1;
      // Taken before the answer of COMMIT is back: the commit itself lies between the two, so this errs to our loss.
      committedAt.set(id, performance.now());
      await client.query("insert into t values ($1, 1, 1, 'x', 'y', now(), 1.5, true)", [id]);
      sent++;
    }
  }),
);
const wait = Date.now() + 5000;
while (latencies.length < sent && Date.now() < wait) await systemClock.sleep(20);
stop.abort();
await reading;
for (const client of writers) await client.end();
say(
  `\nCommit to consumer at ${count(rate)} changes/s for ${duration} s (the time of the commit itself included)`,
);
say(`  sent ${count(sent)}, seen ${count(latencies.length)}`);
for (const [name, share] of [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p99.9', 0.999],
] as const) {
  say(`  ${name.padEnd(6)} ${percentile(latencies, share).toFixed(2)} ms`);
}
say(`  most   ${Math.max(...latencies).toFixed(2)} ms`);
say(
  `  CPU of all our threads ${(((cpuSeconds(pipeline.pid) - cpuBefore) / sent) * 1e6).toFixed(0)} us per change`,
);
