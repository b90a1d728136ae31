import { JsonConverter } from '@millrace/converters';
import { ArrayStruct, ByteWriter, type Struct } from '@millrace/data';
import { type RawConfig, systemClock } from '@millrace/foundation';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';
import { parseLsn } from './protocol/lsn.ts';

let db: TestDatabase;
let markers = 0;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

const config = (slot: string, more: Record<string, string> = {}): RawConfig => testConfig(db, slot, more);

const envelope = ({ record }: Delivered): Struct | null => record.value as Struct | null;
const op = (delivered: Delivered): unknown => envelope(delivered)?.get('op') ?? 'tombstone';
const after = (delivered: Delivered): unknown[] | undefined =>
  (envelope(delivered)?.get('after') as Struct | null)?.toArray();
const lsnOf = (delivered: Delivered): unknown =>
  (envelope(delivered)?.get('source') as Struct | undefined)?.get('lsn');
const shown = (delivered: Delivered): string =>
  JSON.stringify([
    op(delivered),
    (delivered.record.key as Struct | null)?.toArray(),
    after(delivered),
    lsnOf(delivered),
  ]);

async function slotPosition(slot: string): Promise<number> {
  const [row] = await db.query(
    'select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1',
    [slot],
  );
  return Number(parseLsn(String(row?.['lsn'])));
}

/** Asks until the answer has been the same for a while, and returns it. */
async function settled<T>(ask: () => Promise<T>): Promise<T> {
  let last = JSON.stringify(await ask());
  for (let same = 0; ; ) {
    await systemClock.sleep(100);
    const answer = await ask();
    const text = JSON.stringify(answer);
    same = text === last ? same + 1 : 0;
    if (same === 5) return answer;
    last = text;
  }
}

