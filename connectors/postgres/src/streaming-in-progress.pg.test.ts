// CORRECTNESS 9: what the server sends of transactions in progress becomes the same records as what it sends of them
// whole. One workload, two copies of a slot that was made before it, each read in one of the two ways.
import { JsonConverter } from '@millrace/converters';
import { ByteWriter, type Struct } from '@millrace/data';
import type { RawConfig } from '@millrace/foundation';
import { startPostgres } from '@millrace/local-servers';
import { type TestDatabase, testDatabase, testRandom } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await prepare(db);
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

/** Has the server send transactions of more than a few hundred rows in parts. */
async function prepare(database: TestDatabase): Promise<void> {
  await database.query(`alter database "${database.name}" set logical_decoding_work_mem = '64kB'`);
  await database.query(`
    create table t (id int primary key, a text not null default 'd', big text);
    alter table t alter column big set storage external;
    create table u (id int primary key, v int);
    create table hidden (id int primary key, v text);
    create table marker (id int primary key);
    create publication p for table t, u, marker`);
}

/** A session of its own, for transactions that overlap. */
async function session(database: TestDatabase): Promise<pg.Client> {
  const { host, port, user, password, name } = database;
  const client = new pg.Client({ host, port, user, password, database: name });
  await client.connect();
  return client;
}

const json = new JsonConverter();
json.configure({ 'schemas.enable': 'true' });

/** All of a record but the clock of the one who made it. */
function shown({ record, offset }: Delivered): string {
  const text = (schema: unknown, value: unknown): string => {
    const out = new ByteWriter();
    json.write('t', [], schema as never, value as never, out);
    return out.copyFrom().toString();
  };
  return [
    record.topic,
    text(record.keySchema, record.key),
    text(record.valueSchema, record.value)
      .replace(/("op":"\w"),"ts_ms":\d+(,"ts_us":\d+,"ts_ns":\d+)?/, '$1')
      // A message outside transactions has no time of its own.
      .replace(/("name":"p"),"ts_ms":\d+(.*"txId":null)/, '$1$2')
      .replace(/,"ts_us":\d+,"ts_ns":\d+(.*"txId":null)/, '$1'),
    record.headers.map(({ key, value }) => (key.endsWith('runId') ? key : [key, value])).join(),
    JSON.stringify(ownOffset({ record, offset })),
  ].join(' | ');
}

/** What of an offset does not depend on which positions without a record were handed out before it. */
function ownOffset({ record, offset }: Delivered): unknown {
  const value = record.value as Struct | null;
  const source = value?.schema.field('source') === undefined ? null : (value.get('source') as Struct);
  const isOwn = source !== null && (source.get('txId') ?? null) === (offset['txId'] ?? null);
  if (!isOwn || offset['messageType'] === 'COMMIT') return null;
  const { lsn_commit: _, ts_usec, ...rest } = offset;
  return offset['txId'] === undefined ? rest : { ...rest, ts_usec };
}

let readers = 0;
/** Reads a copy of a slot to the end of what has been written; the table `marker` shows where that is. */
async function read(
  database: TestDatabase,
  slot: string,
  more: Record<string, string>,
  from?: Delivered['offset'],
  wanted?: 'in parts',
): Promise<{ readonly delivered: Delivered[]; readonly streamedBytes: number }> {
  const name = `${slot}_${readers++}`;
  await database.query(`select pg_copy_logical_replication_slot('${slot}', '${name}')`);
  const settings: RawConfig = testConfig(database, name, {
    'publication.name': 'p',
    'publication.autocreate.mode': 'disabled',
    'snapshot.mode': 'no_data',
    'skipped.operations': 'none',
    'provide.transaction.metadata': 'true',
    'slot.drop.on.stop': 'true',
    ...more,
  });
  await using driver = await TaskDriver.start(settings, from ?? null);
  // With the END of its transaction, so that all end at the same place: up to Postgres 14 the empty transactions of the
  // server's own may follow.
  const end = (): number =>
    driver.delivered.findIndex(({ record }) => record.topic === 'p.public.marker') + 2;
  await driver.untilTrue(() => end() > 1 && driver.delivered.length >= end());
  const streamedBytes = async (): Promise<number> => {
    const sql = 'select stream_bytes::text as bytes from pg_stat_get_replication_slot($1)';
    const [row] = await database.query(sql, [name]);
    return Number(row?.['bytes']);
  };
  // Up to Postgres 14 a collector shows what was counted some time later.
  if (wanted === 'in parts') await driver.untilTrue(async () => (await streamedBytes()) > 0);
  return { delivered: driver.delivered.slice(0, end()), streamedBytes: await streamedBytes() };
}

