// The bundled broker beside a real Kafka of one node, under librdkafka, in turn: 1 KB records, acks=all. Kafka answers from
// the page cache, so policy `os` of ours is what compares; `acks-all`, our default, is durable besides. `--records`, `--rounds`.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, Cluster } from '@millrace/kafka-client';
import { BrokerProcess } from './broker-process.ts';
import { startKafka } from './java-process.ts';
import { count, cpuSeconds, median, option, residentMb, say, warmMemory } from './measure.ts';
import { neededKafka, neededLibrdkafka } from './needs.ts';

const run = promisify(execFile);
const records = option('records', 300_000);
const rounds = option('rounds', 3);
const RATE = 1000;
const LATENCY_SECONDS = 8;
const MB = records / 1024;
const script = path.join(path.dirname(fileURLToPath(import.meta.url)), '../python/load.py');
await neededKafka();
const python = await neededLibrdkafka();

/** What one broker did in one round. */
interface Seen {
  readonly startSeconds: number;
  readonly inPerSecond: number;
  readonly inCpuPerMb: number;
  readonly outPerSecond: number;
  readonly outCpuPerMb: number;
  readonly p50: number;
  readonly p99: number;
  readonly residentMb: number;
}

interface Subject {
  readonly address: string;
  readonly pid: number;
  readonly startSeconds: number;
}

async function load(
  address: string,
  topic: string,
  ...args: (string | number)[]
): Promise<Record<string, number>> {
  const { stdout } = await run(python, [script, address, topic, ...args.map(String)]);
  return JSON.parse(stdout) as Record<string, number>;
}

async function measure({ address, pid, startSeconds }: Subject): Promise<Seen> {
  {
    await using cluster = new Cluster({
      bootstrapServers: address,
      clientId: 'bench',
      logger: silentLogger,
      clock: systemClock,
    });
    const topics = ['warm', 'bulk', 'latency'].map((name) => ({ name, partitions: 1 }));
    await new Admin(cluster).createTopics(topics);
  }
  await load(address, 'warm', 'produce', records / 2);
  await load(address, 'warm', 'consume', records / 2);
  await warmMemory();
  const cpu = async (work: () => Promise<Record<string, number>>): Promise<[number, number]> => {
    const before = cpuSeconds(pid);
    const { seconds = 0 } = await work();
    return [records / seconds, ((cpuSeconds(pid) - before) / MB) * 1000];
  };
  const [inPerSecond, inCpuPerMb] = await cpu(() => load(address, 'bulk', 'produce', records));
  const [outPerSecond, outCpuPerMb] = await cpu(() => load(address, 'bulk', 'consume', records));
  const { p50 = 0, p99 = 0 } = await load(address, 'latency', 'latency', RATE, LATENCY_SECONDS);
  const resident = residentMb(pid).peak;
  return { startSeconds, inPerSecond, inCpuPerMb, outPerSecond, outCpuPerMb, p50, p99, residentMb: resident };
}

async function ours(policy: string): Promise<Seen> {
  const began = performance.now();
  await using broker = await BrokerProcess.start({ 'millrace.log.flush.policy': policy });
  const startSeconds = (performance.now() - began) / 1000;
  return await measure({ address: broker.address, pid: broker.pid, startSeconds });
}

async function theirs(): Promise<Seen> {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-kafka-'));
  try {
    await using kafka = await startKafka(folder);
    return await measure(kafka);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const seen = { kafka: [] as Seen[], os: [] as Seen[], durable: [] as Seen[] };
for (let round = 0; round < rounds; round++) {
  seen.kafka.push(await theirs());
  seen.os.push(await ours('os'));
  seen.durable.push(await ours('acks-all'));
}

say(
  `\nBundled broker beside Kafka 4.3.1: ${count(records)} records of 1 KB by librdkafka, median of ${rounds}`,
);
say(
  `  ${''.padEnd(34)} ${'Kafka'.padStart(10)} ${'Millrace os'.padStart(12)} ${'durable'.padStart(10)}   Millrace os to Kafka`,
);
function line(what: string, of: (seen: Seen) => number, digits: number, better: 'more' | 'less'): void {
  const [kafka, os, durable] = [seen.kafka, seen.os, seen.durable].map((all) => median(all.map(of)));
  const text = (value: number | undefined): string =>
    digits === 0 ? count(value ?? 0) : (value ?? 0).toFixed(digits);
  const ratio = better === 'more' ? (os ?? 0) / (kafka ?? 1) : (kafka ?? 0) / (os ?? 1);
  say(
    `  ${what.padEnd(34)} ${text(kafka).padStart(10)} ${text(os).padStart(12)} ${text(durable).padStart(10)}   ${ratio.toFixed(2)} x better`,
  );
}
line('start, seconds', (it) => it.startSeconds, 2, 'less');
line('produce, records/s', (it) => it.inPerSecond, 0, 'more');
line('produce, ms of CPU per MB', (it) => it.inCpuPerMb, 2, 'less');
line('consume, records/s', (it) => it.outPerSecond, 0, 'more');
line('consume, ms of CPU per MB', (it) => it.outCpuPerMb, 2, 'less');
line(`end to end at ${RATE}/s, p50 ms`, (it) => it.p50, 2, 'less');
line(`end to end at ${RATE}/s, p99 ms`, (it) => it.p99, 2, 'less');
line('resident at most, MB', (it) => it.residentMb, 0, 'less');
