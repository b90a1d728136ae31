// Millrace beside Debezium on Kafka Connect and Kafka, with their default heaps, on the same rows of one Postgres, in turn:
// from the start of the programs to the first event, a backlog streamed, latency, memory. `--rows` (of the backlog),
// `--rate` (changes a second of the latency), `--rounds`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, listOffsets } from '@millrace/kafka-client';
import { startPostgres } from '@millrace/local-servers';
import { startMillrace } from '@millrace/testkit/millrace-process';
import pg from 'pg';
import { commitLatency } from './commit-latency.ts';
import { type Rival, startConnect, startKafka } from './java-process.ts';
import { count, cpuSeconds, median, option, percentile, residentMb, say, warmMemory } from './measure.ts';
import { neededConnect, neededKafka } from './needs.ts';
import { CREATE, ROW, systemPostgres } from './pipeline.ts';

const rows = option('rows', 300_000);
const rate = option('rate', 1000);
const rounds = option('rounds', 3);
/** So many that a JVM has compiled what runs. */
const WARM_ROWS = 150_000;
const WARM_SECONDS = 10;
const LATENCY_SECONDS = 10;
const TRANSACTION_ROWS = 1000;
/** What lowers Debezium's latency most: it looks for events each 500 ms by default. */
const TUNED = { 'poll.interval.ms': '5', 'producer.override.linger.ms': '0' };

/** What is measured: all its processes but the database's. */
interface Subject extends AsyncDisposable {
  readonly kafka: string;
  readonly rest: string;
  readonly pids: readonly number[];
  /** Until its programs were ready, one after the other. */
  readonly startSeconds: number;
}

interface Seen {
  readonly firstEventSeconds: number;
  readonly rowsPerSecond: number;
  readonly eventsPerCpuSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly tunedP50: number;
  readonly tunedP99: number;
  readonly residentMb: number;
}

await neededKafka();
await neededConnect();
await using postgres = await startPostgres({
  binDir: systemPostgres(),
  settings: { max_wal_size: '8GB', checkpoint_timeout: '1h' },
});
const client = new pg.Client({ connectionString: postgres.url() });
client.on('error', () => undefined);
await client.connect();

