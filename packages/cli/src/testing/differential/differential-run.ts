// One config of the differential: Debezium and Millrace, each with a slot and a publication of its own, follow the same
// random workload in the same database, and their topics are compared.
import {
  eventually,
  type RestSubject,
  SeededRandom,
  type TestDatabase,
  testDatabase,
} from '@millrace/testkit';
import pg from 'pg';
import { type Config, putConnector } from '../connectors.ts';
import { type TailRecord, TopicTail } from '../topic-tail.ts';
import { TYPES_SQL } from './column-kinds.ts';
import { type DifferenceKind, type Side, TopicComparison } from './comparison.ts';
import { readLayouts } from './layouts.ts';
import { differsOnPurpose } from './on-purpose.ts';
import { RandomWorkload } from './random-workload.ts';

export interface Worker extends RestSubject {
  readonly kafka: string;
  /** What it printed. */
  readonly logs: string;
}

export interface RunOptions {
  readonly name: string;
  readonly config: Config;
  readonly workers: Readonly<Record<Side, Worker>>;
  readonly seed: number;
  /** Ends when so many events were compared. */
  readonly events: number;
  /** Told every transaction and the position after it. */
  readonly log?: ((line: string) => void) | undefined;
}

export interface RunResult {
  readonly compared: number;
  readonly differences: readonly DifferenceKind[];
  readonly onPurpose: ReadonlyMap<string, number>;
  /** Transactions, and those that the server refused. */
  readonly transactions: number;
  readonly refused: readonly string[];
}

const SYNC_TABLE = 'differential_sync';
/** Transactions between two looks at both sides. */
const ROUND = 25;
const SYNC_WITHIN_MS = 60_000;
/** A record that one side has and the other has not after so long is missing. */
const REST_WITHIN_MS = 15_000;
const BEFORE_SQL =
  "select pg_current_xact_id()::text::bigint % 4294967296 as xid, pg_current_wal_insert_lsn() - '0/0' as at";
const SIDES: readonly Side[] = ['debezium', 'millrace'];
const json = 'org.apache.kafka.connect.json.JsonConverter';

export async function differentialRun(options: RunOptions): Promise<RunResult> {
  const random = new SeededRandom(options.seed);
  await using database = await testDatabase();
  const client = new pg.Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
  const workload = new RandomWorkload(random);
  await client.query(TYPES_SQL);
  await client.query(`create table ${SYNC_TABLE} (n int primary key)`);
  const setUp = workload.setUp();
  options.log?.(`${TYPES_SQL}\n${setUp};\n`);
  await client.query(setUp);
  const { workers, name, config } = options;
  for (const side of SIDES) {
    await client.query(`create publication ${side} for all tables`);
    await putConnector(workers[side], name, { ...connector(database, name, side), ...config });
  }
  await using debezium = new TopicTail(workers.debezium.kafka, `${name}.`);
  await using millrace = new TopicTail(workers.millrace.kafka, `${name}.`);
  const tails = { debezium, millrace };
  const comparison = new TopicComparison(differsOnPurpose, config['skipped.operations']?.split(','));
  const follow = SIDES.map((side) => ({ side, tail: tails[side], synced: 0 }));
  let broken: Error | undefined;
  const take = (one: (typeof follow)[number], records: readonly TailRecord[]): void => {
    try {
      comparison.add(one.side, records);
    } catch (error) {
      broken ??= error instanceof Error ? error : new Error(String(error));
    }
    for (const { topic, key } of records)
      if (topic === `${name}.public.${SYNC_TABLE}`) one.synced = Math.max(one.synced, syncNumber(key));
  };
  const look = async (): Promise<void> => {
    await Promise.all(follow.map(async (one) => take(one, await one.tail.poll())));
  };
  let round = 0;
  const sync = async (): Promise<void> => {
    const n = ++round;
    await client.query(`insert into ${SYNC_TABLE} values (${n})`);
    const arrived = async (): Promise<boolean> => {
      await look();
      return follow.every(({ synced }) => synced >= n);
    };
    if (broken !== undefined) throw broken;
    await eventually(`both sides reach ${n}`, arrived, SYNC_WITHIN_MS).catch((error: unknown) =>
      explain(error, options, follow),
    );
  };
  let transactions = 0;
  const refused: string[] = [];
  const attempt = async (
    make: () => string | { readonly before: string; readonly after: string },
  ): Promise<void> => {
    const saved = workload.save();
    const made = make();
    const sql = typeof made === 'string' ? made : `${made.before};\n${made.after}`;
    transactions++;
    try {
      if (typeof made === 'string') await client.query(made);
      else {
        const before = await readLayouts(client);
        await client.query(made.before);
        const { rows } = await client.query<{ xid: string; at: string }>(BEFORE_SQL);
        await client.query(made.after);
        const after = await readLayouts(client);
        comparison.altered(Number(rows[0]?.xid), { lsn: BigInt(rows[0]?.at ?? 0), before, after });
      }
      if (options.log) {
        const { rows } = await client.query<{ at: string }>("select pg_current_wal_lsn() - '0/0' as at");
        options.log(`${sql};\n-- to ${rows[0]?.at}\n`);
      }
    } catch (error) {
      await client.query('rollback');
      workload.restore(saved);
      refused.push(`${String(error)} in ${sql.slice(0, 3000)}`);
    }
  };
  await sync();
  await sync();
  while (comparison.compared < options.events) {
    for (let i = 0; i < ROUND; i++) await attempt(() => workload.transaction());
    await sync();
    // Both have read what was before, and none reads the catalog while it changes.
    await attempt(() => workload.alteration());
    await sync();
  }
  const settled = async (): Promise<boolean> => {
    await look();
    return comparison.pending === 0;
  };
  await eventually('both sides have written the same number of records', settled, REST_WITHIN_MS).catch(
    () => undefined, // what waits is counted
  );
  if (broken !== undefined) throw broken;
  comparison.end();
  for (const side of SIDES) await workers[side].request('DELETE', `/connectors/${name}`);
  await client.end();
  const { compared, differences, onPurpose } = comparison;
  return { compared, differences, onPurpose, transactions, refused };
}

function connector(database: TestDatabase, name: string, side: Side): Config {
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': database.host,
    'database.port': String(database.port),
    'database.user': database.user,
    'database.password': database.password,
    'database.dbname': database.name,
    'topic.prefix': name,
    'plugin.name': 'pgoutput',
    'slot.name': `${database.name}_${side}`,
    'publication.name': side,
    'poll.interval.ms': '5',
    'key.converter': json,
    'value.converter': json,
  };
}

/** The number of a sync row in its key, with schemas or without. */
function syncNumber(key: Buffer | null): number {
  return Number(/"n":(\d+)/.exec(key?.toString() ?? '')?.[1] ?? 0);
}

async function explain(
  error: unknown,
  { workers, name }: RunOptions,
  follow: readonly { readonly side: Side; readonly synced: number }[],
): Promise<never> {
  const lines = [String(error)];
  for (const { side, synced } of follow) {
    const { body } = await workers[side].request('GET', `/connectors/${name}/status`);
    lines.push(`${side} at ${synced}: ${JSON.stringify(body)}`, workers[side].logs.slice(-4000));
  }
  throw new Error(lines.join('\n'));
}
