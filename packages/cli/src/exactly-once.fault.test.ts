// Exactly-once sources: whoever reads committed records sees each once and in order, whatever is killed, held or fenced
// in between.
import {
  type Change,
  type DeliveredChange,
  eventually,
  historyProblems,
  type MillraceProcess,
  startMillrace,
  testDatabase,
  testRandom,
  testRounds,
} from '@millrace/testkit';
import { expect, test } from 'vitest';
import {
  CHANGING_TABLES,
  committedChanges,
  createChangingTables,
  deliveredChanges,
  TableWriters,
} from './testing/changing-tables.ts';
import { postgresSource, putConnector } from './testing/connectors.ts';
import { moment, temporaryFolder } from './testing/moments.ts';
import { fileSource, Lines, replays, untilLine } from './testing/numbered-lines.ts';
import { readTopic } from './testing/topic-reader.ts';

const KILLS = testRounds(4, 100);
const CATCH_UP_MS = 90_000 + KILLS * 1000;
const ENABLED = { 'exactly.once.source.support': 'enabled', 'offset.flush.interval.ms': '200' };

test(`${KILLS} kills of worker and broker in one process: each line of a file comes once (INV-2, INV-3)`, {
  timeout: 120_000 + KILLS * 10_000,
}, async () => {
  const random = testRandom('exactly once under kills');
  using folder = temporaryFolder();
  await using millrace: MillraceProcess = await startMillrace({ properties: ENABLED });
  const boundaries = ['poll', 'interval'] as const;
  const files = boundaries.map((boundary) => new Lines(folder.path, boundary, 4));
  try {
    for (const [i, boundary] of boundaries.entries()) {
      await putConnector(millrace, boundary, {
        ...fileSource((files[i] as Lines).file, boundary),
        'exactly.once.support': 'required',
        'transaction.boundary': boundary,
        'batch.size': '200',
      });
    }
    for (let kill = 0; kill < KILLS; kill++) {
      await moment(random, 0, 2000);
      await millrace.crash();
    }
    await moment(random, 0, 1000);
  } finally {
    for (const lines of files) lines[Symbol.dispose]();
  }
  for (const [i, boundary] of boundaries.entries()) {
    await untilLine(millrace.kafka, boundary, (files[i] as Lines).count);
    expect(await replays(millrace.kafka, boundary)).toEqual({
      last: (files[i] as Lines).count - 1,
      count: 0,
    });
  }
});

const once = { 'exactly.once.support': 'required' };

/** Waits until a topic has every committed change of a table, in order and once. */
async function untilWhole(
  kafka: string,
  topic: string,
  committed: () => Promise<readonly Change[]>,
  problems: (committed: readonly Change[], delivered: readonly DeliveredChange[]) => readonly string[],
): Promise<void> {
  const keyColumns = CHANGING_TABLES[topic.slice(topic.lastIndexOf('.') + 1)] ?? [];
  await eventually(
    `all of ${topic}`,
    async () => {
      const delivered = deliveredChanges(await readTopic(kafka, topic), keyColumns);
      const found = problems(await committed(), delivered);
      if (found.length > 0) throw new Error(found.slice(0, 5).join('; '));
      return true;
    },
    CATCH_UP_MS,
  );
}

test(`${KILLS} kills under load: each change of Postgres comes once (INV-2, INV-3)`, {
  timeout: 180_000 + KILLS * 15_000,
}, async () => {
  const random = testRandom('changes exactly once');
  await using database = await testDatabase();
  await createChangingTables(database);
  await using millrace = await startMillrace({ properties: ENABLED });
  const tables = Object.keys(CHANGING_TABLES);
  await putConnector(millrace, 'source', postgresSource(database, 'once', tables, once));
  await eventually('the snapshot is over', async () => {
    const { body } = await millrace.request('GET', '/connectors/source/offsets');
    const { offsets = [] } = body as { offsets?: { offset: Record<string, unknown> }[] };
    return offsets.some(({ offset }) => offset['snapshot_completed'] !== false);
  });
  await using writers = new TableWriters(database.url, random, { connections: 3, pauseMs: 4 });
  for (let kill = 0; kill < KILLS; kill++) {
    await moment(random, 0, 2500);
    await millrace.crash();
  }
  await writers.stop();
  for (const table of tables) {
    await untilWhole(
      millrace.kafka,
      `once.public.${table}`,
      () => committedChanges(database, table),
      (committed, delivered) => historyProblems(committed, delivered, 0),
    );
  }
  process.stderr.write(`${KILLS} kills, ${writers.committed} transactions\n`);
});

