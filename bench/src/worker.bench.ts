// The worker: many idle connectors, creating them, a crash among three workers, REST under load, and what it costs between
// task and client, against loops with the raw client. `--only idle|create|rebalance|rest|source|sink`, `--connectors`,
// `--records`, `--rounds`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, systemClock } from '@millrace/foundation';
import { BatchProducer, Cluster, Fetcher } from '@millrace/kafka-client';
import { type MillraceProcess, startMillrace } from '@millrace/testkit/millrace-process';
import { BrokerProcess } from './broker-process.ts';
import { count, cpuSeconds, median, option, percentile, residentMb, say, seconds, wants } from './measure.ts';
import { runProgram, WorkerProcess } from './worker-process.ts';

const STRING = 'org.apache.kafka.connect.storage.StringConverter';
const BYTES = 'org.apache.kafka.connect.converters.ByteArrayConverter';
const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';
const TEXT = { 'key.converter': STRING, 'value.converter': STRING };
const rounds = option('rounds', 3);
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-files-'));

function fileSource(name: string): Record<string, string> {
  const file = path.join(folder, name);
  writeFileSync(file, 'one line\n');
  return { ...TEXT, 'connector.class': 'FileStreamSource', file, topic: name };
}

interface Status {
  readonly tasks: readonly { readonly state: string; readonly worker_id: string }[];
}

async function put(millrace: MillraceProcess, name: string, config: Record<string, string>): Promise<void> {
  const { status, body } = await millrace.request('PUT', `/connectors/${name}/config`, config);
  if (status >= 300) throw new Error(`${name}: ${status} ${JSON.stringify(body)}`);
}

async function untilRunning(millrace: MillraceProcess, name: string): Promise<void> {
  for (;;) {
    const { status, body } = await millrace.request('GET', `/connectors/${name}/status`);
    if (status === 200 && (body as Status).tasks[0]?.state === 'RUNNING') return;
    await systemClock.sleep(1);
  }
}

/** After the last task runs: sinks ask their brokers less often by then, and V8 has given memory back. */
const SETTLE_MS = 60_000;
const WINDOWS = 6;
const WINDOW_MS = 5000;

/**
 * Half file sources with a file of one line, half file sinks of their topics, one task each, in the process of `millrace
 * start` with its broker. CPU is that of the whole process over 30 s in which nobody asks it anything.
 */
async function idle(connectors: number): Promise<void> {
  await using millrace = await startMillrace();
  const pid = millrace.pid ?? 0;
  const before = residentMb(pid).now;
  for (let i = 0; i < connectors; i++) {
    const sink = { ...TEXT, 'connector.class': 'FileStreamSink', file: path.join(folder, `out-${i}`) };
    const topic = `idle-${i >> 1}`;
    await put(millrace, `idle-${i}`, i % 2 === 0 ? fileSource(topic) : { ...sink, topics: topic });
  }
  for (let i = 0; i < connectors; i++) await untilRunning(millrace, `idle-${i}`);
  const created = residentMb(pid).now;
  await systemClock.sleep(SETTLE_MS);
  const cpu: number[] = [];
  let now = 0;
  for (let i = 0; i < WINDOWS; i++) {
    cpu.push(((await spentBy(pid, () => systemClock.sleep(WINDOW_MS))) / WINDOW_MS) * 1000);
    now = Math.max(now, residentMb(pid).now);
  }
  const mean = cpu.reduce((sum, share) => sum + share, 0) / WINDOWS;
  const range = [Math.min(...cpu), Math.max(...cpu)].map((share) => (share * 100).toFixed(1)).join(' to ');
  const requests = await requestsAtRest(millrace);
  const page = await seconds(async () => (await fetch(`${millrace.rest}/metrics`)).text());
  const scrape = await spentBy(pid, async () => {
    for (let i = 0; i < 5; i++) await (await fetch(`${millrace.rest}/metrics`)).text();
  });
  say(`\n${connectors} idle connectors of one task, half of them sinks, with the bundled broker`);
  say(
    `  resident           ${now.toFixed(0)} MB (${before.toFixed(0)} MB without connectors, ${created.toFixed(0)} MB when they were made)`,
  );
  say(`  CPU                ${(mean * 100).toFixed(1)} % of a core (${range} in 5 s each)`);
  say(`  requests a second  ${requests}`);
  say(`  a look at /metrics ${(page * 1000).toFixed(0)} ms, ${((scrape / 5) * 1000).toFixed(0)} ms CPU`);
  say(`  resident after it  ${residentMb(pid).now.toFixed(0)} MB`);
}