describe('a task on a real server', () => {
  test('F1: starts again from the offset of any record and repeats or skips nothing but halves of one change (INV-2, INV-3)', async () => {
    await db.query('create table r (id int primary key, v text); create publication r for table r');
    await db.query("select pg_create_logical_replication_slot('r', 'pgoutput')");
    await db.query(`
      insert into r values (1, 'a'), (2, 'b');
      begin; insert into r values (3, 'c'); update r set id = 30 where id = 3; savepoint s; insert into r values (4, 'x');
      rollback to s; delete from r where id = 1; commit;
      update r set v = 'z' where id = 2`);
    // A COPY, whose rows share positions.
    await db.query("copy r from program 'seq 100 1 139 | sed s/$/,y/' with (format csv)");
    await db.query('insert into r values (5, null)');
    const all = await run('whole');
    expect(all.length).toBe(2 + 6 + 1 + 40 + 1);
    const copied = all.filter((one) => after(one)?.[1] === 'y').map(lsnOf);
    expect(new Set(copied).size).toBeLessThan(copied.length);
    for (const [stored, from] of all.entries()) {
      const again = await run(`from_${stored}`, from.offset);
      const start = all.length - again.length;
      expect(again.map(shown), `stored ${stored}`).toEqual(all.slice(start).map(shown));
      // A change of several records counts as stored with its last one; before that it comes again whole.
      const lsn = op(from) === 'tombstone' ? lsnOf(all[stored - 1] ?? from) : lsnOf(from);
      const complete = from.offset['lsn_proc'] === lsn;
      expect(start, `stored ${stored}`).toBeLessThanOrEqual(stored + 1);
      expect(start, `stored ${stored}`).toBeGreaterThanOrEqual(complete ? stored + 1 : stored - 2);
    }

    /** Streams a copy of the slot to its end. */
    async function run(name: string, offset?: Delivered['offset']): Promise<Delivered[]> {
      await db.query(`select pg_copy_logical_replication_slot('r', '${name}')`);
      const more = {
        'publication.name': 'r',
        'publication.autocreate.mode': 'disabled',
        'snapshot.mode': 'no_data',
        'slot.drop.on.stop': 'true',
      };
      await using driver = await TaskDriver.start(config(name, more), offset ?? null);
      // The marker is not of the workload; it comes last whatever is skipped.
      const marker = 1_000_000 + markers++;
      await db.query(`insert into r values (${marker}, null)`);
      await driver.untilTrue(() => driver.delivered.some((one) => after(one)?.[0] === marker));
      return driver.delivered.filter((one) => Number(after(one)?.[0] ?? 0) < 1_000_000);
    }
  });

  test('T4: confirms only what was committed, and the slot follows it (INV-1)', async () => {
    await db.query('create table c (id int primary key)');
    const settings = config('c', { 'table.include.list': 'public.c', 'status.update.interval.ms': '100' });
    await using driver = await TaskDriver.start(settings);
    await driver.untilTrue(
      async () =>
        (await db.query("select active from pg_replication_slots where slot_name = 'c'"))[0]?.['active'] ===
        true,
    );
    const before = await slotPosition('c');
    await db.query('insert into c select generate_series(1, 10)');
    await driver.until(10);
    const stored = driver.latest;
    await db.query('insert into c values (11)');
    await driver.until(11);
    // Received and handed out, yet not durable: several status updates later the slot has not moved.
    for (let i = 0; i < 5; i++) await driver.poll();
    expect(await slotPosition('c')).toBe(before);
    await driver.commit(stored);
    await driver.untilTrue(async () => (await slotPosition('c')) > before);
    const confirmed = await slotPosition('c');
    const eleventh = driver.delivered[10];
    expect(confirmed).toBeLessThanOrEqual(Number(eleventh && lsnOf(eleventh)));
  });

  test('F15: moves its position past transactions of other tables, so that the server can forget them (INV-7)', async () => {
    await db.query('create table m (id int primary key); create table other (id int)');
    await using driver = await TaskDriver.start(config('m', { 'table.include.list': 'public.m' }));
    await db.query('insert into m values (1)');
    await driver.until(1);
    await driver.commit();
    await db.query('insert into other select generate_series(1, 5000)');
    const target = Number(
      parseLsn(String((await db.query('select pg_current_wal_lsn()::text as l'))[0]?.['l'])),
    );
    await driver.untilTrue(async () => {
      await driver.commit();
      return (await slotPosition('m')) >= target;
    });
    expect(driver.delivered).toHaveLength(1);
  });

  test('F2: a snapshot and the stream after it miss no row and repeat none while others write (INV-3)', async () => {
    await db.query('create table s (id int primary key, v int not null)');
    await db.query('insert into s select i, 0 from generate_series(1, 2000) i');
    const writer = (async () => {
      for (let i = 1; i <= 60; i++)
        await db.query(`update s set v = v + 1 where id = ${i * 7}; insert into s values (${10_000 + i}, 0)`);
      await db.query('insert into s values (99999, 0)');
    })();
    await using driver = await TaskDriver.start(config('s', { 'table.include.list': 'public.s' }));
    await driver.untilTrue(
      () => after(driver.delivered.at(-1) ?? { record: { value: null } as never, offset: {} })?.[0] === 99999,
    );
    await writer;
    const state = new Map<unknown, unknown>();
    for (const one of driver.delivered) {
      const row = after(one);
      if (row === undefined) continue;
      const known = state.get(row[0]);
      // A change that the snapshot already holds does not come again: versions only grow.
      expect(known === undefined || Number(row[1]) === Number(known) + 1).toBe(true);
      state.set(row[0], row[1]);
    }
    const rows = await db.query('select id, v from s');
    expect(state.size).toBe(rows.length);
    expect(rows.every((row) => state.get(row['id']) === row['v'])).toBe(true);
  });

  test('F16: refuses a stored position that the server no longer has, and one that the slot was moved past (INV-3)', async () => {
    await db.query('create table l (id int primary key)');
    const settings = config('l', { 'table.include.list': 'public.l' });
    const offset = { lsn_proc: 1000, lsn: 1000, txId: 7, ts_usec: 1, messageType: 'INSERT' };
    await expect(TaskDriver.start(settings, offset)).rejects.toMatchObject({
      code: 'postgres.slot_lost',
      hint: expect.stringContaining('There is no slot l.') as string,
    });
    await db.query("select pg_create_logical_replication_slot('l', 'pgoutput')");
    const here = Number(
      parseLsn(String((await db.query('select pg_current_wal_insert_lsn()::text as l'))[0]?.['l'])),
    );
    await db.query('insert into l values (1)');
    await db.query("select pg_replication_slot_advance('l', pg_current_wal_lsn())");
    await expect(TaskDriver.start(settings, { ...offset, lsn_proc: here, lsn: here })).rejects.toMatchObject({
      code: expect.stringMatching(/^postgres\.slot_(ahead|lost)$/),
    });
  });

  test('F11: stops reading when its queue is full, stays connected, and then delivers everything (INV-5)', async () => {
    await db.query('create table b (id int primary key, t text)');
    const settings = config('b', {
      'table.include.list': 'public.b',
      'max.queue.size': '3000',
      'status.update.interval.ms': '100',
    });
    await using driver = await TaskDriver.start(settings);
    await driver.untilTrue(
      async () =>
        (await db.query("select active from pg_replication_slots where slot_name = 'b'"))[0]?.['active'] ===
        true,
    );
    await db.query("insert into b select i, repeat('x', 1500) from generate_series(1, 40000) i");
    await driver.until(1);
    // While nobody polls, the server comes to a halt long before the end: what is not taken stays with it.
    const [end] = await db.query('select pg_current_wal_flush_lsn()::text as lsn');
    const halted = await settled(async () => {
      const [row] = await db.query(
        "select sent_lsn::text as sent, sent_lsn < $1::pg_lsn as behind from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid where s.slot_name = 'b'",
        [end?.['lsn']],
      );
      return row;
    });
    expect(halted?.['behind']).toBe(true);
    const delivered = await driver.until(40_000);
    expect(delivered.map((one) => after(one)?.[0])).toEqual(Array.from({ length: 40_000 }, (_, i) => i + 1));
  });
});

