// Connector configs that the tests share, and what a test asks of a running connector.
import type { ConnectorStatus } from '@millrace/connect-api';
import { eventually, type MillraceProcess, type RestSubject, type TestDatabase } from '@millrace/testkit';
import { Redis } from 'ioredis';

export type Config = Readonly<Record<string, string>>;

const JSON_CONVERTERS: Config = {
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
};

/** A Postgres source whose topics are `PREFIX.public.TABLE`; slot and publication are named after the database. */
export function postgresSource(
  database: Pick<TestDatabase, 'host' | 'port' | 'user' | 'password' | 'name'>,
  prefix: string,
  tables: readonly string[],
  more: Config = {},
): Config {
  return {
    ...JSON_CONVERTERS,
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': database.host,
    'database.port': String(database.port),
    'database.user': database.user,
    'database.password': database.password,
    'database.dbname': database.name,
    'topic.prefix': prefix,
    'plugin.name': 'pgoutput',
    'slot.name': database.name,
    'publication.name': database.name,
    'publication.autocreate.mode': 'filtered',
    'table.include.list': tables.map((table) => `public.${table}`).join(','),
    'decimal.handling.mode': 'string',
    ...more,
  };
}

/** A Redis sink that keeps `REDISPREFIX:TABLE:KEY` equal to the rows of `PREFIX.public.TABLE`. */
export function redisSink(
  redis: { readonly url: string; readonly prefix: string },
  prefix: string,
  tables: readonly string[],
  more: Config = {},
): Config {
  return {
    ...JSON_CONVERTERS,
    'connector.class': 'io.millrace.connect.redis.RedisSinkConnector',
    topics: tables.map((table) => `${prefix}.public.${table}`).join(','),
    'redis.url': redis.url,
    'redis.mode': 'string',
    'redis.key.template': `${redis.prefix}:\${topic}:\${key}`,
    transforms: 'row,table',
    'transforms.row.type': 'io.debezium.transforms.ExtractNewRecordState',
    'transforms.table.type': 'org.apache.kafka.connect.transforms.RegexRouter',
    'transforms.table.regex': '.*[.]public[.](.*)',
    'transforms.table.replacement': '$1',
    ...more,
  };
}

/** Creates or changes a connector and waits for its tasks to run. */
export async function putConnector(millrace: RestSubject, name: string, config: Config): Promise<void> {
  const { status, body } = await millrace.request('PUT', `/connectors/${name}/config`, config);
  if (status >= 300) throw new Error(`PUT of ${name} was answered ${status}: ${JSON.stringify(body)}`);
  await untilRunning(millrace, name);
}

export async function connectorStatus(millrace: RestSubject, name: string): Promise<ConnectorStatus> {
  const { status, body } = await millrace.request('GET', `/connectors/${name}/status`);
  if (status !== 200)
    throw new Error(`the status of ${name} was answered ${status}: ${JSON.stringify(body)}`);
  return body as ConnectorStatus;
}

/** Waits until the connector and its tasks, at least one, are RUNNING. */
export function untilRunning(millrace: RestSubject, name: string, timeoutMs = 30_000): Promise<true> {
  return eventually(
    `${name} runs`,
    async () => {
      const status = await connectorStatus(millrace, name);
      const states = [status.connector, ...status.tasks].map((part) => part.state);
      if (status.tasks.length > 0 && states.every((state) => state === 'RUNNING')) return true;
      throw new Error(JSON.stringify(status).slice(0, 2000));
    },
    timeoutMs,
  );
}

/** Waits until a task that runs shows a trace that matches; returns it. */
export function untilStalled(millrace: MillraceProcess, name: string, trace: RegExp): Promise<string> {
  return eventually(`${name} says what keeps it`, async () => {
    const [task] = (await connectorStatus(millrace, name)).tasks;
    if (task?.state === 'RUNNING' && trace.test(task.trace ?? '')) return task.trace;
    throw new Error(JSON.stringify(task));
  });
}

interface Readiness {
  readonly status: string;
  readonly problems: readonly string[];
}

