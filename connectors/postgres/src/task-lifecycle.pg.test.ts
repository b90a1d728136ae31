import type { Struct } from '@millrace/data';
import { policyOf } from '@millrace/foundation';
import { startPostgres } from '@millrace/local-servers';
import { eventually, testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

const id = ({ record }: Delivered): unknown =>
  ((record.value as Struct | null)?.get('after') as Struct | null)?.toArray()[0];

async function session(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

describe('a task and its server', () => {
  test.each(['fast', 'immediate'] as const)(
    'F14: a %s restart of the server fails the task with an error that may be retried; the next one goes on (INV-3)',
    async (mode) => {
      await using server = await startPostgres({ fsync: false });
      const target = {
        host: server.host,
        port: server.port,
        user: 'postgres',
        password: 'postgres',
        name: 'postgres',
      };
      const client = await session(server.url());
      await client.query('create table t (id int primary key)');
      const settings = testConfig(target, 's');
      let stored: Delivered['offset'] | null;
      {
        await using driver = await TaskDriver.start(settings);
        await client.query('insert into t values (1), (2)');
        await driver.until(2);
        await driver.commit();
        stored = driver.latest?.offset ?? null;
        await client.query('insert into t values (3)');
        await driver.until(3); // delivered, never committed
        await server.stop(mode);
        const failure = await driver.untilTrue(() => false).catch((error: unknown) => error);
        expect(policyOf(failure)).toBe('retry');
      }
      await expect(TaskDriver.start(settings, stored)).rejects.toMatchObject({
        code: 'postgres.connection_failed',
      });
      await server.start();
      const again = await session(server.url());
      await again.query('insert into t values (4)');
      await using driver = await TaskDriver.start(settings, stored);
      expect((await driver.until(2)).map(id)).toEqual([3, 4]);
      await again.end();
      await client.end().catch(() => undefined);
    },
  );

  test('more tables than guardrail.collections.max stop the task where the config says so', async () => {
    await using db = await testDatabase();
    await db.query('create table a (id int primary key); create table b (id int primary key)');
    const limit = (max: string, action: string): Promise<TaskDriver> =>
      TaskDriver.start(
        testConfig(db, `${db.name}_g`, {
          'guardrail.collections.max': max,
          'guardrail.collections.limit.action': action,
          'slot.drop.on.stop': 'true',
        }),
      );
    await expect(limit('1', 'fail')).rejects.toMatchObject({
      code: 'postgres.too_many_tables',
      configKey: 'guardrail.collections.max',
    });
    expect(await db.query('select 1 from pg_publication')).toEqual([]);
    for (const [max, action] of [
      ['1', 'warn'],
      ['2', 'fail'],
    ] as const) {
      await using driver = await limit(max, action);
      await db.query(`insert into a values (${Number(max)})`);
      await driver.untilTrue(() => driver.delivered.some((one) => id(one) === Number(max)));
    }
  });

  test('a transaction that is open when the slot is made delays the snapshot and loses nothing (INV-3)', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); insert into t values (1)');
    const other = await session(db.url);
    await other.query('begin; insert into t values (2)');
    const starting = TaskDriver.start(testConfig(db, `${db.name}_o`, { 'slot.drop.on.stop': 'true' }));
    await eventually('the slot waits', async () => {
      const rows = await db.query(
        "select 1 from pg_stat_activity where query like 'CREATE_REPLICATION_SLOT%' and wait_event_type = 'Lock'",
      );
      return rows.length > 0;
    });
    await other.query('insert into t values (3); commit');
    await using driver = await starting;
    await db.query('insert into t values (4)');
    await driver.until(4);
    expect(driver.delivered.map(id)).toEqual([1, 2, 3, 4]);
    await other.end();
  });

  test('stops at once while the slot still waits for an open transaction, and leaves no slot behind', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key)');
    const other = await session(db.url);
    await other.query('begin; insert into t values (2)');
    const slot = `${db.name}_w`;
    const driver = await TaskDriver.startUnpositioned(testConfig(db, slot));
    await driver[Symbol.asyncDispose]();
    await other.query('rollback');
    await eventually('no slot', async () => {
      const rows = await db.query('select 1 from pg_replication_slots where slot_name = $1', [slot]);
      return rows.length === 0;
    });
    await other.end();
  });

  test('drops its slot when it stops, if the config says so', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key)');
    const slot = `${db.name}_d`;
    const driver = await TaskDriver.start(testConfig(db, slot, { 'slot.drop.on.stop': 'true' }));
    await db.query('insert into t values (1)');
    await driver.until(1);
    await driver[Symbol.asyncDispose]();
    expect(await db.query('select 1 from pg_replication_slots where slot_name = $1', [slot])).toEqual([]);
  });

  test('F24: refuses a slot that decodes prepared transactions early', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key)');
    const slot = `${db.name}_p`;
    await db.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput', false, true)`);
    await expect(TaskDriver.start(testConfig(db, slot))).rejects.toMatchObject({
      code: 'postgres.slot_unusable',
    });
  });

  test('an incremental snapshot gives each row once or as the stream has it, and goes on after a restart (INV-3)', async () => {
    await using db = await testDatabase();
    await db.query(`
      create table sig (id varchar(64) primary key, type varchar(32), data varchar(2048));
      create table t (id int primary key, v int not null);
      insert into t select i, 0 from generate_series(1, 40) i`);
    const settings = testConfig(db, `${db.name}_i`, {
      'snapshot.mode': 'no_data',
      'signal.data.collection': 'public.sig',
      'incremental.snapshot.chunk.size': '5',
    });
    const versions = new Map<unknown, number>();
    const take = (delivered: readonly Delivered[]): void => {
      for (const { record } of delivered) {
        const row = ((record.value as Struct | null)?.get('after') as Struct | null)?.toArray();
        if (record.topic !== 'p.public.t' || row === undefined) continue;
        // A row read by the snapshot never brings back what the stream has already changed.
        expect(Number(row[1])).toBeGreaterThanOrEqual(versions.get(row[0]) ?? 0);
        versions.set(row[0], Number(row[1]));
      }
    };
    const chunks = (driver: TaskDriver): number =>
      new Set(driver.delivered.filter(({ record }) => record.topic === 'p.public.t').map(id)).size;
    let stored: Delivered['offset'] | null;
    {
      await using driver = await TaskDriver.start(settings);
      await db.query(
        `insert into sig values ('s1', 'execute-snapshot', '{"data-collections": ["public.t"]}')`,
      );
      await driver.untilTrue(() => chunks(driver) >= 12);
      await db.query('update t set v = v + 1 where id % 3 = 0');
      await driver.untilTrue(() => chunks(driver) >= 20);
      await driver.commit();
      take(driver.delivered);
      stored = driver.latest?.offset ?? null;
    }
    await using driver = await TaskDriver.start(settings, stored);
    await driver.untilTrue(() => {
      take(driver.delivered.splice(0));
      return versions.size === 40;
    });
    const rows = await db.query('select id, v from t');
    expect(rows.every((row) => versions.get(row['id']) === row['v'])).toBe(true);
  });
});
