// A real Kafka Connect worker with Debezium's Postgres connector on `millrace broker`: snapshot, stream, and restarts of
// the broker and of the worker in between.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '@millrace/local-servers';
import { connectWithDebezium, eventually, type TestDatabase, testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { readTopic } from './testing/topic-reader.ts';

interface Envelope {
  readonly op: string;
  readonly before: { readonly id: number } | null;
  readonly after: { readonly id: number; readonly n: number } | null;
}

class ConnectWorker implements AsyncDisposable {
  readonly url: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #log = '';

  constructor(url: string, args: readonly string[]) {
    this.url = url;
    this.#args = args;
  }

  async start(): Promise<void> {
    const child = spawn('java', this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const note = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-8000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    this.#child = child;
    await eventually(
      'the worker answers',
      async () => {
        if (child.exitCode !== null) throw new Error(this.#log);
        return (await fetch(`${this.url}/connectors`)).ok;
      },
      90_000,
    );
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    await ended;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

async function worker(broker: BrokerProcess): Promise<ConnectWorker> {
  const { classPath, plugins } = await connectWithDebezium();
  const port = await freePort();
  const file = path.join(broker.folder, 'worker.properties');
  writeFileSync(
    file,
    `bootstrap.servers=${broker.kafka}
group.id=connect-cluster
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.storage.topic=connect-offsets
config.storage.topic=connect-configs
status.storage.topic=connect-status
offset.flush.interval.ms=1000
listeners=http://127.0.0.1:${port}
plugin.path=${plugins}
`,
  );
  const args = ['-Xmx512m', '-cp', classPath, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];
  return new ConnectWorker(`http://127.0.0.1:${port}`, [
    ...args,
    'org.apache.kafka.connect.cli.ConnectDistributed',
    file,
  ]);
}

function connector(database: TestDatabase): Record<string, string> {
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': database.host,
    'database.port': String(database.port),
    'database.user': database.user,
    'database.password': database.password,
    'database.dbname': database.name,
    'topic.prefix': 'shop',
    'table.include.list': 'public.items',
    'plugin.name': 'pgoutput',
    'slot.name': `connect_${process.pid}`,
    'tombstones.on.delete': 'false',
  };
}

async function changes(broker: BrokerProcess): Promise<Envelope[]> {
  const records = await readTopic(broker.kafka, 'shop.public.items');
  return records.map(({ value }) => JSON.parse(value?.toString() ?? 'null') as Envelope);
}

/** The table as the events tell it. */
function tableOf(events: readonly Envelope[]): Map<number, number> {
  const rows = new Map<number, number>();
  for (const { before, after } of events) {
    if (after) rows.set(after.id, after.n);
    else if (before) rows.delete(before.id);
  }
  return rows;
}

test('Debezium in a real Connect worker snapshots, streams, and goes on after restarts of broker and worker', async (context) => {
  await connectWithDebezium().catch((error: unknown) => {
    if (process.env['CI'] === 'true') throw error;
    context.skip(`Connect cannot be had: ${String(error).slice(0, 300)}`);
  });
  await using database = await testDatabase();
  await database.query(
    'create table items (id int primary key, n int not null); alter table items replica identity full',
  );
  await database.query('insert into items select i, 0 from generate_series(1, 500) i');
  await using broker = await startBrokerProcess();
  await using connect = await worker(broker);
  await connect.start();
  const created = await fetch(`${connect.url}/connectors/items/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(connector(database)),
  });
  expect(created.status, await created.text()).toBe(201);
  const caughtUp = async (what: string): Promise<Envelope[]> => {
    const rows = await database.query('select id, n from items');
    const table = new Map(rows.map((row) => [Number(row['id']), Number(row['n'])]));
    return eventually(
      what,
      async () => {
        const events = await changes(broker);
        const told = tableOf(events);
        const same = told.size === table.size && [...table].every(([id, n]) => told.get(id) === n);
        return same ? events : undefined;
      },
      90_000,
    );
  };
  const snapshot = await caughtUp('the snapshot');
  expect(snapshot.filter(({ op }) => op === 'r')).toHaveLength(500);

  await database.query('update items set n = n + 1 where id <= 200');
  await database.query('delete from items where id > 450');
  await caughtUp('the stream');

  await broker.restart();
  await database.query('update items set n = n + 1 where id <= 100');
  await caughtUp('the stream after a restart of the broker');

  await connect.end();
  await database.query('update items set n = n + 1 where id <= 50');
  await database.query('insert into items values (1000, 7)');
  await connect.start();
  const all = await caughtUp('what changed while the worker was down');

  // Every version of a row came, in order; repeats go back, and then all of them come again.
  const versions = all.flatMap(({ after }) => (after?.id === 1 ? [after.n] : []));
  expect([...new Set(versions)]).toEqual([0, 1, 2, 3]);
  expect(all.filter(({ op }) => op === 'r')).toHaveLength(500);
}, 400_000);