/** The problems that keep Millrace from being ready now, one a line. @throws when it is ready */
export async function notReady(millrace: MillraceProcess): Promise<string> {
  const { status, body } = await millrace.request('GET', '/health/ready');
  if (status !== 503) throw new Error(`ready was answered ${status}`);
  return (body as Readiness).problems.join('\n');
}

/** Waits until everything that should run does, and gets on. */
export function untilReady(millrace: MillraceProcess): Promise<true> {
  return eventually('Millrace is ready', async () => {
    const { status, body } = await millrace.request('GET', '/health/ready');
    if (status === 200) return true;
    throw new Error((body as Readiness).problems.join('; '));
  });
}

/** Rows of a table as JSON, under the Redis keys that `redisSink` gives them. */
export async function tableRows(
  database: Pick<TestDatabase, 'query'>,
  redisPrefix: string,
  table: string,
  keyColumns: readonly string[],
): Promise<Map<string, string>> {
  const rows = await database.query(`select * from "${table}"`);
  return new Map(
    rows.map((row) => {
      const key = keyColumns.map((column) => String(row[column])).join(':');
      return [`${redisPrefix}:${table}:${key}`, canonical(row)];
    }),
  );
}

/** What Redis holds below a prefix, as JSON. */
export async function cachedRows(redis: Redis, redisPrefix: string): Promise<Map<string, string>> {
  const keys: string[] = [];
  for await (const page of redis.scanStream({ match: `${redisPrefix}:*`, count: 5000 }))
    keys.push(...(page as string[]));
  const rows = new Map<string, string>();
  const distinct = [...new Set(keys)];
  for (let at = 0; at < distinct.length; at += 1000) {
    const some = distinct.slice(at, at + 1000);
    const values = await redis.mget(some);
    some.forEach((key, i) => {
      const value = values[i];
      if (typeof value === 'string') rows.set(key, canonical(JSON.parse(value) as Record<string, unknown>));
    });
  }
  return rows;
}

/** The first differences of two states, as text; empty when they are equal. */
export function stateDifferences(
  expected: ReadonlyMap<string, string>,
  actual: ReadonlyMap<string, string>,
): string[] {
  const differences: string[] = [];
  for (const [key, row] of expected)
    if (actual.get(key) !== row)
      differences.push(`${key}: expected ${row.slice(0, 200)}, found ${actual.get(key)?.slice(0, 200)}`);
  for (const key of actual.keys())
    if (!expected.has(key)) differences.push(`${key}: is in Redis and not in the table`);
  return differences;
}

/** Waits until Redis holds exactly the rows of the tables (table -> key columns). */
export async function untilCacheEquals(
  database: Pick<TestDatabase, 'query'>,
  redis: { readonly url: string; readonly prefix: string },
  tables: Readonly<Record<string, readonly string[]>>,
  timeoutMs = 30_000,
): Promise<number> {
  const client = new Redis(redis.url, { lazyConnect: true });
  client.on('error', () => undefined); // a test may stop the server meanwhile
  try {
    return await eventually(
      'Redis holds the rows of the tables',
      async () => {
        const expected = new Map<string, string>();
        for (const [table, keyColumns] of Object.entries(tables))
          for (const [key, row] of await tableRows(database, redis.prefix, table, keyColumns))
            expected.set(key, row);
        const differences = stateDifferences(expected, await cachedRows(client, redis.prefix));
        if (differences.length > 0)
          throw new Error(`${differences.length} differences; ${differences.slice(0, 3).join('; ')}`);
        return Math.max(1, expected.size);
      },
      timeoutMs,
    );
  } finally {
    client.disconnect();
  }
}

function canonical(row: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(row).map(([name, value]): [string, unknown] => [
    name,
    typeof value === 'bigint' ? String(value) : value,
  ]);
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Until then a change of a row may be part of the snapshot. */
export async function untilSnapshotStored(worker: RestSubject, name: string): Promise<void> {
  await eventually('the snapshot is stored', async () => {
    const { body } = await worker.request('GET', `/connectors/${name}/offsets`);
    const { offsets } = body as { offsets: { offset: Record<string, unknown> }[] };
    return offsets.some(({ offset }) => offset['snapshot_completed'] === true || 'lsn_proc' in offset);
  });
}
