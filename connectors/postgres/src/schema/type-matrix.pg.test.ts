// Every type a column can have, alone and in arrays, under every handling mode: what a snapshot reads is what the stream
// brings, and what a converter writes from a row's bytes is what it writes from its decoded values.
import { JsonConverter } from '@millrace/converters';
import {
  ArrayStruct,
  ByteWriter,
  isUnconvertible,
  RawRow,
  STRING,
  Struct,
  structSchema,
} from '@millrace/data';
import { messageOf } from '@millrace/foundation';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from '../fixtures/task-driver.ts';
import { testConfig } from '../fixtures/test-config.ts';
import { NO_COLUMNS, OWN_TYPES, TYPE_VALUES } from '../fixtures/type-values.ts';

/** Each value of each key, and those together that meet in one value: unknown types with binary, money with decimals. */
const MODES: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'time.precision.mode': 'adaptive_time_microseconds', 'include.unknown.datatypes': 'true' },
  {
    'time.precision.mode': 'connect',
    'decimal.handling.mode': 'double',
    'binary.handling.mode': 'base64',
    'interval.handling.mode': 'string',
    'money.fraction.digits': '0',
  },
  {
    'time.precision.mode': 'isostring',
    'decimal.handling.mode': 'string',
    'binary.handling.mode': 'hex',
    'hstore.handling.mode': 'map',
    'money.fraction.digits': '4',
  },
  {
    'time.precision.mode': 'microseconds',
    'binary.handling.mode': 'base64-url-safe',
    'include.unknown.datatypes': 'true',
    'money.fraction.digits': '4',
    'unavailable.value.placeholder': 'hex:ff01',
    'hstore.handling.mode': 'map',
  },
  {
    'time.precision.mode': 'nanoseconds',
    'decimal.handling.mode': 'double',
    'binary.handling.mode': 'hex',
    'include.unknown.datatypes': 'true',
    'schema.refresh.mode': 'columns_diff_exclude_unchanged_toast',
  },
  {
    'decimal.handling.mode': 'string',
    'binary.handling.mode': 'base64',
    'include.unknown.datatypes': 'true',
    'money.fraction.digits': '0',
  },
];

let db: TestDatabase;
const literal = (value: string): string => `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

interface Column {
  readonly name: string;
  readonly type: string;
  /** SQL expressions. */
  readonly values: readonly string[];
}

/**
 * One column a type, side by side, since a decoder that reads too far reads the next one; then one an array of each, with
 * null, nothing and several dimensions among the values.
 */
function columns(): Column[] {
  const casts = (type: string, values: readonly string[]): string[] =>
    values.map((value) => `${literal(value)}::${type}`);
  const single = TYPE_VALUES.map(({ type, values }, i) => ({
    name: `c${i}`,
    type,
    values: casts(type, values),
  }));
  const arrays = TYPE_VALUES.flatMap(({ type, values, noArray }, i) => {
    if (noArray) return [];
    const list = `array[${casts(type, values).join(', ')}]::${type}[]`;
    const forms = [
      list,
      `array_append(${list}, null)`,
      `'{}'::${type}[]`,
      `array[${list}, ${list}]`,
      `'{NULL}'::${type}[]`,
    ];
    return [{ name: `a${i}`, type: `${type}[]`, values: forms }];
  });
  return [...single, ...arrays];
}

/** Rows that hold every value of every column. */
function rows(all: readonly Column[]): string[] {
  const count = Math.max(...all.map(({ values }) => values.length));
  return Array.from(
    { length: count },
    (_, row) => `(${all.map(({ values }) => values[row % values.length]).join(', ')})`,
  );
}

let rowCount = 0;
beforeAll(async () => {
  db = await testDatabase();
  const all = columns();
  const define = (more: string): string => all.map(({ name, type }) => `${name} ${type} ${more}`).join(', ');
  const names = all.map(({ name }) => name).join(', ');
  const values = rows(all);
  rowCount = values.length;
  const numbered = values.map((row, i) => `(${i}, ${row.slice(1)}`).join(', ');
  await db.query(OWN_TYPES);
  await db.query(`create table v (ord int, ${define('')}); alter table v replica identity full`);
  await db.query(`create table n (ord int primary key, ${define('not null')})`);
  await db.query(
    `insert into v (ord, ${names}) values ${numbered}; insert into v (ord) values (${rowCount})`,
  );
  await db.query(`insert into n (ord, ${names}) values ${numbered}`);
}, 60_000);
afterAll(async () => {
  await db[Symbol.asyncDispose]();
});

const json = new JsonConverter();
json.configure({ 'schemas.enable': 'true' });

function written(row: Struct): string {
  const out = new ByteWriter();
  json.write('t', [], row.schema, row, out);
  return out.copyFrom().toString();
}

/** As a transform leaves it: no bytes of the source any more. */
function decoded(value: unknown): unknown {
  return value instanceof Struct ? new ArrayStruct(value.schema, value.toArray().map(decoded)) : value;
}

function expectSame(a: string, b: string, what: string): void {
  // The columns that differ first: the texts are long.
  if (a !== b) expect(JSON.parse(a), what).toEqual(JSON.parse(b));
  expect(a === b, `${what}: texts that differ`).toBe(true);
}

/** What a converter writes of a row, checked to be the same from bytes and from values. */
function textOf(row: Struct, what: string): string {
  try {
    const text = written(row);
    expectSame(written(decoded(row) as Struct), text, `${what}, from values`);
    return text;
  } catch (error) {
    // A required field cannot hold its value: each field by itself.
    if (!isUnconvertible(error) || !(row instanceof RawRow)) throw error;
    return `[${fieldsOf(row, what).join(',')}]`;
  }
}

/** Each field of a row, or what refuses it. */
function fieldsOf(row: RawRow, what: string): string[] {
  return row.layout.fields.map((field, i) => {
    const { name, schema } = row.schema.fields[i] ?? { name: '', schema: STRING };
    const layout = { schema: structSchema([[name, schema]]), fields: [field] };
    const one = new RawRow(layout, row.bytes, row.index, row.base);
    try {
      const text = written(one);
      expectSame(written(decoded(one) as Struct), text, `${what}, ${name}, from values`);
      return text;
    } catch (error) {
      if (!isUnconvertible(error)) throw error;
      return JSON.stringify(messageOf(error));
    }
  });
}

/** Rows of one table and operation by their number. */
function rowsOf(
  delivered: readonly Delivered[],
  table: string,
  op: string,
  side: string,
): Map<unknown, Struct> {
  const found = new Map<unknown, Struct>();
  for (const { record } of delivered) {
    const envelope = record.value as Struct | null;
    if (!record.topic.endsWith(`.${table}`) || envelope?.get('op') !== op) continue;
    const row = envelope.get(side) as Struct;
    found.set(row.get('ord'), row);
  }
  return found;
}

/** Keys of table `n`, which are of all types. */
function keysOf(delivered: readonly Delivered[], op: string): Struct[] {
  return delivered.flatMap(({ record }) =>
    record.topic.endsWith('.n') && (record.value as Struct | null)?.get('op') === op
      ? [record.key as Struct]
      : [],
  );
}

/** Without the columns of type `name`, for which Debezium's stream has no value unless unknown types are asked for. */
function withoutNames(text: string): string {
  const name = `c${TYPE_VALUES.findIndex(({ type }) => type === 'name')}`;
  return text.replace(new RegExp(`"${name}":(?:null|"[^"]*")`), `"${name}":null`);
}