/** What the broker is asked in 20 s, by API. */
async function requestsAtRest({ rest }: MillraceProcess): Promise<string> {
  const counts = async (): Promise<Map<string, number>> => {
    const page = await (await fetch(`${rest}/metrics`)).text();
    const line = /^kafka_network_requestmetrics_requests_total\{.*?request="(\w+)".*\} (\d+)$/gm;
    const found = new Map<string, number>();
    for (const [, api = '', value] of page.matchAll(line))
      found.set(api, (found.get(api) ?? 0) + Number(value));
    return found;
  };
  const before = await counts();
  await systemClock.sleep(20_000);
  const rates = [...(await counts())].map(
    ([api, value]) => [api, (value - (before.get(api) ?? 0)) / 20] as const,
  );
  return rates
    .filter(([, rate]) => rate >= 0.1)
    .map(([api, rate]) => `${api} ${rate.toFixed(1)}`)
    .join(', ');
}

/** CPU seconds of a process meanwhile. */
async function spentBy(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = cpuSeconds(pid);
  await work();
  return cpuSeconds(pid) - before;
}

async function create(): Promise<void> {
  await using millrace = await startMillrace();
  const times: number[] = [];
  for (let i = 0; i < 60; i++) {
    const config = fileSource(`new-${i}`);
    const time = await seconds(async () => {
      await put(millrace, `new-${i}`, config);
      await untilRunning(millrace, `new-${i}`);
    });
    times.push(time * 1000);
  }
  say('\nPUT of a config to a RUNNING task, 60 connectors one after the other');
  say(`  p50 ${median(times).toFixed(0)} ms, p90 ${percentile(times, 0.9).toFixed(0)} ms`);
}

async function rebalance(): Promise<void> {
  await using broker = await BrokerProcess.start();
  const properties = {
    'session.timeout.ms': '6000',
    'heartbeat.interval.ms': '1000',
    'scheduled.rebalance.max.delay.ms': '0',
  };
  const workers = await Promise.all(
    [1, 2, 3].map(() => startMillrace({ bootstrapServers: broker.address, properties })),
  );
  const [first, , last] = workers;
  if (!first || !last) throw new Error('no workers');
  const names = Array.from({ length: 60 }, (_, i) => `shared-${i}`);
  for (const name of names) await put(first, name, fileSource(name));
  const running = async (): Promise<Map<string, number>> => {
    const { body } = await first.request('GET', '/connectors?expand=status');
    const byWorker = new Map<string, number>();
    for (const { status } of Object.values(body as Record<string, { status: Status }>)) {
      const [task] = status.tasks;
      if (task?.state === 'RUNNING') byWorker.set(task.worker_id, (byWorker.get(task.worker_id) ?? 0) + 1);
    }
    return byWorker;
  };
  const total = (of: Map<string, number>): number => [...of.values()].reduce((sum, one) => sum + one, 0);
  for (
    let shares = await running();
    total(shares) < 60 || Math.min(...shares.values()) < 18 || shares.size < 3;
  ) {
    await systemClock.sleep(100);
    shares = await running();
  }
  const epoch = async (): Promise<number> => {
    const page = await (await fetch(`${first.rest}/metrics`)).text();
    const of = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(page)?.[1] ?? 0);
    return of('kafka_connect_worker_rebalance_epoch') + of('kafka_connect_worker_rebalance_rebalancing') / 2;
  };
  const lost = last.rest.replace('http://', '');
  const before = await epoch();
  const killed = performance.now();
  await last.end('SIGKILL');
  while ((await epoch()) === before) await systemClock.sleep(10);
  const noticed = performance.now();
  for (let shares = await running(); total(shares) < 60 || shares.has(lost); shares = await running())
    await systemClock.sleep(10);
  const done = performance.now();
  say('\nThree workers with 60 tasks, one of them killed');
  say(
    `  until the group notices        ${((noticed - killed) / 1000).toFixed(1)} s (session.timeout.ms=6000)`,
  );
  say(`  from then until all 60 run     ${((done - noticed) / 1000).toFixed(2)} s`);
  await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
}

