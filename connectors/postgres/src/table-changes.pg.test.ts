// Tables and publications that change under a running task, and changes that need care, with a crash after each record.
import type { Struct } from '@millrace/data';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { fromEveryRecord } from './fixtures/restarts.ts';
import { serverVersion } from './fixtures/server-version.ts';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

// A server of 14 goes on by what it remembers of a table until it has another reason to look at it again.
const followsPartitions = (await serverVersion(inject('postgresUrl'))) >= 150_000;

let db: TestDatabase;
let number = 0;
beforeAll(async () => {
  db = await testDatabase();
  await db.query('create schema s');
});
afterAll(() => db[Symbol.asyncDispose]());

/** A config for everything in the schema of a test's own, which is empty but for the table of the marker. */
async function fresh(more: Record<string, string> = {}): Promise<Record<string, string>> {
  number++;
  await db.query(
    'drop schema s cascade; create schema s; set search_path = s; create table marker (id int primary key)',
  );
  return testConfig(db, `${db.name}_${number}`, {
    'snapshot.mode': 'no_data',
    'slot.drop.on.stop': 'false',
    'schema.include.list': 's',
    'publication.autocreate.mode': 'all_tables',
    ...more,
  });
}

/** Each by itself: several in one query are one transaction. */
async function run(...statements: string[]): Promise<void> {
  for (const statement of statements) await db.query(statement);
}

/** `t u id=1 {id: 1} -> {id: 1, v: 2}` */
function shown({ record }: Delivered): string {
  const topic = record.topic.split('.').at(-1);
  const key = record.key as Struct | null;
  const value = record.value as Struct | null;
  const keyText =
    key === null ? '' : ` ${key.schema.fields.map(({ name }) => `${name}=${String(key.get(name))}`).join()}`;
  if (value === null) return `${topic} tombstone${keyText}`;
  const op = String(value.get('op'));
  if (op === 'm') return `${topic} m ${String((value.get('message') as Struct).get('content'))}`;
  if (op === 't') return `${topic} t`;
  const rows = [value.get('before'), value.get('after')].map((row) => rowText(row as Struct | null));
  return `${topic} ${op}${keyText} ${rows.filter((row) => row !== '').join(' -> ')}`;
}

function rowText(row: Struct | null): string {
  if (row === null) return '';
  const fields = row.schema.fields.map(({ name }) => {
    const text = String(row.get(name));
    return `${name}: ${text.length > 20 && !text.startsWith('__') ? `${text.length} characters` : text}`;
  });
  return `{${fields.join(', ')}}`;
}

const UNSENT = '__debezium_unavailable_value';

test('F18: tables that are added, dropped, renamed and truncated under a running task come as they were', async () => {
  const settings = await fresh({ 'skipped.operations': 'none' });
  const all = await fromEveryRecord(
    settings,
    db,
    () =>
      run(
        'create table a (id int primary key, v text)',
        "insert into a values (1, 'x')",
        'create table b (id int primary key)',
        "begin; insert into b values (1); insert into a values (2, 'y'); commit",
        'drop table b',
        'alter table a rename to c',
        "insert into c values (3, 'z')",
        'create table a (id int primary key, w int)',
        'insert into a values (1, 4)',
        'truncate a, c',
        "insert into c values (4, 'after')",
      ),
    shown,
  );
  expect(all).toEqual([
    'a c id=1 {id: 1, v: x}',
    'b c id=1 {id: 1}',
    'a c id=2 {id: 2, v: y}',
    'c c id=3 {id: 3, v: z}',
    'a c id=1 {id: 1, w: 4}',
    'a t',
    'c t',
    'c c id=4 {id: 4, v: after}',
  ]);
});

test.each(followsPartitions ? [false, true] : [])(
  'F18: partitions that are attached and detached under a running task, via root %s',
  async (root) => {
    const settings = await fresh({
      'publication.autocreate.mode': 'disabled',
      'publish.via.partition.root': String(root),
    });
    await db.query(`
    create table p (id int primary key, v text) partition by range (id);
    create table low partition of p for values from (0) to (10);
    create publication "${settings['publication.name']}" for table p, marker with (publish_via_partition_root = ${root})`);
    const all = await fromEveryRecord(
      settings,
      db,
      () =>
        run(
          "insert into p values (1, 'a')",
          'create table high (id int primary key, v text)',
          "insert into high values (10, 'unpublished')",
          'alter table p attach partition high for values from (10) to (20)',
          "insert into p values (11, 'b')",
          'update p set id = 12 where id = 1',
          'alter table p detach partition low',
          "insert into low values (2, 'unpublished')",
          "insert into p values (13, 'c')",
        ),
      shown,
    );
    const [low, high] = root ? ['p', 'p'] : ['low', 'high'];
    expect(all).toEqual([
      `${low} c id=1 {id: 1, v: a}`,
      `${high} c id=11 {id: 11, v: b}`,
      `${low} d id=1 {id: 1, v: null}`,
      `${low} tombstone id=1`,
      `${high} c id=12 {id: 12, v: a}`,
      `${high} c id=13 {id: 13, v: c}`,
    ]);
  },
);

