// What differs between server versions 14 to 18. A test that needs a newer server than the one of the run is not there;
// `npm run test:full` runs them all.
import type { Struct } from '@millrace/data';
import { startPostgres } from '@millrace/local-servers';
import { eventually, testDatabase } from '@millrace/testkit';
import { describe, expect, inject, test } from 'vitest';
import { serverVersion } from './fixtures/server-version.ts';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

const version = await serverVersion(inject('postgresUrl'));

const after = ({ record }: Delivered): unknown[] | undefined =>
  ((record.value as Struct | null)?.get('after') as Struct | null)?.toArray();

describe('on any server version', () => {
  test('the rights that the guide names are enough: no superuser, no owner', async () => {
    await using db = await testDatabase();
    const user = `u_${db.name}`;
    const slot = `${db.name}_r`;
    await db.query(`
      create table t (id int primary key, v text);
      insert into t values (1, 'a');
      create role ${user} login replication password 'secret';
      grant connect on database "${db.name}" to ${user};
      grant usage on schema public to ${user};
      grant select on public.t to ${user};
      create publication "${slot}" for table t`);
    {
      const least = { ...db, user, password: 'secret' };
      const settings = testConfig(least, slot, { 'publication.autocreate.mode': 'disabled' });
      await using driver = await TaskDriver.start(settings);
      await driver.until(1);
      await db.query("insert into t values (2, 'b')");
      expect((await driver.until(2)).map(after)).toEqual([
        [1, 'a'],
        [2, 'b'],
      ]);
    }
    await db.query(`drop owned by ${user}; drop role ${user}`);
  });

  test('an owner of the tables that may create in the database makes the publication too', async () => {
    await using db = await testDatabase();
    const user = `u_${db.name}`;
    await db.query(`
      create role ${user} login replication password 'secret';
      grant create on database "${db.name}" to ${user};
      create schema s authorization ${user};
      create table s.t (id int primary key);
      alter table s.t owner to ${user}`);
    {
      const owner = { ...db, user, password: 'secret' };
      const settings = testConfig(owner, `${db.name}_o`, { 'schema.include.list': 's' });
      await using driver = await TaskDriver.start(settings);
      await db.query('insert into s.t values (1)');
      expect((await driver.until(1)).map(after)).toEqual([[1]]);
    }
    await db.query(`drop owned by ${user} cascade; drop role ${user}`);
  });

  test('F17: slot.failover makes a failover slot where the server has them, also with a snapshot beside a slot that is there', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); insert into t values (1)');
    const slot = `${db.name}_f`;
    const settings = testConfig(db, slot, { 'slot.failover': 'true', 'snapshot.mode': 'always' });
    for (const round of ['the slot is new', 'the slot is there']) {
      await using driver = await TaskDriver.start(settings);
      expect((await driver.until(1)).map(after), round).toEqual([[1]]);
    }
    const [row] = await db.query(
      `select ${version >= 170000 ? 'failover' : 'true as failover'} from pg_replication_slots where slot_name = $1`,
      [slot],
    );
    expect(row).toEqual({ failover: true });
  });

  test('F16: a slot that the server has given up is refused with its reason, and made anew when the tables are read again (INV-3)', async () => {
    await using server = await startPostgres({ fsync: false, settings: { max_slot_wal_keep_size: '1MB' } });
    await using db = await testDatabase(server.url());
    await db.query('create table t (id int primary key); insert into t values (1)');
    const settings = testConfig(db, 's', { 'table.include.list': 'public.t' });
    let stored: Delivered['offset'] | null;
    {
      await using driver = await TaskDriver.start(settings);
      await db.query('insert into t values (2)');
      await driver.until(2);
      await driver.commit();
      stored = driver.latest?.offset ?? null;
    }
    await eventually('the slot is lost', async () => {
      await db.query('create table if not exists other (i int); insert into other values (1)');
      await db.query('select pg_switch_wal()');
      await db.query('checkpoint');
      const [row] = await db.query("select wal_status from pg_replication_slots where slot_name = 's'");
      return row?.['wal_status'] === 'lost';
    });
    await db.query('insert into t values (3)');
    await expect(TaskDriver.start(settings, stored)).rejects.toMatchObject({
      code: 'postgres.slot_lost',
      context: { slot: 's', reason: version >= 170000 ? 'wal_removed' : 'wal_status lost' },
    });
    const again = { ...settings, 'snapshot.mode': 'when_needed' };
    await using driver = await TaskDriver.start(again, stored);
    await driver.until(3);
    await db.query('insert into t values (4)');
    expect((await driver.until(4)).map(after)).toEqual([[1], [2], [3], [4]]);
  });
});