async function millrace(): Promise<Subject> {
  const began = performance.now();
  const started = await startMillrace();
  return {
    kafka: started.kafka,
    rest: started.rest,
    pids: [started.pid ?? 0],
    startSeconds: (performance.now() - began) / 1000,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

async function debezium(): Promise<Subject> {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-debezium-'));
  const started: Rival[] = [];
  const end = async (): Promise<void> => {
    for (const rival of started.reverse()) await rival[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const kafka = await startKafka(path.join(folder, 'kafka'));
    started.push(kafka);
    const connect = await startConnect(path.join(folder, 'connect'), kafka.address);
    started.push(connect);
    return {
      kafka: kafka.address,
      rest: connect.address,
      pids: [kafka.pid, connect.pid],
      startSeconds: kafka.startSeconds + connect.startSeconds,
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function call(rest: string, method: string, route: string, body?: object): Promise<unknown> {
  const answer = await fetch(`${rest}${route}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

function connectorConfig(name: string): Record<string, string> {
  const { host, port, user, password } = postgres;
  const json = 'org.apache.kafka.connect.json.JsonConverter';
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': host,
    'database.port': String(port),
    'database.user': user,
    'database.password': password,
    'database.dbname': 'postgres',
    'topic.prefix': name,
    'plugin.name': 'pgoutput',
    'slot.name': name,
    'publication.name': name,
    'publication.autocreate.mode': 'filtered',
    'table.include.list': 'public.t',
    'key.converter': json,
    'key.converter.schemas.enable': 'false',
    'value.converter': json,
    'value.converter.schemas.enable': 'false',
  };
}

async function measure(name: string, start: () => Promise<Subject>): Promise<Seen> {
  const topic = `${name}.public.t`;
  await client.query(`drop table if exists t; ${CREATE}`);
  await insert(-1, -1);
  await using subject = await start();
  await using cluster = new Cluster({
    bootstrapServers: subject.kafka,
    clientId: 'bench',
    logger: silentLogger,
    clock: systemClock,
    // Asking for the end of a topic that is not there yet is to answer soon, not to wait for the topic.
    defaultApiTimeoutMs: 100,
  });
  const end = async (): Promise<number> => {
    const found = await listOffsets(cluster, [{ topic, partition: 0 }], 'latest').catch(() => []);
    return found[0]?.offset ?? 0;
  };
  const reached = async (offset: number): Promise<void> => {
    const deadline = Date.now() + 300_000;
    while ((await end()) < offset) {
      if (Date.now() > deadline) throw new Error(`${topic} ends at ${await end()}, not at ${offset}`);
      await systemClock.sleep(20);
    }
  };
  const config = connectorConfig(name);
  const posted = performance.now();
  await call(subject.rest, 'PUT', '/connectors/source/config', config);
  await reached(1);
  const firstEventSeconds = subject.startSeconds + (performance.now() - posted) / 1000;
  await insert(1, WARM_ROWS);
  await reached(1 + WARM_ROWS);
  await call(subject.rest, 'PUT', '/connectors/source/pause');
  await inState(subject.rest, 'PAUSED');
  await systemClock.sleep(1000);
  await insert(WARM_ROWS + 1, WARM_ROWS + rows);
  await warmMemory();
  // A paused Debezium reads on until its queue of 8,192 events is full: that part of the backlog is a gift to it.
  const before = await end();
  const target = 1 + WARM_ROWS + rows;
  const cpu = (): number => subject.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const cpuBefore = cpu();
  const resumed = performance.now();
  await call(subject.rest, 'PUT', '/connectors/source/resume');
  await reached(target);
  const seconds = (performance.now() - resumed) / 1000;
  const cpuTaken = cpu() - cpuBefore;
  const latency = { cluster, topic, url: postgres.url(), rate, warmSeconds: WARM_SECONDS };
  const first = await late({ ...latency, firstId: 100_000_000, seconds: LATENCY_SECONDS });
  let tuned = first;
  if (name === 'debezium') {
    await call(subject.rest, 'PUT', '/connectors/source/config', { ...config, ...TUNED });
    const reached = await end();
    for (let id = -2; (await end()) === reached; id--) {
      await insert(id, id);
      await systemClock.sleep(200);
    }
    tuned = await late({ ...latency, firstId: 200_000_000, seconds: LATENCY_SECONDS });
  }
  const resident = subject.pids.reduce((sum, pid) => sum + residentMb(pid).peak, 0);
  await call(subject.rest, 'DELETE', '/connectors/source');
  await slotReleased(name);
  await client.query('select pg_drop_replication_slot($1)', [name]);
  await client.query(`drop publication ${name}`);
  return {
    firstEventSeconds,
    rowsPerSecond: (target - before) / seconds,
    eventsPerCpuSecond: (target - before) / cpuTaken,
    p50: percentile(first, 0.5),
    p99: percentile(first, 0.99),
    tunedP50: percentile(tuned, 0.5),
    tunedP99: percentile(tuned, 0.99),
    residentMb: resident,
  };
}

/** Milliseconds from commit to consumer after the warm-up. @throws when some of the changes did not arrive */
async function late(options: Parameters<typeof commitLatency>[0]): Promise<number[]> {
  const { sent, latencies, measuredFrom } = await commitLatency(options);
  if (latencies.length < sent)
    throw new Error(`${sent} changes at ${rate}/s, ${latencies.length} arrived: choose a lower --rate`);
  return latencies.filter(({ at }) => at >= measuredFrom).map(({ ms }) => ms);
}

async function insert(first: number, last: number): Promise<void> {
  await client.query('set synchronous_commit = off');
  for (let from = first; from <= last; from += TRANSACTION_ROWS) {
    const to = Math.min(last, from + TRANSACTION_ROWS - 1);
    await client.query(
      `insert into t select ${ROW} from generate_series(${from}::bigint, ${to}::bigint) as i`,
    );
  }
  await client.query('set synchronous_commit = on');
}

async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`still not so after 30 s: ${what}`);
    await systemClock.sleep(100);
  }
}

async function inState(rest: string, state: string): Promise<void> {
  await eventually(`all tasks ${state}`, async () => {
    const status = (await call(rest, 'GET', '/connectors/source/status')) as { tasks: { state: string }[] };
    return status.tasks.length > 0 && status.tasks.every((task) => task.state === state);
  });
}

async function slotReleased(name: string): Promise<void> {
  await eventually(`slot ${name} is free`, async () => {
    const { rowCount } = await client.query(
      'select from pg_replication_slots where slot_name = $1 and not active',
      [name],
    );
    return rowCount === 1;
  });
}

const seen = { theirs: [] as Seen[], ours: [] as Seen[] };
for (let round = 0; round < rounds; round++) {
  const theirs = await measure('debezium', debezium);
  const ours = await measure('millrace', millrace);
  say(
    `round ${round + 1}: ${JSON.stringify({ theirs, ours }, (_, it) => (typeof it === 'number' ? Number(it.toPrecision(4)) : it))}`,
  );
  seen.theirs.push(theirs);
  seen.ours.push(ours);
}
await client.end();

say(
  `\nMillrace beside Debezium 3.6.2 on Kafka Connect and Kafka 4.3.1; ${count(rows)} rows of about 200 bytes, median of ${rounds}`,
);
say(`  ${''.padEnd(40)} ${'Debezium'.padStart(10)} ${'Millrace'.padStart(10)}`);
function line(what: string, of: (seen: Seen) => number, digits: number, better: 'more' | 'less'): void {
  const [their, our] = [median(seen.theirs.map(of)), median(seen.ours.map(of))];
  const text = (value: number): string => (digits === 0 ? count(value) : value.toFixed(digits)).padStart(10);
  const ratio = better === 'more' ? our / their : their / our;
  say(`  ${what.padEnd(40)} ${text(their)} ${text(our)}   ${ratio.toFixed(1)} x better`);
}
line('programs started to first event, s', (it) => it.firstEventSeconds, 1, 'less');
line('streaming a backlog, rows/s', (it) => it.rowsPerSecond, 0, 'more');
line('events per CPU second', (it) => it.eventsPerCpuSecond, 0, 'more');
line(`latency at ${rate}/s, p50 ms`, (it) => it.p50, 1, 'less');
line(`latency at ${rate}/s, p99 ms`, (it) => it.p99, 1, 'less');
line('the same, Debezium tuned, p50 ms', (it) => it.tunedP50, 1, 'less');
line('the same, Debezium tuned, p99 ms', (it) => it.tunedP99, 1, 'less');
line('resident at most, MB', (it) => it.residentMb, 0, 'less');
