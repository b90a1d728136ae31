// The bundled broker by itself: durable produce and fetch, against a loopback stream and raw write + fdatasync taken in
// the same run. `--records`, `--size`.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, BatchProducer, Cluster, Fetcher } from '@millrace/kafka-client';
import { startMillrace } from '@millrace/testkit/millrace-process';
import { count, cpuSeconds, median, option, percentile, residentMb, say, seconds } from './measure.ts';

const records = option('records', 1_000_000);
const size = option('size', 1000);
const MB = 1024 * 1024;

/** Megabytes a second through a loopback socket. */
async function loopback(totalMb: number): Promise<number> {
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const socket = connect(port, '127.0.0.1');
  const chunk = Buffer.alloc(MB, 120);
  const time = await seconds(async () => {
    for (let i = 0; i < totalMb; i++)
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
    await new Promise<void>((resolve) => socket.end(resolve));
  });
  server.close();
  return totalMb / time;
}

/** Milliseconds of each of `rounds` small writes with fdatasync. */
function rawSyncs(folder: string, rounds: number): number[] {
  const file = openSync(path.join(folder, 'raw'), 'w');
  const chunk = Buffer.alloc(1100, 120);
  const times = Array.from({ length: rounds }, () => {
    const start = performance.now();
    writeSync(file, chunk);
    fdatasyncSync(file);
    return performance.now() - start;
  });
  closeSync(file);
  return times;
}

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-'));
await using millrace = await startMillrace();
await using cluster = new Cluster({
  bootstrapServers: millrace.kafka,
  clientId: 'bench',
  logger: silentLogger,
  clock: systemClock,
});
await new Admin(cluster).createTopics([
  { name: 'bulk', partitions: 1 },
  { name: 'single', partitions: 1 },
]);
const value = Buffer.alloc(size, 120);
const streamBefore = await loopback(1024);

const producer = new BatchProducer({ cluster, logger: silentLogger, clock: systemClock });
await producer.prepare('bulk');
let cpuBefore = cpuSeconds(millrace.pid ?? 0);
const produceTime = await seconds(async () => {
  for (let i = 0; i < records; i++) {
    while (!producer.append('bulk', 0, 1, value, -1, 0, 0, size, null, i)) await producer.ready();
  }
  await producer.flush();
});
const produceCpu = cpuSeconds(millrace.pid ?? 0) - cpuBefore;

cpuBefore = cpuSeconds(millrace.pid ?? 0);
const fetcher = new Fetcher({
  cluster,
  isolation: 'read_uncommitted',
  logger: silentLogger,
  clock: systemClock,
  maxBytes: 8 * MB,
  maxPartitionBytes: 4 * MB,
});
fetcher.assign([{ topic: 'bulk', partition: 0, offset: 0 }]);
let read = 0;
const fetchTime = await seconds(async () => {
  while (read < records)
    for (const { records: got } of await fetcher.poll({ maxWaitMs: 500 })) read += got.length;
});
const fetchCpu = cpuSeconds(millrace.pid ?? 0) - cpuBefore;
await fetcher.close();

const raw = rawSyncs(folder, 500);
const single: number[] = [];
for (let i = 0; i < 500; i++) {
  const start = performance.now();
  await producer.send({ topic: 'single', key: null, value });
  single.push(performance.now() - start);
}
raw.push(...rawSyncs(folder, 500));
await producer.close();
rmSync(folder, { recursive: true, force: true });
const streamAfter = await loopback(1024);

const megabytes = (records * size) / MB;
const stream = median([streamBefore, streamAfter]);
const ratio = (rate: number): string => `${(rate / stream).toFixed(2)} x the loopback stream`;
say(`\nBroker, ${count(records)} records of ${count(size)} bytes, acks=all with fdatasync`);
say(`  loopback stream     ${count(stream)} MB/s (A/A ${(streamBefore / streamAfter).toFixed(2)} x)`);
say(
  `  produce             ${count(megabytes / produceTime)} MB/s, ${count(records / produceTime)} records/s: ${ratio(megabytes / produceTime)}; ${((produceCpu / megabytes) * 1000).toFixed(2)} ms CPU of the whole process per MB`,
);
say(
  `  fetch               ${count(megabytes / fetchTime)} MB/s, ${count(records / fetchTime)} records/s: ${ratio(megabytes / fetchTime)}; ${((fetchCpu / megabytes) * 1000).toFixed(2)} ms CPU per MB`,
);
say(
  `  write + fdatasync   p50 ${percentile(raw, 0.5).toFixed(2)} ms, p99 ${percentile(raw, 0.99).toFixed(2)} ms`,
);
say(
  `  durable single send p50 ${percentile(single, 0.5).toFixed(2)} ms, p99 ${percentile(single, 0.99).toFixed(2)} ms: ${(percentile(single, 0.5) / percentile(raw, 0.5)).toFixed(1)} x the raw p50`,
);
say(`  resident, most      ${count(residentMb(millrace.pid ?? 0).peak)} MB`);
