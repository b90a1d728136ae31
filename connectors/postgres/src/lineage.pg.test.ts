import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type OffsetMap, offsetMapOf } from '@millrace/connect-api';
import type { Struct } from '@millrace/data';
import { type PostgresServer, startPostgres } from '@millrace/local-servers';
import { eventually, testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

const config = (
  server: Target,
  database: string,
  slot: string,
  more: Record<string, string> = {},
): Record<string, string> => testConfig({ ...server, name: database }, slot, more);

const id = ({ record }: Delivered): unknown =>
  ((record.value as Struct | null)?.get('after') as Struct | null)?.toArray()[0];

async function sql(server: PostgresServer, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** What a worker has stored of a task. */
interface Stored {
  readonly offset: OffsetMap;
  readonly lineage: OffsetMap;
  readonly kept: ReadonlyMap<string, OffsetMap>;
}

/** Runs a task until it has delivered these rows, and stores where it is. */
async function runUntil(
  settings: Record<string, string>,
  rows: readonly unknown[],
  from?: Omit<Stored, 'offset'> & { readonly offset: OffsetMap | null },
): Promise<Stored> {
  await using driver = await TaskDriver.start(settings, from?.offset, from?.lineage, from?.kept);
  await driver.until(rows.length);
  expect(driver.delivered.map(id)).toEqual(rows);
  await driver.commit();
  await driver.poll(); // a lineage that waited for the offset comes now
  await driver.commit();
  const { latest, lineage, kept } = driver;
  if (latest === undefined || lineage === null) throw new Error('nothing was stored');
  return { offset: latest.offset, lineage, kept };
}

/** Writes so much WAL that a position of the other server lies within it. */
const MORE_WAL = Array.from({ length: 3 }, (_, n) => [
  `insert into other values (${n})`,
  'select pg_switch_wal()',
]).flat();

/** From where a run goes on that would follow. */
function whereItBegins({ kept }: TaskDriver): string {
  return [...kept.keys()].some((partition) => partition.includes('beginning')) ? 'anew' : 'as stored';
}

describe('a primary that fails over', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-standby-'));
  const copy = path.join(folder, 'data');
  let promoted: PostgresServer;
  let shared: Stored;
  let beyond: Stored;

  beforeAll(async () => {
    await using old = await startPostgres({ fsync: false });
    await sql(old, 'create table t (id int primary key)', 'create table other (id int)');
    const settings = config(old, 'postgres', 's', { 'table.include.list': 'public.t' });
    await sql(old, 'insert into t values (1)');
    shared = await runUntil(settings, [1]);
    expect(shared.lineage['timeline']).toBe(1);
    await sql(old, 'insert into t values (2)');
    await old.stop();
    execFileSync('cp', ['-a', old.dataDir, copy]);
    chmodSync(folder, 0o755);
    await old.start();
    await sql(old, 'insert into t values (666)');
    beyond = await runUntil(settings, [2, 666], shared);
    await old.stop();
    writeFileSync(path.join(copy, 'standby.signal'), '');
    promoted = await startPostgres({ dataDir: copy, fsync: false });
    await sql(promoted, 'select pg_promote()', 'insert into t values (3)', ...MORE_WAL);
  });
  afterAll(async () => {
    await promoted[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const settings = (mode = 'initial'): Record<string, string> =>
    config(promoted, 'postgres', 's', { 'table.include.list': 'public.t', 'snapshot.mode': mode });

  test('F17: fails the task when the stored position lies past what the new primary ever had (INV-3)', async () => {
    await expect(TaskDriver.start(settings(), beyond.offset, beyond.lineage)).rejects.toMatchObject({
      code: 'postgres.lineage_changed',
      message: expect.stringMatching(/timeline 2 of the server left timeline 1 at/) as string,
    });
  });

  test('F17: is gone on from where the stored position lies before the promotion, and its timeline is stored (INV-3)', async () => {
    const stored = await runUntil(settings(), [2, 3], shared);
    expect(stored.lineage).toMatchObject({ system_id: shared.lineage['system_id'], timeline: 2 });
    await sql(promoted, 'insert into t values (4)');
    await runUntil(settings(), [4], stored);
  });

  test('F17: is read again with when_needed; the new lineage is stored once the old offset does not count any more, and before a row comes (INV-3)', async () => {
    await using driver = await TaskDriver.start(settings('when_needed'), beyond.offset, beyond.lineage);
    const steps = new Set<string>();
    await driver.untilTrue(() => {
      const lineage = driver.lineage === beyond.lineage ? 'old lineage' : 'new lineage';
      steps.add(`${whereItBegins(driver)}, ${lineage}${driver.delivered.length > 0 ? ', rows' : ''}`);
      return driver.delivered.length >= 4;
    });
    expect(driver.delivered.map(id)).toEqual([1, 2, 3, 4]);
    expect(driver.lineage).toMatchObject({ timeline: 2 });
    expect([...steps]).toEqual([
      'as stored, old lineage',
      'anew, old lineage',
      'anew, new lineage',
      'anew, new lineage, rows',
    ]);
  });
});

describe('another server under the same names', () => {
  test('T5: fails the task, although it has the position; only a folder without a lineage is taken as it is (INV-3)', async () => {
    let stored: Stored;
    {
      await using server = await startPostgres({ fsync: false });
      await sql(server, 'create table t (id int primary key)', 'create table other (id int)', ...MORE_WAL);
      await sql(server, 'insert into t values (1)');
      stored = await runUntil(config(server, 'postgres', 's', { 'table.include.list': 'public.t' }), [1]);
    }
    await using server = await startPostgres({ fsync: false });
    await sql(
      server,
      'create table t (id int primary key)',
      'create table other (id int)',
      'create publication s for table t',
      "select pg_create_logical_replication_slot('s', 'pgoutput')",
      'insert into t values (1), (2)',
      ...MORE_WAL,
      ...MORE_WAL,
      'insert into t values (3)',
    );
    const settings = config(server, 'postgres', 's', { 'table.include.list': 'public.t' });
    await expect(TaskDriver.start(settings, stored.offset, stored.lineage)).rejects.toMatchObject({
      code: 'postgres.lineage_changed',
      message: expect.stringMatching(/system identifier \d+, and this is \d+/) as string,
    });
    // What the record is for: without it, row 2 is passed over in silence.
    const adopted = await runUntil(settings, [3], { offset: stored.offset, lineage: {}, kept: stored.kept });
    expect(adopted.lineage['system_id']).not.toBe(stored.lineage['system_id']);
  });
});

describe('a slot that was dropped while the task was stopped', () => {
  test('F16: and made anew fails the task; when_needed reads the tables again (INV-3)', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); insert into t values (1)');
    const slot = `${db.name}_n`;
    const stored = await runUntil(config(db, db.name, slot), [1]);
    await db.query('insert into t values (2)');
    await db.query('select pg_drop_replication_slot($1)', [slot]);
    await db.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await expect(
      TaskDriver.start(config(db, db.name, slot), stored.offset, stored.lineage),
    ).rejects.toMatchObject({
      code: 'postgres.slot_lost',
      hint: expect.stringMatching(
        /keeps changes from LSN\{\S+\} on .* the WAL ends at LSN\{\S+\}\./,
      ) as string,
    });
    const again = config(db, db.name, slot, { 'snapshot.mode': 'when_needed' });
    await runUntil(again, [1, 2], stored);
  });

  test('F16: fails the task also where there was no change for it yet, and no snapshot (INV-3)', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key)');
    const slot = `${db.name}_b`;
    const settings = config(db, db.name, slot, { 'snapshot.mode': 'no_data' });
    let stored: TaskDriver;
    {
      await using driver = await TaskDriver.start(settings);
      await driver.untilTrue(() => whereItBegins(driver) === 'anew' && driver.lineage !== null);
      expect(driver.delivered).toEqual([]);
      expect(driver.stored).toBe(null);
      stored = driver;
    }
    await db.query('select pg_drop_replication_slot($1)', [slot]);
    await db.query('insert into t values (1)');
    await expect(TaskDriver.start(settings, null, stored.lineage, stored.kept)).rejects.toMatchObject({
      code: 'postgres.slot_lost',
    });
  });

  test('a stream that has begun without a snapshot has one once the config asks for it, until there was a change', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); insert into t values (1)');
    const settings = config(db, db.name, `${db.name}_s`, { 'snapshot.mode': 'no_data' });
    const reads = { ...settings, 'snapshot.mode': 'initial' };
    let begun: TaskDriver;
    {
      await using driver = await TaskDriver.start(settings);
      await driver.untilTrue(() => whereItBegins(driver) === 'anew' && driver.lineage !== null);
      begun = driver;
    }
    const stored = { offset: null, lineage: begun.lineage ?? {}, kept: begun.kept };
    await db.query('insert into t values (2)');
    const changed = await runUntil(settings, [2], stored);
    await db.query('insert into t values (3)');
    await runUntil(reads, [3], changed);
    await db.query('select pg_drop_replication_slot($1)', [settings['slot.name']]);
    await runUntil(reads, [1, 2, 3], stored);
  });

  test('F16: and made anew, where nothing is read again: the old offset does not count any more before another lineage is stored (INV-3)', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); insert into t values (1)');
    const slot = `${db.name}_a`;
    const stored = await runUntil(config(db, db.name, slot), [1]);
    await db.query('select pg_drop_replication_slot($1)', [slot]);
    await db.query('insert into t values (2)');
    await db.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    const flags = 'snapshot.mode.configuration.based';
    const settings = config(db, db.name, slot, {
      'snapshot.mode': 'configuration_based',
      [`${flags}.start.stream`]: 'true',
      [`${flags}.snapshot.on.data.error`]: 'true',
      'heartbeat.interval.ms': '1',
    });
    await using driver = await TaskDriver.start(settings, stored.offset, stored.lineage);
    const steps = new Set<string>();
    await db.query('insert into t values (3)');
    await driver.untilTrue(async () => {
      await driver.commit();
      const lineage = driver.lineage === stored.lineage ? 'old lineage' : 'new lineage';
      steps.add(`${whereItBegins(driver)}, ${lineage}`);
      return driver.delivered.some(({ record }) => record.topic === 'p.public.t');
    });
    expect([...steps]).toEqual(['as stored, old lineage', 'anew, old lineage', 'anew, new lineage']);
  });

  test('F16: and made as the copy of an older one fails the task (INV-3)', async () => {
    await using db = await testDatabase();
    const slot = `${db.name}_c`;
    await db.query('create table t (id int primary key); insert into t values (1)');
    await db.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [`${slot}_early`]);
    const stored = await runUntil(config(db, db.name, slot), [1]);
    await db.query('select pg_drop_replication_slot($1)', [slot]);
    await db.query('select pg_copy_logical_replication_slot($1, $2)', [`${slot}_early`, slot]);
    await expect(
      TaskDriver.start(config(db, db.name, slot), stored.offset, stored.lineage),
    ).rejects.toMatchObject({
      code: 'postgres.lineage_changed',
      message: expect.stringMatching(/a slot never goes back/) as string,
    });
  });
});

