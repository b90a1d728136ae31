// Tables that writers keep changing, with a record of every committed change made by triggers in the same transaction.
// `doc` and `whole` have a value stored out of line, which updates of other columns do not send; only where the whole
// row is the replica identity can such a row change its key, since else the value is not in the log at all.
import {
  type Change,
  type DeliveredChange,
  eventually,
  historyProblems,
  type SeededRandom,
  type TestDatabase,
} from '@millrace/testkit';
import pg from 'pg';
import { readTopic, type TopicRecord } from './topic-reader.ts';

/** Table -> key columns. */
export const CHANGING_TABLES: Readonly<Record<string, readonly string[]>> = {
  account: ['id'],
  pair: ['b', 'a'],
  doc: ['id'],
  whole: ['id'],
};

const SCHEMA = `
create sequence versions as integer;
create table history (seq bigserial primary key, tbl text not null, key text not null, version integer);
create table account (id integer primary key, name text, balance integer, version integer);
create table pair (a integer, b integer, note text, version integer, primary key (b, a));
create table doc (id text collate "en-US-x-icu" primary key, body text, n integer, version integer);
alter table doc alter body set storage external;
create table whole (id integer primary key, body text, note text, version integer);
alter table whole alter body set storage external;
alter table whole replica identity full;
create function stamp() returns trigger language plpgsql as $$
begin new.version := nextval('versions'); return new; end $$;
create function key_of(r jsonb, columns text[]) returns text language sql immutable as
$$ select string_agg(r ->> c, ':' order by i) from unnest(columns) with ordinality u(c, i) $$;
create function remember() returns trigger language plpgsql as $$
declare
  before text := case when tg_op <> 'INSERT' then key_of(to_jsonb(old), tg_argv) end;
  after text := case when tg_op <> 'DELETE' then key_of(to_jsonb(new), tg_argv) end;
begin
  if before is distinct from after and before is not null then
    insert into history (tbl, key) values (tg_table_name, before);
  end if;
  if after is not null then
    insert into history (tbl, key, version) values (tg_table_name, after, new.version);
  end if;
  return null;
end $$;
`;

/** Creates the tables with their triggers and some rows. */
export async function createChangingTables(database: TestDatabase): Promise<void> {
  await database.query(SCHEMA);
  for (const [table, columns] of Object.entries(CHANGING_TABLES)) {
    await database.query(`
      create trigger stamp before insert or update on ${table} for each row execute function stamp();
      create trigger remember after insert or update or delete on ${table}
        for each row execute function remember(${columns.map((column) => `'${column}'`).join(', ')});
    `);
  }
  await database.query(`
    insert into account (id, name, balance) select n, 'name ' || n, 0 from generate_series(1, 100) n;
    insert into pair (a, b, note) select n, n, 'first' from generate_series(1, 50) n;
    insert into doc (id, body, n) select 'doc ' || n, repeat(md5(n::text), 150), 0 from generate_series(1, 30) n;
    insert into whole (id, body, note) select n, repeat(md5(n::text), 150), 'whole' from generate_series(1, 50) n;
  `);
}

/** Keeps changing the tables over connections of its own until stopped. */
export class TableWriters implements AsyncDisposable {
  committed = 0;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[];
  #nextKey = 1000;

