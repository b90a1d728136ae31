// From the commit of a change to a consumer holding its record, at a fixed rate, beside what the commit alone takes.
// `--rate` (changes a second), `--seconds` (measured), `--warm` (seconds before: reported apart, since V8 compiles
// while the first thousands of changes pass).
import { silentLogger, systemClock } from '@millrace/foundation';
import { Fetcher } from '@millrace/kafka-client';
import pg from 'pg';
import { count, cpuSeconds, option, percentile, say } from './measure.ts';
import { Pipeline, TOPIC } from './pipeline.ts';

const rate = option('rate', 1000);
const duration = option('seconds', 20);
const warm = option('warm', 10);
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
type Sample = { readonly at: number; readonly ms: number };
const latencies: Sample[] = [];
const commits: Sample[] = [];
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
        if (at !== undefined) latencies.push({ at, ms: now - at });
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
const start = performance.now();
const measured = start + warm * 1000;
const cpuBefore = systemClock.sleep(warm * 1000).then(() => cpuSeconds(pipeline.pid));
let sent = 0;
await Promise.all(
  writers.map(async (client, writer) => {
    for (let i = writer; ; i += WRITERS) {
      const due = start + (i * 1000) / rate;
      if (due - measured > duration * 1000) return;
      const wait = due - performance.now();
      if (wait > 1) await systemClock.sleep(wait);
      const id = i + 1;
      // Taken before the answer of COMMIT is back: the commit itself lies between the two, so this errs to our loss.
      const at = performance.now();
      committedAt.set(id, at);
      await client.query("insert into t values ($1, 1, 1, 'x', 'y', now(), 1.5, true)", [id]);
      commits.push({ at, ms: performance.now() - at });
      sent++;
    }
  }),
);
const wait = Date.now() + 5000;
while (latencies.length < sent && Date.now() < wait) await systemClock.sleep(20);
stop.abort();
await reading;
for (const client of writers) await client.end();
const cpu = cpuSeconds(pipeline.pid) - (await cpuBefore);
say(
  `\nCommit to consumer at ${count(rate)} changes/s for ${duration} s (the time of the commit itself included)`,
);
say(`  sent ${count(sent)}, seen ${count(latencies.length)}`);
const early = (sample: Sample): boolean => sample.at < measured;
const late = (sample: Sample): boolean => !early(sample);
for (const [name, share] of [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p99.9', 0.999],
  ['most', 1],
] as const) {
  const of = (samples: Sample[], which: (sample: Sample) => boolean): string =>
    `${percentile(
      samples.filter(which).map((sample) => sample.ms),
      share,
    ).toFixed(2)} ms`;
  say(
    `  ${name.padEnd(6)} ${of(latencies, late).padStart(9)}   the commit alone ${of(commits, late).padStart(9)}   first ${warm} s ${of(latencies, early).padStart(9)}`,
  );
}
say(`  CPU of all our threads ${((cpu / latencies.filter(late).length) * 1e6).toFixed(0)} us per change`);
