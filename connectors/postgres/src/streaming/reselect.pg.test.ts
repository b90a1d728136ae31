// Post processor ReselectColumnsPostProcessor on a real server: what comes is checked against what recorded runs of
// Debezium 3.6.2 gave for the same statements.
import type { Struct } from '@millrace/data';
import { startPostgres } from '@millrace/local-servers';
import { eventually, type TestDatabase, testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from '../fixtures/task-driver.ts';
import { testConfig } from '../fixtures/test-config.ts';

const PLACEHOLDER = '__debezium_unavailable_value';
const RESELECT = {
  'post.processors': 'again',
  'again.type': 'io.debezium.processors.reselect.ReselectColumnsPostProcessor',
};

let db: TestDatabase;
let tables = 0;
beforeAll(async () => {
  db = await testDatabase();
  await db.query('create extension hstore');
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

/** A table whose values are stored out of line, and a config that captures it from now on. */
async function tableWithLargeValues(
  more: Record<string, string> = {},
  on: TestDatabase = db,
): Promise<{ table: string; config: Record<string, string> }> {
  const table = `t${++tables}`;
  await on.query(`
    create table ${table} (id int primary key, a int, b text, j jsonb, n numeric(9,2), h hstore, ia int[], by bytea, vb varbit, m text default 'x');
    alter table ${table} alter b set storage external, alter j set storage external, alter h set storage external,
      alter ia set storage external, alter by set storage external, alter vb set storage external;
    insert into ${table} (id, a, b, j, h, ia, by, vb)
      select i, i, repeat('xyz' || i, 3000), to_jsonb(repeat('abc', 3000)), hstore('k', repeat('v', 3000)),
             (select array_agg(g) from generate_series(1, 2000) g), decode(repeat('ab', 3000), 'hex'), repeat('10', 20000)::varbit
        from generate_series(1, 3) i`);
  const config = testConfig(on, `${table}_${on.name}`, {
    'table.include.list': `public.${table}`,
    'snapshot.mode': 'no_data',
    ...RESELECT,
    ...more,
  });
  return { table, config };
}

const field = ({ record }: Delivered, name: string): unknown =>
  ((record.value as Struct | null)?.get('after') as Struct | null)?.getRaw(name);
const op = ({ record }: Delivered): unknown => (record.value as Struct | null)?.get('op') ?? null;

describe('reselecting columns', () => {
  test('completes what the server left out, of every type, and keeps the order', async () => {
    const { table, config } = await tableWithLargeValues();
    await using driver = await TaskDriver.start(config);
    await db.query(
      `begin; update ${table} set a = 10; update ${table} set a = 20 where id = 2; insert into ${table} (id, b) values (4, 'new'); commit`,
    );
    const delivered = await driver.until(5);
    expect(delivered.map((one) => [op(one), field(one, 'id'), field(one, 'a')])).toEqual([
      ['u', 1, 10],
      ['u', 2, 10],
      ['u', 3, 10],
      ['u', 2, 20],
      ['c', 4, null],
    ]);
    for (const one of delivered.slice(0, 4)) {
      expect(field(one, 'b')).toBe(`xyz${String(field(one, 'id'))}`.repeat(3000));
      expect(field(one, 'j')).toBe(JSON.stringify('abc'.repeat(3000)));
      expect(field(one, 'h')).toBe(JSON.stringify({ k: 'v'.repeat(3000) }));
      expect(field(one, 'ia')).toHaveLength(2000);
      expect(field(one, 'by')).toEqual(Buffer.alloc(3000, 0xab));
      expect(field(one, 'vb')).toHaveLength(5000);
      expect(field(one, 'n')).toBeNull();
    }
  });

  test('waits until queries see a row under its new key', async () => {
    await using server = await startPostgres({
      fsync: false,
      // A session that asks for more waits for a standby that never comes.
      settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local' },
    });
    await using other = await testDatabase(server.url('postgres'));
    await other.query('create extension hstore');
    const { table, config } = await tableWithLargeValues({}, other);
    await using driver = await TaskDriver.start(config);
    // The table is known by then.
    await other.query(`update ${table} set a = 10 where id = 3`);
    await driver.until(1);
    const waiting = new pg.Client({ connectionString: other.url });
    await waiting.connect();
    await waiting.query('set synchronous_commit = on');
    const committed = waiting.query(`update ${table} set id = 5 where id = 2`);
    await eventually('the task to wait for it', async () => {
      const asked = await other.query(
        "select from pg_stat_activity where query like '%txid_visible_in_snapshot%' and pid <> pg_backend_pid()",
      );
      return asked.length > 0;
    });
    await other.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
    await committed;
    await waiting.end();
    // Delete, tombstone and the row under its new key.
    const delivered = await driver.until(4);
    expect(delivered.map((one) => [op(one), field(one, 'b')]).at(-1)).toEqual(['c', 'xyz2'.repeat(3000)]);
  });

  test('reads what is null anew, but not where the schema has a default', async () => {
    const { table, config } = await tableWithLargeValues();
    await using driver = await TaskDriver.start(config);
    await db.query(
      `begin; insert into ${table} (id, m) values (5, null); update ${table} set n = 1.5, m = 'y' where id = 5; commit`,
    );
    const [created] = await driver.until(2);
    expect(String(created && field(created, 'n'))).toBe('1.50');
    expect(created && field(created, 'm')).toBeNull();
  });

  test('lists of columns and the kinds of values decide which', async () => {
    const { table, config } = await tableWithLargeValues({
      'again.reselect.columns.include.list': 'public.t\\d+:(B|n)',
      'again.reselect.null.values': 'false',
    });
    await using driver = await TaskDriver.start(config);
    await db.query(
      `begin; insert into ${table} (id) values (6); update ${table} set a = 1 where id = 1; update ${table} set n = 2 where id = 6; commit`,
    );
    const [created, updated] = await driver.until(3);
    expect(created && field(created, 'n')).toBeNull();
    expect(updated && field(updated, 'b')).toBe('xyz1'.repeat(3000));
    expect(updated && field(updated, 'j')).toBe(PLACEHOLDER);
  });

  test('a row that is gone keeps the placeholder, or ends the task where the config says so', async () => {
    const change = (table: string): string =>
      `begin; update ${table} set a = 5 where id = 1; delete from ${table} where id = 1; update ${table} set id = 30 where id = 3; commit`;
    const lenient = await tableWithLargeValues();
    await using driver = await TaskDriver.start(lenient.config);
    await db.query(change(lenient.table));
    const delivered = await driver.until(6);
    expect(delivered.map((one) => [op(one), field(one, 'id')])).toEqual([
      ['u', 1],
      ['d', undefined],
      [null, undefined],
      ['d', undefined],
      [null, undefined],
      ['c', 30],
    ]);
    expect(delivered[0] && field(delivered[0], 'b')).toBe(PLACEHOLDER);
    // The create of a key that changed is complete.
    expect(delivered[5] && field(delivered[5], 'b')).toBe('xyz3'.repeat(3000));

    const strict = await tableWithLargeValues({ 'again.reselect.error.handling.mode': 'fail' });
    await using failing = await TaskDriver.start(strict.config);
    await db.query(change(strict.table));
    await expect(failing.until(1)).rejects.toMatchObject({ code: 'postgres.reselect_failed' });
  });

  test('a session that ended is opened again', async () => {
    const { table, config } = await tableWithLargeValues({ 'again.reselect.error.handling.mode': 'fail' });
    await using driver = await TaskDriver.start(config);
    await db.query(`update ${table} set a = 7 where id = 1`);
    await driver.until(1);
    const ended = await db.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'COPY (select v.i%'",
    );
    expect(ended).toHaveLength(1);
    await db.query(`update ${table} set a = 8 where id = 1`);
    const [, second] = await driver.until(2);
    expect(second && field(second, 'b')).toBe('xyz1'.repeat(3000));
  });

  test('finds rows by keys of any type, and by the key of the event where it is told to', async () => {
    await db.query(`
      create type kind as enum ('a''b', 'c\\d'); create domain code as varchar(9);
      create table odd ("K 1" kind, k2 char(4), k3 timestamptz, k4 bit(3), k5 code, k6 bytea, v int, big text, primary key (k5, "K 1", k2, k3, k4, k6));
      alter table odd alter big set storage external;
      insert into odd values ('c\\d', 'x', '2024-01-02 03:04:05+00', '101', 'it''s', '\\x5c27', 1, repeat('big', 3000))`);
    const config = (slot: string, more: Record<string, string>): Record<string, string> =>
      testConfig(db, `${slot}_${db.name}`, {
        'table.include.list': 'public.odd',
        'snapshot.mode': 'no_data',
        ...RESELECT,
        ...more,
      });
    await using own = await TaskDriver.start(config('own', {}));
    await using event = await TaskDriver.start(
      config('event', { 'message.key.columns': 'public.odd:v', 'again.reselect.use.event.key': 'true' }),
    );
    await db.query('update odd set v = 2');
    for (const driver of [own, event]) {
      const [updated] = await driver.until(1);
      expect(updated && field(updated, 'big')).toBe('big'.repeat(3000));
    }
  });

  test('INV-1: no heartbeat passes an event that is still being completed', async () => {
    const { table, config } = await tableWithLargeValues({ 'heartbeat.interval.ms': '20' });
    await using driver = await TaskDriver.start(config);
    const changes = (): Delivered[] => driver.delivered.filter(({ record }) => record.topic.endsWith(table));
    await db.query(`update ${table} set a = 1 where id = 1`);
    await driver.untilTrue(() => changes().length === 1);
    const writer = new pg.Client({ connectionString: db.url });
    const locker = new pg.Client({ connectionString: db.url });
    await Promise.all([writer.connect(), locker.connect()]);
    let beats: Delivered[];
    try {
      // Whoever reads the table waits from the end of the change on: this lock is the first to wait for that.
      await writer.query(`begin; update ${table} set a = 2 where id = 2`);
      const locked = locker.query(`begin; lock table ${table} in access exclusive mode`);
      const waiting = `select from pg_locks where relation = '${table}'::regclass and not granted`;
      await eventually('the lock is waited for', async () => (await db.query(waiting)).length === 1);
      await writer.query('commit');
      await locked;
      const until = Date.now() + 500;
      await driver.untilTrue(() => Date.now() > until);
      expect(changes()).toHaveLength(1);
      beats = driver.delivered.slice(driver.delivered.indexOf(changes()[0] as Delivered) + 1);
    } finally {
      await Promise.all([writer.end(), locker.end()]);
    }
    await driver.untilTrue(() => changes().length === 2);
    const lsn = Number(changes()[1]?.offset['lsn']);
    expect(beats.length).toBeGreaterThan(0);
    for (const { offset } of beats) expect(Number(offset['lsn'])).toBeLessThan(lsn);
  });

  test('a query that fails leaves the event as it came', async () => {
    const { table, config } = await tableWithLargeValues();
    await using driver = await TaskDriver.start(config);
    // The column is there in the change and no longer in the table that is asked.
    await db.query(
      `begin; update ${table} set a = 7 where id = 1; alter table ${table} rename column b to c; commit`,
    );
    const [updated] = await driver.until(1);
    expect(updated && [field(updated, 'a'), field(updated, 'b')]).toEqual([7, PLACEHOLDER]);
  });

  test('thousands of rows of several tables come in order, in bounded parts (INV-2, INV-5)', async () => {
    await db.query(`
      create table many (id int primary key, v int, big text); alter table many alter big set storage external;
      create table other (id int primary key, v int, big text); alter table other alter big set storage external;
      insert into many select i, 0, repeat(i::text, 2000) from generate_series(1, 1500) i;
      insert into other select i, 0, repeat(i::text, 9000) from generate_series(1, 1500) i`);
    const config = testConfig(db, `many_${db.name}`, {
      'table.include.list': 'public.(many|other)',
      'snapshot.mode': 'no_data',
      ...RESELECT,
    });
    await using driver = await TaskDriver.start(config);
    await db.query(`do $$ begin for i in 1..1500 loop
      update many set v = i where id = i; update other set v = i where id = i; end loop; end $$`);
    const delivered = await driver.until(3000, 60_000);
    delivered.forEach((one, i) => {
      const id = Math.floor(i / 2) + 1;
      expect(one.record.topic).toBe(i % 2 === 0 ? 'p.public.many' : 'p.public.other');
      expect([field(one, 'id'), field(one, 'v')]).toEqual([id, id]);
      expect(field(one, 'big')).toBe(String(id).repeat(i % 2 === 0 ? 2000 : 9000));
    });
  });
});