async function bothWays(database: TestDatabase, slot: string): Promise<Delivered[]> {
  await database.query('delete from marker; insert into marker values (1)');
  const whole = await read(database, slot, {});
  const streamed = await read(database, slot, { 'millrace.streaming': 'on' });
  expect(streamed.delivered.map(shown)).toEqual(whole.delivered.map(shown));
  return streamed.delivered;
}

const BIG = 'repeat(md5(i::text), 100)';

test('F24: a workload of savepoints, TOAST, DDL, truncate and messages gives the same records, offsets included', async () => {
  await db.query("select pg_create_logical_replication_slot('sip_w', 'pgoutput')");
  await db.query("insert into t select i, 'old', null from generate_series(1, 10) i");
  await db.query(`
    begin;
    insert into t select i, 'first', null from generate_series(1000, 3000) i;
    savepoint a;
    insert into t select i, 'gone', null from generate_series(5000, 7000) i;
    savepoint b;
    update t set a = 'gone too' where id < 2000;
    rollback to a;
    insert into t select i, 'after', ${BIG} from generate_series(8000, 8100) i;
    savepoint c;
    update t set a = 'kept' where id >= 8000;
    release c;
    update t set id = id + 100000 where id between 1000 and 1100;
    delete from t where id between 1200 and 1400;
    select pg_logical_emit_message(true, 'm', 'within');
    select pg_logical_emit_message(false, 'm', 'outside');
    commit`);
  // A column comes in the middle, with a rewrite of the table.
  await db.query(`
    begin;
    insert into u select i, i from generate_series(1, 1500) i;
    alter table u add column extra text default 'e';
    insert into u select i, i from generate_series(2001, 3500) i;
    savepoint a;
    alter table u alter v type bigint;
    insert into u select i, i from generate_series(4001, 5500) i;
    commit`);
  // Many subtransactions, each second one rolled back.
  await db.query(`do $$ begin
    for i in 1..3000 loop
      begin
        insert into u values (10000 + i, i, 'x');
        if i % 2 = 0 then raise exception 'no'; end if;
      exception when raise_exception then null; end;
    end loop; end $$`);
  await db.query(
    "begin; truncate u; insert into u select i, i, 'y' from generate_series(1, 2000) i; truncate u, t; commit",
  );
  // Nothing for us in it, and nothing left of it; both are followed by something that shows the commit before.
  await db.query("insert into hidden select i, 'h' from generate_series(1, 5000) i");
  await db.query("insert into u values (20001, 1, 'z')");
  await db.query(
    'begin; savepoint a; insert into u select i, i from generate_series(30000, 33000) i; rollback to a; commit',
  );
  await db.query("insert into u values (20002, 1, 'z')");
  await db.query('begin; insert into u select i, i from generate_series(40000, 43000) i; rollback');
  await db.query("copy u (id, v) from program 'seq -f %g,1 50000 53000' with (format csv)");
  await db.query('update u set v = v + 1');
  const records = await bothWays(db, 'sip_w');
  expect(records.length).toBeGreaterThan(15_000);
  expect(records.map(({ record }) => record.topic)).toContain('p.message');
});

