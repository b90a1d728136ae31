// What the differential with Debezium found (packages/cli/src/differential.interop.test.ts), each as a test of its own.
import type { Struct } from '@millrace/data';
import { testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

const NO_DATA = { 'snapshot.mode': 'no_data' };

/** A field of the record's value. */
function part(delivered: Delivered | undefined, name: string): unknown {
  if (delivered === undefined) throw new Error('nothing was delivered');
  return (delivered.record.value as Struct).get(name);
}

/** Operation, or `tombstone`, and the key by name. */
function told({ record }: Delivered): string {
  const key = record.key as Struct | null;
  const fields = key?.schema.fields.map(({ name }) => `${name}=${String(key.get(name))}`) ?? [];
  const op = (record.value as Struct | null)?.get('op') ?? 'tombstone';
  return `${String(op)} ${fields.join()}`;
}

test('A row that its transaction wrote before it renamed the key has its key', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key, code text); alter table t replica identity full');
  const settings = testConfig(db, db.name, NO_DATA);
  await using first = await TaskDriver.start(settings);
  await db.query("insert into t values (1, 'a')");
  const [delivered] = await first.until(1);
  if (delivered === undefined) throw new Error('nothing was delivered');
  const { offset } = delivered;
  const { lineage, kept } = first;
  await first[Symbol.asyncDispose]();
  await db.query(`
    begin; insert into t values (2, 'b'); alter table t rename id to number;
    insert into t values (3, 'c'); commit`);
  await using again = await TaskDriver.start(settings, offset, lineage, new Map(kept));
  expect((await again.until(2)).map(told)).toEqual(['c id=2', 'c number=3']);
});

test('A changed key is a delete and an insert also where updates are skipped and sent all the same', async () => {
  await using db = await testDatabase();
  await db.query(
    `create table t (id int primary key, code text); create publication "${db.name}" for table t`,
  );
  await using driver = await TaskDriver.start(
    testConfig(db, db.name, { ...NO_DATA, 'skipped.operations': 'u,t' }),
  );
  await db.query("insert into t values (1, 'a'); update t set code = 'b'; update t set id = 2");
  expect((await driver.until(4)).map(told)).toEqual(['c id=1', 'd id=1', 'tombstone id=1', 'c id=2']);
});

test('A publication made for a config does not send what the config skips', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key, code text)');
  await using driver = await TaskDriver.start(
    testConfig(db, db.name, {
      ...NO_DATA,
      'skipped.operations': 'u,t',
      'publish.via.partition.root': 'true',
    }),
  );
  await db.query("insert into t values (1, 'a'); update t set id = 2; insert into t values (3, 'c')");
  expect((await driver.until(2)).map(told)).toEqual(['c id=1', 'c id=3']);
  const [made] = await db.query(
    'select pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot from pg_publication',
  );
  expect(Object.values(made ?? {})).toEqual([true, false, true, false, true]);
});

test('A logical message has its number in its transaction, and END counts it', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key)');
  await using driver = await TaskDriver.start(
    testConfig(db, db.name, { ...NO_DATA, 'provide.transaction.metadata': 'true' }),
  );
  await db.query("begin; insert into t values (1); select pg_logical_emit_message(true, 'p', 'x'); commit");
  const [, , message, end] = await driver.until(4);
  const block = part(message, 'transaction') as Struct;
  expect(block.toArray().slice(1)).toEqual([2, 1]);
  expect(part(end, 'event_count')).toBe(2);
});

test('Numerics keep the schema of their column where its type is propagated', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id numeric primary key, n numeric, p point)');
  await using driver = await TaskDriver.start(
    testConfig(db, db.name, { ...NO_DATA, 'column.propagate.source.type': '.*' }),
  );
  await db.query("insert into t values (1, 2.5, '(1,2)')");
  const [delivered] = await driver.until(1);
  const after = part(delivered, 'after') as Struct;
  for (const name of ['id', 'n', 'p']) {
    const { schema } = after.get(name) as Struct;
    expect(schema.parameters?.get('__debezium.source.column.name'), name).toBe(name);
  }
});

test('Rows have no key where its only column is left out, in snapshot and stream (INV-8)', async () => {
  await using db = await testDatabase();
  await db.query(`
    create table named (id int primary key, l pg_lsn); insert into named values (1, '0/1');
    create table own (l pg_lsn primary key, id int unique); insert into own values ('0/1', 1)`);
  await using driver = await TaskDriver.start(
    testConfig(db, db.name, { 'message.key.columns': 'public.named:l' }),
  );
  await driver.until(2);
  await db.query("insert into named values (2, '0/2'); insert into own values ('0/2', 2)");
  expect((await driver.until(4)).map(told)).toEqual(['r ', 'r ', 'c ', 'c ']);
});
