// From the commit of a change to a consumer holding its record, at a fixed rate, beside what the commit alone takes.
// `--rate` (changes a second), `--seconds` (measured), `--warm` (seconds before: reported apart, since V8 compiles
// while the first thousands of changes pass).
import { systemClock } from '@millrace/foundation';
import { commitLatency, type Sample } from './commit-latency.ts';
import { count, cpuSeconds, option, percentile, say } from './measure.ts';
import { Pipeline, TOPIC } from './pipeline.ts';

const rate = option('rate', 1000);
const seconds = option('seconds', 20);
const warm = option('warm', 10);

await using pipeline = await Pipeline.start();
await pipeline.startConnector('bench', 'latency', 'no_data');
// The first change makes the topic; it does not count.
const deadline = Date.now() + 30_000;
for (let id = -1; (await pipeline.end()) === 0 && Date.now() < deadline; id--) {
  await pipeline.insertMany(id, id);
  await systemClock.sleep(100);
}
let cpuBefore = 0;
const { sent, latencies, commits, measuredFrom } = await commitLatency(
  {
    cluster: pipeline.cluster,
    topic: TOPIC,
    url: pipeline.postgres.url(),
    firstId: 1,
    rate,
    warmSeconds: warm,
    seconds,
  },
  () => {
    cpuBefore = cpuSeconds(pipeline.pid);
  },
);
const cpu = cpuSeconds(pipeline.pid) - cpuBefore;
say(
  `\nCommit to consumer at ${count(rate)} changes/s for ${seconds} s (the time of the commit itself included)`,
);
say(`  sent ${count(sent)}, seen ${count(latencies.length)}`);
const early = (sample: Sample): boolean => sample.at < measuredFrom;
const late = (sample: Sample): boolean => !early(sample);
for (const [name, share] of [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p99.9', 0.999],
  ['most', 1],
] as const) {
  const of = (samples: readonly Sample[], which: (sample: Sample) => boolean): string =>
    `${percentile(
      samples.filter(which).map((sample) => sample.ms),
      share,
    ).toFixed(2)} ms`;
  say(
    `  ${name.padEnd(6)} ${of(latencies, late).padStart(9)}   the commit alone ${of(commits, late).padStart(9)}   first ${warm} s ${of(latencies, early).padStart(9)}`,
  );
}
say(`  CPU of all our threads ${((cpu / latencies.filter(late).length) * 1e6).toFixed(0)} us per change`);
