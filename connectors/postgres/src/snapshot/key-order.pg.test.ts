// CORRECTNESS 2: the order that a snapshot is read in is the server's, and the stream is judged by ours.
import { silentLogger } from '@millrace/foundation';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../config.ts';
import { openSession } from '../connection.ts';
import { testConfig } from '../fixtures/test-config.ts';
import { compareKeys } from './key-order.ts';
import { knownPlaces } from './key-places.ts';
import { afterSql, orderSql, readShape, valueSql } from './table-key.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await db.query(`
    create extension citext; create extension ltree;
    create type mood as enum ('sad', 'ok', 'happy'); alter type mood add value 'angry' before 'ok';
    create domain amount as int check (value < 1000); create domain plain as text collate "en-US-x-icu";
    create domain word as plain check (value <> '');
    create collation natural_order (provider = icu, locale = 'en-u-kn-true');
    create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`);
});
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

/** Whose order their texts tell. */
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
  ['float8', ['-Infinity', '-1e300', '-2.5', '0', '1e-300', '2.5', '10', '9', 'Infinity', 'NaN']],
  ['float4', ['-1.5e-45', '3.4e38', '0.1', '0.2', '10', '9', 'NaN']],
  ['time', ['00:00:00', '09:30:00', '09:30:00.5', '09:30:00.45', '24:00:00']],
  ['macaddr', ['08:00:2b:01:02:03', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff']],
  ['name', ['a', 'B', 'ab']],
  ['amount', ['-2', '10', '9']],
];

/** Whose order only the server knows. */
const WORDS = ['', 'a', 'A', 'b', 'ab', 'a b', 'a-b', 'e', 'é', 'E', 'z', 'Z', 'ä', 'ß', '1', '10', '9', '_', "'", '\\'];
const OF_SERVER: readonly (readonly [type: string, values: readonly string[]])[] = [
  ['text collate "en-US-x-icu"', WORDS],
  ['varchar(20) collate "und-x-icu"', WORDS],
  ['text collate natural_order', ['a1', 'a10', 'a9', 'B2', 'a']],
  ['text collate folded', ['a', 'B', 'é', 'E', '1']],
  ['char(4) collate "en-US-x-icu"', WORDS.filter((word) => word !== '')],
  ['word', ['a', 'B', 'é', 'Z']],
  ['citext', ['a', 'B', 'c', 'É', 'zz', '1']],
  ['ltree', ['a', 'a.b', 'a.B', 'b', 'a.b.c']],
  ['mood', ['sad', 'ok', 'happy', 'angry']],
  ['inet', ['10.0.0.1', '9.0.0.1', '10.0.0.0/8', '::1']],
  ['timetz', ['12:00:00+02', '11:00:00+00', '12:00:00+00', '23:59:59-12']],
  ['interval', ['1 mon', '29 days', '1 year', '-1 day', '25:00:00']],
  ['bit varying', ['0', '1', '10', '01', '011']],
  ['money', ['-1', '10', '9']],
  ['pg_lsn', ['0/A', '0/10', '1/0', 'A/0']],
  ['jsonb', ['1', '10', '9', '"a"', '"B"', '[]', '{"a": 1}', 'null']],
  ['int4range', ['[1,5)', '[1,10)', '(,3)', 'empty']],
  ['text[] collate "en-US-x-icu"', ['{}', '{a}', '{B}', '{a,b}', '{NULL}', '{"a b",c}']],
  ['"char"', ['a', 'B']],
  ['oidvector', ['1 2', '1', '2 1']],
];

describe('keys', () => {
  /** The texts of a table's keys in the server's order, and what is known of the key. */
  async function ordered(name: string, type: string, values: readonly string[]) {
    await db.query(`create table ${name} (id ${type}, n int, primary key (n, id))`);
    for (const n of [1, -1])
      for (const value of values) await db.query(`insert into ${name} values ($1, $2)`, [value, n]);
    const table = { schema: 'public', table: name };
    const client = await openSession(resolveConfig(testConfig(db, 'keys')).connection);
    const key = (await readShape(client, table))?.key;
    expect(key?.map((column) => column.name)).toEqual(['n', 'id']);
    if (key === undefined) throw new Error('no key');
    const textsOf = async (more: string): Promise<string[][]> => {
      const { rows } = await client.query<{ a: string; b: string }>(
        `select n::text as a, id::text as b from ${name} ${more} order by ${orderSql(key)}`,
      );
      return rows.map((row) => [row.a, row.b]);
    };
    return { table, client, key, textsOf, inOrder: await textsOf('') };
  }

  test.each(KEYS)('of type %s are ordered as the server orders them', async (type, values) => {
    const name = `k${KEYS.findIndex(([other]) => other === type)}`;
    const { client, key, inOrder } = await ordered(name, type, values);
    try {
      const shuffled = inOrder.toReversed();
      expect(shuffled.sort((a, b) => compareKeys(key, a, b) ?? Number.NaN)).toEqual(inOrder);
    } finally {
      await client.end();
    }
  });

  test.each(OF_SERVER)('of type %s lie where the server says', async (type, values) => {
    const name = `s${OF_SERVER.findIndex(([other]) => other === type)}`;
    const { client, key, table, textsOf, inOrder } = await ordered(name, type, values);
    try {
      expect(inOrder.length).toBe(2 * values.length);
      expect(key.map(({ kind }) => kind)).toEqual(['integer', 'server']);
      const keys = inOrder.toReversed();
      const places = await knownPlaces(client, { table, key, places: inOrder, keys }, silentLogger);
      expect(places).toEqual(keys.map((_, i) => keys.length - 1 - i));
      for (const [i, after] of inOrder.entries()) {
        const columns = key.map((column) => `"${column.name}"`);
        const values = key.map((column, c) => valueSql(column, after[c] ?? ''));
        expect(await textsOf(`where ${afterSql(key, columns, values)}`)).toEqual(inOrder.slice(i + 1));
      }
    } finally {
      await client.end();
    }
  });
});
