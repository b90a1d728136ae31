// A source goes on past what it cannot deliver, and keeps that in its dead letter queue (INV-1, INV-4).
import {
  eventually,
  type MillraceProcess,
  startMillrace,
  type TestDatabase,
  testDatabase,
} from '@millrace/testkit';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Config, connectorStatus, postgresSource, putConnector } from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

const PLAIN: Config = {
  'key.converter.schemas.enable': 'false',
  'value.converter.schemas.enable': 'false',
  'errors.tolerance': 'all',
  'snapshot.mode': 'no_data',
};

let millrace: MillraceProcess;
let kafka: Kafka;
let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  millrace = await startMillrace();
  kafka = new Kafka({ brokers: [millrace.kafka], logLevel: logLevel.NOTHING });
});
afterAll(async () => {
  await millrace[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

interface Letter {
  readonly key: unknown;
  readonly value: { readonly after: Record<string, unknown>; readonly op: string };
  readonly headers: Record<string, string>;
}

async function letters(topic: string, count: number): Promise<Letter[]> {
  return await eventually(`${count} dead letters are in ${topic}`, async () => {
    const records = await readTopic(millrace.kafka, topic);
    if (records.length < count) throw new Error(`${records.length} are`);
    return records.map(({ key, value, headers }) => ({
      key: JSON.parse(String(key)) as unknown,
      value: JSON.parse(String(value)) as Letter['value'],
      headers: Object.fromEntries(headers.map((header) => [header.key, String(header.value)])),
    }));
  });
}

/** Keys in order, once the last of them is there as often as it comes. */
async function ids(topic: string, last: number, times = 1): Promise<number[]> {
  return await eventually(`row ${last} is in ${topic}`, async () => {
    const found = (await readTopic(millrace.kafka, topic)).map(
      ({ key }) => (JSON.parse(String(key)) as { id: number }).id,
    );
    if (found.at(-1) !== last || found.filter((id) => id === last).length < times)
      throw new Error(`${found.join()} are`);
    return found;
  });
}

async function topicWith(name: string, config: Readonly<Record<string, string>>): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }));
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1, configEntries }] });
  await admin.disconnect();
}

/** A slot and a publication of its own. */
function source(name: string, table: string, more: Config): Config {
  return postgresSource(database, name, [table], {
    ...PLAIN,
    'slot.name': `${database.name}_${name}`,
    'publication.name': `${database.name}_${name}`,
    'errors.deadletterqueue.topic.name': `${name}-letters`,
    ...more,
  });
}

test('INV-4: a value that its field cannot hold goes to the queue as the database sent it', async () => {
  await database.query('create table price (id int primary key, amount numeric, pin text)');
  await putConnector(
    millrace,
    'nan',
    source('nan', 'price', {
      'decimal.handling.mode': 'precise',
      'event.converting.failure.handling.mode': 'fail',
      'column.mask.with.4.chars': 'public.price.pin',
    }),
  );
  await database.query(
    "insert into price values (1, 1.5, '0000'), (2, 'NaN', '1234'), (3, 2.5, '0000'); delete from price where id = 1",
  );
  expect(await ids('nan.public.price', 1, 3)).toEqual([1, 3, 1, 1]);
  const [letter] = await letters('nan-letters', 1);
  expect(letter?.key).toEqual({ id: 2 });
  // INV-11: what is masked in events is masked here.
  expect(letter?.value).toMatchObject({ op: 'c', after: { id: '2', amount: 'NaN', pin: '****' } });
  expect(letter?.headers).toMatchObject({
    '__connect.errors.value.format': 'raw-json',
    '__connect.errors.topic': 'nan.public.price',
    '__connect.errors.connector.name': 'nan',
    '__connect.errors.stage': 'VALUE_CONVERTER',
    '__connect.errors.exception.class.name': 'io.debezium.DebeziumException',
    '__connect.errors.exception.message':
      "Failed to properly convert data value for 'public.price.amount' of type numeric",
    '__connect.errors.source.partition': '{"server":"nan"}',
  });
  expect(JSON.parse(letter?.headers['__connect.errors.source.offset'] ?? '')).toMatchObject({
    lsn: expect.any(Number),
  });
});

