// Signals that do not come by the table: from a file, and from a topic, also those sent while nobody listened.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SourceTaskContext, TopicLogOptions, TopicLogRecord } from '@millrace/connect-api';
import type { Struct } from '@millrace/data';
import { LogHub } from '@millrace/foundation';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

let db: TestDatabase;
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-signals-'));
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const op = ({ record }: Delivered): unknown => (record.value as Struct | null)?.get('op');
const idOf = ({ record }: Delivered): unknown =>
  ((record.value as Struct).get('after') as Struct | null)?.toArray()[0];
const reads = (driver: TaskDriver): number => driver.delivered.filter((one) => op(one) === 'r').length;

/** A topic that keeps what is sent to it, as the worker's does. */
class Topic {
  readonly #records: TopicLogRecord[] = [];
  readonly #followers = new Set<TopicLogOptions>();

  readonly topicLog: SourceTaskContext['topicLog'] = (_name, options) => {
    this.#followers.add(options);
    for (const record of this.#records) options.onRecord(record);
    return Promise.resolve({
      readToEnd: () => Promise.resolve(),
      append: () => Promise.resolve(),
      appendTogether: () => Promise.resolve(),
      close: () => {
        this.#followers.delete(options);
        return Promise.resolve();
      },
    });
  };

  send(key: string, value: string): void {
    const offset = this.#records.length;
    const record = {
      partition: 0,
      offset,
      timestamp: 1000 + offset,
      key: Buffer.from(key),
      value: Buffer.from(value),
    };
    this.#records.push(record);
    for (const { onRecord } of this.#followers) onRecord(record);
  }
}

const blocking = (table: string): string =>
  JSON.stringify({
    id: 'one',
    type: 'execute-snapshot',
    data: { type: 'blocking', 'data-collections': [`public.${table}`] },
  });

test('a blocking snapshot asked for by the file runs while the stream waits, without a signal table', async () => {
  await db.query('create table f (id int primary key); insert into f select generate_series(1, 5)');
  const file = path.join(folder, 'signals.txt');
  const settings = testConfig(db, 'sig_f', {
    'table.include.list': 'public.f',
    'snapshot.mode': 'no_data',
    'signal.enabled.channels': 'source,file',
    'signal.file': file,
    'signal.poll.interval.ms': '20',
  });
  await using driver = await TaskDriver.start(settings);
  writeFileSync(file, `${blocking('f')}\n`);
  await driver.untilTrue(() => reads(driver) === 5);
  expect(Object.keys(driver.delivered.at(-1)?.offset ?? {})).toEqual([
    'lsn',
    'txId',
    'ts_usec',
    'last_snapshot_record',
    'snapshot',
    'snapshot_completed',
  ]);
  expect(readFileSync(file, 'utf8')).toBe('');
  await db.query('insert into f values (6)');
  await driver.untilTrue(() => driver.delivered.some((one) => op(one) === 'c' && idOf(one) === 6));
  // INV-9: nothing of what was read stands after a change that is newer than the reading.
  expect(driver.delivered.map(op)).toEqual(['r', 'r', 'r', 'r', 'r', 'c']);
});

test('a signal of type log goes to the log, with the offset where it says {}', async () => {
  await db.query('create table l (id int primary key)');
  const file = path.join(folder, 'log.txt');
  const lines: Record<string, unknown>[] = [];
  const hub = new LogHub({
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const settings = testConfig(db, 'sig_l', {
    'table.include.list': 'public.l',
    'signal.enabled.channels': 'file',
    'signal.file': file,
    'signal.poll.interval.ms': '20',
  });
  await using driver = await TaskDriver.start(settings, null, null, new Map(), {
    logger: hub.logger('task'),
  });
  await db.query('insert into l values (1)');
  const [inserted] = await driver.until(1);
  writeFileSync(file, '{"id":"l","type":"log","data":{"message":"at {} now"}}\n');
  await driver.untilTrue(() => lines.some(({ signal, text }) => signal === 'l' && text !== undefined));
  const text = String(lines.find(({ signal }) => signal === 'l')?.['text']);
  const { txId, lsn = 0 } = inserted?.offset ?? {};
  const at = JSON.parse(text.replace(/^at | now$/g, '')) as Record<string, number>;
  // Where the stream is: at the change, or at a position after it that was stored since.
  expect(at['txId']).toBe(txId);
  expect(at['lsn']).toBeGreaterThanOrEqual(Number(lsn));
});

test('an incremental snapshot asked for by the file runs through the table of signals', async () => {
  await db.query(`
    create table g (id int primary key); insert into g select generate_series(1, 7);
    create table marks (id varchar(64) primary key, type varchar(32), data varchar(2048))`);
  const file = path.join(folder, 'incremental.txt');
  const settings = testConfig(db, 'sig_g', {
    'table.include.list': 'public.g',
    'snapshot.mode': 'no_data',
    'signal.data.collection': 'public.marks',
    'signal.enabled.channels': 'source,file',
    'signal.file': file,
    'signal.poll.interval.ms': '20',
    'incremental.snapshot.chunk.size': '3',
  });
  await using driver = await TaskDriver.start(settings);
  writeFileSync(
    file,
    '{"id":"two","type":"execute-snapshot","data":{"type":"incremental","data-collections":["public.g"]}}',
  );
  await driver.untilTrue(() => reads(driver) === 7);
});

test('signals of a topic are dealt with once, also those that came while the connector was stopped', async () => {
  await db.query('create table k (id int primary key); insert into k select generate_series(1, 4)');
  const topic = new Topic();
  const more = { topicLog: topic.topicLog };
  const settings = testConfig(db, 'sig_k', {
    'table.include.list': 'public.k',
    'snapshot.mode': 'no_data',
    'signal.enabled.channels': 'kafka',
  });
  topic.send('p', blocking('k'));
  topic.send('another', blocking('k'));
  let before: TaskDriver;
  {
    await using driver = await TaskDriver.start(settings, null, null, new Map(), more);
    const place = (): unknown =>
      [...driver.kept.values()].find(({ topic }) => topic !== undefined)?.['offset'];
    const isKept = async (offset: number): Promise<boolean> => {
      await driver.commit();
      return place() === offset;
    };
    await driver.untilTrue(async () => reads(driver) === 4 && (await isKept(0)));
    topic.send('p', 'no json');
    topic.send('p', blocking('k'));
    await driver.untilTrue(() => reads(driver) === 8);
    await driver.untilTrue(() => isKept(3));
    before = driver;
  }
  await db.query('insert into k values (5)');
  topic.send('p', blocking('k'));
  const { stored, kept } = before;
  await using again = await TaskDriver.start(settings, stored, null, kept, more);
  await again.untilTrue(() => reads(again) === 5);
  await db.query('insert into k values (6)');
  await again.untilTrue(() => again.delivered.some((one) => op(one) === 'c' && idOf(one) === 6));
  expect(reads(again)).toBe(5);
});

test('INV-3: what the offset of a notification says was read came before it', async () => {
  await db.query(`
    create table n (id int primary key); insert into n select generate_series(1, 7);
    create table n_marks (id varchar(64) primary key, type varchar(32), data varchar(2048))`);
  const settings = testConfig(db, 'sig_n', {
    'table.include.list': 'public.n',
    'snapshot.mode': 'no_data',
    'signal.data.collection': 'public.n_marks',
    'notification.enabled.channels': 'sink',
    'notification.sink.topic.name': 'told',
    'incremental.snapshot.chunk.size': '3',
  });
  await using driver = await TaskDriver.start(settings);
  await db.query(
    `insert into n_marks values ('n', 'execute-snapshot', '{"type":"incremental","data-collections":["public.n"]}')`,
  );
  const told = (): { at: number; key: number }[] =>
    driver.delivered.flatMap(({ record, offset }, at) => {
      const read = offset['incremental_snapshot_primary_key'];
      if (record.topic !== 'told' || typeof read !== 'string') return [];
      const key = JSON.parse(read.replace('json:', '')) as [string] | null;
      return key === null ? [] : [{ at, key: Number(key[0]) }];
    });
  await driver.untilTrue(() => told().some(({ key }) => key === 7));
  const rowAt = (id: number): number =>
    driver.delivered.findIndex((one) => one.record.topic !== 'told' && op(one) === 'r' && idOf(one) === id);
  for (const { at, key } of told()) expect(rowAt(key)).toBeLessThan(at);
});

test.each(['blocking', 'incremental'])(
  'a signal of a topic for a snapshot that is %s comes again until that is stored (INV-3)',
  async (kind) => {
    await db.query(`
    create table z_${kind} (id int primary key); insert into z_${kind} select generate_series(1, 9);
    create table z_${kind}_marks (id varchar(64) primary key, type varchar(32), data varchar(2048))`);
    const topic = new Topic();
    const more = { topicLog: topic.topicLog };
    const settings = testConfig(db, `sig_z_${kind}`, {
      'table.include.list': `public.z_${kind}`,
      'snapshot.mode': 'no_data',
      'poll.interval.ms': '10',
      'signal.enabled.channels': 'source,kafka',
      'signal.data.collection': `public.z_${kind}_marks`,
    });
    await using first = await TaskDriver.start(settings, null, null, new Map(), more);
    await db.query(`insert into z_${kind} values (10)`);
    await first.until(1);
    await first.commit();
    const stored = first.latest?.offset;
    const data = { type: kind, 'data-collections': [`public.z_${kind}`] };
    topic.send('p', JSON.stringify({ id: 'z', type: 'execute-snapshot', data }));
    // None of it is stored but what the task waits for.
    await first.untilTrue(() => reads(first) === 10);
    for (let polls = 0; polls < 20; polls++) await first.poll();
    await first[Symbol.asyncDispose]();
    await using again = await TaskDriver.start(settings, stored, first.lineage, first.kept, more);
    await again.untilTrue(() => reads(again) === 10, 20_000);
  },
);

test('a crash within a blocking snapshot brings the signal again that asked for it (INV-3)', async () => {
  await db.query(`
    create table y (id int primary key); insert into y select generate_series(1, 3000);
    create table y_marks (id varchar(64) primary key, type varchar(32), data varchar(2048))`);
  const settings = testConfig(db, 'sig_y', {
    'table.include.list': 'public.y',
    'snapshot.mode': 'no_data',
    'signal.data.collection': 'public.y_marks',
    'max.batch.size': '100',
    'max.queue.size': '200',
  });
  await using first = await TaskDriver.start(settings);
  await db.query(
    `insert into y_marks values ('y', 'execute-snapshot', '{"type":"blocking","data-collections":["public.y"]}')`,
  );
  await first.untilTrue(() => reads(first) > 0);
  expect(reads(first)).toBeLessThan(3000);
  await first[Symbol.asyncDispose]();
  await using again = await TaskDriver.start(settings, first.latest?.offset, first.lineage);
  await again.untilTrue(() => reads(again) === 3000, 20_000);
});