describe('every type under every mode', () => {
  test('the list has every type of the server that a column can have', async () => {
    const known = new Set(TYPE_VALUES.map(({ type }) => type.replace(/[( ].*$/, '').replaceAll('"', '')));
    const types = await db.query(`
      select typname::text as name from pg_type t join pg_namespace n on n.oid = t.typnamespace
       where n.nspname = 'pg_catalog' and t.typtype in ('b', 'r', 'm') and (t.typcategory not in ('A', 'Z') or typname = 'char')`);
    const missing = types
      .map(({ name }) => String(name))
      .filter((name) => !known.has(name) && !NO_COLUMNS.has(name));
    expect(missing).toEqual([]);
  });

  test.each(MODES.map((modes, i) => [i, modes] as const))(
    'F50: a snapshot has the values and the schemas of the stream, from bytes and from values: %i %j (INV-8)',
    async (i, modes) => {
      const slot = `m${i}_${db.name}`;
      const key = ['ord', ...TYPE_VALUES.map((_, index) => `c${index}`)].join(',');
      const config = testConfig(db, slot, {
        'table.include.list': 'public.(v|n)',
        'message.key.columns': `public.n:${key}`,
        ...modes,
      });
      await using driver = await TaskDriver.start(config);
      const read = [...(await driver.until(2 * rowCount + 1))];
      await db.query(`
        create table again_v as table v; create table again_n as table n;
        delete from v; delete from n;
        insert into v select * from again_v; insert into n select * from again_n;
        drop table again_v, again_n`);
      const all = await driver.until(read.length + 3 * (2 * rowCount + 1));
      const streamed = all.slice(read.length);
      const plain = modes['include.unknown.datatypes'] === 'true' ? (text: string) => text : withoutNames;
      for (const table of ['v', 'n']) {
        if (table === 'n') {
          const keys = (delivered: readonly Delivered[], op: string): string[] =>
            keysOf(delivered, op).map((key) => plain(textOf(key, `a key of ${op}`)));
          expect(keys(streamed, 'c').sort()).toEqual(keys(read, 'r').sort());
        }
        const snapshot = rowsOf(read, table, 'r', 'after');
        const inserted = rowsOf(streamed, table, 'c', 'after');
        const deleted = rowsOf(streamed, table, 'd', 'before');
        expect(snapshot.size).toBe(table === 'v' ? rowCount + 1 : rowCount);
        for (const [ord, row] of snapshot) {
          const what = `row ${String(ord)} of ${table}`;
          const text = textOf(row, what);
          const [created, gone] = [inserted.get(ord), deleted.get(ord)];
          if (created === undefined || gone === undefined) throw new Error(`${what} was not streamed`);
          expectSame(plain(textOf(created, what)), plain(text), `${what}, streamed`);
          // With its whole old row a delete has them all; with its key alone it shows what stands for no value.
          const before = textOf(gone, `${what}, deleted`);
          if (table === 'v') expectSame(plain(before), plain(text), `${what}, deleted`);
        }
      }
    },
  );
});