test('what a transform cannot take goes to the queue as it was before', async () => {
  await database.query('create table word (id int primary key, text text)');
  await putConnector(
    millrace,
    'cast',
    source('cast', 'word', {
      transforms: 'row,cast',
      'transforms.row.type': 'io.debezium.transforms.ExtractNewRecordState',
      'transforms.cast.type': 'org.apache.kafka.connect.transforms.Cast$Value',
      'transforms.cast.spec': 'text:int32',
    }),
  );
  await database.query("insert into word values (1, '1'), (2, 'two'), (3, '3')");
  expect(await ids('cast.public.word', 3)).toEqual([1, 3]);
  const [letter] = await letters('cast-letters', 1);
  expect(letter?.value).toMatchObject({ op: 'c', after: { id: 2, text: 'two' } });
  expect(letter?.headers).toMatchObject({
    '__connect.errors.stage': 'TRANSFORMATION',
    '__connect.errors.class.name': 'org.apache.kafka.connect.transforms.Cast$Value',
  });
  expect(letter?.headers).not.toHaveProperty('__connect.errors.value.format');
});

test('what the brokers refuse goes to the queue as it was sent', async () => {
  await database.query('create table page (id int primary key, text text)');
  await topicWith('large.public.page', { 'max.message.bytes': '5000' });
  await putConnector(millrace, 'large', source('large', 'page', {}));
  await database.query(`insert into page values (1, 'a'), (2, repeat('b', 10000)), (3, 'c')`);
  expect((await ids('large.public.page', 3)).toSorted((a, b) => a - b)).toEqual([1, 3]);
  const [letter] = await letters('large-letters', 1);
  expect(letter?.value).toMatchObject({ op: 'c', after: { id: 2, text: 'b'.repeat(10_000) } });
  expect(letter?.headers).toMatchObject({
    '__connect.errors.stage': 'KAFKA_PRODUCE',
    '__connect.errors.source.offset': expect.stringContaining('"lsn":'),
  });
});

test('INV-1: without a durable letter nothing is passed by', async () => {
  await database.query('create table note (id int primary key, amount numeric)');
  await topicWith('refused-letters', { 'max.message.bytes': '100' });
  const config = source('refused', 'note', {
    'decimal.handling.mode': 'precise',
    'event.converting.failure.handling.mode': 'fail',
  });
  await putConnector(millrace, 'refused', config);
  await database.query("insert into note values (1, 1), (2, 'NaN'), (3, 3)");
  const trace = await eventually('the task fails', async () => {
    const [task] = (await connectorStatus(millrace, 'refused')).tasks;
    if (task?.state === 'FAILED') return task.trace ?? '';
    throw new Error(JSON.stringify(task));
  });
  expect(trace).toMatch(/Could not write to the dead letter queue refused-letters[^]*max\.message\.bytes/);
  const admin = kafka.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: ['refused-letters'] });
  await admin.disconnect();
  expect((await millrace.request('POST', '/connectors/refused/tasks/0/restart')).status).toBe(204);
  expect(new Set(await ids('refused.public.note', 3))).toEqual(new Set([1, 3]));
  expect((await letters('refused-letters', 1))[0]?.key).toEqual({ id: 2 });
});

test("Debezium's own settings: null in place of the value, or the change left out", async () => {
  await database.query('create table rate (id int primary key, amount numeric)');
  const none = { 'errors.deadletterqueue.topic.name': '', 'errors.tolerance': 'none' };
  const exact = { ...none, 'decimal.handling.mode': 'precise' };
  await putConnector(millrace, 'nulls', source('nulls', 'rate', exact));
  const left = {
    ...exact,
    'event.converting.failure.handling.mode': 'fail',
    'event.processing.failure.handling.mode': 'warn',
  };
  await putConnector(millrace, 'left', source('left', 'rate', left));
  await database.query("insert into rate values (1, 1), (2, 'NaN'), (3, 3)");
  expect(await ids('nulls.public.rate', 3)).toEqual([1, 2, 3]);
  const second = (await readTopic(millrace.kafka, 'nulls.public.rate'))[1];
  expect(JSON.parse(String(second?.value))).toMatchObject({ after: { id: 2, amount: null } });
  expect(await ids('left.public.rate', 3)).toEqual([1, 3]);
});
