// CORRECTNESS 8: rows get the keys and the nullability that their table had when they were written.
import type { OffsetMap } from '@millrace/connect-api';
import type { Schema, Struct } from '@millrace/data';
import { testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

/** What an earlier incarnation has stored. */
interface Stored {
  readonly offset: OffsetMap;
  readonly lineage: OffsetMap | null;
  readonly kept: ReadonlyMap<string, OffsetMap>;
}

function storedOf(driver: TaskDriver, at: Delivered | undefined): Stored {
  if (at === undefined) throw new Error('nothing was delivered');
  return { offset: at.offset, lineage: driver.lineage, kept: new Map(driver.kept) };
}

const resume = (settings: Record<string, string>, { offset, lineage, kept }: Stored): Promise<TaskDriver> =>
  TaskDriver.start(settings, offset, lineage, kept);

/** `id=1` and the row's id. */
function keyed({ record }: Delivered): string {
  const key = record.key as Struct | null;
  const after = (record.value as Struct).get('after') as Struct;
  const fields = key?.schema.fields.map(({ name }) => `${name}=${String(key.get(name))}`) ?? [];
  return `${fields.join()} ${String(after.get('id'))}`;
}

function defaultOf({ record }: Delivered, column: string): unknown {
  const after = record.valueSchema as Schema;
  return after.field('after')?.schema.field(column)?.schema.defaultValue;
}

function isOptional({ record }: Delivered, column: string): boolean | undefined {
  const after = record.valueSchema as Schema;
  return after.field('after')?.schema.field(column)?.schema.optional;
}

describe('an altered table', () => {
  test('F20: keeps the old keys for rows that wait or are read again, when its relation messages look the same', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key, code text not null)');
    await db.query('alter table t replica identity full');
    const settings = testConfig(db, db.name, { 'snapshot.mode': 'no_data' });
    let stored: Stored;
    {
      await using driver = await TaskDriver.start(settings);
      await db.query("insert into t values (1, 'a')");
      await db.query("insert into t values (2, 'b')");
      const delivered = await driver.until(2);
      expect(delivered.map(keyed)).toEqual(['id=1 1', 'id=2 2']);
      stored = storedOf(driver, delivered[0]);
    }
    // Row 2 is read again, row 3 waits; both were written under the old key.
    await db.query("insert into t values (3, 'c')");
    await db.query('alter table t drop constraint t_pkey, add primary key (code)');
    await db.query("insert into t values (4, 'd')");
    {
      await using driver = await resume(settings, stored);
      const delivered = await driver.until(3);
      expect(delivered.map(keyed)).toEqual(['id=2 2', 'id=3 3', 'code=d 4']);
      stored = { ...storedOf(driver, delivered[0]), offset: stored.offset };
    }
    {
      await using driver = await resume(settings, stored);
      expect((await driver.until(3)).map(keyed)).toEqual(['id=2 2', 'id=3 3', 'code=d 4']);
    }
  });

  test('F20: shows its present state for rows written after the change, also where no message tells of it', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key, code text)');
    const settings = testConfig(db, db.name, { 'snapshot.mode': 'no_data' });
    let stored: Stored;
    {
      await using driver = await TaskDriver.start(settings);
      await db.query("insert into t values (1, 'a')");
      const delivered = await driver.until(1);
      expect(isOptional(delivered[0] as Delivered, 'code')).toBe(true);
      stored = storedOf(driver, delivered[0]);
    }
    await db.query('alter table t alter code set not null');
    await db.query("insert into t values (2, 'b')");
    await using driver = await resume(settings, stored);
    const delivered = await driver.until(1);
    expect(delivered.map((it) => isOptional(it, 'code'))).toEqual([false]);
    await db.query('alter table t alter code drop not null');
    await db.query('insert into t values (3, null)');
    expect((await driver.until(2)).map((it) => isOptional(it, 'code'))).toEqual([false, true]);
  });

  test('F20: shows each change from its own transaction on, whatever was done to the table after it', async () => {
    await using db = await testDatabase();
    await db.query("create table t (id int primary key, code text not null default 'a', n int default 1)");
    await db.query('alter table t replica identity full');
    const settings = testConfig(db, db.name, { 'snapshot.mode': 'no_data' });
    let stored: Stored;
    {
      await using driver = await TaskDriver.start(settings);
      await db.query('insert into t values (1)');
      stored = storedOf(driver, (await driver.until(1))[0]);
    }
    // All of it waits, and the catalog has but the last state of it.
    await db.query('insert into t values (2)');
    await db.query("alter table t alter code set default 'b'");
    await db.query('insert into t values (3)');
    await db.query('truncate t');
    await db.query('alter table t alter code set statistics 10');
    await db.query('insert into t values (4)');
    await db.query('alter table t drop constraint t_pkey, add primary key (code)');
    await db.query("insert into t values (5, 'e')");
    await db.query('create index on t (n)');
    await db.query('grant select on t to public');
    await db.query('alter table t alter n set default 2');
    await db.query("insert into t values (6, 'f')");
    await db.query('alter table t replica identity using index t_pkey, replica identity full');
    for (let run = 1; run <= 2; run++) {
      await using driver = await resume(settings, stored);
      const delivered = await driver.until(5);
      expect(delivered.map((it) => [keyed(it), defaultOf(it, 'code'), defaultOf(it, 'n')])).toEqual([
        ['id=2 2', 'a', 1],
        ['id=3 3', 'b', 1],
        ['id=4 4', 'b', 1],
        ['code=e 5', 'b', 1],
        ['code=f 6', 'b', 2],
      ]);
      stored = { ...storedOf(driver, delivered[0]), offset: stored.offset };
    }
  });

  test('F20: is looked at again when a transaction older than the change is followed by a newer one', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key, code text)');
    await db.query('create table other (id int primary key)');
    const settings = testConfig(db, db.name, {
      'snapshot.mode': 'no_data',
      'table.include.list': 'public.t',
    });
    await using driver = await TaskDriver.start(settings);
    await db.query("insert into t values (1, 'a')");
    await driver.until(1);
    // The writer has its id before the one who alters, and comes to the table after it.
    const early = new pg.Client({ connectionString: db.url });
    await early.connect();
    await early.query('begin');
    await early.query('insert into other values (1)');
    await db.query('alter table t alter code set not null');
    await early.query("insert into t values (2, 'b')");
    await early.query('commit');
    await early.end();
    await driver.until(2);
    await db.query("insert into t values (3, 'c')");
    const delivered = await driver.until(3);
    expect(isOptional(delivered[2] as Delivered, 'code')).toBe(false);
  });
});
