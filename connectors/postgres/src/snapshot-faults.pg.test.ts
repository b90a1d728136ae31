// What befalls a snapshot: writers beside it, sessions that are killed, limits that the server sets, vacuum.
import type { Struct } from '@millrace/data';
import { eventually, type TestDatabase, testDatabase } from '@millrace/testkit';
import pg from 'pg';
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

/** Small queues, so that a snapshot is still going on while a test does something. */
const SLOW = { 'max.batch.size': '100', 'max.queue.size': '200' };

/** A config of all tables in a schema of its own, which is made anew by the statements. */
async function fresh(sql: string, more: Record<string, string> = {}): Promise<Record<string, string>> {
  number++;
  await db.query('drop schema if exists s cascade; create schema s; set search_path = s');
  await db.query(sql);
  return testConfig(db, `${db.name}_${number}`, { 'schema.include.list': 's', ...SLOW, ...more });
}

const table = ({ record }: Delivered): string => record.topic.split('.').at(-1) ?? '';
const after = ({ record }: Delivered): Struct | null => {
  const value = record.value as Struct | null;
  return value === null || value.schema.field('after') === undefined
    ? null
    : (value.get('after') as Struct | null);
};
const isRead = ({ record }: Delivered): boolean => {
  const value = record.value as Struct | null;
  return value?.schema.field('op') !== undefined && value.get('op') === 'r';
};
const has = (task: RecoveringTask, id: number): boolean =>
  task.delivered.some((one) => after(one)?.get('id') === id);

/** Notifications as `type` in their order, those of tables left out. */
function notified(task: RecoveringTask): unknown[] {
  const types = task.delivered
    .filter((one) => table(one) === 'notify')
    .map(({ record }) => (record.value as Struct).get('type'));
  return types.filter((type) => type !== 'IN_PROGRESS' && type !== 'TABLE_SCAN_COMPLETED');
}

/** Sessions of the task by what they last said and, if given, what they wait for; the newest first. */
async function sessions(query: string, waitsFor?: string): Promise<number[]> {
  const rows = await db.query(
    `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ilike $1
        and coalesce(wait_event = $2, $2 is null) order by backend_start desc`,
    [query, waitsFor ?? null],
  );
  return rows.map(({ pid }) => Number(pid));
}

/** Sessions of the task that are not for replication: the one for the catalog, and those that read. */
async function clients(state: string): Promise<number[]> {
  const rows = await db.query(
    `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and backend_type = 'client backend' and state like $1`,
    [state],
  );
  expect(rows).toHaveLength(1);
  return rows.map(({ pid }) => Number(pid));
}

async function kill(pids: readonly number[]): Promise<void> {
  await db.query('select pg_terminate_backend(p) from unnest($1::int[]) p', [pids]);
}

test('F22: readers side by side see one moment, whatever is moved between their tables meanwhile (INV-3)', async () => {
  const tables = ['a', 'b', 'c', 'd'];
  const settings = await fresh(
    tables
      .map(
        (t) =>
          `create table ${t} as select i as id, 10 as v, repeat('x', 100) as pad from generate_series(1, 1500) i; alter table ${t} add primary key (id)`,
      )
      .join(';'),
    { 'snapshot.max.threads': '4' },
  );
  const writer = new pg.Client({ connectionString: db.url });
  await writer.connect();
  let moves = 0;
  let ended = false;
  const writing = (async () => {
    for (let i = 1; !ended; i = (i % 1500) + 1) {
      const [from, to] = [tables[i % 4], tables[(i + 1) % 4]];
      await writer.query(
        `begin; update s.${from} set v = v - 1 where id = ${i}; update s.${to} set v = v + 1 where id = ${1501 - i}; commit`,
      );
      moves++;
    }
  })();
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 0);
  const before = moves;
  await task.until(() => task.delivered.filter(isRead).length === 6000);
  expect(moves).toBeGreaterThan(before);
  const sum = task.delivered.filter(isRead).reduce((total, one) => total + Number(after(one)?.get('v')), 0);
  expect(sum).toBe(60_000);
  ended = true;
  await writing;
  await writer.query('insert into s.a values (9999, 0)');
  await writer.end();
  await task.until(() => has(task, 9999));
  const state = new Map<string, unknown>();
  for (const one of task.delivered)
    state.set(`${table(one)} ${String(after(one)?.get('id'))}`, after(one)?.get('v'));
  for (const t of tables)
    for (const row of await db.query(`select id, v from s.${t}`))
      expect(state.get(`${t} ${String(row['id'])}`), `${t} ${String(row['id'])}`).toBe(row['v']);
  expect(task.failures).toEqual([]);
});

