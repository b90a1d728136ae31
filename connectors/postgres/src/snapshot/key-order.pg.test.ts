// CORRECTNESS 2: the order that a snapshot is read in is the server's, and the stream is judged by ours.
import { silentLogger } from '@millrace/foundation';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../config.ts';
import { openSession } from '../connection.ts';
import { testConfig } from '../fixtures/test-config.ts';
import { compareKeys, type OrderKey } from './key-order.ts';
import { knownPlaces } from './key-places.ts';
import { afterSql, orderSql, readKey, readShape, valueSql } from './table-key.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await db.query(`
    create schema ext; create extension citext schema ext; create extension ltree schema ext;
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
const WORDS = [
  '',
  'a',
  'A',
  'b',
  'ab',
  'a b',
  'a-b',
  'e',
  'é',
  'E',
  'z',
  'Z',
  'ä',
  'ß',
  '1',
  '10',
  '9',
  '_',
  "'",
  '\\',
];
const OF_SERVER: readonly (readonly [type: string, values: readonly string[]])[] = [
  ['text collate "en-US-x-icu"', WORDS],
  ['varchar(20) collate "und-x-icu"', WORDS],
  ['text collate natural_order', ['a1', 'a10', 'a9', 'B2', 'a']],
  ['text collate folded', ['a', 'B', 'é', 'E', '1']],
  ['char(4) collate "en-US-x-icu"', WORDS.filter((word) => word !== '')],
  ['word', ['a', 'B', 'é', 'Z']],
  ['ext.citext', ['a', 'B', 'c', 'É', 'zz', '1']],
  ['ext.ltree', ['a', 'a.b', 'a.B', 'b', 'a.b.c']],
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

  /** Runs with a session on the database, or on another one of the server. */
  async function withSession<T>(work: (client: pg.Client) => Promise<T>, name = db.name): Promise<T> {
    const client = await openSession(resolveConfig(testConfig({ ...db, name }, 'keys')).connection);
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
  const keyOf = (table: string, name?: string) =>
    withSession(async (client) => (await readShape(client, { schema: 'public', table }))?.key, name);

  test('are of the replica identity, and of no table without one or with heirs', async () => {
    await db.query(`
      create table without (id int);
      create table parent (id int primary key); create table child () inherits (parent);
      create table by_index (id text primary key, n int not null unique);
      alter table by_index replica identity using index by_index_n_key`);
    for (const table of ['without', 'parent']) expect(await keyOf(table), table).toBeUndefined();
    expect(await keyOf('by_index')).toMatchObject([{ name: 'n', kind: 'integer' }]);
    await withSession(async (client) => {
      expect(await readShape(client, { schema: 'public', table: 'absent' })).toBeUndefined();
      expect(await readKey(client, { schema: 'public', table: 'absent' })).toBeUndefined();
    });
  });

  test('have no order where it is not total or does not last', async () => {
    await db.query(`
      create type pair as (a text, b int);
      create domain mood_list as mood[];
      create table t_composite (id pair primary key);
      create table t_composites (id pair[] primary key);
      create table t_multirange (id int4multirange primary key);
      create table t_collation (id text collate folded not null, v int);
      create unique index t_collation_id on t_collation (id collate "C");
      alter table t_collation replica identity using index t_collation_id;
      create table t_operators (id ext.citext not null, v int);
      create unique index t_operators_id on t_operators (id text_ops);
      alter table t_operators replica identity using index t_operators_id`);
    for (const table of ['t_composite', 't_composites', 't_multirange', 't_collation', 't_operators'])
      expect(await keyOf(table), table).toBeUndefined();
  });

  test('have another order with other labels, another collation and other types', async () => {
    await db.query(`
      create table moods (id mood primary key); create table lists (id mood[] primary key);
      create table words (id text collate "en-US-x-icu" primary key)`);
    const orders = async (table: string) => (await keyOf(table))?.[0]?.order;
    const before = [await orders('moods'), await orders('lists'), await orders('words')];
    expect(before[2]).toMatch(/^25\/\d+\/\S+$/);
    await db.query(`
      alter type mood rename value 'sad' to 'glum'; alter table words alter id type text collate "und-x-icu"`);
    const after = [await orders('moods'), await orders('lists'), await orders('words')];
    await db.query("alter type mood rename value 'glum' to 'sad'");
    expect(after.map((order, i) => order !== undefined && order !== before[i])).toEqual([true, true, true]);
    expect([await orders('moods'), await orders('lists')]).toEqual(before.slice(0, 2));
  });

  test('have no order where their index was made in that of another version of the collation', async () => {
    await db.query(`
      create collation outdated (provider = icu, locale = 'de');
      create table old (id text collate outdated primary key)`);
    expect(await keyOf('old')).toMatchObject([{ kind: 'server' }]);
    await db.query("update pg_collation set collversion = '0.1' where collname = 'outdated'");
    expect(await keyOf('old')).toBeUndefined();
  });

  test('are not known to the server that has another order by now, or no such values', async () => {
    await db.query('create table asked (id mood primary key)');
    const key = await keyOf('asked');
    if (key === undefined) throw new Error('no key');
    const question = {
      table: { schema: 'public', table: 'asked' },
      key,
      places: [['ok']],
      keys: [['happy'], ['sad']],
    };
    await withSession(async (client) => {
      expect(await knownPlaces(client, question, silentLogger)).toEqual([1, 0]);
      expect(await knownPlaces(client, { ...question, keys: [['glad']] }, silentLogger)).toBeUndefined();
      const other = { ...question, key: [{ ...key[0], order: 'other' } as OrderKey] };
      expect(await knownPlaces(client, other, silentLogger)).toBeUndefined();
      await db.query('drop table asked');
      expect(await knownPlaces(client, question, silentLogger)).toBeUndefined();
      await client.end();
      await expect(knownPlaces(client, question, silentLogger)).rejects.toThrow();
    });
  });

  test('are compared by an index on them', async () => {
    await db.query(`
      create table by_text (id text collate "en-US-x-icu" primary key);
      create table by_char (id char(4) primary key);
      create table by_word (id word, n varchar(9) collate "und-x-icu", primary key (id, n));
      create table by_both (n int, id ext.citext, primary key (n, id))`);
    await withSession(async (client) => {
      await client.query('set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off');
      for (const table of ['by_text', 'by_char', 'by_word', 'by_both']) {
        const key = (await readKey(client, { schema: 'public', table })) ?? [];
        const names = key.map((column) => `"${column.name}"`);
        const values = key.map((column) => valueSql(column, '1'));
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(
          `explain select * from ${table} where ${afterSql(key, names, values)} order by ${orderSql(key)}`,
        );
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan, table).toContain('Index Cond');
        expect(plan, table).not.toContain('Sort');
      }
    });
  });

  test('of text in a database with another collation than that of bytes lie where the server says', async () => {
    const name = `${db.name}_locale`;
    await db.query(`create database "${name}" ${await localeOfDatabase()} template template0`);
    try {
      const key = await withSession(async (client) => {
        await client.query(
          "create table words (id text primary key); insert into words values ('a'), ('é'), ('z'), ('A'), ('a-')",
        );
        const found = (await readKey(client, { schema: 'public', table: 'words' })) ?? [];
        const { rows } = await client.query<{ id: string }>('select id from words order by id');
        const texts = rows.map((row) => [row.id]);
        const question = {
          table: { schema: 'public', table: 'words' },
          key: found,
          places: texts,
          keys: texts,
        };
        expect(await knownPlaces(client, question, silentLogger)).toEqual([0, 1, 2, 3, 4]);
        return found;
      }, name);
      expect(key).toMatchObject([{ kind: 'server', collation: 'pg_catalog."default"' }]);
    } finally {
      await db.query(`drop database "${name}"`);
    }
  });

  /** One of those that the server has. */
  async function localeOfDatabase(): Promise<string> {
    const [found] = await db.query(
      `select current_setting('server_version_num')::int >= 150000 as icu,
              (select min(collcollate) from pg_collation
                where collprovider = 'c' and collcollate not in ('C', 'POSIX') and collencoding = 6) as name`,
    );
    return found?.['icu'] === true
      ? "encoding 'UTF8' locale_provider icu icu_locale 'en-US' lc_collate 'C' lc_ctype 'C'"
      : `encoding 'UTF8' lc_collate '${String(found?.['name'])}' lc_ctype '${String(found?.['name'])}'`;
  }

  test.each([
    // In this encoding the euro sign comes before é, in UTF-8 after it.
    ['WIN1252', 'server'],
    ['UTF8', 'bytes'],
    // What is in such a database may be no text at all.
    ['SQL_ASCII', undefined],
  ])('of text in a database in %s are of kind %s', async (encoding, kind) => {
    const name = `${db.name}_${encoding.toLowerCase()}`;
    await db.query(
      `create database "${name}" encoding '${encoding}' lc_collate 'C' lc_ctype 'C' template template0`,
    );
    try {
      await withSession(
        (client) =>
          client.query('create table words (id text primary key); create table numbers (id int primary key)'),
        name,
      );
      expect((await keyOf('words', name))?.[0]?.kind).toBe(kind);
      expect((await keyOf('numbers', name))?.[0]?.kind).toBe('integer');
    } finally {
      await db.query(`drop database "${name}"`);
    }
  });
});