if (version >= 150000) {
  test('a publication with a column list and a row filter gives what it publishes', async () => {
    await using db = await testDatabase();
    const slot = `${db.name}_l`;
    await db.query(`
      create table t (id int primary key, v text, hidden text);
      create publication "${slot}" for table t (id, v) where (id < 100)`);
    await using driver = await TaskDriver.start(
      testConfig(db, slot, { 'publication.autocreate.mode': 'disabled', 'snapshot.mode': 'no_data' }),
    );
    await db.query("insert into t values (100, 'x', 'h'), (1, 'a', 'h')");
    expect((await driver.until(1)).map(after)).toEqual([[1, 'a']]);
  });
}

if (version >= 170000) {
  describe('from Postgres 17', () => {
    test.each([
      ['numeric', [9223372036854775807n, -9223372036854775808n]],
      ['string', ['infinity', '-infinity']],
    ])(
      'infinite intervals are the extremes of numbers and their names as text (INV-4, INV-8): %s',
      async (mode, values) => {
        await using db = await testDatabase();
        await db.query(
          "create table t (id int primary key, v interval not null, w interval default 'infinity')",
        );
        const insert = (id: number): Promise<unknown> =>
          db.query(`insert into t values (${id}, 'infinity', '-infinity')`);
        await insert(1);
        await using driver = await TaskDriver.start(
          testConfig(db, `${db.name}_i`, { 'interval.handling.mode': mode }),
        );
        await driver.until(1);
        await insert(2);
        expect((await driver.until(2)).map(after)).toEqual([
          [1, ...values],
          [2, ...values],
        ]);
      },
    );
  });
}

if (version >= 180000) {
  describe('from Postgres 18', () => {
    test('generated columns are in the stream when the publication has them', async () => {
      await using db = await testDatabase();
      const slot = `${db.name}_g`;
      await db.query(`
        create table t (id int primary key, double int generated always as (id * 2) stored,
                        virtual int generated always as (id * 3) virtual, v text);
        insert into t (id, v) values (1, 'a');
        create publication "${slot}" for table t with (publish_generated_columns = stored)`);
      await using driver = await TaskDriver.start(
        testConfig(db, slot, {
          'publication.autocreate.mode': 'disabled',
          'column.exclude.list': 'public.t.virtual',
        }),
      );
      await driver.until(1);
      await db.query("insert into t (id, v) values (2, 'b')");
      const [snapshot, stream] = await driver.until(2);
      expect([snapshot, stream].map((one) => one && after(one))).toEqual([
        [1, 2, 'a'],
        [2, 4, 'b'],
      ]);
      expect(stream?.record.valueSchema?.equals(snapshot?.record.valueSchema as never)).toBe(true);
    });

    test('a NOT NULL that the server has not validated does not turn null into zero (INV-4)', async () => {
      await using db = await testDatabase();
      await db.query(`
        create table t (id int primary key, v int, w int not null);
        insert into t values (1, null, 0);
        alter table t add constraint v_not_null not null v not valid;
        alter table t replica identity full`);
      await using driver = await TaskDriver.start(testConfig(db, `${db.name}_n`));
      await driver.until(1);
      await db.query('delete from t where id = 1');
      const [read, deleted] = await driver.until(2);
      expect(read && after(read)).toEqual([1, null, 0]);
      const before = (deleted?.record.value as Struct | null)?.get('before') as Struct | null;
      expect(before?.toArray()).toEqual([1, null, 0]);
      expect(before?.schema.fields.map((field) => field.schema.optional)).toEqual([false, true, false]);
    });

    test('F16: a slot that the server gave up for being idle is refused with its reason (INV-3)', async () => {
      await using server = await startPostgres({
        fsync: false,
        settings: { idle_replication_slot_timeout: '1s' },
      });
      await using db = await testDatabase(server.url());
      await db.query('create table t (id int primary key); insert into t values (1)');
      let stored: Delivered['offset'] | null;
      {
        await using driver = await TaskDriver.start(testConfig(db, 's'));
        await driver.until(1);
        await driver.commit();
        stored = driver.latest?.offset ?? null;
      }
      await eventually('the slot is lost', async () => {
        await db.query('select pg_switch_wal(); checkpoint');
        const [row] = await db.query("select wal_status from pg_replication_slots where slot_name = 's'");
        return row?.['wal_status'] === 'lost';
      });
      await expect(TaskDriver.start(testConfig(db, 's'), stored)).rejects.toMatchObject({
        code: 'postgres.slot_lost',
        context: { reason: 'idle_timeout' },
      });
    });
  });
}