test(`${KILLS} kills during a snapshot under load: each row is read once and no change is missing (INV-3)`, {
  timeout: 180_000 + KILLS * 15_000,
}, async () => {
  const random = testRandom('rows exactly once');
  await using database = await testDatabase();
  await createChangingTables(database);
  await database.query(
    "insert into account (id, name, balance) select n, 'name ' || n, 0 from generate_series(1001, 40000) n",
  );
  // Whose order only the server knows.
  await database.query(
    "insert into doc (id, body, n) select 'doc ' || n || ' Row', repeat('x', 400), 0 from generate_series(1, 5000) n",
  );
  // Rows without a key are read in no order: all of them become visible together.
  await database.query('create table bare (n integer); insert into bare select generate_series(1, 20000)');
  await using millrace = await startMillrace({ properties: ENABLED });
  const tables = Object.keys(CHANGING_TABLES);
  await using writers = new TableWriters(database.url, random, { connections: 2, pauseMs: 10 });
  const config = postgresSource(database, 'rows', [...tables, 'bare'], { ...once, 'max.batch.size': '512' });
  await millrace.request('PUT', '/connectors/source/config', config);
  const offset = async (): Promise<Record<string, unknown>> => {
    const { body } = await millrace.request('GET', '/connectors/source/offsets');
    return (body as { offsets?: { offset: Record<string, unknown> }[] }).offsets?.[0]?.offset ?? {};
  };
  let before = '{}';
  for (let kill = 0; kill < KILLS; kill++) {
    // Each run gets on at least a little.
    await eventually(
      'more is committed',
      async () => {
        const now = JSON.stringify(await offset());
        const isMore = now !== before;
        before = now;
        return isMore;
      },
      CATCH_UP_MS,
    );
    await moment(random, 0, 300);
    await millrace.crash();
  }
  await eventually('the snapshot is complete', async () => 'lsn_proc' in (await offset()), CATCH_UP_MS);
  // The stream passes what was read at several points.
  for (let kill = 0; kill < 2; kill++) {
    await moment(random, 0, 500);
    await millrace.crash();
  }
  await writers.stop();
  for (const table of tables) {
    await untilWhole(
      millrace.kafka,
      `rows.public.${table}`,
      () => committedChanges(database, table),
      suffixProblems,
    );
  }
  const resumed = millrace.logs.split('going on with the snapshot').length - 1;
  process.stderr.write(`${KILLS} kills, ${resumed} snapshots gone on with\n`);
  const numbers = (await readTopic(millrace.kafka, 'rows.public.bare')).map(
    ({ value }) => (JSON.parse(String(value)) as { payload: { after: { n: number } } }).payload.after.n,
  );
  expect(numbers.length).toBe(20_000);
  expect(new Set(numbers).size).toBe(20_000);
});

/** A row that is read stands for its changes so far: what a topic has of a key is the end of its history. */
function suffixProblems(committed: readonly Change[], delivered: readonly DeliveredChange[]): string[] {
  const versions = (changes: readonly Change[]): Map<string, (number | null)[]> => {
    const byKey = new Map<string, (number | null)[]>();
    for (const { key, version } of changes) byKey.set(key, [...(byKey.get(key) ?? []), version]);
    return byKey;
  };
  const seen = versions(delivered);
  const problems: string[] = [];
  for (const [key, history] of versions(committed)) {
    const got = seen.get(key) ?? [];
    const expected = got.length === 0 ? (history.at(-1) === null ? [] : history) : history.slice(-got.length);
    if (JSON.stringify(got) !== JSON.stringify(expected)) {
      problems.push(`${key}: the topic has ${got.join(' ')}, its history is ${history.join(' ')}`);
    }
  }
  return problems;
}
