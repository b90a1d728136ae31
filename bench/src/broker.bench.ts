// The bundled broker by itself, under a client that costs next to nothing, against the machine's own figures of the same
// run: a loopback stream, a loopback echo, and raw write + fdatasync. `--mb`, `--requests`, `--partitions`, `--waiting`;
// `--only bulk`, `requests`, `durable`, `start` or `rest` for a part of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@millrace/foundation';
import { atRest } from './at-rest.ts';
import { BrokerProcess } from './broker-process.ts';
import { loopbackEcho, loopbackStream, PlainServer, rawSyncs } from './machine.ts';
import { count, measured, median, option, percentile, residentMb, say, seconds, wants } from './measure.ts';
import { fetchRequest, pingRequest, produceRequest, RawClient } from './raw-client.ts';

const MB = 1024 * 1024;
const ROUNDS = 7;
const ROUND_MB = 128;
/** How long a Fetch waits, as Java's consumers ask. */
const WAIT_MS = 500;
const volume = option('mb', 1024);
const requests = option('requests', 200_000);
const partitions = option('partitions', 1000);
const waiting = option('waiting', 500);

function line(what: string, seen: string, budget: string): void {
  say(`  ${what.padEnd(38)} ${seen.padEnd(52)} ${budget}`);
}

const fixed = (value: number, digits = 2): string => value.toFixed(digits);
const met = (isMet: boolean, budget: string): string => `${budget}: ${isMet ? 'met' : 'missed'}`;

const streams = [await loopbackStream()];
const echoes = await loopbackEcho(2000);
const syncs = rawSyncs(500);

if (wants('bulk')) {
  say('The bundled broker, policy os');
  await using broker = await BrokerProcess.start({
    'millrace.log.flush.policy': 'os',
    'log.segment.delete.delay.ms': '1',
  });
  await broker.createTopics({ bulk: 1 });
  const client = await RawClient.open(broker.port);
  // In rounds whose files are deleted: pages of memory are used again, as on a machine that has run for a while.
  const rates: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS + 2; round++) {
    const topic = `round-${round}`;
    const batch = produceRequest(topic, 0, 62, 1000);
    await broker.createTopics({ [topic]: 1 });
    const sends = Math.ceil((ROUND_MB * MB) / batch.length);
    const { time, cpu } = await measured(broker, () => client.run(() => batch, sends, 8));
    await broker.deleteTopics([topic]);
    await systemClock.sleep(200);
    if (round < 2) continue; // warms up
    rates.push(ROUND_MB / time);
    costs.push((cpu / ROUND_MB) * 1000);
  }
  streams.push(await loopbackStream());
  const stream = median(streams);
  const rate = median(rates);
  const perMb = median(costs);
  line(
    'produce, 62 KB batches',
    `${count(rate)} MB/s = ${fixed(rate / stream)} x loopback, ${fixed(perMb)} ms CPU per MB`,
    met(perMb <= 2 && rate >= 0.2 * stream, '0.2 x, 2 ms'),
  );
  const bulk = produceRequest('bulk', 0, 62, 1000);
  await client.run(() => bulk, Math.ceil((volume * MB) / bulk.length), 8);
  const fetches = Array.from({ length: volume - 1 }, (_, i) =>
    fetchRequest('bulk', Math.floor((i * MB) / bulk.length) * 62, MB, 0),
  );
  client.bytesRead = 0;
  const fetched = await measured(broker, () =>
    client.run((i) => fetches[i] ?? Buffer.alloc(0), fetches.length, 2),
  );
  const fetchRate = client.bytesRead / MB / fetched.time;
  line(
    'fetch, 1 MB',
    `${count(fetchRate)} MB/s = ${fixed(fetchRate / stream)} x loopback, ${fixed((fetched.cpu / volume) * 1000)} ms CPU per MB`,
    met(fetchRate >= 0.45 * stream, '0.45 x'),
  );
  client.close();
}

if (wants('requests')) {
  say('The bundled broker, policy os');
  await using broker = await BrokerProcess.start({ 'millrace.log.flush.policy': 'os' });
  await broker.createTopics({ small: 1 });
  const client = await RawClient.open(broker.port);
  const small = produceRequest('small', 0, 1, 1000);
  await client.run(() => small, 20_000, 32);
  const pipelined = await measured(broker, () => client.run(() => small, requests, 32));
  const perRequest = (pipelined.cpu / requests) * 1e6;
  const plain = await plainRequests(small);
  line(
    'produce, 1 record, 32 in flight',
    `${count(requests / pipelined.time)} requests/s, ${fixed(perRequest, 1)} us CPU each, a plain server ${fixed(plain, 1)}`,
    met(perRequest <= 15 && requests / pipelined.cpu >= 60_000, '15 us'),
  );
  client.close();
}

/** Microseconds of CPU of a server that does nothing with the same requests. */
async function plainRequests(request: Buffer): Promise<number> {
  using server = await PlainServer.start(0);
  const client = await RawClient.open(server.port);
  await client.run(() => request, 20_000, 32);
  const { cpu } = await measured(server, () => client.run(() => request, requests, 32));
  client.close();
  return (cpu / requests) * 1e6;
}