test('F24: transactions that overlap come out in the order of their commits', async () => {
  await db.query('truncate t, u');
  await db.query("select pg_create_logical_replication_slot('sip_o', 'pgoutput')");
  const a = await session(db);
  const b = await session(db);
  const c = await session(db);
  for (const one of [a, b, c]) await one.query('begin');
  for (let round = 0; round < 6; round++) {
    for (const [start, one] of [a, b, c].entries()) {
      const first = start * 100_000 + round * 1000;
      await one.query(
        `insert into t select i, 'r${round}', null from generate_series(${first}, ${first + 700}) i`,
      );
      await db.query(`insert into u (id, v) values (${first}, ${start})`);
    }
  }
  await b.query('commit');
  await db.query('insert into u (id, v) values (-1, 0)');
  await c.query('rollback');
  await a.query('commit');
  for (const one of [a, b, c]) await one.end();
  const records = await bothWays(db, 'sip_o');
  const ids = records
    .filter(({ record }) => record.topic === 'p.public.t')
    .map(({ record }) => ((record.value as Struct).get('after') as Struct).get('id') as number);
  expect(ids).toHaveLength(2 * 6 * 701);
  expect(ids[0]).toBe(100_000);
  expect(ids.at(-1)).toBe(5700);
});

test('F24: the server does send them in parts, and only where it is asked to', async () => {
  await db.query("select pg_create_logical_replication_slot('sip_s', 'pgoutput')");
  await db.query("insert into t select i, 's', null from generate_series(900000, 903000) i");
  await db.query('delete from marker; insert into marker values (1)');
  const streamed = async (more: Record<string, string>, wanted?: 'in parts'): Promise<number> =>
    (await read(db, 'sip_s', more, undefined, wanted)).streamedBytes;
  expect(await streamed({})).toBe(0);
  expect(await streamed({ 'millrace.streaming': 'on' }, 'in parts')).toBeGreaterThan(64 * 1024);
  const asked = { 'slot.stream.params': 'proto_version=2;streaming=on' };
  expect(await streamed(asked, 'in parts')).toBeGreaterThan(64 * 1024);
});

