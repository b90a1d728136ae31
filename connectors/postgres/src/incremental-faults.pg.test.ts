// Incremental snapshots whose task ends at any moment: from every position that was handed out they go on.
import type { Struct } from '@millrace/data';
import { startPostgres } from '@millrace/local-servers';
import {
  type SeededRandom,
  type TestDatabase,
  testDatabase,
  testRandom,
  testRounds,
} from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RecoveringTask } from './fixtures/recovering-task.ts';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';
import { parseOffset } from './offset.ts';
import { parseLsn } from './protocol/lsn.ts';

const ENDS = testRounds(30, 300);

let db: TestDatabase;
let random: SeededRandom;
beforeAll(async () => {
  random = testRandom('incremental snapshots that end');
  db = await testDatabase();
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

async function prepare(table: string, rows: number, on = db): Promise<Record<string, string>> {
  await on.query(`
    create table ${table} (id int primary key, v int not null default 0);
    insert into ${table} select generate_series(1, ${rows});
    create table ${table}_marks (id varchar(64) primary key, type varchar(32), data varchar(2048))`);
  return testConfig(on, `${on.name}_${table}`, {
    'table.include.list': `public.${table}`,
    'snapshot.mode': 'no_data',
    'signal.data.collection': `public.${table}_marks`,
    'incremental.snapshot.chunk.size': '3',
  });
}

async function signal(table: string, type: string, on = db): Promise<void> {
  const data = `{"type": "incremental", "data-collections": ["public.${table}"]}`;
  await on.query(`insert into ${table}_marks values ('${type}', '${type}-snapshot', '${data}')`);
}

function isRead({ record }: Delivered): boolean {
  const value = record.value as Struct;
  return value.schema.field('op') !== undefined && value.get('op') === 'r';
}
const keyOf = ({ record }: Delivered): number => Number((record.key as Struct).get('id'));

/** Has it rest once something has come, its first rows at least, and the position stand behind all signals. */
async function rest(
  table: string,
  driver: TaskDriver,
  hasCome = () => driver.delivered.some(isRead),
): Promise<void> {
  await driver.untilTrue(hasCome);
  await signal(table, 'pause');
  await standBehindAll(driver, db);
}

/** Until the position stands behind all that was written. */
async function standBehindAll(driver: TaskDriver, on: TestDatabase): Promise<void> {
  const [row] = await on.query('select pg_current_wal_lsn()::text as lsn');
  const end = parseLsn(String(row?.['lsn'])) ?? 0;
  await driver.untilTrue(() => (parseOffset(driver.latest?.offset ?? {})?.lsn ?? 0) >= end);
}

test('a heartbeat keeps an incremental snapshot that rests (INV-3)', async () => {
  const settings = { ...(await prepare('p', 30)), 'heartbeat.interval.ms': '20' };
  await using first = await TaskDriver.start(settings);
  await signal('p', 'execute');
  await rest('p', first);
  const last = (): Delivered | undefined => first.delivered.at(-1);
  await first.untilTrue(() => last()?.record.topic === '__debezium-heartbeat.p');
  const beat = last();
  const read = first.delivered.filter(isRead).map(keyOf);
  expect(read.length).toBeLessThan(30);
  await first[Symbol.asyncDispose]();
  await using driver = await TaskDriver.start(settings, beat?.offset, first.lineage);
  await driver.untilTrue(() => driver.delivered.filter(isRead).some((one) => keyOf(one) === 30));
  // Nor does it begin again.
  read.push(...driver.delivered.filter(isRead).map(keyOf));
  expect(read).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
});

test('the offset of the record of a signal has the incremental snapshot that it asks for (INV-3)', async () => {
  const settings = await prepare('u', 9);
  await using first = await TaskDriver.start(settings);
  await signal('u', 'execute');
  const [record] = await first.until(1);
  expect(record?.record.topic).toBe('p.public.u_marks');
  await first.until(9);
  await first[Symbol.asyncDispose]();
  await using driver = await TaskDriver.start(settings, record?.offset, first.lineage);
  await driver.untilTrue(() => driver.delivered.filter(isRead).some((one) => keyOf(one) === 9));
  expect(driver.delivered.filter(isRead).map(keyOf)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('a config without a table of signals in between keeps an incremental snapshot (INV-3)', async () => {
  const settings = await prepare('z', 30);
  await using first = await TaskDriver.start(settings);
  await signal('z', 'execute');
  await rest('z', first);
  const read = first.delivered.filter(isRead).map(keyOf);
  expect(read.length).toBeLessThan(30);
  await first[Symbol.asyncDispose]();
  const { 'signal.data.collection': _, ...without } = settings;
  await using second = await TaskDriver.start(without, first.latest?.offset, first.lineage);
  await db.query('update z set v = 1 where id = 1');
  await second.until(1);
  await standBehindAll(second, db);
  await second[Symbol.asyncDispose]();
  for (const stored of [second.delivered[0]?.offset, second.latest?.offset]) {
    await using driver = await TaskDriver.start(settings, stored, first.lineage);
    await driver.untilTrue(() => driver.delivered.filter(isRead).some((one) => keyOf(one) === 30));
    const rest = driver.delivered.filter(isRead).map(keyOf);
    expect([...read, ...rest]).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  }
});

test('messages that come with the answer that begins the stream keep an incremental snapshot (INV-3)', async () => {
  const settings = await prepare('r', 30);
  await using first = await TaskDriver.start(settings);
  await signal('r', 'execute');
  await rest('r', first);
  await first[Symbol.asyncDispose]();
  await db.query("select pg_logical_emit_message(true, 'm', 'x') from generate_series(1, 30)");
  // A process that is busy reads much at once.
  const busy = setInterval(() => {
    const end = Date.now() + 30;
    while (Date.now() < end);
  });
  try {
    await using driver = await TaskDriver.start(settings, first.latest?.offset, first.lineage);
    await driver.until(30);
    const states = driver.delivered.map((one) => one.offset['incremental_snapshot_primary_key']);
    expect([...new Set(states)]).toEqual([first.latest?.offset['incremental_snapshot_primary_key']]);
    expect(states[0]).toMatch(/^json:\["\d+"\]$/);
  } finally {
    clearInterval(busy);
  }
});

test('an incremental snapshot whose first table is gone after a restart reads the others whole (INV-3)', async () => {
  const settings = {
    ...(await prepare('s', 30)),
    'table.include.list': 'public.s,public.after_s',
  };
  await db.query(
    'create table after_s (id int primary key); insert into after_s select generate_series(1, 9)',
  );
  await using first = await TaskDriver.start(settings);
  const tables = '{"data-collections": ["public.s", "public.after_s"]}';
  await db.query(`insert into s_marks values ('execute', 'execute-snapshot', '${tables}')`);
  await rest('s', first);
  await first[Symbol.asyncDispose]();
  await db.query('drop table s');
  await using driver = await TaskDriver.start(settings, first.latest?.offset, first.lineage);
  await driver.untilTrue(() => driver.delivered.filter(isRead).some((one) => keyOf(one) === 9));
  expect(driver.delivered.filter(isRead).map(keyOf)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('rows of a chunk do not come after the truncate that they were read before (INV-2)', async () => {
  const settings = { ...(await prepare('w', 9)), 'skipped.operations': 'none' };
  // A mark that closes a window is written after a truncate.
  await db.query(`
    create function truncated() returns trigger language plpgsql as $$
      begin truncate w; insert into w values (5, 1); return new; end $$;
    create trigger truncated before insert on w_marks for each row
      when (new.type = 'snapshot-window-close') execute function truncated()`);
  await using driver = await TaskDriver.start(settings);
  await signal('w', 'execute');
  const ops = (): unknown[] =>
    driver.delivered
      .filter(({ record }) => record.topic === 'p.public.w')
      .map(({ record }) => (record.value as Struct).get('op'));
  await rest('w', driver, () => ops().includes('c'));
  // What is there since is in the stream.
  expect(ops().slice(0, 2)).toEqual(['t', 'c']);
  expect(ops()).not.toContain('r');
});

test('a chunk that does not see yet what the stream has shown is read again (INV-2)', async () => {
  await using server = await startPostgres({
    fsync: false,
    // A session that asks for more waits for a standby that never comes.
    settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local' },
  });
  await using other = await testDatabase(server.url('postgres'));
  const settings = await prepare('v', 9, other);
  await using driver = await TaskDriver.start(settings);
  const waiting = new pg.Client({ connectionString: other.url });
  await waiting.connect();
  await waiting.query('set synchronous_commit = on');
  // The table is known by then.
  await other.query('update v set v = 0 where id = 1');
  await driver.until(1);
  const committed = waiting.query('update v set v = 1 where id = 2');
  await driver.until(2);
  await signal('v', 'execute', other);
  await driver.untilTrue(async () => (await other.query('select from v_marks')).length === 3);
  await standBehindAll(driver, other);
  await other.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
  await committed;
  await waiting.end();
  await driver.untilTrue(() => driver.delivered.filter(isRead).some((one) => keyOf(one) === 9));
  const versions = driver.delivered
    .filter((one) => one.record.topic === 'p.public.v' && keyOf(one) === 2)
    .map(({ record }) => ((record.value as Struct).get('after') as Struct).get('v'));
  expect(versions).toEqual([1, 1]);
  expect(driver.delivered.filter(isRead).map(keyOf)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test(`F1: an incremental snapshot among changes and heartbeats, whose task ends ${ENDS} times, gives every row, as it is (INV-3, INV-2)`, async () => {
  const rows = 3 * ENDS;
  const settings = { ...(await prepare('q', rows)), 'heartbeat.interval.ms': '1' };
  await using task = new RecoveringTask(settings);
  await task.poll();
  await signal('q', 'execute');
  // A row that is changed while its chunk is read comes as the change alone.
  const shown = new Map<number, unknown>();
  const take = (): void => {
    for (const one of task.delivered.splice(0).filter(({ record }) => record.topic === 'p.public.q'))
      shown.set(keyOf(one), ((one.record.value as Struct).get('after') as Struct).get('v'));
  };
  await task.until(() => {
    take();
    return shown.size > 0;
  });
  for (let end = 0; end < ENDS && shown.size < rows; end++) {
    await task.end();
    for (let left = random.int(1, 20); left > 0; left--) {
      if (random.next() < 0.2) await db.query(`update q set v = v + 1 where id = ${random.int(1, rows)}`);
      await task.poll();
      take();
    }
  }
  const wanted = (await db.query('select id, v from q')).map(({ id, v }) => [id, v]);
  await task.until(() => {
    take();
    return shown.size === rows && wanted.every(([id, v]) => shown.get(Number(id)) === v);
  });
});