test('F18: a publication that is changed by hand is followed; one that is dropped ends the task with its name, never in silence (INV-3)', async () => {
  const settings = await fresh({ 'publication.autocreate.mode': 'disabled' });
  const name = settings['publication.name'] as string;
  await db.query(`
    create table a (id int primary key); create table b (id int primary key);
    create publication "${name}" for table a, b`);
  await using driver = await TaskDriver.start(settings);
  await db.query(`
    insert into a values (1); insert into b values (1);
    alter publication "${name}" drop table b;
    insert into a values (2); insert into b values (2);
    alter publication "${name}" add table b;
    insert into a values (3); insert into b values (3)`);
  const delivered = await driver.until(5);
  expect(delivered.map(shown)).toEqual(
    [1, 1, 2, 3, 3].map((id, i) => `${'abaab'[i]} c id=${id} {id: ${id}}`),
  );
  await db.query(`drop publication "${name}"; insert into a values (4)`);
  const ends = driver.untilTrue(() => false);
  await expect(ends).rejects.toThrow(`publication "${name}" does not exist`);
});

test('F18: a table that comes to match the lists is in a filtered publication from the next start on', async () => {
  const settings = await fresh({ 'publication.autocreate.mode': 'filtered' });
  await db.query('create table a (id int primary key)');
  const rows = ['a c id=1 {id: 1}'];
  {
    await using driver = await TaskDriver.start(settings);
    await db.query('insert into a values (1); create table b (id int primary key)');
    expect((await driver.until(1)).map(shown)).toEqual(rows);
    await driver.commit();
  }
  await using driver = await TaskDriver.start(settings);
  await db.query('insert into b values (1); insert into a values (2)');
  await driver.untilTrue(() => driver.delivered.map(shown).includes('a c id=2 {id: 2}'));
  expect(driver.delivered.map(shown).slice(-2)).toEqual(['b c id=1 {id: 1}', 'a c id=2 {id: 2}']);
});

test('F19: rows with a value that was not sent, of every replica identity, and changes of key', async () => {
  const settings = await fresh();
  await db.query(`
    create table def (id int primary key, v int, big text);
    create table ful (id int primary key, v int, big text); alter table ful replica identity full;
    create table idx (id int primary key, alt int not null unique, v int, big text);
    alter table idx replica identity using index idx_alt_key;
    create table nul (id int primary key, v int, big text); alter table nul replica identity nothing;
    create table nokey (v int, big text); alter table nokey replica identity full;
    ${['def', 'ful', 'idx', 'nul', 'nokey'].map((t) => `alter table ${t} alter big set storage external`).join(';')}`);
  const big = "repeat('x', 3000)";
  const all = await fromEveryRecord(
    settings,
    db,
    async () => {
      await db.query(`
        insert into def values (1, 1, ${big}); update def set v = 2; update def set id = 2; delete from def;
        insert into ful values (1, 1, ${big}); update ful set v = 2; update ful set id = 2; delete from ful;
        insert into idx values (1, 1, 1, ${big}); update idx set v = 2;
        insert into nokey values (1, ${big}); update nokey set v = 2; delete from nokey;
        insert into nul values (1, 1, 'x')`);
      await expect(db.query('update nul set v = 2')).rejects.toThrow('does not have a replica identity');
    },
    shown,
  );
  const long = '3000 characters';
  expect(all).toEqual([
    `def c id=1 {id: 1, v: 1, big: ${long}}`,
    `def u id=1 {id: 1, v: 2, big: ${UNSENT}}`,
    'def d id=1 {id: 1, v: null, big: null}',
    'def tombstone id=1',
    `def c id=2 {id: 2, v: 2, big: ${UNSENT}}`,
    'def d id=2 {id: 2, v: null, big: null}',
    'def tombstone id=2',
    `ful c id=1 {id: 1, v: 1, big: ${long}}`,
    `ful u id=1 {id: 1, v: 1, big: ${long}} -> {id: 1, v: 2, big: ${long}}`,
    `ful d id=1 {id: 1, v: 2, big: ${long}}`,
    'ful tombstone id=1',
    `ful c id=2 {id: 2, v: 2, big: ${long}}`,
    `ful d id=2 {id: 2, v: 2, big: ${long}}`,
    'ful tombstone id=2',
    `idx c id=1 {id: 1, alt: 1, v: 1, big: ${long}}`,
    `idx u id=1 {id: 1, alt: 1, v: 2, big: ${UNSENT}}`,
    `nokey c {v: 1, big: ${long}}`,
    `nokey u {v: 1, big: ${long}} -> {v: 2, big: ${long}}`,
    `nokey d {v: 2, big: ${long}}`,
    'nokey tombstone',
    'nul c id=1 {id: 1, v: 1, big: x}',
  ]);
});