async function rest(): Promise<void> {
  await using broker = await BrokerProcess.start();
  await using worker = await WorkerProcess.start(broker.address);
  const ask = async (requests: number): Promise<number[]> => {
    const paths = ['/connectors?expand=status', '/connectors/load/status', '/connectors/load/config', '/'];
    const times: number[] = [];
    for (let i = 0; i < requests; i++) {
      const start = performance.now();
      await (await fetch(`${worker.rest}${paths[i % paths.length]}`)).text();
      times.push(performance.now() - start);
    }
    return times;
  };
  await worker.put('load', generator('load', 0, 200));
  await ask(400);
  const quiet = await ask(2000);
  await worker.put('load', generator('load', 1e12, 200));
  const series = 'kafka_connect_source_task_source_record_write_total{connector="load"';
  const first = await worker.until(series, 500_000);
  const start = performance.now();
  const loaded = await ask(2000);
  const rate = ((await worker.metric(series)) - first) / ((performance.now() - start) / 1000);
  say(`\nREST, 2,000 requests one after the other`);
  for (const [name, times] of [
    ['with nothing to do', quiet],
    [`beside a source of ${count(rate)} records/s`, loaded],
  ] as const) {
    const [p50, p99] = [median(times), percentile(times, 0.99)];
    say(`  ${name.padEnd(42)} p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  }
}

function generator(topic: string, records: number, bytes: number): Record<string, string> {
  return {
    'connector.class': 'bench.GeneratorSource',
    'value.converter': BYTES,
    topic,
    records: String(records),
    bytes: String(bytes),
  };
}

async function source(records: number): Promise<void> {
  await using broker = await BrokerProcess.start({ 'millrace.log.flush.policy': 'os' });
  await using worker = await WorkerProcess.start(broker.address);
  const bytes = 200;
  const results: { raw: number; again: number; worker: number; rate: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    await broker.createTopics({ [`raw-${round}`]: 1, [`again-${round}`]: 1, [`worker-${round}`]: 1 });
    const loop = (topic: string): Promise<number> =>
      runProgram('producer-program.js', broker.address, topic, String(records), String(bytes));
    const raw = await loop(`raw-${round}`);
    const again = await loop(`again-${round}`);
    const name = `source-${round}`;
    const before = cpuSeconds(worker.pid);
    const time = await seconds(async () => {
      await worker.put(name, generator(`worker-${round}`, records, bytes));
      const series = `kafka_connect_source_task_source_record_write_total{connector="${name}"`;
      await worker.until(series, records);
    });
    const cpu = cpuSeconds(worker.pid) - before;
    await worker.delete(name);
    await broker.deleteTopics([`raw-${round}`, `again-${round}`, `worker-${round}`]);
    // The first round compiles.
    if (round > 0)
      results.push({
        raw: raw / records,
        again: again / records,
        worker: (cpu * 1e6) / records,
        rate: records / time,
      });
  }
  const of = (key: keyof (typeof results)[number]): number => median(results.map((result) => result[key]));
  say(`\n${count(records)} records of ${bytes} bytes from a source to the broker, median of ${rounds}`);
  say(
    `  raw producer loop   ${of('raw').toFixed(2)} us CPU a record (A/A ${(of('again') / of('raw')).toFixed(2)})`,
  );
  say(`  through the worker  ${of('worker').toFixed(2)} us CPU a record, ${count(of('rate'))} records/s`);
  say(
    `  the worker's part   ${(of('worker') - of('raw')).toFixed(2)} us a record (rounds ${results.map((r) => (r.worker - r.raw).toFixed(2)).join(', ')})`,
  );
}

/** About 500 bytes of JSON, as a change event without schemas has them. */
function document(i: number): Buffer {
  const row = `{"id":${i},"a":${i % 1000},"price":${(i % 10_000) / 100},"name":"${'x'.repeat(60)}${i}","note":"${'lorem ipsum '.repeat(12)}","ok":${i % 2 === 0}}`;
  const about = `{"version":"3.6.2.Final","connector":"postgresql","name":"bench","ts_ms":1767323045123,"lsn":${24_023_128 + i},"txId":740}`;
  return Buffer.from(`{"before":null,"after":${row},"source":${about},"op":"c","ts_ms":1767323045456}`);
}

async function sink(records: number): Promise<void> {
  await using broker = await BrokerProcess.start({ 'millrace.log.flush.policy': 'os' });
  await using worker = await WorkerProcess.start(broker.address);
  const options = { logger: silentLogger, clock: systemClock };
  await using cluster = new Cluster({ ...options, bootstrapServers: broker.address, clientId: 'bench' });
  await broker.createTopics({ documents: 1 });
  const producer = new BatchProducer({ ...options, cluster });
  await producer.prepare('documents');
  const sizes: number[] = [];
  for (let i = 0; i < records; i++) {
    const value = document(i);
    sizes.push(value.length);
    while (!producer.append('documents', 0, 1, value, -1, 0, 0, value.length, null, i))
      await producer.ready();
  }
  await producer.flush();
  await producer.close();
  /** Records a second from the first batch to the last, by a loop that only reads, or reads and parses. */
  const raw = async (parse: boolean): Promise<number> => {
    await using fetcher = new Fetcher({ ...options, cluster, isolation: 'read_committed' });
    fetcher.assign([{ topic: 'documents', partition: 0, offset: 0 }]);
    let read = 0;
    let start = 0;
    let fields = 0;
    while (read < records) {
      for (const { records: batch } of await fetcher.poll({ maxWaitMs: 1000 })) {
        if (start === 0) start = performance.now();
        read += batch.length;
        if (parse)
          for (const { value } of batch) fields += Object.keys(JSON.parse(String(value)) as object).length;
      }
    }
    if (parse && fields !== 5 * records) throw new Error(`${fields} fields`);
    return records / ((performance.now() - start) / 1000);
  };
  const chain = async (
    name: string,
    converter: Record<string, string>,
  ): Promise<{ rate: number; cpu: number }> => {
    const series = (of: string): string => `bench_sink_us{connector="${name}",of="${of}"`;
    await worker.put(name, {
      'connector.class': 'bench.NullSink',
      topics: 'documents',
      records: String(records),
      ...converter,
      transforms: 'route',
      'transforms.route.type': 'org.apache.kafka.connect.transforms.RegexRouter',
      'transforms.route.regex': 'doc(.*)',
      'transforms.route.replacement': 'route-$1',
    });
    const time = await worker.until(series('time'), 0, 250);
    const cpu = await worker.metric(series('cpu'));
    await worker.delete(name);
    return { rate: 1e6 / time, cpu };
  };
  let sinks = 0;
  const json = { 'value.converter': JSON_CONVERTER, 'value.converter.schemas.enable': 'false' };
  const modes = [
    ['pass-through converters', { 'value.converter': BYTES }, false],
    ['JSON parsed whole', { ...json, read: 'all' }, true],
    ['JSON, one field read', { ...json, read: 'op' }, true],
  ] as const;
  say(
    `\n${count(records)} records of ${Math.round(median(sizes))} bytes: fetch, convert, route, put to nowhere, median of ${rounds}`,
  );
  for (const [name, converter, parse] of modes) {
    const results: { raw: number; again: number; rate: number; cpu: number }[] = [];
    for (let round = 0; round <= rounds; round++) {
      const result = {
        raw: await raw(parse),
        again: await raw(parse),
        ...(await chain(`sink-${sinks++}`, converter)),
      };
      if (round > 0) results.push(result);
    }
    const of = (key: keyof (typeof results)[number]): number => median(results.map((result) => result[key]));
    say(
      `  ${name.padEnd(24)} ${count(of('rate'))} records/s, ${of('cpu').toFixed(2)} us CPU a record; raw loop ${count(of('raw'))} (A/A ${(of('again') / of('raw')).toFixed(2)}); ratio ${(of('rate') / of('raw')).toFixed(2)}`,
    );
  }
}

try {
  if (wants('idle')) await idle(option('connectors', 200));
  if (wants('create')) await create();
  if (wants('rebalance')) await rebalance();
  if (wants('rest')) await rest();
  if (wants('source')) await source(option('records', 1_000_000));
  if (wants('sink')) await sink(option('records', 300_000));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