describe('the lineage', () => {
  test('is stored before the slot is moved for the first time (INV-1, INV-3)', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); insert into t values (0)');
    const slot = `${db.name}_f`;
    const confirmed = async (): Promise<unknown> =>
      (
        await db.query('select confirmed_flush_lsn as lsn from pg_replication_slots where slot_name = $1', [
          slot,
        ])
      )[0]?.['lsn'];
    const settings = config(db, db.name, slot, { 'status.update.interval.ms': '50' });
    // As of a folder from before lineages were stored.
    await using driver = await TaskDriver.start(settings, (await runUntil(settings, [0])).offset);
    const before = await confirmed();
    const lineage = (await driver.task.poll(new AbortController().signal))?.position;
    if (lineage === undefined) throw new Error('there is no lineage to store');
    await db.query('insert into t values (1), (2)');
    await driver.until(2);
    await driver.commit();
    const walsender = async (): Promise<unknown> => {
      const [row] = await db.query(
        'select reply_time from pg_stat_replication join pg_replication_slots on pid = active_pid where slot_name = $1',
        [slot],
      );
      return row?.['reply_time'];
    };
    const seen = String(await walsender());
    expect(seen).not.toBe('undefined');
    await eventually('another status update', async () => String(await walsender()) !== seen);
    expect(await confirmed()).toBe(before);
    await driver.task.commit([{ ...lineage, offset: offsetMapOf(lineage.offset) }]);
    await eventually('the slot is moved', async () => (await confirmed()) !== before);
  });
});
