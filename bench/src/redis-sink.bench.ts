// Records of a topic into Redis: from posting the sink until its group has committed the end of the topic, against
// ioredis writing the same values in pipelines of the same depth. `--rows`, `--rounds`, `--depth`.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, BatchProducer, Cluster, fetchGroupOffsets } from '@millrace/kafka-client';
import { startRedis } from '@millrace/local-servers';
import { startMillrace } from '@millrace/testkit/millrace-process';
import { Redis } from 'ioredis';
import { count, cpuSeconds, median, option, residentMb, say, seconds } from './measure.ts';

const rows = option('rows', 300_000);
const rounds = option('rounds', 3);
const depth = option('depth', 512);
const TOPIC = 'bench.public.t';
const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';

/** A change event as the Postgres source writes it without schemas, of a row of about 200 bytes. */
function changeEvent(i: number): string {
  const digest = ((i * 2_654_435_761) >>> 0).toString(16).padStart(8, '0').repeat(8);
  const row = `{"id":${i},"a":${i % 1000},"b":${i % 77},"c":"${'x'.repeat(40)}${i}","d":"${digest}","e":"2026-01-02T03:04:05.123456Z","f":"AN4=","g":${i % 2 === 0}}`;
  const source = `{"version":"3.6.2.Final","connector":"postgresql","name":"bench","ts_ms":1767323045123,"snapshot":"false","db":"postgres","sequence":"[\\"24023128\\",\\"${24023128 + i}\\"]","ts_us":1767323045123456,"ts_ns":1767323045123456000,"schema":"public","table":"t","txId":740,"lsn":${24023128 + i},"xmin":null}`;
  return `{"before":null,"after":${row},"source":${source},"transaction":null,"op":"c","ts_ms":1767323045456,"ts_us":1767323045456789,"ts_ns":1767323045456789012}`;
}

await using redis = await startRedis();
await using millrace = await startMillrace();
await using cluster = new Cluster({
  bootstrapServers: millrace.kafka,
  clientId: 'bench',
  logger: silentLogger,
  clock: systemClock,
});
const pid = millrace.pid ?? 0;
const client = new Redis(redis.url);

async function fill(): Promise<void> {
  await new Admin(cluster).createTopics([{ name: TOPIC, partitions: 1 }]);
  const producer = new BatchProducer({ cluster, logger: silentLogger, clock: systemClock });
  await producer.prepare(TOPIC);
  for (let i = 0; i < rows; i++) {
    const key = `{"id":${i}}`;
    const record = Buffer.from(key + changeEvent(i));
    while (!producer.append(TOPIC, 0, 1, record, 0, key.length, key.length, record.length, null, i))
      await producer.ready();
  }
  await producer.flush();
  await producer.close();
}

/** The baseline: nothing but SET, one pipeline after the other. */
async function raw(): Promise<number> {
  await client.flushall();
  return seconds(async () => {
    for (let i = 0; i < rows; ) {
      const pipeline = client.pipeline();
      for (const end = Math.min(i + depth, rows); i < end; i++)
        pipeline.set(`${TOPIC}:${i}`, Buffer.from(changeEvent(i)));
      await pipeline.exec();
    }
  });
}

async function committed(group: string): Promise<number> {
  const [found] = await fetchGroupOffsets(cluster, group, [{ topic: TOPIC, partition: 0 }]);
  return found?.offset ?? -1;
}

async function sink(name: string): Promise<number> {
  await client.flushall();
  const config = {
    'connector.class': 'io.millrace.connect.redis.RedisSinkConnector',
    topics: TOPIC,
    'redis.url': redis.url,
    'redis.batch.size': String(depth),
    'key.converter': JSON_CONVERTER,
    'key.converter.schemas.enable': 'false',
    'value.converter': JSON_CONVERTER,
    'value.converter.schemas.enable': 'false',
  };
  const time = await seconds(async () => {
    await millrace.request('PUT', `/connectors/${name}/config`, config);
    while ((await committed(`connect-${name}`)) < rows) {
      if (!millrace.running) throw new Error(`Millrace ended: ${millrace.logs.slice(-2000)}`);
      await systemClock.sleep(10);
    }
  });
  const keys = await client.dbsize();
  // A value and its fence for each key, and the marker of the partition.
  if (keys !== 2 * rows + 1) throw new Error(`Redis holds ${keys} keys of ${2 * rows + 1}`);
  await millrace.request('DELETE', `/connectors/${name}`);
  return time;
}

await fill();
const filledMb = residentMb(pid).now;
const baseline: number[] = [];
const again: number[] = [];
const ours: number[] = [];
const cpu: number[] = [];
let mostMb = 0;
const sampling = setInterval(() => {
  if (millrace.running) mostMb = Math.max(mostMb, residentMb(pid).now);
}, 100).unref();
for (let round = 0; round < rounds; round++) {
  // A B A in turn, so that a drift of the machine hits all; the two A give the noise floor.
  baseline.push(await raw());
  const before = cpuSeconds(pid);
  ours.push(await sink(`bench-${round}`));
  cpu.push(cpuSeconds(pid) - before);
  again.push(await raw());
}
clearInterval(sampling);
client.disconnect();
say(
  `\nTopic to Redis: ${count(rows)} change events of ${changeEvent(rows).length} bytes, depth ${count(depth)}, median of ${rounds}`,
);
say(`  ioredis, pipelined SET       ${count(rows / median([...baseline, ...again]))} records/s`);
say(
  `  Millrace                     ${count(rows / median(ours))} records/s (from posting the sink to its last commit)`,
);
say(
  `  ratio                        ${median(baseline.map((time, i) => Math.min(time, again[i] ?? time) / (ours[i] ?? time))).toFixed(2)} x`,
);
say(
  `  A/A noise floor              ${median(baseline.map((time, i) => time / (again[i] ?? time))).toFixed(2)} x`,
);
say(`  CPU of all our threads       ${((median(cpu) / rows) * 1e6).toFixed(2)} us per record`);
say(`  resident, most               ${count(mostMb)} MB (${count(filledMb)} MB before the first sink)`);
