// A connector changes hands on a real Kafka: from a real Connect worker with Debezium to Millrace and back, and the other
// way round, while rows keep changing. Both find the same configs, offsets, slot and publication; no second snapshot is
// taken, no change is missing or out of order, and what comes again is what was not confirmed. Needs Java 17 and Maven: a
// named skip elsewhere.
import path from 'node:path';
import {
  eventually,
  historyProblems,
  type MillraceProcess,
  RealConnect,
  type RestSubject,
  startMillrace,
  type TestDatabase,
  testDatabase,
  testRandom,
} from '@millrace/testkit';
import { expect, test } from 'vitest';
import {
  CHANGING_TABLES,
  committedChanges,
  createChangingTables,
  deliveredChanges,
  TableWriters,
} from './testing/changing-tables.ts';
import { postgresSource, putConnector, untilRunning } from './testing/connectors.ts';
import { realKafka } from './testing/real-kafka.ts';
import { readTopic } from './testing/topic-reader.ts';

type Owner = 'debezium' | 'millrace';
/** Who has it next, and how it ends: in order or killed. */
type Turn = readonly [owner: Owner, end: 'SIGTERM' | 'SIGKILL'];

const TABLES = Object.keys(CHANGING_TABLES);
/** A member of the group that was killed is waited for. */
const START_MS = 120_000;

const { folder, kafkaOf } = realKafka('takeover');

interface Worker extends RestSubject {
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<unknown>;
}

/** Both kinds of workers of one group, one of them running at a time. */
class Workers implements AsyncDisposable {
  readonly #name: string;
  readonly #kafka: string;
  #connect: RealConnect | undefined;
  #millrace: MillraceProcess | undefined;

  constructor(name: string, address: string) {
    this.#name = name;
    this.#kafka = address;
  }

  get #properties(): Record<string, string> {
    const storage = ['config', 'offset', 'status'].flatMap((kind) => [
      [`${kind}.storage.topic`, `${this.#name}-${kind}s`],
      [`${kind}.storage.replication.factor`, '1'],
    ]);
    return { 'group.id': this.#name, 'offset.flush.interval.ms': '500', ...Object.fromEntries(storage) };
  }

  async started(owner: Owner): Promise<Worker> {
    if (owner === 'debezium') {
      if (this.#connect) await this.#connect.start();
      const at = path.join(folder, this.#name);
      const connect = (this.#connect ??= await RealConnect.start(at, this.#kafka, this.#properties));
      return connect;
    }
    if (this.#millrace) await this.#millrace.start();
    const millrace = (this.#millrace ??= await startMillrace({
      bootstrapServers: this.#kafka,
      properties: this.#properties,
      readyTimeoutMs: START_MS,
    }));
    return {
      request: (method, at, body) => millrace.request(method, at, body),
      stop: (signal) => millrace.end(signal),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connect?.stop('SIGKILL');
    await this.#millrace?.[Symbol.asyncDispose]();
  }
}

/** What is wrong with the topics, at most some lines. */
async function problems(
  database: TestDatabase,
  prefix: string,
  address: string,
  replays: number,
): Promise<string[]> {
  const found: string[] = [];
  for (const [table, keyColumns] of Object.entries(CHANGING_TABLES)) {
    const records = await readTopic(address, `${prefix}.public.${table}`);
    const committed = await committedChanges(database, table);
    const delivered = deliveredChanges(records, keyColumns);
    found.push(...historyProblems(committed, delivered, replays).map((line) => `${table}: ${line}`));
  }
  return found;
}

/** Rows that came with a snapshot. */
async function snapshotRows(prefix: string, address: string): Promise<number> {
  let rows = 0;
  for (const table of TABLES)
    for (const { value } of await readTopic(address, `${prefix}.public.${table}`))
      if (value !== null && /"op":"r"/.test(value.toString())) rows++;
  return rows;
}

async function changesHands(address: string, name: string, turns: readonly Turn[]): Promise<void> {
  const random = testRandom(name);
  await using database = await testDatabase();
  await createChangingTables(database);
  const [seeded] = await database.query('select count(*)::int as rows from history');
  await using workers = new Workers(name, address);
  let created = false;
  let replays = 0;
  let committed = 0;
  for (const [owner, end] of turns) {
    const worker = await workers.started(owner);
    if (!created) await putConnector(worker, 'source', postgresSource(database, name, TABLES));
    created = true;
    await untilRunning(worker, 'source', START_MS);
    await eventually(
      'the snapshot',
      async () => (await snapshotRows(name, address)) === seeded?.['rows'],
      60_000,
    );
    {
      await using writers = new TableWriters(database.url, random, { connections: 2, pauseMs: 5 });
      await eventually('changes under the eyes of this owner', () => writers.committed >= 200, 60_000);
      // It goes while they come.
      await worker.stop(end);
      const when = writers.committed;
      await eventually('changes that nobody sees', () => writers.committed >= when + 100, 60_000);
      await writers.stop();
      committed += writers.committed;
    }
    replays++;
  }
  const [last] = turns;
  const worker = await workers.started(last?.[0] ?? 'millrace');
  await untilRunning(worker, 'source', START_MS);
  const none = async (): Promise<true> => {
    const found = await problems(database, name, address, replays);
    if (found.length > 0) throw new Error(found.join('\n'));
    return true;
  };
  await eventually('the topics tell what was committed', none, 90_000);
  expect(await snapshotRows(name, address)).toBe(seeded?.['rows']);
  const { body } = await worker.request('GET', '/connectors/source/status');
  expect(body).toMatchObject({ connector: { state: 'RUNNING' }, tasks: [{ state: 'RUNNING' }] });
  await worker.stop('SIGTERM');
  process.stderr.write(`${name}: ${committed} transactions over ${turns.length} changes of hands\n`);
}

test('Millrace goes on with what Debezium began, and Debezium with that', async (context) => {
  await changesHands(kafkaOf(context), 'from-debezium', [
    ['debezium', 'SIGTERM'],
    ['millrace', 'SIGTERM'],
    ['debezium', 'SIGKILL'],
    ['millrace', 'SIGKILL'],
  ]);
}, 900_000);

test('Debezium goes on with what Millrace began, and Millrace with that', async (context) => {
  await changesHands(kafkaOf(context), 'from-millrace', [
    ['millrace', 'SIGTERM'],
    ['debezium', 'SIGTERM'],
    ['millrace', 'SIGKILL'],
    ['debezium', 'SIGKILL'],
  ]);
}, 900_000);
