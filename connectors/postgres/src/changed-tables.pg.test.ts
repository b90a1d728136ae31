// Tables that are dropped, renamed or altered between the moment a snapshot is of and its coming to them.
import type { Struct } from '@millrace/data';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RecoveringTask } from './fixtures/recovering-task.ts';
import type { Delivered } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

let db: TestDatabase;
let number = 0;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db[Symbol.asyncDispose]());

/** A config of all tables in a schema of its own, with queues so small that the first table takes a while. */
async function fresh(sql: string, more: Record<string, string> = {}): Promise<Record<string, string>> {
  number++;
  await db.query('drop schema if exists s cascade; create schema s; set search_path = s');
  await db.query(
    `create table a as select i as id, repeat('x', 1500) as pad from generate_series(1, 10000) i; alter table a add primary key (id)`,
  );
  await db.query(sql);
  return testConfig(db, `${db.name}_${number}`, {
    'schema.include.list': 's',
    'max.batch.size': '100',
    'max.queue.size': '200',
    ...more,
  });
}

const value = ({ record }: Delivered): Struct | null => record.value as Struct | null;
/** A row of an event, or its source. */
const part = (one: Delivered, field: string): Struct => value(one)?.get(field) as Struct;
const isEvent = (one: Delivered): boolean => value(one)?.schema.field('op') !== undefined;
/** The rows of a table that were read, without repeats. */
function rowsOf(task: RecoveringTask, table: string): unknown[] {
  const texts = task.delivered
    .filter((one) => one.record.topic === `p.s.${table}` && isEvent(one) && value(one)?.get('op') === 'r')
    .map((one) => JSON.stringify(part(one, 'after').toArray()));
  return [...new Set(texts)].map((text) => JSON.parse(text) as unknown);
}
const reads = (task: RecoveringTask): number =>
  task.delivered.filter((one) => isEvent(one) && value(one)?.get('op') === 'r').length;
/** Whether a row came that was inserted. */
const came = (task: RecoveringTask, id: number): boolean =>
  task.delivered.some(
    (one) => isEvent(one) && value(one)?.get('op') === 'c' && part(one, 'after').get('id') === id,
  );

const LEFT = (tables: string): string =>
  `Rows of ${tables} are out of the sight of the snapshot, since a table was rewritten, altered or renamed after it was begun`;

test('a table that is dropped before the snapshot has come to it is left out, and its task goes on (INV-3, INV-7)', async () => {
  const settings = await fresh(
    `create table b (id int primary key); insert into b values (1);
     create table c (id int primary key); insert into c values (1)`,
    {
      'snapshot.locking.mode': 'shared',
      'snapshot.select.statement.overrides': 's.b',
      'snapshot.select.statement.overrides.s.b': 'select * from s.b',
    },
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 300);
  await db.query('drop table b; insert into c values (2)');
  await task.until(() => came(task, 2));
  expect(task.failures).toEqual([]);
  expect([rowsOf(task, 'a').length, rowsOf(task, 'b'), rowsOf(task, 'c')]).toEqual([10_000, [], [[1]]]);
});

test('tables that are renamed, altered or made anew before the snapshot has come to them are read as they are then (INV-3)', async () => {
  const settings = await fresh(
    `create table b (id int primary key, v int); insert into b values (1, 10);
     create table c (id int primary key, v int, w int); insert into c values (1, 10, 100);
     create table d (id int primary key, v int); insert into d values (1, 10);
     create table e (id int primary key, v int); insert into e values (1, 10);
     create table f (id int primary key); insert into f values (1);
     create table g (id int primary key); insert into g values (2)`,
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 300);
  await db.query(`
    alter table b rename to b2; alter table c drop column v; alter table d rename column v to x;
    drop table e; create table e (id int primary key, y text); insert into e values (3, 'new');
    alter table f rename to f2; alter table g rename to f; insert into a values (20000, 'x')`);
  await task.until(() => came(task, 20_000));
  expect(task.failures).toEqual([LEFT('s.b, s.c, s.d, s.e, s.f, s.g')]);
  expect(rowsOf(task, 'b2')).toEqual([[1, 10]]);
  expect(rowsOf(task, 'c')).toEqual([[1, 100]]);
  expect(rowsOf(task, 'd')).toEqual([[1, 10]]);
  expect(rowsOf(task, 'e')).toEqual([[3, 'new']]);
  expect(rowsOf(task, 'f')).toEqual([[2]]);
  expect(rowsOf(task, 'f2')).toEqual([[1]]);
  expect(reads(task)).toBeLessThan(11_000);
});

test('a SELECT of the user that names a column that is not there still fails the task', async () => {
  const settings = await fresh('create table b (id int primary key)', {
    'snapshot.select.statement.overrides': 's.b',
    'snapshot.select.statement.overrides.s.b': 'select nothing from s.b',
  });
  await using task = new RecoveringTask(settings);
  await expect(task.until(() => false)).rejects.toThrow('The SELECT for s.b fails');
});

test('a snapshot that no other run goes on with reads tables that were rewritten as of a later moment (INV-3)', async () => {
  const settings = await fresh(
    `create table b (id int primary key, v int); insert into b select i, i from generate_series(1, 10) i;
     create table c (id int primary key, v int); insert into c values (1, 1);
     create table d (id int primary key); insert into d values (1)`,
    { 'snapshot.mode': 'initial_only' },
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 300);
  await db.query('alter table b alter v type bigint; alter table c drop column v; drop table d');
  await task.until(() => rowsOf(task, 'c').length > 0);
  expect(task.failures).toEqual([]);
  expect(rowsOf(task, 'b')).toEqual(Array.from({ length: 10 }, (_, i) => [i + 1, i + 1]));
  expect([rowsOf(task, 'c'), rowsOf(task, 'd'), reads(task)]).toEqual([[[1]], [], 10_011]);
  const last = task.delivered.filter(isEvent).at(-1);
  expect(part(last as Delivered, 'source').get('snapshot')).toBe('last');
});

