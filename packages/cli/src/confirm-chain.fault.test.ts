// What Postgres is told to forget, seen from outside: at every instant the slot stands at or before the stored offset,
// whatever moves the position, also while the worker cannot store one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PostgresServer, startPostgres } from '@millrace/local-servers';
import { eventually, startMillrace } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { postgresSource, putConnector } from './testing/connectors.ts';
import { type ProxiedBroker, startProxiedBroker } from './testing/proxied-broker.ts';
import { readTopic } from './testing/topic-reader.ts';

const HELD_MS = 1500;
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-confirm-'));
let postgres: PostgresServer;
let broker: ProxiedBroker;

beforeAll(async () => {
  broker = await startProxiedBroker(folder, /^connector-producer-/);
  postgres = await startPostgres({
    fsync: false,
    // A session that asks for more waits for a standby that never comes.
    settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local', wal_sender_timeout: '2s' },
  });
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function open(database: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url(database) });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Asks where the slot stands, again and again. */
class SlotWatch {
  readonly samples: { readonly atMs: number; readonly confirmed: bigint }[] = [];
  readonly #client: pg.Client;
  readonly #slot: string;
  readonly #loop: Promise<void>;
  #stopped = false;

  constructor(client: pg.Client, slot: string) {
    this.#client = client;
    this.#slot = slot;
    this.#loop = this.#run();
    this.#loop.catch(() => undefined); // `stop` throws it
  }

  get last(): bigint | undefined {
    return this.samples.at(-1)?.confirmed;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    await this.#client.end();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { rows } = await this.#client.query<{ lsn: string }>(
        "select (confirmed_flush_lsn - '0/0')::text as lsn from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn is not null",
        [this.#slot],
      );
      const row = rows[0];
      if (row !== undefined) this.samples.push({ atMs: Date.now(), confirmed: BigInt(row.lsn) });
      await this.#client.query('select pg_sleep(0.005)');
    }
  }
}

interface StoredPosition {
  /** When the worker made the record, before it was stored. */
  readonly atMs: number;
  readonly confirmable: bigint;
}

/** The offsets of a connector in the order in which they were stored. */
async function storedPositions(topic: string, prefix: string): Promise<StoredPosition[]> {
  const key = JSON.stringify(['source', { server: prefix }]);
  return (await readTopic(broker.direct, topic))
    .filter((record) => record.key?.toString() === key)
    .map(({ timestamp, value }) => {
      const offset = JSON.parse(value?.toString() ?? '{}') as Record<string, number>;
      return {
        atMs: timestamp,
        confirmable: BigInt(offset['lsn_commit'] ?? offset['lsn_proc'] ?? offset['lsn'] ?? 0),
      };
    });
}

/** Everything that moves a position: changes, commits without any for us, messages, rollbacks, other WAL. */
async function move(client: pg.Client, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await client.query('insert into item (note) select $1 from generate_series(1, 20)', [`round ${round}`]);
    await client.query('insert into other (note) values ($1)', [`round ${round}`]);
    await client.query("select pg_logical_emit_message(true, 'app', 'in a transaction')");
    await client.query("select pg_logical_emit_message(false, 'app', 'outside')");
    await client.query('begin; update item set note = note || $$!$$ where id % 7 = 0; rollback');
    await client.query(
      'begin; insert into item (note) values ($$a$$); savepoint s; delete from item where id % 5 = 0; rollback to s; commit',
    );
    await client.query('select txid_current()');
  }
}

/** Goes on for a while in which the worker cannot write. */
async function whileHeld(act: () => Promise<void>): Promise<void> {
  await eventually('the worker cannot write', () => broker.proxy.held > 0);
  const end = Date.now() + HELD_MS;
  await eventually('the time is over', async () => {
    await act();
    return Date.now() > end;
  });
}

/** A transaction that is open all the time; it is received in parts, whatever `move` does meanwhile. */
async function goOnOpen(client: pg.Client, rows: number): Promise<void> {
  await client.query("insert into item (note) select 'open ' || n from generate_series(1, $1::int) n", [
    rows,
  ]);
  await client.query('savepoint s');
  await client.query("insert into item (note) select 'gone ' || n from generate_series(1, $1::int) n", [
    rows,
  ]);
  await client.query('rollback to s');
}

const OPEN_ROWS = 1000;
const VARIANTS = [
  { name: 'chain_a', what: 'made by the connector', beforehand: false, inParts: false },
  { name: 'chain_b', what: 'made beforehand', beforehand: true, inParts: false },
  { name: 'chain_c', what: 'with transactions received in parts', beforehand: false, inParts: true },
];