if (wants('durable')) {
  say('The bundled broker, policy acks-all: acknowledged when durable');
  await using broker = await BrokerProcess.start();
  await broker.createTopics({ one: 1, many: 32 });
  const client = await RawClient.open(broker.port);
  const single = produceRequest('one', 0, 1, 1000);
  await client.run(() => single, 2000, 1);
  const sends: number[] = [];
  for (let i = 0; i < 2000; i++) sends.push(await client.time(single));
  syncs.push(...rawSyncs(500));
  const base = percentile(syncs, 0.5) + percentile(echoes, 0.5);
  const [p50, p99] = [percentile(sends, 0.5), percentile(sends, 0.99)];
  const rawP99 = percentile(syncs, 0.99);
  const plain = await plainSends(single);
  line(
    'single send',
    `p50 ${fixed(p50)} ms = ${fixed(p50 / base)} x (fdatasync + echo), p99 ${fixed(p99)} ms = ${fixed(p99 / rawP99)} x fdatasync; a plain server ${fixed(percentile(plain, 0.5))}, ${fixed(percentile(plain, 0.99))} ms`,
    met(p50 <= 1.5 * base && p99 <= 2 * rawP99, '1.5 x, 2 x'),
  );
  const clients = await Promise.all(Array.from({ length: 64 }, () => RawClient.open(broker.port)));
  const together = async (request: (client: number) => Buffer): Promise<number> => {
    const each = 300;
    const time = await seconds(() => Promise.all(clients.map((it, i) => it.run(() => request(i), each, 1))));
    return (64 * each) / time;
  };
  await together(() => single);
  const grouped = await together(() => single);
  const serial = 1000 / (syncs.reduce((sum, it) => sum + it, 0) / syncs.length);
  line(
    '64 connections, one partition',
    `${count(grouped)} sends/s = ${fixed(grouped / serial, 1)} x serial write + fdatasync`,
    met(grouped >= 7 * serial, '7 x'),
  );
  const spread = Array.from({ length: 32 }, (_, partition) => produceRequest('many', partition, 1, 1000));
  await together((i) => spread[i % 32] ?? single);
  const over32 = await together((i) => spread[i % 32] ?? single);
  line(
    '64 connections, 32 partitions',
    `${count(over32)} sends/s = ${fixed(over32 / grouped)} x one partition`,
    met(over32 >= 0.25 * grouped, '0.25 x'),
  );
  for (const it of clients) it.close();
  client.close();
}

/** Milliseconds of the same sends to a server that only writes, syncs and answers. */
async function plainSends(request: Buffer): Promise<number[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-'));
  using server = await PlainServer.durable(path.join(folder, 'plain'));
  const client = await RawClient.open(server.port);
  await client.run(() => request, 500, 1);
  const times: number[] = [];
  for (let i = 0; i < 2000; i++) times.push(await client.time(request));
  client.close();
  rmSync(folder, { recursive: true });
  return times;
}

if (wants('start')) {
  say('Starting');
  await using broker = await BrokerProcess.start();
  const empty = await restarted(broker, 'SIGTERM');
  await broker.createTopics({ bulk: 1, parts: 100 });
  const clean = await restarted(broker, 'SIGTERM');
  line(
    'clean start, 100 partitions',
    `${fixed(clean)} s, ${fixed(empty)} s without any`,
    met(clean - empty <= 0.3, '0.3 s more'),
  );
  const client = await RawClient.open(broker.port);
  const bulk = produceRequest('bulk', 0, 62, 1000);
  await client.run(() => bulk, Math.ceil((1024 * MB) / bulk.length), 8);
  client.close();
  const unclean = (await restarted(broker, 'SIGKILL')) - empty;
  line(
    'after SIGKILL with 1 GB unchecked',
    `${fixed(unclean)} s more = ${fixed(1 / unclean)} GB/s`,
    met(unclean <= 2, '2 s'),
  );
}

async function restarted(broker: BrokerProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
  await broker.stop(signal);
  return await broker.start();
}

if (wants('rest')) {
  say('At rest');
  await using broker = await BrokerProcess.start();
  await broker.createTopics({ parts: partitions });
  const poll = fetchRequest('parts', 0, MB, WAIT_MS);
  const { share, clients, stop } = await atRest(broker, poll, waiting);
  const plain = await plainAtRest(poll);
  const { now } = residentMb(broker.pid);
  line(
    `${count(waiting)} waiting consumers`,
    `${fixed(100 * share, 1)} % of a core = ${fixed(share / plain, 1)} x a plain server`,
    met(share <= 0.03, '3 %'),
  );
  line(`resident with ${count(partitions)} partitions`, `${count(now)} MB`, met(now <= 150, '150 MB'));
  await stop();
  const pings: number[] = [];
  const writer = clients[0];
  const pinger = clients[1];
  if (writer !== undefined && pinger !== undefined) {
    const bulk = produceRequest('parts', 0, 62, 1000);
    let writing = true;
    const written = writer
      .run(() => bulk, 8000, 8)
      .finally(() => {
        writing = false;
      });
    const ping = pingRequest();
    while (writing) {
      pings.push(await pinger.time(ping));
      await systemClock.sleep(1);
    }
    await written;
  }
  const worst = percentile(pings, 0.999);
  line(
    'other requests during bulk writes',
    `p50 ${fixed(percentile(pings, 0.5))} ms, p99.9 ${fixed(worst)} ms of ${count(pings.length)}`,
    met(worst < 50, '50 ms'),
  );
  for (const client of clients) client.close();
}

async function plainAtRest(poll: Buffer): Promise<number> {
  using server = await PlainServer.start(WAIT_MS);
  const { share, clients, stop } = await atRest(server, poll, waiting);
  await stop();
  for (const client of clients) client.close();
  return share;
}

streams.push(await loopbackStream());
say('The machine');
line('loopback stream', `${count(median(streams))} MB/s (${streams.map((it) => count(it)).join(', ')})`, '');
line(
  'loopback echo',
  `p50 ${fixed(percentile(echoes, 0.5))} ms, p99 ${fixed(percentile(echoes, 0.99))} ms`,
  '',
);
line(
  'write + fdatasync',
  `p50 ${fixed(percentile(syncs, 0.5))} ms, p99 ${fixed(percentile(syncs, 0.99))} ms`,
  '',
);
