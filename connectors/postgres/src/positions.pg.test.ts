// What may be stored after a position was: nothing that lies before it, since the slot has followed.
import type { OffsetMap } from '@millrace/connect-api';
import type { Struct } from '@millrace/data';
import { eventually, testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { expect, test } from 'vitest';
import { TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';
import { confirmablePosition, parseOffset } from './offset.ts';
import { parseLsn } from './protocol/lsn.ts';

async function lsn(
  db: { query(sql: string): Promise<Record<string, unknown>[]> },
  of: string,
): Promise<number> {
  const [row] = await db.query(
    `select (${of})::text as lsn from pg_replication_slots where database = current_database()`,
  );
  return Number(parseLsn(String(row?.['lsn'])));
}

/** Until the slot is confirmed beyond all that other tables have written. */
async function confirmBeyondOthers(driver: TaskDriver, db: Parameters<typeof lsn>[0]): Promise<void> {
  await db.query('insert into other select generate_series(1, 500)');
  const end = await lsn(db, 'pg_current_wal_lsn()');
  await driver.untilTrue(async () => {
    await driver.commit();
    return (await lsn(db, 'confirmed_flush_lsn')) >= end;
  });
}

test('F1, F15, T4: a crash within a transaction that began before the position that was confirmed last is gone on after (INV-3)', async () => {
  await using db = await testDatabase();
  await db.query(
    'create table t (id int primary key); create table other (id int); insert into t values (1)',
  );
  const settings = testConfig(db, db.name, {
    'table.include.list': 'public.t',
    'snapshot.mode': 'no_data',
    'provide.transaction.metadata': 'true',
    'status.update.interval.ms': '50',
  });
  const long = new pg.Client({ connectionString: db.url });
  await long.connect();
  const offsets: OffsetMap[] = [];
  let kept: ReadonlyMap<string, OffsetMap>;
  let lineage: OffsetMap | null;
  {
    await using driver = await TaskDriver.start(settings);
    await db.query('insert into t values (2)');
    await driver.until(3);
    await long.query('begin; update t set id = 10 where id = 1; insert into t values (11), (12)');
    await confirmBeyondOthers(driver, db);
    const before = driver.delivered.length;
    await long.query('commit');
    await driver.until(before + 7);
    for (const { offset } of driver.delivered.slice(before)) offsets.push(offset);
    kept = new Map(driver.kept);
    lineage = driver.lineage;
  }
  await long.end();
  expect(offsets).toHaveLength(7);
  for (const [i, offset] of offsets.entries()) {
    await using driver = await TaskDriver.start(settings, offset, lineage, kept);
    await db.query(`insert into t values (${100 + i})`);
    await driver.untilTrue(() => driver.delivered.some(({ record }) => record.topic === 'p.public.t'));
  }
});

test('F1, F15, T4: what the server passes on its way to the position that is stored is not stored in its place (INV-3)', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key); create table other (id int)');
  const settings = testConfig(db, db.name, {
    'table.include.list': 'public.t',
    'snapshot.mode': 'no_data',
    'status.update.interval.ms': '50',
  });
  const long = new pg.Client({ connectionString: db.url });
  await long.connect();
  let offset: OffsetMap | undefined;
  let lineage: OffsetMap | null;
  {
    await using driver = await TaskDriver.start(settings);
    await db.query('insert into t values (0)');
    await driver.until(1);
    // As long as this is open, the server has to begin before it.
    await long.query('begin; insert into other values (0)');
    await db.query('insert into other select generate_series(1, 300000)');
    await confirmBeyondOthers(driver, db);
    await db.query('insert into t select generate_series(1, 1000)');
    await driver.until(1001);
    offset = driver.delivered[500]?.offset;
    await driver.commit(offset && { partition: { server: 'p' }, offset });
    lineage = driver.lineage;
  }
  const stored = parseOffset(offset ?? {});
  if (offset === undefined || stored === undefined) throw new Error('nothing was stored');
  // The server tells where it is while it searches its way, and the task asks for it.
  await using driver = await TaskDriver.start(settings, offset, lineage);
  await driver.untilTrue(() => {
    const reached = parseOffset(driver.latest?.offset ?? stored.map) ?? stored;
    expect(confirmablePosition(reached)).toBeGreaterThanOrEqual(confirmablePosition(stored));
    expect(reached.lsn).toBeGreaterThanOrEqual(stored.lsn);
    return driver.delivered.length >= 500;
  });
  expect(driver.delivered.slice(0, 500).map((one) => (one.record.key as Struct).get('id'))).toEqual(
    Array.from({ length: 500 }, (_, i) => 501 + i),
  );
  await long.end();
});

