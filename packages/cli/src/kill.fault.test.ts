// SIGKILL at any moment, while rows keep changing: what Postgres committed is in the topics and in Redis, in order.
import {
  eventually,
  historyProblems,
  type MillraceProcess,
  type SeededRandom,
  startMillrace,
  type TestDatabase,
  testDatabase,
  testRandom,
  testRedis,
  testRounds,
  withoutReplays,
} from '@millrace/testkit';
import { expect, test } from 'vitest';
import { withBrokerAlone } from './testing/broker-alone.ts';
import {
  CHANGING_TABLES,
  committedChanges,
  createChangingTables,
  deliveredChanges,
  TableWriters,
} from './testing/changing-tables.ts';
import {
  postgresSource,
  putConnector,
  redisSink,
  untilCacheEquals,
  untilRunning,
} from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

const KILLS = testRounds(10, 200);
const ENDS = testRounds(3, 30);
const SNAPSHOT_KILLS = testRounds(3, 30);
const TABLES = Object.keys(CHANGING_TABLES);
/** The longer the campaign, the more there may be to catch up with. */
const CATCH_UP_MS = 90_000 + KILLS * 1000;

/** Waits a random while. A crash test has to choose moments that nothing announces. */
function randomMoment(random: SeededRandom, mostMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, random.int(0, mostMs)));
}

/** Kills it, at times again while it starts. Returns how many starts were killed. */
async function crash(millrace: MillraceProcess, random: SeededRandom): Promise<number> {
  await millrace.end('SIGKILL');
  let starts = 0;
  while (random.next() < 0.2) {
    const starting = millrace.start().catch(() => undefined);
    await randomMoment(random, 1200);
    await millrace.end('SIGKILL');
    await starting;
    starts++;
  }
  return starts;
}

/** How far the server was told to forget. */
async function confirmedLsn(database: TestDatabase): Promise<bigint> {
  const [slot] = await database.query(
    "select (confirmed_flush_lsn - '0/0')::text as lsn from pg_replication_slots where slot_name = $1",
    [database.name],
  );
  return BigInt(String(slot?.['lsn'] ?? 0));
}

function offsetLsn(offset: Record<string, unknown> | null | undefined): bigint {
  const positions = ['lsn', 'lsn_proc', 'lsn_commit'].map((name) => BigInt(String(offset?.[name] ?? 0)));
  return positions.reduce((most, each) => (each > most ? each : most), 0n);
}

/** The stored offset on the disk of a Millrace that is down. */
function storedLsn(millrace: MillraceProcess): Promise<bigint> {
  return withBrokerAlone(`${millrace.dataDir}/data`, millrace.kafka, async () => {
    const stored = (await readTopic(millrace.kafka, 'connect-offsets')).filter(
      ({ key }) => key?.toString() === '["source",{"server":"kill"}]',
    );
    return offsetLsn(
      JSON.parse(stored.at(-1)?.value?.toString() ?? 'null') as Record<string, unknown> | null,
    );
  });
}

test(
  `F1: ${KILLS} kills under load lose, reorder and revive nothing (INV-1, INV-2, INV-3, INV-9)`,
  async () => {
    const random = testRandom('kills under load');
    await using database = await testDatabase();
    await createChangingTables(database);
    const redis = testRedis();
    await using millrace = await startMillrace();
    await putConnector(millrace, 'source', postgresSource(database, 'kill', TABLES));
    await putConnector(millrace, 'sink', redisSink(redis, 'kill', TABLES));
    await untilCacheEquals(database, redis, CHANGING_TABLES);
    await using writers = new TableWriters(database.url, random, { connections: 3, pauseMs: 4 });
    let starts = 1;
    for (let kill = 0; kill < KILLS; kill++) {
      await randomMoment(random, 2500);
      starts += 1 + (await crash(millrace, random));
      // INV-1: the slot never stands beyond what is on disk.
      const confirmed = await confirmedLsn(database);
      expect(confirmed <= (await storedLsn(millrace)), `kill ${kill}: slot at ${confirmed}`).toBe(true);
      await millrace.start();
      const { body } = await millrace.request('GET', '/connectors/source/offsets');
      const stored = (body as { offsets?: { offset: Record<string, unknown> }[] }).offsets?.[0]?.offset;
      expect(offsetLsn(stored) >= confirmed).toBe(true);
    }
    await writers.stop();
    await untilRunning(millrace, 'source', CATCH_UP_MS);
    const rows = await untilCacheEquals(database, redis, CHANGING_TABLES, CATCH_UP_MS);
    let replays = 0;
    let changes = 0;
    for (const [table, keyColumns] of Object.entries(CHANGING_TABLES)) {
      const delivered = deliveredChanges(await readTopic(millrace.kafka, `kill.public.${table}`), keyColumns);
      const committed = await committedChanges(database, table);
      expect(historyProblems(committed, delivered, starts), table).toEqual([]);
      replays += withoutReplays(delivered, starts).replays;
      changes += committed.length;
    }
    process.stderr.write(
      `${KILLS} kills survived: ${writers.committed} transactions, ${changes} changes, ${rows} rows, ${replays} replays\n`,
    );
  },
  120_000 + KILLS * 16_000,
);