test('F24: goes on from any record within a transaction that was received in parts (INV-2, INV-3)', async () => {
  await db.query('truncate t, u');
  await db.query("select pg_create_logical_replication_slot('sip_r', 'pgoutput')");
  const other = await session(db);
  await other.query("begin; insert into t select i, 'o', null from generate_series(1, 1000) i");
  await db.query(`
    begin; insert into t select i, 'x', null from generate_series(10000, 11000) i;
    savepoint a; update t set a = 'gone'; rollback to a;
    update t set id = id + 50000 where id < 10010; delete from t where id > 10900; commit`);
  await other.query("insert into t select i, 'o', null from generate_series(2001, 3000) i; commit");
  await other.end();
  await db.query('delete from marker; insert into marker values (1)');
  const streaming = { 'millrace.streaming': 'on' };
  const all = (await read(db, 'sip_r', streaming)).delivered;
  const random = testRandom('streamed restarts');
  for (let round = 0; round < 6; round++) {
    const stored = random.int(0, all.length - 5);
    const from = all[stored];
    if (from === undefined) continue;
    const again = (await read(db, 'sip_r', streaming, from.offset)).delivered;
    const whole = (await read(db, 'sip_r', {}, from.offset)).delivered;
    expect(again.map(shown), `stored ${stored}`).toEqual(whole.map(shown));
    const rows = (list: readonly Delivered[]): string[] =>
      list
        .filter(({ record }) => record.topic === 'p.public.t')
        .map((one) => shown(one).replace(/\| \{.*$/, ''));
    const left = rows(again);
    expect(rows(all).slice(rows(all).length - left.length), `stored ${stored}`).toEqual(left);
    // What comes again: the change that was stored in part, which is three records where it changes a key, and the BEGIN.
    expect(all.length - again.length, `stored ${stored}`).toBeGreaterThanOrEqual(stored - 4);
  }
});

test('F24: no more is confirmed than the offset that is stored, while transactions are in progress (INV-1)', async () => {
  await db.query('truncate t, u');
  await db.query("select pg_create_logical_replication_slot('sip_k', 'pgoutput')");
  const settings = testConfig(db, 'sip_k', {
    'publication.name': 'p',
    'publication.autocreate.mode': 'disabled',
    'snapshot.mode': 'no_data',
    'millrace.streaming': 'on',
    'status.update.interval.ms': '50',
  });
  const other = await session(db);
  await using driver = await TaskDriver.start(settings);
  const confirmed = async (): Promise<number> => {
    const [row] = await db.query(
      "select (confirmed_flush_lsn - '0/0')::text as lsn from pg_replication_slots where slot_name = 'sip_k'",
    );
    return Number(row?.['lsn']);
  };
  await other.query('begin');
  let stored = 0;
  for (let round = 0; round < 8; round++) {
    await other.query(
      `insert into t select i, 'k', null from generate_series(${round * 1000}, ${round * 1000 + 800}) i`,
    );
    await db.query(`insert into u (id, v) values (${round}, 0)`);
    await driver.until(round + 1);
    await driver.poll();
    expect(await confirmed()).toBeLessThanOrEqual(stored === 0 ? Number.MAX_SAFE_INTEGER : stored);
    await driver.commit();
    stored = Math.max(
      Number(driver.latest?.offset['lsn_proc'] ?? 0),
      Number(driver.latest?.offset['lsn_commit'] ?? 0),
    );
    expect(await confirmed()).toBeLessThanOrEqual(stored);
  }
  await other.query('commit');
  await other.end();
  const delivered = await driver.until(8 + 8 * 801);
  expect(new Set(delivered.map(({ record }) => record.topic))).toEqual(new Set(['p.public.u', 'p.public.t']));
});

test('F24: prepared transactions come at COMMIT PREPARED, whole or in parts, and not at PREPARE', async () => {
  await using server = await startPostgres({ fsync: false, settings: { max_prepared_transactions: '10' } });
  await using own = await testDatabase(
    `postgres://${server.user}:${server.password}@${server.host}:${server.port}/postgres`,
  );
  await prepare(own);
  await own.query("select pg_create_logical_replication_slot('sip_w', 'pgoutput')");
  await own.query(
    "begin; insert into t select i, 'p', null from generate_series(1, 3000) i; prepare transaction 'one'",
  );
  await own.query(
    "begin; insert into t select i, 'q', null from generate_series(5001, 8000) i; prepare transaction 'two'",
  );
  await own.query('insert into u (id, v) values (1, 1)');
  await own.query("commit prepared 'one'");
  await own.query('insert into u (id, v) values (2, 1)');
  await own.query("rollback prepared 'two'");
  const records = await bothWays(own, 'sip_w');
  const topics = records.map(({ record }) => record.topic).filter((topic) => topic.startsWith('p.public'));
  expect(topics).toEqual([
    'p.public.u',
    ...Array.from({ length: 3000 }, () => 'p.public.t'),
    'p.public.u',
    'p.public.marker',
  ]);
});

test('F24: a table changed in a part that was rolled back gives the same records, or an error that says what to do (INV-4)', async () => {
  await using own = await testDatabase();
  await prepare(own);
  await own.query("select pg_create_logical_replication_slot('sip_d', 'pgoutput')");
  await own.query(`
    begin; insert into u select i, i from generate_series(1, 1500) i;
    savepoint a; alter table u add column gone text default 'g'; insert into u select i, i from generate_series(2001, 3500) i;
    rollback to a; insert into u select i, i from generate_series(4001, 5500) i; commit`);
  // Postgres 15 cannot map the files of tables that were never there; a server that can has to get it right.
  const failure = await bothWays(own, 'sip_d').catch((error: unknown) => error);
  if (!Array.isArray(failure)) {
    expect(failure).toMatchObject({ code: 'postgres.streaming_failed', configKey: 'millrace.streaming' });
  }
});
