// Masks, hashes, truncation and shown source types on a real server, held against what Debezium 3.6.2 gave for the same
// table and keys; and what stands for values that an update did not touch.
import type { Struct } from '@millrace/data';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from '../fixtures/task-driver.ts';
import { testConfig } from '../fixtures/test-config.ts';

let db: TestDatabase;
let slots = 0;
beforeAll(async () => {
  db = await testDatabase();
  await db.query(`
    create extension citext; create extension hstore; create type mood as enum ('sad', 'ok'); create domain word as varchar(10);
    create table t (id int, kx varchar(10), tx text, txn text not null default 'dflt', vc varchar(20), vc3 varchar(3), ch char(16),
      c1 "char", cx citext, en mood, dt word, js jsonb, by bytea, i4 int, primary key (id, kx));
    insert into t values (1, 'keytext9', 'text é漢字😀', 'txn', 'varchar text', 'abc', '4111111111111111', 'q', 'CiText value', 'sad',
      'domainx', '{"a": 1}', '\\x0102030405060708', 123456);
    insert into t (id, kx, txn) values (2, 'k', 'x')`);
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

const at = ({ record }: Delivered, side: 'before' | 'after'): Struct =>
  (record.value as Struct).get(side) as Struct;
const plain = (row: Struct): Record<string, unknown> =>
  Object.fromEntries(
    row.schema.fields.map(({ name, index }) => {
      const value = row.at(index);
      return [name, Buffer.isBuffer(value) ? value.toString('base64') : value];
    }),
  );
const parameters = (row: Struct): Record<string, unknown> =>
  Object.fromEntries(
    row.schema.fields.flatMap(({ name, schema }) =>
      schema.parameters === null ? [] : [[name, Object.fromEntries(schema.parameters)]],
    ),
  );

/** Both rows as a snapshot reads them, and their deletion as the stream shows it. */
async function capture(more: Record<string, string>): Promise<{ read: Delivered[]; deleted: Delivered }> {
  const slot = `c${++slots}_${db.name}`;
  await using driver = await TaskDriver.start(
    testConfig(db, slot, { 'table.include.list': 'public.t', ...more }),
  );
  const idOf = ({ record }: Delivered): number => Number((record.key as Struct).get('id'));
  const read = [...(await driver.until(2))].sort((a, b) => idOf(a) - idOf(b));
  await db.query('create table kept as table t; delete from t where id = 1');
  const deleted = (await driver.until(3))[2];
  await db.query('insert into t select * from kept where id = 1; drop table kept');
  await driver.until(5);
  if (deleted === undefined) throw new Error('nothing was deleted');
  // The stream changes values as the snapshot does.
  const created = driver.delivered[4];
  expect(created && plain(at(created, 'after'))).toEqual(read[0] && plain(at(read[0], 'after')));
  return { read, deleted };
}

describe('changed columns', () => {
  test('a mask hides text and enumerations, null too, never keys; the schema says so of every column', async () => {
    const { read, deleted } = await capture({ 'column.mask.with.5.chars': 'public.t..*' });
    const [first, second] = read.map((one) => plain(at(one, 'after')));
    const hidden = Object.fromEntries(
      ['kx', 'tx', 'txn', 'vc', 'vc3', 'ch', 'c1', 'en', 'dt'].map((name) => [name, '*****']),
    );
    const rest = { cx: 'CiText value', js: '{"a": 1}', by: 'AQIDBAUGBwg=', i4: 123456 };
    expect(first).toEqual({ id: 1, ...hidden, ...rest });
    expect(second).toEqual({ id: 2, ...hidden, cx: null, js: null, by: null, i4: null });
    expect(((read[0] as Delivered).record.key as Struct).toArray()).toEqual([1, 'keytext9']);
    expect(plain(at(deleted, 'before'))).toMatchObject({ id: 1, kx: '*****', tx: '*****', cx: null });
    const masked = parameters(at(read[0] as Delivered, 'after'));
    expect(masked['i4']).toEqual({ masked: 'true' });
    expect(masked['en']).toEqual({ allowed: 'sad,ok', masked: 'true' });
    expect(Object.keys(masked)).toHaveLength(14);
  });

  test('a hash is over the serialized string, or its text in v2, and is cut to the length of the column', async () => {
    const first = await capture({ 'column.mask.hash.SHA-256.with.salt.abc': 'public.t..*' });
    expect(plain(at(first.read[0] as Delivered, 'after'))).toMatchObject({
      kx: '2c962f8f57',
      tx: 'e975dc6c8f1b72d23632f18d4ad1fac905204687605a4e7a359288f2a0517413',
      vc: '9a4540b0fdbec4ea0cf1',
      vc3: '305',
      ch: '85c5c6d1b317f114',
      c1: '1',
      cx: 'CiText value',
      en: '28b1be73f481b2a93709a97a2d3fb61b5a50ad1e0e964d46d79f875651db5bcf',
      dt: 'e280602094',
      i4: 123456,
    });
    expect(plain(at(first.read[1] as Delivered, 'after'))).toMatchObject({ kx: 'caad49dc40', tx: null });
    // A column that is not there shows its default, hashed.
    expect(plain(at(first.deleted, 'before'))['txn']).toBe(
      '2528c0b287ac378e0c1a984eddc9ca6829b3b906be9628063f63aa62c6e8b5b6',
    );
    const second = await capture({ 'column.mask.hash.v2.MD5.with.salt.abc': 'public.t.vc3' });
    expect(plain(at(second.read[0] as Delivered, 'after'))['vc3']).toBe('440');
  });

  test('truncation cuts text and bytes of every type whose length may be more', async () => {
    const { read } = await capture({ 'column.truncate.to.4.chars': 'public.t..*' });
    const row = at(read[0] as Delivered, 'after');
    expect(plain(row)).toMatchObject({
      kx: 'keyt',
      tx: 'text',
      vc3: 'abc',
      cx: 'CiTe',
      js: '{"a"',
      by: 'AQIDBA==',
      i4: 123456,
    });
    const cut = parameters(row);
    expect(cut['i4']).toEqual({ truncateLength: '4' });
    expect([cut['vc3'], cut['c1']]).toEqual([undefined, undefined]);
  });

  test('of several changes one counts', async () => {
    const { read } = await capture({
      'column.mask.hash.SHA-1.with.salt.s': 'public.t.(vc|txn)',
      'datatype.propagate.source.type': 'public.t.varchar',
      'column.propagate.source.type': 'public.t.tx',
      'column.mask.with.3.chars': 'public.t.(tx|txn|ch)',
      'column.truncate.to.4.chars': 'public.t.(tx|ch)',
    });
    const row = at(read[0] as Delivered, 'after');
    expect(plain(row)).toMatchObject({ tx: 'text', ch: '4111', txn: '***', vc: 'varchar text' });
    expect(parameters(row)['vc']).toEqual({
      '__debezium.source.column.type': 'VARCHAR',
      '__debezium.source.column.length': '20',
      '__debezium.source.column.scale': '0',
      '__debezium.source.column.name': 'vc',
    });
  });
});

describe('values that an update did not touch', () => {
  const P = '__debezium_unavailable_value';
  const BYTES = [...Buffer.from(P)];
  test.each([
    [
      {},
      {
        tx: P,
        js: P,
        by: Buffer.from(P),
        hs: JSON.stringify({ [P]: P }),
        ta: [P],
        bya: [Buffer.from(P)],
        ia: BYTES,
        na: null,
        n: null,
      },
    ],
    [{ 'binary.handling.mode': 'hex' }, { by: P, bya: null }],
    [
      { 'binary.handling.mode': 'base64', 'hstore.handling.mode': 'map' },
      { by: null, bya: null, hs: new Map([[P, P]]) },
    ],
    [{ 'unavailable.value.placeholder': 'hex:ff01' }, { by: Buffer.from('ff01', 'hex'), ia: [-1, 1] }],
  ])('are shown as their type allows: %j', async (modes, expected) => {
    const table = `u${++slots}`;
    await db.query(`
      create table ${table} (id int primary key, k int, tx text, js jsonb, by bytea, hs hstore, ta text[], bya bytea[], ia int[], na numeric[], n numeric);
      alter table ${table} alter tx set storage external, alter js set storage external, alter by set storage external,
        alter hs set storage external, alter ta set storage external, alter bya set storage external, alter ia set storage external,
        alter na set storage external, alter n set storage external;
      insert into ${table} select 1, 1, repeat('x', 9000), to_jsonb(repeat('x', 9000)), decode(repeat('ab', 9000), 'hex'), hstore('k', repeat('v', 9000)),
        (select array_agg(md5(i::text)) from generate_series(1, 300) i), (select array_agg(decode(md5(i::text), 'hex')) from generate_series(1, 300) i),
        (select array_agg(i) from generate_series(1, 3000) i), (select array_agg(i + 0.5) from generate_series(1, 3000) i), repeat('1234567890', 900)::numeric`);
    const config = testConfig(db, `${table}_${db.name}`, {
      'table.include.list': `public.${table}`,
      'snapshot.mode': 'no_data',
      ...modes,
    });
    await using driver = await TaskDriver.start(config);
    await db.query(`update ${table} set k = 2`);
    const [updated] = await driver.until(1);
    const row = at(updated as Delivered, 'after');
    for (const [name, value] of Object.entries(expected)) expect(row.getRaw(name), name).toEqual(value);
  });
});
