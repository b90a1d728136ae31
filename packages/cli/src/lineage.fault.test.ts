// What a position refers to is gone or is something else: a slot made anew, records deleted before a sink read them.
// Redis holds the rows of the table, or the status is FAILED and says why; never RUNNING and different.
import { eventually, type MillraceProcess, startMillrace, testDatabase, testRedis } from '@millrace/testkit';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  connectorStatus,
  postgresSource,
  putConnector,
  redisSink,
  untilCacheEquals,
  untilRunning,
} from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

const TABLES = { item: ['id'] } as const;
/** The key of the record in which the source keeps its lineage. */
const LINEAGE = '["source",{"server":"lineage","millrace":"lineage"}]';
const redis = testRedis();
let millrace: MillraceProcess;
let database: Awaited<ReturnType<typeof testDatabase>>;

beforeAll(async () => {
  database = await testDatabase();
  await database.query(`
    create table item (id integer primary key, name text);
    insert into item select n, 'item ' || n from generate_series(1, 100) n`);
  millrace = await startMillrace();
  await putConnector(millrace, 'source', source());
  await putConnector(millrace, 'sink', sink());
  await untilCacheEquals(database, redis, TABLES);
});
afterEach(async () => {
  await untilRunning(millrace, 'source');
  await untilRunning(millrace, 'sink');
});
afterAll(async () => {
  await millrace[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

function source(more: Record<string, string> = {}): Record<string, string> {
  return { ...postgresSource(database, 'lineage', ['item']), ...more };
}
function sink(more: Record<string, string> = {}): Record<string, string> {
  return { ...redisSink(redis, 'lineage', ['item']), ...more };
}

async function put(pathname: string): Promise<void> {
  expect((await millrace.request('PUT', pathname)).status).toBeLessThan(300);
}

/** Stops a connector for good and waits until its task is gone. */
async function stop(name: string): Promise<void> {
  await put(`/connectors/${name}/stop`);
  await eventually(`${name} is stopped`, async () => {
    const { connector, tasks } = await connectorStatus(millrace, name);
    return connector.state === 'STOPPED' && tasks.length === 0;
  });
}

async function untilFailed(name: string, trace: RegExp): Promise<void> {
  await eventually(`${name} says what is wrong`, async () => {
    const [task] = (await connectorStatus(millrace, name)).tasks;
    if (task?.state === 'FAILED' && trace.test(task.trace ?? '')) return true;
    throw new Error(JSON.stringify(task));
  });
}

/** Keys of the source that have an offset in the topic, private ones too. */
async function storedKeys(): Promise<string[]> {
  const newest = new Map<string, boolean>();
  for (const { key, value } of await readTopic(millrace.kafka, 'connect-offsets'))
    newest.set(String(key), value !== null);
  return [...newest].filter(([key, there]) => there && key.startsWith('["source"')).map(([key]) => key);
}

async function shownOffsets(): Promise<unknown[]> {
  const { body } = await millrace.request('GET', '/connectors/source/offsets');
  return (body as { offsets: { partition: unknown }[] }).offsets.map(({ partition }) => partition);
}

async function makeSlotAnew(): Promise<void> {
  await stop('source');
  await eventually('the slot is free', async () => {
    await database.query('select pg_drop_replication_slot($1)', [database.name]);
    return true;
  });
  await database.query(
    "insert into item select n, 'in the gap' from generate_series(1001, 1050) n on conflict (id) do update set name = 'again in the gap'",
  );
  await database.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [database.name]);
  await database.query("update item set name = 'after the gap' where id % 3 = 0");
  await put('/connectors/source/resume');
  await untilFailed('source', /no longer available on the server[^]*What to do: .*when_needed/);
}

test('T5, F16: a slot that was made anew fails the source; reset offsets, the lineage too, read everything again (INV-3, INV-9)', async () => {
  await makeSlotAnew();
  expect((await millrace.request('GET', '/health/ready')).status).toBe(503);
  await stop('source');
  expect((await storedKeys()).sort()).toEqual([
    '["source",{"server":"lineage","millrace":"beginning"}]',
    '["source",{"server":"lineage","millrace":"lineage"}]',
    '["source",{"server":"lineage"}]',
  ]);
  expect(await shownOffsets()).toEqual([{ server: 'lineage' }]);
  expect((await millrace.request('DELETE', '/connectors/source/offsets')).status).toBe(200);
  expect(await storedKeys()).toEqual([]);
  await put('/connectors/source/resume');
  await untilCacheEquals(database, redis, TABLES);
});

test('T5, F16: with snapshot.mode=when_needed the tables are read again (INV-3, INV-9)', async () => {
  await makeSlotAnew();
  await putConnector(millrace, 'source', source({ 'snapshot.mode': 'when_needed' }));
  await untilCacheEquals(database, redis, TABLES);
});

test('T5: an offset that is given by hand takes the lineage with it (INV-3)', async () => {
  await stop('source');
  const { body } = await millrace.request('GET', '/connectors/source/offsets');
  expect(await storedKeys()).toContain(LINEAGE);
  expect((await millrace.request('PATCH', '/connectors/source/offsets', body)).status).toBe(200);
  expect(await storedKeys()).toEqual(['["source",{"server":"lineage"}]']);
  await put('/connectors/source/resume');
  await database.query("insert into item values (2000, 'by hand')");
  await untilCacheEquals(database, redis, TABLES);
  await eventually('the lineage is stored again', async () => (await storedKeys()).includes(LINEAGE));
});

test('T5: records that are gone before the sink read them fail it, until the config says how to go on (INV-3, INV-9)', async () => {
  await stop('sink');
  const gone = await database.query(
    "update item set name = 'not seen by the sink' where id <= 10 returning id",
  );
  await eventually('the changes in the topic', async () => {
    const records = await readTopic(millrace.kafka, 'lineage.public.item');
    return records.filter(({ value }) => value?.includes('not seen by the sink')).length === gone.length;
  });
  const admin = new Kafka({ brokers: [millrace.kafka], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.fetchTopicOffsets('lineage.public.item'); // learns who leads the partition
  await admin.deleteTopicRecords({
    topic: 'lineage.public.item',
    partitions: [{ partition: 0, offset: '-1' }],
  });
  await admin.disconnect();
  await put('/connectors/sink/resume');
  await untilFailed('sink', /OFFSET_OUT_OF_RANGE/);
  expect((await connectorStatus(millrace, 'source')).tasks[0]?.state, 'INV-6').toBe('RUNNING');
  await putConnector(millrace, 'sink', sink({ 'consumer.override.auto.offset.reset': 'earliest' }));
  await database.query("update item set name = 'written again' where id <= 10");
  await untilCacheEquals(database, redis, TABLES);
});