test('F15: a heartbeat after a position without records does not go back behind it (INV-3)', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key); create table other (id int)');
  const settings = testConfig(db, db.name, {
    'table.include.list': 'public.t',
    'snapshot.mode': 'no_data',
    'status.update.interval.ms': '50',
    'heartbeat.interval.ms': '1000',
  });
  let offset: OffsetMap | null = null;
  let kept: ReadonlyMap<string, OffsetMap> = new Map();
  let lineage: OffsetMap | null = null;
  // The first life has read a change before it, the second one nothing at all.
  for (const life of [1, 2]) {
    await using driver = await TaskDriver.start(settings, offset, lineage, kept);
    if (life === 1) await db.query('insert into t values (1)');
    await confirmBeyondOthers(driver, db);
    const beats = driver.delivered.length;
    await driver.until(beats + 1);
    offset = driver.delivered.at(-1)?.offset ?? null;
    kept = new Map(driver.kept);
    lineage = driver.lineage;
  }
  await using driver = await TaskDriver.start(settings, offset, lineage, kept);
  await db.query('insert into t values (2)');
  await driver.untilTrue(() => driver.delivered.some(({ record }) => record.topic === 'p.public.t'));
});

test('T4: nobody moves the slot where the config says so, not even at a restart', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key)');
  const settings = testConfig(db, db.name, {
    'lsn.flush.mode': 'manual',
    'status.update.interval.ms': '50',
  });
  const first = await TaskDriver.start(settings);
  const before = await lsn(db, 'confirmed_flush_lsn');
  await db.query('insert into t values (1)');
  await first.until(1);
  await first.commit();
  const { latest, lineage, kept } = first;
  await first[Symbol.asyncDispose]();
  await using second = await TaskDriver.start(settings, latest?.offset, lineage, kept);
  await db.query('insert into t values (2)');
  await second.until(1);
  const updates = async (): Promise<unknown> =>
    (
      await db.query(
        'select reply_time::text from pg_stat_replication where pid = (select active_pid from pg_replication_slots where database = current_database())',
      )
    )[0]?.['reply_time'];
  const seen = await updates();
  await eventually('another status update', async () => (await updates()) !== seen);
  expect(await lsn(db, 'confirmed_flush_lsn')).toBe(before);
});

test('F15: a stream without a snapshot before it beats, and moves its position, before its first change (INV-7)', async () => {
  await using db = await testDatabase();
  await db.query('create table t (id int primary key); create table other (id int)');
  const settings = testConfig(db, db.name, {
    'table.include.list': 'public.t',
    'snapshot.mode': 'no_data',
    'status.update.interval.ms': '50',
    'heartbeat.interval.ms': '1000',
  });
  await using driver = await TaskDriver.start(settings);
  await confirmBeyondOthers(driver, db);
  await driver.until(1);
  const [beat] = driver.delivered;
  expect(beat?.record.topic).toBe('__debezium-heartbeat.p');
  // As Debezium's: with it, a snapshot that the config asks for later is past.
  expect(Object.keys(beat?.offset ?? {})).toEqual(['lsn', 'txId', 'ts_usec']);
});

test('F1, F15: a transaction of which a part is stored stays so, whatever without records comes before it (INV-2, INV-3)', async () => {
  await using db = await testDatabase();
  await db.query(`create table t (id int primary key); create table other (id int);
    create publication "${db.name}" for table t`);
  const settings = testConfig(db, db.name, {
    'table.include.list': 'public.t',
    'publication.autocreate.mode': 'disabled',
    'snapshot.mode': 'no_data',
    // The publication has them all the same.
    'skipped.operations': 'd',
  });
  const ids = (driver: TaskDriver): unknown[] =>
    driver.delivered.map(({ record }) => (record.key as Struct).get('id'));
  const life = async (from: OffsetMap | undefined, pollMs: number): Promise<TaskDriver> =>
    await TaskDriver.start({ ...settings, 'poll.interval.ms': String(pollMs) }, from, lineage);
  let lineage: OffsetMap | null = null;
  let stored: OffsetMap | undefined;
  {
    await using driver = await life(undefined, 10);
    await db.query('insert into t values (0)');
    await driver.until(1);
    await driver.commit();
    stored = driver.latest?.offset;
    lineage = driver.lineage;
  }
  const long = new pg.Client({ connectionString: db.url });
  await long.connect();
  await long.query('begin; insert into t values (1), (2)');
  await db.query('delete from t');
  await long.query('insert into t values (3)');
  // The server is busy with it between the two transactions.
  await db.query('insert into other select generate_series(1, 500000)');
  await long.query('commit');
  await long.end();
  {
    await using driver = await life(stored, 500);
    const [end] = await db.query('select pg_current_wal_lsn()::text as lsn');
    const sent = `select from pg_stat_replication join pg_replication_slots on active_pid = pid
      where slot_name = '${db.name}' and sent_lsn >= '${String(end?.['lsn'])}'`;
    await eventually('the server has sent all', async () => (await db.query(sent)).length > 0);
    await driver.until(3);
    stored = driver.delivered[0]?.offset;
  }
  {
    await using driver = await life(stored, 1);
    // As far as positions go without a record.
    while (driver.delivered.length === 0) {
      stored = driver.latest?.offset ?? stored;
      await driver.poll();
    }
    await driver.until(2);
    expect(ids(driver)).toEqual([2, 3]);
  }
  await using driver = await life(stored, 10);
  await driver.until(2);
  expect(ids(driver)).toEqual([2, 3]);
});
