// Resident memory and start: idle with no connector, and with a source under load; against a Node process that does
// nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '@millrace/foundation';
import { startMillrace } from '@millrace/testkit/millrace-process';
import { count, median, option, residentMb, say, seconds } from './measure.ts';
import { Pipeline } from './pipeline.ts';

const rounds = option('rounds', 3);
const rows = option('rows', 500_000);

const empty = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
await once(empty, 'spawn');
await systemClock.sleep(1000);
const nothing = residentMb(empty.pid ?? 0).now;
empty.kill('SIGKILL');

const ready: number[] = [];
const idle: number[] = [];
for (let round = 0; round < rounds; round++) {
  let started: Awaited<ReturnType<typeof startMillrace>> | undefined;
  ready.push(
    await seconds(async () => {
      started = await startMillrace();
    }),
  );
  if (!started) throw new Error('millrace did not start');
  await using millrace = started;
  await systemClock.sleep(10_000);
  idle.push(residentMb(millrace.pid ?? 0).now);
}

await using pipeline = await Pipeline.start();
await pipeline.insertMany(1, 1);
const first = await seconds(async () => {
  await pipeline.startConnector('bench', 'footprint', 'initial');
  await pipeline.waitForEnd(1);
});
await pipeline.insertMany(2, rows);
await pipeline.waitForEnd(rows);
const loaded = residentMb(pipeline.pid);

say(`\nFootprint, median of ${rounds}`);
say(`  a Node process that does nothing  ${nothing.toFixed(0)} MB resident`);
say(
  `  idle, no connector                ${median(idle).toFixed(0)} MB resident (${(median(idle) / nothing).toFixed(1)} x)`,
);
say(
  `  after ${count(rows)} streamed rows       ${loaded.now.toFixed(0)} MB resident, ${loaded.peak.toFixed(0)} MB at most`,
);
say(`  process start to ready            ${median(ready).toFixed(2)} s`);
say(`  connector posted to first record  ${first.toFixed(2)} s`);