test(
  'F3: orderly ends under load repeat no change and lose none (INV-2, INV-3)',
  async () => {
    const random = testRandom('orderly ends under load');
    await using database = await testDatabase();
    await createChangingTables(database);
    await using millrace = await startMillrace();
    await putConnector(millrace, 'source', postgresSource(database, 'term', TABLES));
    // Rows that a snapshot reads are not in the history one by one.
    await eventually('the snapshot is over', async () => {
      const { body } = await millrace.request('GET', '/connectors/source/offsets');
      const { offsets = [] } = body as { offsets?: { offset: Record<string, unknown> }[] };
      return offsets.some(({ offset }) => offset['snapshot_completed'] !== false);
    });
    await using writers = new TableWriters(database.url, random, { connections: 3, pauseMs: 20 });
    for (let end = 0; end < ENDS; end++) {
      await randomMoment(random, 1500);
      expect(await millrace.end('SIGTERM')).toBe(true);
      await millrace.start();
      await untilRunning(millrace, 'source', CATCH_UP_MS);
    }
    await writers.stop();
    const [last] = await database.query("select (pg_current_wal_lsn() - '0/0')::text as lsn");
    await eventually(
      'all is delivered',
      async () => (await confirmedLsn(database)) >= BigInt(String(last?.['lsn'])),
      CATCH_UP_MS,
    );
    for (const [table, keyColumns] of Object.entries(CHANGING_TABLES)) {
      const delivered = deliveredChanges(await readTopic(millrace.kafka, `term.public.${table}`), keyColumns);
      expect(historyProblems(await committedChanges(database, table), delivered, 0), table).toEqual([]);
    }
  },
  180_000 + ENDS * 10_000,
);

test(
  `F2: ${SNAPSHOT_KILLS} kills during the snapshot leave out no row (INV-3, INV-9)`,
  async () => {
    const random = testRandom('kills during the snapshot');
    await using database = await testDatabase();
    await createChangingTables(database);
    await database.query(
      "insert into account (id, name, balance) select n, 'name ' || n, 0 from generate_series(1001, 30000) n",
    );
    const redis = testRedis();
    await using millrace = await startMillrace();
    await using writers = new TableWriters(database.url, random, { connections: 2, pauseMs: 10 });
    await millrace.request('PUT', '/connectors/source/config', postgresSource(database, 'snap', TABLES));
    await millrace.request('PUT', '/connectors/sink/config', redisSink(redis, 'snap', TABLES));
    for (let kill = 0; kill < SNAPSHOT_KILLS; kill++) {
      await randomMoment(random, 700);
      await crash(millrace, random);
      await millrace.start();
    }
    await eventually(
      'the snapshot is complete',
      async () => {
        const { body } = await millrace.request('GET', '/connectors/source/offsets');
        return (body as { offsets?: { offset: object }[] }).offsets?.some(
          ({ offset }) => 'lsn_proc' in offset,
        );
      },
      CATCH_UP_MS,
    );
    await writers.stop();
    await untilCacheEquals(database, redis, CHANGING_TABLES, CATCH_UP_MS).catch(async (error: unknown) => {
      const shown = ['source/status', 'source/offsets', 'sink/status', 'sink/offsets'];
      const states = await Promise.all(
        shown.map(async (what) => (await millrace.request('GET', `/connectors/${what}`)).body),
      );
      throw new Error(`${String(error)}\n${JSON.stringify(states)}\n${millrace.logs.slice(-6000)}`);
    });
  },
  180_000 + SNAPSHOT_KILLS * 15_000,
);
