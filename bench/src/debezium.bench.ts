// Millrace beside Debezium on Kafka Connect and Kafka, with their default heaps, on the same rows of one Postgres, in turn:
// from the start of the programs to the first event, a backlog streamed, latency, memory. `--rows`, `--rate`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, Fetcher, listOffsets } from '@millrace/kafka-client';
import { startPostgres } from '@millrace/local-servers';
import { startMillrace } from '@millrace/testkit/millrace-process';
import pg from 'pg';
import { startConnect, startKafka } from './java-process.ts';
import { count, cpuSeconds, option, percentile, residentMb, say, warmMemory } from './measure.ts';
import { CREATE, ROW, systemPostgres } from './pipeline.ts';

const rows = option('rows', 300_000);
const rate = option('rate', 500);
const WARM_ROWS = 50_000;
const LATENCY_SECONDS = 10;
const TRANSACTION_ROWS = 1000;

/** What is measured: all its processes but the database's. */
interface Subject extends AsyncDisposable {
  readonly kafka: string;
  readonly rest: string;
  readonly pids: readonly number[];
}

interface Seen {
  readonly firstEventSeconds: number;
  readonly rowsPerSecond: number;
  readonly cpuPerMillion: number;
  readonly p50: number;
  readonly p99: number;
  readonly residentMb: number;
}

await using postgres = await startPostgres({
  binDir: systemPostgres(),
  settings: { max_wal_size: '8GB', checkpoint_timeout: '1h' },
});
const client = new pg.Client({ connectionString: postgres.url() });
await client.connect();

async function millrace(): Promise<Subject> {
  const started = await startMillrace();
  return {
    kafka: started.kafka,
    rest: started.rest,
    pids: [started.pid ?? 0],
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

async function debezium(): Promise<Subject> {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-debezium-'));
  const kafka = await startKafka(path.join(folder, 'kafka'));
  const connect = await startConnect(path.join(folder, 'connect'), kafka.address);
  return {
    kafka: kafka.address,
    rest: connect.address,
    pids: [kafka.pid, connect.pid],
    [Symbol.asyncDispose]: async () => {
      await connect[Symbol.asyncDispose]();
      await kafka[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function call(rest: string, method: string, route: string, body?: object): Promise<void> {
  const answer = await fetch(`${rest}${route}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${await answer.text()}`);
}

async function measure(name: string, start: () => Promise<Subject>): Promise<Seen> {
  const topic = `${name}.public.t`;
  await client.query(`drop table if exists t; ${CREATE}`);
  await insert(-1, -1);
  const began = performance.now();
  await using subject = await start();
  await using cluster = new Cluster({
    bootstrapServers: subject.kafka,
    clientId: 'bench',
    logger: silentLogger,
    clock: systemClock,
    defaultApiTimeoutMs: 500,
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
  const { host, port, user, password } = postgres;
  await call(subject.rest, 'PUT', '/connectors/source/config', {
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
  });
  await reached(1);
  const firstEventSeconds = (performance.now() - began) / 1000;
  await insert(1, WARM_ROWS);
  await reached(1 + WARM_ROWS);
  await call(subject.rest, 'PUT', '/connectors/source/pause');
  await systemClock.sleep(2000);
  await insert(WARM_ROWS + 1, WARM_ROWS + rows);
  await warmMemory();
  const before = await end();
  const target = 1 + WARM_ROWS + rows;
  const cpu = (): number => subject.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const cpuBefore = cpu();
  const resumed = performance.now();
  await call(subject.rest, 'PUT', '/connectors/source/resume');
  await reached(target);
  const seconds = (performance.now() - resumed) / 1000;
  const cpuPerMillion = ((cpu() - cpuBefore) / (target - before)) * 1e6;
  const times = await latencies(cluster, topic, target);
  const resident = subject.pids.reduce((sum, pid) => sum + residentMb(pid).peak, 0);
  await call(subject.rest, 'DELETE', '/connectors/source');
  await dropSlot(name);
  return {
    firstEventSeconds,
    rowsPerSecond: (target - before) / seconds,
    cpuPerMillion,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    residentMb: resident,
  };
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

async function dropSlot(name: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { rowCount } = await client.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active',
      [name],
    );
    if (rowCount === 1) return;
    await systemClock.sleep(100);
  }
}

/** Milliseconds from before the insert to the record in a consumer; the first third warms up. */
async function latencies(cluster: Cluster, topic: string, offset: number): Promise<number[]> {
  await using fetcher = new Fetcher({
    cluster,
    isolation: 'read_uncommitted',
    logger: silentLogger,
    clock: systemClock,
  });
  fetcher.assign([{ topic, partition: 0, offset }]);
  const sentAt = new Map<number, number>();
  const seen: number[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    while (!stop.signal.aborted) {
      for (const { records } of await fetcher.poll({ maxWaitMs: 100, signal: stop.signal })) {
        const now = performance.now();
        for (const { key } of records) {
          const at = sentAt.get(Number(/\d+/.exec(key?.toString('latin1') ?? '')?.[0]));
          if (at !== undefined) seen.push(now - at);
        }
      }
    }
  })();
  const total = rate * LATENCY_SECONDS;
  const start = performance.now();
  for (let i = 0; i < total; i++) {
    const wait = start + (i * 1000) / rate - performance.now();
    if (wait > 1) await systemClock.sleep(wait);
    const id = 100_000_000 + i;
    sentAt.set(id, performance.now());
    await client.query("insert into t values ($1, 1, 1, 'x', 'y', now(), 1.5, true)", [id]);
  }
  const deadline = Date.now() + 10_000;
  while (seen.length < total && Date.now() < deadline) await systemClock.sleep(20);
  stop.abort();
  await reading;
  return seen.slice(Math.floor(seen.length / 3));
}

const theirs = await measure('debezium', debezium);
const ours = await measure('millrace', millrace);
await client.end();

say(
  `\nMillrace beside Debezium 3.6.2 on Kafka Connect and Kafka 4.3.1; ${count(rows)} rows of about 200 bytes`,
);
say(`  ${''.padEnd(38)} ${'Debezium'.padStart(10)} ${'Millrace'.padStart(10)}`);
function line(what: string, of: (seen: Seen) => number, digits: number, better: 'more' | 'less'): void {
  const [their, our] = [of(theirs), of(ours)];
  const text = (value: number): string => (digits === 0 ? count(value) : value.toFixed(digits)).padStart(10);
  const ratio = better === 'more' ? our / their : their / our;
  say(`  ${what.padEnd(38)} ${text(their)} ${text(our)}   ${ratio.toFixed(1)} x better`);
}
line('programs started to first event, s', (it) => it.firstEventSeconds, 1, 'less');
line('streaming a backlog, rows/s', (it) => it.rowsPerSecond, 0, 'more');
line('CPU seconds per million events', (it) => it.cpuPerMillion, 1, 'less');
line(`latency at ${rate}/s, p50 ms`, (it) => it.p50, 1, 'less');
line(`latency at ${rate}/s, p99 ms`, (it) => it.p99, 1, 'less');
line('resident at most, MB', (it) => it.residentMb, 0, 'less');