test('F19: a key that is stored out of line is the key of every change (INV-2)', async () => {
  const settings = await fresh();
  await db.query('create table t (id text primary key, v int); alter table t alter id set storage external');
  const all = await fromEveryRecord(
    settings,
    db,
    () => run("insert into t values (repeat('k', 2500), 1)", 'update t set v = 2', 'delete from t'),
    shown,
  );
  const key = `id=${'k'.repeat(2500)}`;
  expect(all.map((text) => text.replace(key, 'KEY'))).toEqual([
    't c KEY {id: 2500 characters, v: 1}',
    't u KEY {id: 2500 characters, v: null} -> {id: 2500 characters, v: 2}',
    't d KEY {id: 2500 characters, v: null}',
    't tombstone KEY',
  ]);
});

test('F20: columns, types, enumerations and domains that change in the transaction of their rows, with a crash after each record (INV-3)', async () => {
  const settings = await fresh();
  await db.query(`
    create type s.mood as enum ('sad'); create domain s.price as numeric(9,2) check (value > 0);
    create table t (id int primary key, v int, m mood, p price)`);
  const all = await fromEveryRecord(
    settings,
    db,
    () =>
      run(
        "insert into t values (1, 1, 'sad', 1.5)",
        "begin; insert into t values (2, 2, 'sad', 2); alter table t add more text default 'old'; insert into t values (3, 3, 'sad', 3, 'new'); alter table t drop v; update t set more = 'changed' where id = 1; commit",
        "alter type mood add value 'glad'",
        "insert into t values (4, 'glad', 4, 'x')",
        "alter type mood rename value 'glad' to 'happy'",
        "insert into t values (5, 'happy', 5, 'x')",
        "begin; insert into t values (6, 'sad', 6, 'x'); alter table t alter p type text; insert into t values (7, 'sad', 'seven', 'x'); alter table t rename p to price; savepoint a; alter table t add gone int; insert into t values (8, 'sad', 'eight', 'x', 8); rollback to a; insert into t values (9, 'sad', 'nine', 'x'); commit",
        'alter domain price drop constraint price_check',
        'alter table t alter price type price using null',
        "insert into t values (10, 'sad', -1, 'x')",
      ),
    shown,
  );
  expect(all).toEqual([
    't c id=1 {id: 1, v: 1, m: sad, p: 1.50}',
    't c id=2 {id: 2, v: 2, m: sad, p: 2.00}',
    't c id=3 {id: 3, v: 3, m: sad, p: 3.00, more: new}',
    't u id=1 {id: 1, m: sad, p: 1.50, more: changed}',
    't c id=4 {id: 4, m: glad, p: 4.00, more: x}',
    't c id=5 {id: 5, m: happy, p: 5.00, more: x}',
    't c id=6 {id: 6, m: sad, p: 6.00, more: x}',
    't c id=7 {id: 7, m: sad, p: seven, more: x}',
    't c id=9 {id: 9, m: sad, price: nine, more: x}',
    't c id=10 {id: 10, m: sad, price: -1.00, more: x}',
  ]);
});

/** Writes to a table of ids and emits messages; returns what is expected of each. */
const messages = {
  emit: (transactional: boolean, text: string): string =>
    `select pg_logical_emit_message(${transactional}, 'p', '${text}')`,
  insert: (id: number): string => `insert into t values (${id})`,
  row: (id: number): string => `t c id=${id} {id: ${id}}`,
  message: (text: string): string => `message m ${Buffer.from(text).toString('base64')}`,
};

test('F21: rows that follow a logical message, with a crash after each record, are not passed over (INV-3)', async () => {
  const { emit, insert, row, message } = messages;
  const settings = await fresh({ 'binary.handling.mode': 'base64' });
  await db.query('create table t (id int primary key)');
  const all = await fromEveryRecord(
    settings,
    db,
    () =>
      run(
        `begin; ${emit(true, 'a')}; ${insert(1)}; ${emit(true, 'b')}; ${insert(2)}; commit`,
        emit(false, 'c'),
        insert(3),
        emit(true, 'd'),
        insert(4),
      ),
    shown,
  );
  expect(all).toEqual([
    message('a'),
    row(1),
    message('b'),
    row(2),
    message('c'),
    row(3),
    message('d'),
    row(4),
  ]);
});

test('F21: rows around messages that do not wait for their transaction are not passed over; the messages may come again (INV-3)', async () => {
  const { emit, insert, row, message } = messages;
  const settings = await fresh({ 'binary.handling.mode': 'base64' });
  await db.query('create table t (id int primary key)');
  const all = await fromEveryRecord(
    settings,
    db,
    () =>
      run(
        insert(1),
        `begin; ${insert(2)}; ${emit(false, 'a')}; ${insert(3)}; ${emit(true, 'b')}; commit`,
        `begin; ${emit(false, 'c')}; ${insert(4)}; ${emit(false, 'd')}; rollback`,
        insert(5),
      ),
    shown,
    { messagesRepeat: true },
  );
  expect(all).toEqual([
    row(1),
    message('a'),
    row(2),
    row(3),
    message('b'),
    message('c'),
    message('d'),
    row(5),
  ]);
});