test('F23: a reader whose session is killed ends the snapshot as aborted; the next run goes on with it (INV-3)', async () => {
  const settings = await fresh(
    `create table a as select i as id, repeat('x', 1500) as pad from generate_series(1, 10000) i; alter table a add primary key (id);
     create table b as select i as id, repeat('x', 1500) as pad from generate_series(1, 10000) i; alter table b add primary key (id);
     analyze`,
    {
      'snapshot.max.threads': '2',
      'notification.enabled.channels': 'sink',
      'notification.sink.topic.name': 'notify',
    },
  );
  await using task = new RecoveringTask(settings);
  for (let round = 0; round < 2; round++) {
    const read = task.delivered.length;
    await task.until(async () => {
      if (task.failures.length > round) return true;
      if (task.delivered.length < read + 1000) return false;
      // One that has yet to send rows.
      await kill((await sessions('copy (select%', 'ClientWrite')).slice(0, 1));
      return false;
    });
    await eventually('no reader is left', async () => (await sessions('copy (select%')).length === 0, 5000);
    expect(task.failures.at(-1)).toMatch(/^Cannot read table s\.[ab]: .*terminat/i);
  }
  await task.until(() => notified(task).includes('COMPLETED'));
  expect(notified(task)).toEqual(['STARTED', 'ABORTED', 'STARTED', 'ABORTED', 'STARTED', 'COMPLETED']);
  const rows = new Set(
    task.delivered.filter(isRead).map((one) => `${table(one)} ${String(after(one)?.get('id'))}`),
  );
  expect(rows.size).toBe(20_000);
  expect(task.delivered.filter(isRead).length).toBeLessThan(28_000);
});

test('F23: an idle session that is killed is opened again: during the snapshot unnoticed, during the stream with the task (INV-3, INV-7)', async () => {
  const settings = await fresh(
    `create table a as select i as id, repeat('x', 200) as pad from generate_series(1, 10000) i; alter table a add primary key (id);
     create table beats (id int)`,
  );
  await using task = new RecoveringTask({
    ...settings,
    // Often enough for the stream, too seldom for the snapshot.
    'heartbeat.interval.ms': '300',
    'heartbeat.action.query': 'insert into s.beats values (1)',
  });
  await task.until(() => task.delivered.filter(isRead).length > 500);
  await kill(await clients('idle'));
  await db.query('insert into a values (20000)');
  await task.until(() => has(task, 20_000));
  expect(task.failures).toEqual([]);
  for (let round = 0; round < 2; round++) {
    const beats = async (): Promise<number> => (await db.query('select from beats')).length;
    const before = await beats();
    await task.until(async () => (await beats()) > before);
    await kill(await clients('%'));
    await task.until(() => task.failures.length > round);
    await db.query(`create table t${round} (id int primary key); insert into a values (${20_001 + round})`);
    await task.until(() => has(task, 20_001 + round));
  }
  expect(task.delivered.filter(isRead)).toHaveLength(10_000);
});