describe('values', () => {
  const COLUMNS: readonly (readonly [type: string, literal: string])[] = [
    ['bool', 'true'],
    ['int2', '-32768'],
    ['int4', '2147483647'],
    ['int8', '9223372036854775807'],
    ['oid', '4294967295'],
    ['float4', '1.1'],
    ['float8', "'NaN'"],
    ['numeric', '12345678901234567890.5'],
    ['numeric(10,2)', '-1.5'],
    ['money', '1234.5'],
    ['bit(12)', "B'101010101010'"],
    ['bit(1)', "B'1'"],
    ['char(5)', "'ab'"],
    ['varchar(10)', "'é漢😀'"],
    ['text', "E'tab\\t nl\\n bs\\\\ q\" \\u0001'"],
    ['bytea', "'\\x00ff5c0a09'"],
    ['uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    ['json', '\'{"a":  1}\''],
    ['jsonb', '\'{"a":  1}\''],
    ['xml', "'<a>\\n</a>'"],
    ['inet', "'10.0.0.1/8'"],
    ['date', "'infinity'"],
    ['time', "'24:00:00'"],
    ['time(3)', "'01:02:03.456'"],
    ['timetz', "'12:34:56.789012+05:30'"],
    ['timestamp', "'0044-03-15 01:02:03.000004 BC'"],
    ['timestamp(3)', "'2024-01-02 03:04:05.678'"],
    ['timestamptz', "'2024-01-02 03:04:05.678901+02'"],
    ['interval', "'1 year -2 mons 3 days 04:05:06.789'"],
    ['point', "'(1.5,-2)'"],
    ['int4range', "'[1,10)'"],
    ['tsvector', "'a fat cat'"],
    ['int4[]', "'{1,NULL,3}'"],
    ['text[]', `'{"a,b",NULL,"q\\"u","\\\\"}'`],
    ['timestamptz[]', "'{2024-01-01 00:00:00+00}'"],
  ];

  async function both(slot: string, more: Record<string, string>): Promise<readonly [Delivered, Delivered]> {
    const names = COLUMNS.map((_, i) => `c${i}`);
    await db.query(
      `create table ${slot} (id int primary key, ${COLUMNS.map(([type], i) => `c${i} ${type}`).join(', ')})`,
    );
    const insert = (id: number): Promise<unknown> =>
      db.query(
        `insert into ${slot} (id, ${names.join(', ')}) values (${id}, ${COLUMNS.map(([, literal]) => literal).join(', ')})`,
      );
    await insert(1);
    await using driver = await TaskDriver.start(
      config(slot, { 'table.include.list': `public.${slot}`, ...more }),
    );
    await driver.until(1);
    await insert(2);
    const [snapshot, stream] = await driver.until(2);
    if (snapshot === undefined || stream === undefined) throw new Error('two records expected');
    return [snapshot, stream];
  }

  test.each([
    ['v_default', {}],
    [
      'v_connect',
      {
        'time.precision.mode': 'connect',
        'decimal.handling.mode': 'string',
        'binary.handling.mode': 'base64',
      },
    ],
    [
      'v_iso',
      {
        'time.precision.mode': 'isostring',
        'decimal.handling.mode': 'double',
        'interval.handling.mode': 'string',
      },
    ],
    [
      'v_nano',
      {
        'time.precision.mode': 'nanoseconds',
        'binary.handling.mode': 'hex',
        'include.unknown.datatypes': 'true',
      },
    ],
  ])('F50: of a snapshot are those of the stream, for every type (INV-8): %s', async (slot, more) => {
    const [snapshot, stream] = await both(slot, more);
    expect(snapshot.record.valueSchema?.equals(stream.record.valueSchema as never)).toBe(true);
    expect(after(snapshot)?.slice(1)).toEqual(after(stream)?.slice(1));
    // The same bytes whether the converter reads the raw row or the values that a transform would see.
    const row = envelope(stream)?.get('after') as Struct;
    const decoded = new ArrayStruct(row.schema, row.toArray());
    const json = new JsonConverter();
    json.configure({ 'schemas.enable': 'false' });
    const write = (value: Struct): string => {
      const out = new ByteWriter();
      json.write('t', [], value.schema, value, out);
      return out.copyFrom().toString();
    };
    expect(write(row)).toBe(write(decoded));
  });
});
