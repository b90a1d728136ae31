// A network between task and server that breaks, swallows and crawls: nothing is missing, nothing comes out of order,
// what comes again is a contiguous range, and the task goes on by itself.
import type { Struct } from '@millrace/data';
import {
  type Change,
  type DeliveredChange,
  eventually,
  historyProblems,
  type SeededRandom,
  TcpProxy,
  type TestDatabase,
  testDatabase,
  testRandom,
  testRounds,
} from '@millrace/testkit';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { RecoveringTask } from './fixtures/recovering-task.ts';
import type { Delivered } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

const CUTS = testRounds(40, 400);
/** Beyond the largest message of the workload. */
const FAR = 2500;
const SENDER_TIMEOUT_MS = 1000;

let db: TestDatabase;
let proxy: TcpProxy;
let random: SeededRandom;
let number = 0;

beforeAll(async () => {
  random = testRandom('a network that breaks');
  db = await testDatabase();
  await db.query(`alter database "${db.name}" set wal_sender_timeout = ${SENDER_TIMEOUT_MS}`);
  await db.query(`alter database "${db.name}" set logical_decoding_work_mem = '64kB'`);
  proxy = await TcpProxy.start(db);
});
beforeEach(() => {
  number++;
});
afterEach(() => proxy.resume());
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
});

/** What a table is told to have had, and what changes it. */
class Workload {
  readonly committed: Change[] = [];
  readonly table = `t${number}`;
  #version = 0;
  #keys = 0;

  async create(rows: number): Promise<void> {
    await db.query(`create table ${this.table} (id int primary key, v int, pad text)`);
    await this.insert(rows);
  }

