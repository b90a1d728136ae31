// T1 of the correctness rules for keys whose order only the server knows: a snapshot that is interrupted again and again,
// while others write.
import type { SourceTaskContext } from '@millrace/connect-api';
import { type SeededRandom, type TestDatabase, testDatabase, testRandom } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import {
  Consumer,
  catchUp,
  type Durable,
  isReading,
  live,
  NOTHING,
  stateOf,
} from './fixtures/interrupted-snapshot.ts';
import { testConfig } from './fixtures/test-config.ts';

const ROWS = 2500;
const STARTS = [
  'a',
  'A',
  'é',
  'E',
  '-',
  '_ ',
  '10',
  '9',
  'zz',
  'Z',
  'ß',
  'b-',
  'B',
  "o'",
  '\\',
  '"',
  'Ö',
  '%',
];

/** A kind of key: its columns with the order of the server, and values of it by number. */
interface KeyCase {
  readonly title: string;
  /** Beside `v int` and `pad text`. */
  readonly columns: string;
  /** The columns of the key, `id` last. */
  readonly key: readonly string[];
  readonly values: (n: number) => readonly unknown[];
  /** Another value of `id` that the server takes for the same, or of another column of the key. */
  readonly variant?: string;
}

const word = (n: number): string => `${STARTS[(n * 7) % STARTS.length]}${(n * 7919) % 100_003}`;

const CASES = [
  {
    title: 'a text in the collation of a locale',
    columns: 'id text collate "en-US-x-icu"',
    key: ['id'],
    values: (n) => [word(n)],
  },
  {
    title: 'a text in a collation that takes different texts for equal',
    columns: 'id text collate folded',
    key: ['id'],
    values: (n) => [`${['a', 'b', '-', 'é', 'Z'][n % 5]}${(n * 7919) % 100_003}`],
    variant: 'id = case when id = upper(id) then lower(id) else upper(id) end',
  },
  {
    title: 'a number and a citext of an extension outside the search path',
    columns: 'tenant int, id ext.citext',
    key: ['tenant', 'id'],
    values: (n) => [n % 3, word(n)],
    variant: 'tenant = (tenant + 1) % 3',
  },
  {
    title: 'an enumeration and a number',
    columns: 'g mood, id int',
    key: ['g', 'id'],
    values: (n) => [['sad', 'ok', 'happy', 'angry'][n % 4], (n * 7919) % 100_003],
    variant: "g = case g when 'sad' then 'angry' when 'angry' then 'ok' else 'sad' end::mood",
  },
  {
    title: 'an address of a network',
    columns: 'id inet',
    key: ['id'],
    values: (n) => [`${(n * 31) % 256}.${n % 7}.${Math.floor(n / 256)}.${n % 256}`],
  },
] as const satisfies readonly KeyCase[];

/** A table large enough to be resumed, and changes to it. */
class Workload {
  readonly #db: TestDatabase;
  readonly #case: KeyCase;
  readonly #random: SeededRandom;
  #version = 0;
  #next = ROWS;

  constructor(db: TestDatabase, keyCase: KeyCase, random: SeededRandom) {
    this.#db = db;
    this.#case = keyCase;
    this.#random = random;
  }

