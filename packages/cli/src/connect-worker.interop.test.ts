// A real Kafka Connect worker with Debezium's Postgres connector on `millrace broker`: snapshot, stream, and restarts of
// the broker and of the worker in between.
import {
  connectWithDebezium,
  eventually,
  RealConnect,
  type TestDatabase,
  testDatabase,
} from '@millrace/testkit';
import { expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { readTopic } from './testing/topic-reader.ts';

interface Envelope {
  readonly op: string;
  readonly before: { readonly id: number } | null;
  readonly after: { readonly id: number; readonly n: number } | null;
}

/** That of the worker: 3, more than there are brokers. */
const DEFAULT_REPLICATION = {
  'offset.storage.replication.factor': '3',
  'config.storage.replication.factor': '3',
  'status.storage.replication.factor': '3',
};

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
  await using connect = await RealConnect.start(broker.folder, broker.kafka, DEFAULT_REPLICATION);
  const created = await connect.request('PUT', '/connectors/items/config', connector(database));
  expect(created.status, JSON.stringify(created.body)).toBe(201);
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

  await connect.stop();
  await database.query('update items set n = n + 1 where id <= 50');
  await database.query('insert into items values (1000, 7)');
  await connect.start();
  const all = await caughtUp('what changed while the worker was down');

  // Every version of a row came, in order; repeats go back, and then all of them come again.
  const versions = all.flatMap(({ after }) => (after?.id === 1 ? [after.n] : []));
  expect([...new Set(versions)]).toEqual([0, 1, 2, 3]);
  expect(all.filter(({ op }) => op === 'r')).toHaveLength(500);
}, 400_000);