  /** In one transaction. */
  async insert(rows: number, padding = 30): Promise<void> {
    const from = this.#keys + 1;
    this.#keys += rows;
    const v = ++this.#version;
    await db.query(
      `insert into ${this.table} select i, ${v}, repeat('x', ${padding}) from generate_series(${from}, ${this.#keys}) i`,
    );
    for (let id = from; id <= this.#keys; id++) this.committed.push({ key: String(id), version: v });
  }

  /** One transaction of several changes, of any size. */
  async change(): Promise<void> {
    const [a, b] = [1 + random.int(0, 3), 5 + random.int(0, 4)];
    const v = ++this.#version;
    await db.query(`begin;
      update ${this.table} set v = ${v}, pad = repeat('y', ${random.int(0, FAR)}) where id = ${a};
      delete from ${this.table} where id = ${b};
      insert into ${this.table} values (${b}, ${v}, 'z');
      commit`);
    this.committed.push({ key: String(a), version: v }, { key: String(b), version: null });
    this.committed.push({ key: String(b), version: v });
  }

  task(more: Record<string, string> = {}): RecoveringTask {
    return new RecoveringTask(
      testConfig({ ...db, port: proxy.port }, slot(), {
        'table.include.list': `public.${this.table}`,
        'tombstones.on.delete': 'false',
        ...more,
      }),
      () => random.next() < 0.7,
    );
  }

  /** The snapshot is delivered and stored: a second one would not show what changed before it. */
  async begin(task: RecoveringTask): Promise<void> {
    await task.until(async () => this.hasAll(task) && (await streams()));
    await task.store();
  }

  hasAll(task: RecoveringTask): boolean {
    return task.delivered.some((one) => keyOf(one) === String(this.#keys));
  }

  /** Until the last change has come; then holds all that came against all that was committed. */
  async check(task: RecoveringTask): Promise<void> {
    await this.insert(1);
    await task.until(() => this.hasAll(task));
    const delivered = task.delivered.map(told);
    expect(historyProblems(this.committed, delivered, task.failures.length)).toEqual([]);
  }
}

/** A session whose transactions stay open while others commit, and what makes the server begin far behind or close by. */
class SlowSession implements AsyncDisposable {
  readonly #workload: Workload;
  readonly #most: number;
  readonly #client = new pg.Client({ connectionString: db.url });
  #open: Change[] | undefined;
  #keys = 1_000_000;

  /** `most` rows are written at once. */
  constructor(workload: Workload, most: number) {
    this.#workload = workload;
    this.#most = most;
    this.#client.on('error', () => undefined);
  }

  async begin(): Promise<void> {
    await this.#client.connect();
    await this.#client.query(`create table noise_${this.#workload.table} (id int)`);
  }

  async step(): Promise<void> {
    const { table } = this.#workload;
    const draw = random.next();
    if (draw < 0.3) await this.commit();
    else if (draw < 0.4) await db.query('checkpoint');
    else if (draw < 0.6) await db.query(`insert into noise_${table} select generate_series(1, 3000)`);
    else {
      if (this.#open === undefined) await this.#client.query('begin');
      this.#open ??= [];
      const from = this.#keys + 1;
      this.#keys += random.int(1, this.#most);
      await this.#client.query(
        `insert into ${table} select i, 1, 'slow' from generate_series(${from}, ${this.#keys}) i`,
      );
      for (let id = from; id <= this.#keys; id++) this.#open.push({ key: String(id), version: 1 });
    }
  }

  async commit(): Promise<void> {
    if (this.#open === undefined) return;
    await this.#client.query('commit');
    this.#workload.committed.push(...this.#open);
    this.#open = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}

const keyOf = ({ record }: Delivered): string => String((record.key as Struct).get('id'));

function told(one: Delivered): DeliveredChange {
  const value = one.record.value as Struct;
  const after = value.get('after') as Struct | null;
  const lsn = (value.get('source') as Struct).get('lsn');
  const op = String(value.get('op'));
  const version = after === null ? null : Number(after.get('v'));
  // Rows of a snapshot share a position.
  return { key: keyOf(one), version, position: op === 'r' ? `r ${keyOf(one)}` : `${String(lsn)} ${op}` };
}

test(`F13: a stream that is cut within ${CUTS} messages goes on after the last stored record (INV-2, INV-3)`, async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task();
  await workload.begin(task);
  for (let cut = 0; cut < CUTS; cut++) {
    proxy.cutAfter({ from: 'server', after: random.int(0, FAR), since: 'START_REPLICATION' });
    await task.end();
    const before = task.failures.length;
    await task.until(async () => {
      if (task.driver !== undefined) await workload.change();
      return task.failures.length > before;
    });
  }
  expect(task.failures.length).toBe(CUTS);
  await workload.check(task);
});

test.each([
  { sent: 'whole', most: 20, more: {} },
  { sent: 'in parts', most: 600, more: { 'millrace.streaming': 'on' } },
])(
  `F1, F13, F15, F24: a stream of overlapping transactions, sent $sent, that is cut ${CUTS} times goes on after the last stored record (INV-2, INV-3)`,
  async ({ most, more }) => {
    const workload = new Workload();
    await workload.create(10);
    await using slow = new SlowSession(workload, most);
    await slow.begin();
    await using task = workload.task(more);
    await workload.begin(task);
    for (let cut = 0; cut < CUTS; cut++) {
      proxy.cutAfter({ from: 'server', after: random.int(0, 100 * most + FAR), since: 'START_REPLICATION' });
      await task.end();
      const before = task.failures.length;
      await task.until(async () => {
        if (task.driver !== undefined) await (random.next() < 0.5 ? workload.change() : slow.step());
        return task.failures.length > before;
      });
    }
    await slow.commit();
    await workload.check(task);
  },
);

test.each(['client', 'server'] as const)(
  'F13: connections that are cut while they are set up, among the bytes of the %s, are opened again (INV-3)',
  async (from) => {
    const workload = new Workload();
    await workload.create(10);
    await using task = workload.task();
    await workload.begin(task);
    for (let cut = 0; cut < CUTS / 2; cut++) {
      await task.end();
      const before = task.failures.length;
      proxy.cutAfter({ from, after: random.int(0, FAR) });
      await task.until(async () => {
        if (task.failures.length > before) return true;
        // What is cut may be the session for the catalog, which is not missed until it is needed.
        if (!proxy.isCutting) proxy.reset();
        else if (task.delivered.length >= 10) await workload.change();
        return false;
      });
    }
    await workload.check(task);
  },
);

test('F13, F23: a snapshot whose connection is cut within its rows goes on (INV-3)', async () => {
  const workload = new Workload();
  await workload.create(0);
  await workload.insert(20_000, 60);
  await db.query(`analyze ${workload.table}`);
  await using task = workload.task();
  for (let cut = 0; cut < 6; cut++) {
    proxy.cutAfter({ from: 'server', after: random.int(0, 200_000), since: 'COPY (' });
    await task.until(() => task.failures.length > cut);
    expect(task.failures.at(-1)).toMatch(/Cannot read table public\.t/);
  }
  await workload.check(task);
  // Each life reads again what it had not stored, not the table.
  expect(task.delivered.length).toBeLessThan(2.5 * workload.committed.length);
});

test('F13: a network that swallows everything for longer than wal_sender_timeout is left, and said meanwhile, twice (INV-3, INV-7)', async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task();
  for (let round = 0; round < 2; round++) {
    await task.until(streams);
    await workload.insert(1);
    await task.until(() => workload.hasAll(task));
    proxy.hang();
    await workload.insert(5);
    const stages = await stagesUntil(task, () => task.failures.length > round);
    expect(stages).toContain('waiting for the server to answer on the replication connection');
    expect(task.failures.at(-1)).toMatch(/has sent nothing on the replication connection for \d+ s/);
    await eventually('the server gives it up, too', async () => !(await streams()));
    proxy.resume();
  }
  await workload.check(task);
});

test.each([
  { lost: 'everything', reason: /the server does not answer another connection either/ },
  { lost: 'what was open', reason: /the server is done with it, so that its answer must have been lost/ },
])(
  'F13: a network that swallows $lost while a snapshot waits for an answer is left (INV-3, INV-7)',
  async ({ lost, reason }) => {
    const workload = new Workload();
    await workload.create(10);
    const other = new pg.Client({ connectionString: db.url });
    await other.connect();
    await other.query(`begin; lock table ${workload.table} in access exclusive mode`);
    await using task = workload.task();
    const failed = task.until(() => task.failures.length > 0);
    // The server works: it is asked, and waited for.
    await eventually(
      'the snapshot waits for the table, for twice the time that a silence may last',
      async () => {
        const waiting = await db.query(
          `select 1 from pg_stat_activity where wait_event = 'relation'
           and clock_timestamp() - query_start > interval '${2 * SENDER_TIMEOUT_MS} ms'`,
        );
        return waiting.length > 0;
      },
    );
    expect(task.failures).toEqual([]);
    if (lost === 'everything') proxy.hang();
    else proxy.swallow();
    await other.end();
    if (lost !== 'everything') proxy.resume();
    await failed;
    expect(task.failures[0]).toMatch(reason);
    proxy.resume();
    await workload.check(task);
  },
);

test('F47: a catalog that does not answer for wal_sender_timeout, while a table is told of, is said, and asked again (INV-3, INV-7)', async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task();
  await task.until(streams);
  const other = new pg.Client({ connectionString: db.url });
  await other.connect();
  await other.query('begin; lock table pg_catalog.pg_attrdef in access exclusive mode');
  await workload.insert(5);
  const stages = await stagesUntil(task, () => task.failures.length > 0);
  expect(stages).toContain(`reading the definition of public.${workload.table} from the catalog`);
  expect(task.failures[0]).toMatch(/Cannot read the definition of public\.\w+: no answer for 1 s/);
  await other.end();
  await workload.check(task);
});

test('F13: resets of all connections, twice in a row, are survived (INV-3)', async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task();
  await workload.begin(task);
  for (let round = 0; round < 4; round++) {
    // The server may not have noticed yet that the last one is gone.
    await task.until(async () => proxy.connections > 0 && (await streams()));
    proxy.reset();
    // The second comes while the connections are made anew.
    if (round % 2 === 1) proxy.reset();
    await workload.change();
    await task.until(() => task.failures.length > round);
  }
  await workload.check(task);
});

test('F14: a server that hears nothing for wal_sender_timeout ends the connection, and the task opens another (INV-3)', async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task();
  await task.until(streams);
  await workload.insert(1);
  await task.until(() => workload.hasAll(task));
  proxy.hang('client');
  await workload.insert(5);
  await task.until(() => task.failures.length > 0);
  expect(task.failures[0]).toMatch(/^(The server closed the replication|Replication failed: write EPIPE)/);
  proxy.resume();
  await workload.check(task);
});

test('F14: a task that takes nothing for longer than wal_sender_timeout keeps its connection (INV-5)', async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task({ 'max.queue.size': '100', 'max.batch.size': '50' });
  await task.until(streams);
  await workload.insert(2000, 1000);
  const first = await walsender();
  await eventually('twice that time has passed for the server', async () => {
    const { age } = await walsender();
    return Number(age) > Number(first['age']) + 2 * SENDER_TIMEOUT_MS;
  });
  expect((await walsender())['pid']).toBe(first['pid']);
  await workload.check(task);
  expect(task.failures).toEqual([]);
});

test('F14: a network that crawls for longer than wal_sender_timeout delivers everything over one connection', async () => {
  const workload = new Workload();
  await workload.create(10);
  await using task = workload.task();
  await task.until(streams);
  proxy.slow(400_000);
  for (let i = 0; i < 10; i++) await workload.insert(100, 1000);
  await workload.check(task);
  proxy.resume();
  expect(task.failures).toEqual([]);
});

const slot = (): string => `${db.name}_${number}`;

async function streams(): Promise<boolean> {
  return (await walsender())['state'] === 'streaming';
}

/** What the task said it was at, until the condition held. */
async function stagesUntil(task: RecoveringTask, condition: () => boolean): Promise<string[]> {
  const stages = new Set<string>();
  await task.until(() => {
    const activity = task.driver?.task.activity?.();
    if (activity) stages.add(activity.stage);
    return condition();
  });
  return [...stages];
}

/** Its process and state, and its age in ms by the server's clock. */
async function walsender(): Promise<Record<string, unknown>> {
  const [row] = await db.query(
    `select pid, state, extract(epoch from clock_timestamp() - backend_start) * 1000 as age
       from pg_stat_replication join pg_replication_slots on active_pid = pid where slot_name = $1`,
    [slot()],
  );
  return row ?? {};
}