  constructor(url: string, random: SeededRandom, options: { connections: number; pauseMs: number }) {
    this.#loops = Array.from({ length: options.connections }, () => this.#run(url, random, options.pauseMs));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  async #run(url: string, random: SeededRandom, pauseMs: number): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      while (!this.#stop.signal.aborted) {
        await this.#transaction(client, random);
        await client.query('select pg_sleep($1)', [pauseMs / 1000]);
      }
    } finally {
      await client.end();
    }
  }

  async #transaction(client: pg.Client, random: SeededRandom): Promise<void> {
    try {
      await client.query('begin');
      for (let left = random.int(1, 8); left > 0; left--) await client.query(this.#statement(random));
      if (random.next() < 0.15) {
        await client.query('savepoint s');
        await client.query(this.#statement(random));
        await client.query(random.next() < 0.5 ? 'rollback to s' : 'release s');
      }
      const ends = random.next() < 0.1 ? 'rollback' : 'commit';
      await client.query(ends);
      if (ends === 'commit') this.committed++;
    } catch (error) {
      // Two writers may deadlock, or insert the same key.
      if (!['40P01', '23505'].includes((error as { code?: string }).code ?? '')) throw error;
      await client.query('rollback');
    }
  }

  #statement(random: SeededRandom): string {
    const id = random.int(1, 200);
    return random.pick([
      () =>
        `insert into account values (${id}, 'again', 0) on conflict (id) do update set balance = account.balance + 1`,
      () => `update account set balance = balance + 1 where id in (${id}, ${id + 1}, ${id + 2})`,
      () => `delete from account where id = ${id}`,
      () => `update pair set b = ${this.#nextKey++} where a = ${random.int(1, 50)}`,
      () => `update pair set note = 'note ${id}' where a = ${random.int(1, 50)}`,
      () => `insert into pair (a, b, note) values (${random.int(1, 50)}, ${this.#nextKey++}, 'more')`,
      () => `delete from pair where a between ${id} - 10 and ${id} + 10 and b > 1000`,
      () => `update doc set n = n + 1 where id = 'doc ${random.int(1, 30)}'`,
      () =>
        `update doc set n = n + 1, body = repeat(md5('${id}'), 150) where id = 'doc ${random.int(1, 30)}'`,
      () => `delete from doc where id = 'doc ${random.int(1, 30)}'`,
      () => `insert into doc (id, body, n) values ('doc ${random.int(1, 30)}', repeat(md5('${id}'), 150), 0)
             on conflict (id) do nothing`,
      () =>
        `insert into whole (id, note) values (${id}, 'new') on conflict (id) do update set note = 'x${id}'`,
      () => `delete from whole where id = ${id}`,
    ])();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Every committed change of a table; changes of one key are in the order of their commits. */
export async function committedChanges(database: TestDatabase, table: string): Promise<Change[]> {
  const rows = await database.query('select key, version from history where tbl = $1 order by seq', [table]);
  return rows as unknown as Change[];
}

interface Event {
  readonly op: string;
  readonly after: { readonly version: number } | null;
  readonly source: { readonly lsn: number; readonly txId: number };
}

/**
 * The changes in a topic as JsonConverter writes them.
 * @throws when a delete has no tombstone right after it, or a tombstone no delete before it
 */
export function deliveredChanges(
  records: readonly TopicRecord[],
  keyColumns: readonly string[],
): DeliveredChange[] {
  const changes: DeliveredChange[] = [];
  let deleted: string | undefined;
  for (const { offset, key: keyBytes, value } of records) {
    const fields = payloadOf<Record<string, unknown>>(keyBytes);
    const key = keyColumns.map((column) => String(fields[column])).join(':');
    if (value === null) {
      if (deleted !== key) throw new Error(`the tombstone of ${key} at offset ${offset} follows no delete`);
      deleted = undefined;
      continue;
    }
    const { op, after, source } = payloadOf<Event>(value);
    const version = op === 'd' ? null : (after?.version ?? null);
    const position = `${source.lsn} ${source.txId} ${op} ${key} ${version}`;
    // A delete without its tombstone is only possible where a crash cut between the two: then it comes again.
    deleted = op === 'd' ? key : undefined;
    changes.push({ key, version, position });
  }
  return changes;
}

function payloadOf<T>(bytes: Buffer | null): T {
  return (JSON.parse(bytes?.toString('utf8') ?? '{}') as { payload: T }).payload;
}

/** Every committed change has arrived, in order, with at most `replays` steps back. */
export async function expectWhole(
  address: string,
  database: TestDatabase,
  prefix: string,
  replays: number,
): Promise<void> {
  for (const [table, keyColumns] of Object.entries(CHANGING_TABLES)) {
    const committed = await committedChanges(database, table);
    await eventually(
      `all changes of ${table}`,
      async () => {
        const delivered = deliveredChanges(await readTopic(address, `${prefix}.public.${table}`), keyColumns);
        const problems = historyProblems(committed, delivered, replays);
        if (problems.length > 0) throw new Error(problems.slice(0, 3).join('; '));
        return true;
      },
      60_000,
    );
  }
}
