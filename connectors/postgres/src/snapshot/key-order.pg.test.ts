// CORRECTNESS 2: the order that a snapshot is read in is the server's, and the stream is judged by ours.
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../config.ts';
import { openSession } from '../connection.ts';
import { testConfig } from '../fixtures/test-config.ts';
import { compareKeys, readShape } from './key-order.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

const KEYS: readonly (readonly [type: string, values: readonly string[]])[] = [
  ['int8', ['-9223372036854775808', '-10', '-9', '0', '9', '10', '9007199254740993', '9007199254740992']],
  [
    'numeric',
    ['NaN', 'Infinity', '-Infinity', '-0.5', '-0.50001', '0', '1', '1.10', '1.09', '12345678901234567890.5'],
  ],
  [
    'uuid',
    [
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      '0eebc990-9c0b-4ef8-bb6d-6bb9bd380a11',
      'A1000000-0000-0000-0000-000000000000',
    ],
  ],
  ['bytea', ['\\x', '\\x00', '\\x0001', '\\xff', '\\x7f']],
  ['text collate "C"', ['', 'a', 'B', 'ab', 'é', 'z', '😀', '\uffff']],
  [
    'date',
    [
      '-infinity',
      'infinity',
      '0044-03-15 BC',
      '0044-04-15 BC',
      '0045-01-01 BC',
      '0001-01-01',
      '9999-12-31',
      '10000-01-01',
    ],
  ],
  [
    'timestamp',
    [
      '-infinity',
      '2024-01-01',
      '2024-01-01 00:00:00.5',
      '2024-01-01 00:00:00.45',
      '99999-01-01',
      '0044-03-15 01:00:00 BC',
    ],
  ],
  [
    'timestamptz',
    ['2024-01-01 00:00:00+00', '2024-01-01 00:00:00.000001+00', '2023-12-31 23:00:00-05', 'infinity'],
  ],
  ['bool', ['t', 'f']],
];

describe('keys', () => {
  test.each(KEYS)('of type %s are ordered as the server orders them', async (type, values) => {
    const name = `k${KEYS.findIndex(([other]) => other === type)}`;
    await db.query(`create table ${name} (id ${type}, n int, primary key (n, id))`);
    for (const n of [1, -1])
      for (const value of values) await db.query(`insert into ${name} values ($1, $2)`, [value, n]);
    const client = await openSession(resolveConfig(testConfig(db, 'keys')).connection);
    try {
      const shape = await readShape(client, { schema: 'public', table: name });
      const key = shape?.key;
      expect(key?.map((column) => column.name)).toEqual(['n', 'id']);
      if (key === undefined) return;
      const { rows } = await client.query<{ n: string; id: string }>(
        `select n::text, id::text from ${name} order by ${name}.n, ${name}.id`,
      );
      const inOrder = rows.map((row) => [row.n, row.id]);
      const shuffled = inOrder.toReversed();
      expect(shuffled.sort((a, b) => compareKeys(key, a, b))).toEqual(inOrder);
    } finally {
      await client.end();
    }
  });

  test('whose order their text does not tell have none', async () => {
    const [locale] = await db.query(
      "select quote_ident(collname) as name from pg_collation where collprovider in ('c', 'i') and coalesce(collcollate, '') not in ('C', 'POSIX') and collencoding in (-1, 6) limit 1",
    );
    await db.query(`
      create table of_locale (id text collate ${String(locale?.['name'])} primary key);
      create table of_enum (id int4range primary key);
      create table without (id int);
      create table parent (id int primary key); create table child () inherits (parent);
      create table by_index (id text collate ${String(locale?.['name'])} primary key, n int not null unique);
      alter table by_index replica identity using index by_index_n_key`);
    const client = await openSession(resolveConfig(testConfig(db, 'keys')).connection);
    try {
      for (const table of ['of_locale', 'of_enum', 'without', 'parent'])
        expect((await readShape(client, { schema: 'public', table }))?.key, table).toBeUndefined();
      expect((await readShape(client, { schema: 'public', table: 'by_index' }))?.key).toEqual([
        { name: 'n', kind: 'integer' },
      ]);
      expect(await readShape(client, { schema: 'public', table: 'absent' })).toBeUndefined();
    } finally {
      await client.end();
    }
  });
});
