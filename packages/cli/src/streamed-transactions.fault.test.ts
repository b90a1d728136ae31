// SIGKILL while large transactions are received in parts (CORRECTNESS 9): what was kept of them is worth nothing after
// it, and nothing is missing, doubled or out of order but what is repeated.
import { existsSync, readdirSync } from 'node:fs';
import {
  eventually,
  startMillrace,
  type TestDatabase,
  testDatabase,
  testRandom,
  testRounds,
} from '@millrace/testkit';
import pg from 'pg';
import { expect, test } from 'vitest';
import { postgresSource, putConnector, untilRunning } from './testing/connectors.ts';
import { moment } from './testing/moments.ts';
import { readTopic } from './testing/topic-reader.ts';

const KILLS = testRounds(4, 60);
const WRITERS = 3;
const STEPS = 5;
const ROWS = 400;
/** The workload is about moments, not about how much comes. */
const PAUSE_MS = 60;

/** How much is written between two kills, however long they take. */
const TRANSACTIONS_A_KILL = 5;

interface Writer {
  /** Lets so many more transactions end. */
  allow(transactions: number): void;
  /** The rows of each transaction that committed, in their order. */
  readonly committed: Map<number, string[]>;
  stop(): Promise<void>;
}

/** Large transactions, one after the other: some savepoints rolled back, some transactions too. */
function startWriter(database: TestDatabase, first: number, seed: () => number): Writer {
  const committed = new Map<number, string[]>();
  let stopped = false;
  let allowed = 0;
  const run = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    for (let tx = first; !stopped; tx += WRITERS) {
      const rows: string[] = [];
      await client.query('begin');
      for (let step = 0; step < STEPS; step++) {
        const gone = seed() < 0.3;
        await client.query('savepoint s');
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        await client.query(
          `insert into big (tx, step, n, pad) select ${tx}, ${step}, n, repeat('x', 100) from generate_series(1, ${ROWS}) n`,
        );
        if (gone) await client.query('rollback to s');
        else for (let n = 1; n <= ROWS; n++) rows.push(`${step}/${n}`);
        await client.query('release s');
      }
      // The last one stays open, so that a kill always finds some in progress.
      while (allowed <= 0 && !stopped) await new Promise((resolve) => setTimeout(resolve, 20));
      allowed--;
      if (seed() < 0.2) await client.query('rollback');
      else {
        await client.query('commit');
        committed.set(tx, rows);
      }
    }
    await client.end();
  };
  const done = run();
  return {
    committed,
    allow: (transactions) => {
      allowed = transactions;
    },
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

test(
  `F24: ${KILLS} kills while transactions are received in parts lose and reorder nothing (INV-2, INV-3)`,
  async () => {
    const random = testRandom('kills while transactions are in progress');
    await using database = await testDatabase();
    await database.query(`
      alter database "${database.name}" set logical_decoding_work_mem = '64kB';
      create table big (id bigserial primary key, tx int, step int, n int, pad text);
      create table mark (id int primary key)`);
    await using millrace = await startMillrace();
    const source = { ...postgresSource(database, 'parts', ['big', 'mark']), 'millrace.streaming': 'on' };
    await putConnector(millrace, 'source', source);
    // A snapshot reads the rows of several transactions in the order of their keys: it must not begin again.
    await eventually('the snapshot is over', async () => {
      const { body } = await millrace.request('GET', '/connectors/source/offsets');
      const { offsets = [] } = body as { offsets?: { offset: Record<string, unknown> }[] };
      return offsets.some(
        ({ offset }) => offset['lsn'] !== undefined && offset['snapshot_completed'] !== false,
      );
    });
    const writers = Array.from({ length: WRITERS }, (_, i) => startWriter(database, i, () => random.next()));
    for (let kill = 0; kill < KILLS; kill++) {
      for (const writer of writers) writer.allow(TRANSACTIONS_A_KILL);
      await moment(random, 200, 1500);
      await millrace.end('SIGKILL');
      const spool = `${millrace.dataDir}/data/spool`;
      expect(existsSync(spool) ? readdirSync(spool) : []).toEqual([]);
      await millrace.start();
    }
    for (const writer of writers) await writer.stop();
    await untilRunning(millrace, 'source');
    await database.query('insert into mark values (1)');
    await eventually(
      'the last transaction in its topic',
      async () => (await readTopic(millrace.kafka, 'parts.public.mark')).length > 0,
      90_000,
    );
    const seen = (await readTopic(millrace.kafka, 'parts.public.big')).map(
      ({ value }) => (JSON.parse(value?.toString() ?? 'null') as { payload: { after: Row } }).payload.after,
    );
    const [statistics] = await database.query(
      'select stream_txns::int as parts from pg_stat_get_replication_slot($1)',
      [database.name],
    );
    expect(statistics?.['parts']).toBeGreaterThan(0);
    // Its metrics come from the thread of the task to the page of the worker; what is not known is not there.
    await eventually('the metrics of the source', async () => {
      const page = await (await fetch(`${millrace.rest}/metrics`)).text();
      const value = (name: string): number =>
        Number(new RegExp(`^${name}\\{[^}]*name="parts"[^}]*\\} (\\S+)$`, 'm').exec(page)?.[1] ?? Number.NaN);
      return (
        value('debezium_metrics_NumberOfCommittedTransactions') > 0 &&
        value('millrace_postgres_slot_retained_wal_bytes') >= 0 &&
        value('millrace_source_lag_bytes') === 0 &&
        value('millrace_postgres_spooled_bytes') === 0
      );
    });
    // What comes again is a contiguous range that ends where new rows begin.
    const order = new Map<string, number>();
    let repeats = 0;
    let last = -1;
    for (const { tx, step, n } of seen) {
      const row = `${tx}/${step}/${n}`;
      const place = order.get(row) ?? order.size;
      if (place !== last + 1) repeats++;
      order.set(row, place);
      last = place;
    }
    expect(repeats).toBeLessThanOrEqual(KILLS);
    const delivered = new Map<number, string[]>();
    for (const row of order.keys()) {
      const [tx, ...rest] = row.split('/');
      const rows = delivered.get(Number(tx)) ?? [];
      rows.push(rest.join('/'));
      delivered.set(Number(tx), rows);
    }
    const committed = new Map(
      writers.flatMap((writer) => [...writer.committed]).filter(([, rows]) => rows.length > 0),
    );
    expect([...delivered.keys()].sort((a, b) => a - b)).toEqual([...committed.keys()].sort((a, b) => a - b));
    for (const [tx, rows] of committed) expect(delivered.get(tx), `transaction ${tx}`).toEqual(rows);
    // A transaction is not torn apart by another.
    const runs = [...order.keys()].filter((row, i, all) => row.split('/')[0] !== all[i - 1]?.split('/')[0]);
    expect(runs.length).toBe(committed.size);
  },
  120_000 + KILLS * 10_000,
);

interface Row {
  readonly tx: number;
  readonly step: number;
  readonly n: number;
}