  async create(): Promise<void> {
    const { columns, key } = this.#case;
    await this.#db.query(`
      create schema ext; create extension citext schema ext;
      create type mood as enum ('sad', 'ok', 'happy'); alter type mood add value 'angry' before 'ok';
      create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create table t (${columns}, v int not null, pad text, primary key (${key.join(', ')}));
      create table last (id int primary key, v int, pad text)`);
    for (let n = 0; n < ROWS; n += 500) {
      const rows = Array.from({ length: 500 }, (_, i) => [...this.#case.values(n + i), 0, 'x'.repeat(500)]);
      const width = key.length + 2;
      const list = rows.map((row, r) => `(${row.map((_, i) => `$${r * width + i + 1}`).join(', ')})`);
      await this.#db.query(`insert into t values ${list.join(', ')}`, rows.flat());
    }
  }

  /** Changes rows everywhere, also across the places where runs stop; `wholly`: in one transaction. */
  async change(rounds: number, { wholly = false }: { readonly wholly?: boolean } = {}): Promise<void> {
    if (wholly) {
      // As much as a server keeps in memory at least before it sends what is in progress.
      const pad = 'select string_agg(md5(i::text), null) from generate_series(1, 50) i';
      const some = `select ctid from t where v = 0 and length(pad) = 500 limit 100`;
      await this.#db.query(`begin; update t set pad = (${pad}) where ctid in (${some})`);
    }
    for (let i = 0; i < rounds; i++) await this.#changeOne();
    if (wholly) await this.#db.query('commit');
  }

  async #changeOne(): Promise<void> {
    const random = this.#random;
    const { values, key, variant } = this.#case;
    const v = ++this.#version;
    const some = random.int(0, this.#next - 1);
    const where = `where ${key.map((column, i) => `${column} = $${i + 2}`).join(' and ')}`;
    const found = [v, ...values(some)];
    switch (random.int(0, 5)) {
      case 0:
        await this.#db.query(`update t set v = $1 ${where}`, found);
        break;
      case 1:
        await this.#db.query(`with version as (select $1::int) delete from t ${where}`, found);
        break;
      case 2:
        await this.#insert(some, v, 'again');
        break;
      case 3:
        await this.#insert(this.#next++, v, 'new');
        break;
      case 4: {
        const fresh = values(this.#next++);
        const set = key.map((column, i) => `${column} = $${2 + key.length + i}`).join(', ');
        await this.#db.query(`update t set v = $1, ${set} ${where}`, [...found, ...fresh]);
        break;
      }
      default:
        await this.#db.query(`update t set v = $1, ${variant ?? "pad = 'other'"} ${where}`, found);
    }
  }

  async #insert(n: number, v: number, pad: string): Promise<void> {
    const { values } = this.#case;
    const row = [...values(n), v, pad];
    // It may be there with another first column of its key.
    if ((await this.#db.query('select from t where id = $1', row.slice(-3, -2))).length > 0) return;
    await this.#db.query(`insert into t values (${row.map((_, i) => `$${i + 1}`).join(', ')})`, row);
  }

  /** Inserts a row that comes last. */
  async mark(): Promise<number> {
    await this.#db.query('insert into last values ($1, $1)', [++this.#version]);
    return this.#version;
  }

  async rows(): Promise<Map<string, (string | null)[]>> {
    const all = new Map<string, (string | null)[]>();
    for (const table of ['t', 'last']) {
      const key = table === 't' ? this.#case.key : ['id'];
      for (const row of await this.#db.query(`select * from ${table}`)) {
        const texts = Object.values(row).map((value) => (value === null ? null : String(value)));
        all.set(`${table} ${key.map((column) => String(row[column])).join('/')}`, texts);
      }
    }
    return all;
  }
}

/** Rows of the table that are known to be handed over. */
function rowsDone(durable: Durable): number {
  const state = JSON.parse(stateOf(durable) || '{}') as Record<string, { rows?: number }>;
  return state['public.t']?.rows ?? 0;
}

interface Kind {
  readonly exactlyOnce?: boolean;
  readonly streaming?: boolean;
}

/** A database with the workload of a case in it, and what reads it. */
async function prepared(keyCase: KeyCase, kind: Kind, random: SeededRandom) {
  const db = await testDatabase();
  const workload = new Workload(db, keyCase, random);
  await workload.create();
  if (kind.streaming === true)
    await db.query(`alter database "${db.name}" set logical_decoding_work_mem = '64kB'`);
  const settings = testConfig(db, db.name, {
    'table.include.list': 'public.t,public.last',
    'max.batch.size': '100',
    ...(kind.streaming === true ? { 'millrace.streaming': 'on' } : {}),
  });
  const more: Partial<SourceTaskContext> = kind.exactlyOnce === true ? { exactlyOnce: true } : {};
  const consumer = new Consumer(keyCase.key.length);
  return {
    db,
    workload,
    consumer,
    live: (before: Durable, records: number, lost: number) =>
      live(settings, before, consumer, { records, lost }, more),
    catchUp: (before: Durable) => catchUp(settings, before, consumer, () => workload.mark(), more),
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

async function interrupted(keyCase: KeyCase, kind: Kind = {}): Promise<void> {
  const random = testRandom(`a snapshot ordered by ${keyCase.title}`);
  await using run = await prepared(keyCase, kind, random);
  const { workload, consumer } = run;
  let durable = NOTHING;
  let repeated = 0;
  const seen = { reading: 0, inWindow: 0 };
  for (let life = 0; isReading(durable) || (seen.inWindow < 3 && stateOf(durable) !== ''); life++) {
    const records = isReading(durable) ? random.int(250, 700) : random.int(1, 40);
    const lost = kind.exactlyOnce === true ? 0 : random.int(0, 150);
    const before = durable;
    durable = await run.live(before, records, lost);
    repeated += lost + 1000;
    if (isReading(durable)) {
      seen.reading++;
      expect(rowsDone(durable)).toBeGreaterThanOrEqual(rowsDone(before));
    } else if (stateOf(durable) !== '') seen.inWindow++;
    await workload.change(random.int(20, 60), { wholly: life % 3 === 1 });
  }
  durable = await run.catchUp(durable);
  expect({ reading: seen.reading > 2, inWindow: seen.inWindow > 0 }).toEqual({
    reading: true,
    inWindow: true,
  });
  expect(consumer.regressions).toEqual([]);
  expect(consumer.differences(await workload.rows(), 99)).toEqual([]);
  expect(consumer.reads.get('t')).toBeLessThan(ROWS + 600 + repeated);
  expect(stateOf(durable)).toBe('');
}

/** What was stored before an upgrade of the library that knows the collation. */
function ofOtherVersion(durable: Durable): Durable {
  const state = stateOf(durable);
  const other = state.replace(/"server","[^"]+"/, '"server","other"');
  expect(other).not.toBe(state);
  return { ...durable, offset: { ...durable.offset, millrace_snapshot: other } };
}

describe('a snapshot that is interrupted and ordered by', () => {
  test.each(CASES)(
    'T1, F2: $title goes on where it was (INV-2, INV-3)',
    { timeout: 60_000 },
    async (keyCase) => {
      await interrupted(keyCase);
    },
  );

  test.each<[string, Kind]>([
    ['exactly once', { exactlyOnce: true }],
    ['with transactions in progress', { streaming: true }],
  ])('T1, F2: a text goes on where it was, %s (INV-2, INV-3)', { timeout: 60_000 }, async (_, kind) => {
    await interrupted(CASES[0], kind);
  });

  test('T1: what has another order by now begins anew (INV-3)', { timeout: 60_000 }, async () => {
    await using run = await prepared(CASES[0], {}, testRandom('a snapshot in another order'));
    const { workload, consumer } = run;
    const first = await run.live(NOTHING, 1500, 0);
    expect(rowsDone(first)).toBeGreaterThan(500);
    await workload.change(60);
    const second = await run.live(ofOtherVersion(first), 300, 0);
    expect(rowsDone(second)).toBeLessThan(rowsDone(first));
    await workload.change(60);
    await run.catchUp(second);
    expect(consumer.regressions).toEqual([]);
    expect(consumer.differences(await workload.rows(), 99)).toEqual([]);
  });

  test.each<[string, (durable: Durable, db: TestDatabase) => Promise<Durable>]>([
    ['another version of its collation', (durable) => Promise.resolve(ofOtherVersion(durable))],
    [
      'a key of another type',
      async (durable, db) => {
        await db.query('alter table t alter g type text');
        return durable;
      },
    ],
  ])('T1: %s in the window ends up right (INV-3)', { timeout: 60_000 }, async (title, meanwhile) => {
    const keyCase = title.startsWith('a key') ? CASES[3] : CASES[0];
    await using run = await prepared(keyCase, {}, testRandom('an order that is not known any more'));
    const { db, workload, consumer } = run;
    let durable = await run.live(NOTHING, 1200, 0);
    await workload.change(100);
    while (isReading(durable)) durable = await run.live(durable, ROWS, 0);
    expect(stateOf(durable)).not.toBe('');
    await workload.change(30);
    durable = await run.catchUp(await meanwhile(durable, db));
    expect(consumer.differences(await workload.rows(), 99)).toEqual([]);
    expect(stateOf(durable)).toBe('');
  });
});