for (const { name, what, beforehand, inParts } of VARIANTS) {
  test(`T4: the slot never stands beyond the stored offset, ${what} (INV-1)`, async () => {
    const admin = await open('postgres');
    await admin.query(`create database ${name}`);
    const client = await open(name);
    await client.query(`
      create table item (id integer generated always as identity primary key, note text);
      create table other (id integer generated always as identity primary key, note text);
      insert into item (note) select 'old' from generate_series(1, 2000)`);
    if (inParts) await client.query(`alter database ${name} set logical_decoding_work_mem = '64kB'`);
    if (beforehand) {
      await client.query(`create publication ${name} for table item`);
      await client.query(`select pg_create_logical_replication_slot('${name}', 'pgoutput')`);
      await move(client, 5);
    }
    const watch = new SlotWatch(await open('postgres'), name);
    const offsetsTopic = `${name}-offsets`;
    await using millrace = await startMillrace({
      bootstrapServers: broker.proxied,
      properties: {
        'bootstrap.servers': broker.proxied,
        'group.id': name,
        'config.storage.topic': `${name}-configs`,
        'offset.storage.topic': offsetsTopic,
        'status.storage.topic': `${name}-status`,
        'offset.flush.interval.ms': '50',
      },
    });
    const login = { host: postgres.host, port: postgres.port, user: 'postgres', password: 'postgres', name };
    // Nothing can be stored yet: a slot that was made beforehand stays where it is, whatever is read.
    broker.proxy.hold({ fromStart: true });
    await putConnector(
      millrace,
      'source',
      postgresSource(login, name, ['item'], {
        'heartbeat.interval.ms': '100',
        'status.update.interval.ms': '20',
        ...(inParts ? { 'millrace.streaming': 'on' } : {}),
      }),
    );
    await whileHeld(async () => {
      await move(client, 1);
    });
    expect(new Set(watch.samples.map(({ confirmed }) => confirmed)).size).toBe(1);
    broker.proxy.release();
    const transaction = await open(name);
    await transaction.query('begin');
    for (let step = 0; step < 5; step++) {
      if (inParts) await goOnOpen(transaction, OPEN_ROWS);
      const seen = watch.last ?? 0n;
      await move(client, 5);
      await eventually('the slot is moved', () => (watch.last ?? 0n) > seen);
    }
    // A commit that waits for its standby is in the WAL and read from it long before it is visible.
    const waiting = await open(name);
    await waiting.query('set synchronous_commit = on');
    const held = waiting.query("insert into item (note) values ('waits')").catch((error: unknown) => error);
    await move(client, 10);
    const topic = `${name}.public.item`;
    const has = (text: string) => async (): Promise<boolean> =>
      (await readTopic(broker.direct, topic)).some(({ value }) => value?.includes(text) === true);
    await eventually('the waiting commit in the topic', has('"note":"waits"'));

    broker.proxy.hold();
    await move(client, 3);
    await eventually('the worker cannot write', () => broker.proxy.held > 0);
    const stored = (await storedPositions(offsetsTopic, name)).at(-1)?.confirmable ?? 0n;
    const before = watch.samples.length;
    await whileHeld(async () => {
      await move(client, 1);
    });
    const meanwhile = watch.samples.slice(before).filter(({ confirmed }) => confirmed > stored);
    expect(meanwhile).toEqual([]);
    broker.proxy.release();
    await eventually('the slot is moved again', () => (watch.last ?? 0n) > stored);

    await transaction.query('commit');
    await transaction.end();
    await client.query("insert into item (note) values ('last')");
    await eventually('the last row in the topic', has('"note":"last"'));
    if (inParts) {
      const opened = (await readTopic(broker.direct, topic)).filter(({ value }) =>
        value?.includes('"note":"open '),
      );
      expect(opened).toHaveLength(5 * OPEN_ROWS);
      const { rows } = await admin.query<{ parts: number }>(
        'select stream_txns::int as parts from pg_stat_get_replication_slot($1)',
        [name],
      );
      expect(rows[0]?.parts).toBeGreaterThan(0);
    }
    await admin.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
    await held;
    expect(await millrace.end('SIGTERM')).toBe(true);
    await watch.stop();
    const positions = await storedPositions(offsetsTopic, name);
    const first = watch.samples[0]?.confirmed ?? 0n;
    const early = watch.samples.filter(
      ({ atMs, confirmed }) =>
        confirmed > first && !positions.some((one) => one.atMs <= atMs && one.confirmable >= confirmed),
    );
    expect(early).toEqual([]);
    for (const one of [client, waiting]) await one.end();
    await admin.query(`select pg_drop_replication_slot('${name}')`);
    await admin.end();
  });
}