test('F23: time limits that the server has for the user of the connector end nothing', async () => {
  const user = `u_${db.name}`;
  const settings = await fresh(
    `create table a as select i as id, repeat('x', 200) as pad from generate_series(1, 4000) i; alter table a add primary key (id);
     create role ${user} login superuser password 'secret';
     alter role ${user} set statement_timeout = '300ms';
     alter role ${user} set lock_timeout = '300ms';
     alter role ${user} set idle_in_transaction_session_timeout = '300ms';
     alter role ${user} set idle_session_timeout = '300ms'`,
    { 'database.user': user, 'database.password': 'secret' },
  );
  const other = new pg.Client({ connectionString: db.url });
  await other.connect();
  await other.query('begin; select txid_current()');
  await using task = new RecoveringTask(settings);
  const age = async (what: string): Promise<number> => {
    const [row] = await db.query(
      `select max(extract(epoch from clock_timestamp() - query_start)) * 1000 as age from pg_stat_activity where query ilike $1 and pid <> pg_backend_pid()`,
      [what],
    );
    return Number(row?.['age'] ?? 0);
  };
  const starting = task.poll();
  await eventually(
    'the slot has waited for longer',
    async () => (await age('CREATE_REPLICATION_SLOT%')) > 900,
  );
  await other.end();
  await starting;
  await task.until(() => task.delivered.length > 0);
  await eventually('the rows were read for longer', async () => (await age('COPY (SELECT%')) > 900);
  await db.query('insert into a values (9999)');
  await task.until(() => has(task, 9999));
  await eventually(
    'the stream has been idle for longer',
    async () => (await age('select wal.wal_end%')) > 900,
  );
  await db.query('create table b (id int primary key); insert into a values (10000)');
  await task.until(() => has(task, 10_000));
  expect(task.failures).toEqual([]);
  await task.end();
  await db.query(`drop owned by ${user}; drop role ${user}`);
});

test('F23: vacuum and updates beside a snapshot take nothing from it, and nothing is held back after it', async () => {
  const settings = await fresh(
    `create table a as select i as id, 0 as v, repeat('x', 200) as pad from generate_series(1, 6000) i; alter table a add primary key (id)`,
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 200);
  await db.query('update a set v = 1');
  await db.query('vacuum a');
  await db.query('delete from a where id > 3000');
  await db.query('vacuum a');
  await db.query('insert into a values (9999, 2)');
  await task.until(() => has(task, 9999));
  const read = task.delivered.filter(isRead);
  expect(read).toHaveLength(6000);
  expect(new Set(read.map((one) => after(one)?.get('v')))).toEqual(new Set([0]));
  const horizon = async (): Promise<unknown> =>
    (
      await db.query(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_xmin is not null and state like 'idle%'",
      )
    )[0]?.['n'];
  expect(await horizon()).toBe(0);
  expect(task.failures).toEqual([]);
});

test('F20: tables that are rewritten before the snapshot has come to them are read by another run, and only those (INV-3)', async () => {
  const settings = await fresh(
    `create table a as select i as id, repeat('x', 1500) as pad from generate_series(1, 10000) i; alter table a add primary key (id);
     create table b (id int primary key, v int); insert into b select i, i from generate_series(1, 10) i;
     create table c (id int primary key); create table c2 () inherits (c);
     insert into c values (1); insert into c2 values (2);
     create table d (id int primary key); insert into d values (1);
     create table e (id int primary key); insert into e values (1);
     create table f (id int primary key); insert into f values (1)`,
    { 'table.exclude.list': 's.c2' },
  );
  await using task = new RecoveringTask(settings);
  await task.until(() => task.delivered.length > 300);
  await db.query(`
    alter table b alter v type bigint; alter table c2 add at timestamptz default clock_timestamp();
    truncate d; insert into d values (2)`);
  await db.query('vacuum full f');
  await db.query('insert into e values (2)');
  await task.until(() => task.delivered.some((one) => table(one) === 'e' && after(one)?.get('id') === 2));
  expect(task.failures).toEqual([
    'Rows of s.b, s.c, s.d are out of the sight of the snapshot, since a table was rewritten, altered or renamed after it was begun',
  ]);
  const read = task.delivered.filter(isRead);
  const ids = (of: string): unknown[] =>
    read.filter((one) => table(one) === of).map((one) => after(one)?.get('id'));
  expect(new Set(ids('b'))).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
  expect(new Set(ids('c'))).toEqual(new Set([1, 2]));
  expect(ids('d')).toEqual([2]);
  expect(ids('f').at(-1)).toBe(1);
  expect(read.length).toBeLessThan(11_000);
});