test('a blocking snapshot reads a table that was rewritten as of a later moment, and the stream goes on (INV-3)', async () => {
  const settings = await fresh(
    `create table b (id int primary key, v int); insert into b select i, i from generate_series(1, 10) i;
     create table signals (id varchar(64), type varchar(32), data text)`,
    { 'snapshot.mode': 'no_data', 'signal.data.collection': 's.signals' },
  );
  await using task = new RecoveringTask(settings);
  await task.poll();
  await db.query(
    `insert into signals values ('1', 'execute-snapshot', '{"type": "blocking", "data-collections": ["s.a", "s.b"]}')`,
  );
  await task.until(() => reads(task) > 300);
  const writer = db.query(
    "begin; insert into a values (20000, 'x'); alter table b alter v type bigint; commit",
  );
  await task.until(() => rowsOf(task, 'b').length === 10);
  await writer;
  await db.query("insert into a values (20001, 'x')");
  await task.until(() => came(task, 20_001));
  expect(task.failures).toEqual([]);
  expect([came(task, 20_000), reads(task)]).toEqual([true, 10_010]);
});

test('a transaction that waits for a table that was read does not keep rewritten ones from being read anew (INV-7)', async () => {
  const settings = await fresh(
    `create table b (id int primary key, v int); insert into b select i, i from generate_series(1, 10) i;
     create table c (id int primary key); insert into c values (1)`,
    { 'snapshot.mode': 'initial_only' },
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 300);
  await db.query('alter table b alter v type bigint');
  const waiting = db.query('begin; insert into c values (2); alter table a add column more int; commit');
  await task.until(() => rowsOf(task, 'b').length === 10);
  await waiting;
  expect(task.failures).toEqual([]);
});

test('a snapshot that is interrupted goes on although its tables were renamed, dropped and made anew meanwhile (INV-3)', async () => {
  const settings = await fresh(
    ['b', 'c', 'd']
      .map(
        (name) =>
          `create table ${name} as select i as id, 0 as v, repeat('x', 300) as pad from generate_series(1, 6000) i; alter table ${name} add primary key (id)`,
      )
      .join(';'),
    { 'table.include.list': 's.b,s.b2,s.c,s.d', 'snapshot.max.threads': '3' },
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => ['b', 'c', 'd'].every((name) => rowsOf(task, name).length > 500));
  await task.end();
  await db.query(`
    update b set v = 1 where id % 3 = 0; update c set v = 1; update d set v = 1 where id % 3 = 0; delete from d where id % 100 = 0;
    alter table b rename to b2; drop table c; update b2 set v = 2 where id % 7 = 0;
    alter table d drop constraint d_pkey; alter table d add primary key (v, id); alter table d alter id type bigint;
    create table c (id int primary key, v int, pad text); insert into c values (1, 5, 'new')`);
  await task.until(() => rowsOf(task, 'c').some((row) => String(row) === '1,5,new'));
  await db.query('insert into d values (20000, 9, null)');
  await task.until(() => came(task, 20_000));
  expect(task.failures).toEqual([]);
  const latest = new Map<string, string>();
  for (const one of task.delivered.filter(isEvent)) {
    const { topic } = one.record;
    const row = (value(one)?.get('after') ?? value(one)?.get('before')) as Struct;
    latest.set(
      `${topic} ${String(row.get('id'))}`,
      value(one)?.get('op') === 'd' ? 'gone' : String(row.get('v')),
    );
  }
  for (const name of ['b2', 'c', 'd'])
    for (const { id, v } of await db.query(`select id, v from ${name}`))
      expect(latest.get(`p.s.${name} ${String(id)}`), `${name} ${String(id)}`).toBe(String(v));
});

test('an incremental snapshot goes on with the next table when one is renamed or dropped in the middle of it (INV-7)', async () => {
  const settings = await fresh(
    `create table b as select i as id from generate_series(1, 3000) i; alter table b add primary key (id);
     create table c as select i as id from generate_series(1, 3000) i; alter table c add primary key (id);
     create table d (id int primary key); insert into d values (1);
     create table signals (id varchar(64), type varchar(32), data text)`,
    {
      'snapshot.mode': 'no_data',
      'signal.data.collection': 's.signals',
      'incremental.snapshot.chunk.size': '10',
    },
  );
  await using task = new RecoveringTask(settings);
  await task.poll();
  await db.query(
    `insert into signals values ('1', 'execute-snapshot', '{"type": "incremental", "data-collections": ["s.b", "s.c", "s.d"]}')`,
  );
  await task.until(() => rowsOf(task, 'b').length > 50);
  await db.query('alter table b rename to b2');
  await task.until(() => rowsOf(task, 'c').length > 50);
  await db.query('drop table c');
  await task.until(() => rowsOf(task, 'd').length === 1);
  await db.query('insert into b2 values (9999)');
  await task.until(() => came(task, 9999));
  expect(task.failures).toEqual([]);
  expect([rowsOf(task, 'b').length < 3000, rowsOf(task, 'c').length < 3000]).toEqual([true, true]);
});
