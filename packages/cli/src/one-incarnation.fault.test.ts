// A task is restarted while its last requests are still under way: none of its records comes after the first one of
// its next incarnation. The broker is a process of its own, and a proxy before it holds the requests.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, historyProblems, startMillrace, testDatabase, testRandom } from '@millrace/testkit';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CHANGING_TABLES,
  committedChanges,
  createChangingTables,
  deliveredChanges,
  TableWriters,
} from './testing/changing-tables.ts';
import { postgresSource, putConnector, untilRunning } from './testing/connectors.ts';
import type { KafkaProxy } from './testing/kafka-proxy.ts';
import { writePackage } from './testing/other-plugins.ts';
import { startProxiedBroker } from './testing/proxied-broker.ts';
import { readTopic } from './testing/topic-reader.ts';
import { startWorkerWith } from './testing/worker-with.ts';

/** Long enough to see a next incarnation that does not wait, short enough for a test. */
const HELD_MS = 1500;
const REQUEST_TIMEOUT_MS = 4000;

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-incarnation-'));
const cleanups: (() => PromiseLike<unknown>)[] = [];
let proxy: KafkaProxy;
/** The broker without the proxy. */
let direct = '';
let rest = '';

async function request(method: string, pathname: string, body?: object): Promise<unknown> {
  const response = await fetch(rest + pathname, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (response.status >= 400) throw new Error(`${method} ${pathname}: ${await response.text()}`);
  return response.status === 204 ? undefined : await response.json();
}

/** The counting source once more, in a package: as a plug-in of others, whose tasks have a process of their own. */
function countingPackage(): string {
  const counting = JSON.stringify(new URL('testing/counting-plugins.mjs', import.meta.url).href);
  const package_ = path.join(folder, 'counting');
  const index = `import { pluginEntries } from ${counting};
const counting = await pluginEntries.at(-1).load();
export const plugin = { ...counting, className: 'test.OtherCountingSource' };
`;
  writePackage(package_, { name: 'counting' }, { 'index.js': index });
  return package_;
}

beforeAll(async () => {
  const broker = await startProxiedBroker(folder, /^connector-producer-/);
  cleanups.push(() => broker[Symbol.asyncDispose]());
  ({ proxy, direct } = broker);
  const worker = await startWorkerWith(
    'counting-plugins.mjs',
    `127.0.0.1:${proxy.port}`,
    path.join(folder, 'worker'),
    {
      'task.restart.backoff.ms': '100',
      'producer.request.timeout.ms': String(REQUEST_TIMEOUT_MS),
      plugins: countingPackage(),
    },
  );
  cleanups.push(() => worker[Symbol.asyncDispose]());
  ({ rest } = worker);
});

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

/** Incarnations in the order of their records in the topic, each with its numbers. */
async function incarnations(topic: string): Promise<{ readonly name: string; readonly numbers: number[] }[]> {
  const runs: { name: string; numbers: number[] }[] = [];
  for (const { value } of await readTopic(direct, topic)) {
    const [name = '', number] = (value?.toString() ?? '').split(' ');
    if (runs.at(-1)?.name !== name) runs.push({ name, numbers: [] });
    runs.at(-1)?.numbers.push(Number(number));
  }
  return runs;
}

async function start(
  name: string,
  connectorClass = 'test.CountingSource',
): Promise<{ readonly dieFile: string }> {
  const dieFile = path.join(folder, `die-${name}`);
  await request('PUT', `/connectors/${name}/config`, {
    'connector.class': connectorClass,
    topic: name,
    'die.file': dieFile,
  });
  await eventually('the first records', async () => (await incarnations(name)).length > 0);
  proxy.hold();
  await eventually('requests are held', () => proxy.held > 1);
  return { dieFile };
}

/** Gives a next incarnation the time to write something, then lets the old requests go on. */
async function release(): Promise<void> {
  const end = Date.now() + HELD_MS;
  await eventually('the time is over', () => proxy.passed > 0 || Date.now() > end);
  proxy.release();
}

async function expectNoneAfterTheNext(topic: string): Promise<void> {
  const runs = await eventually('the next incarnation writes', async () => {
    const seen = await incarnations(topic);
    return new Set(seen.map(({ name }) => name)).size > 1 && seen;
  });
  expect(runs.map(({ name }) => name)).toEqual([...new Set(runs.map(({ name }) => name))]);
  for (const { numbers } of runs)
    expect(numbers).toEqual(Array.from(numbers, (_, at) => (numbers[0] ?? 0) + at));
  const [old, next] = runs;
  expect(next?.numbers[0]).toBeLessThanOrEqual(Number(old?.numbers.at(-1)) + 1);
  // Requests that come late come now.
  expect((await incarnations(topic)).length).toBe(2);
}

test('INV-2: a task that is restarted over REST begins after the last request of the old one', async () => {
  await start('restarted');
  const restarted = request('POST', '/connectors/restarted/restart?includeTasks=true');
  await release();
  await restarted;
  await expectNoneAfterTheNext('restarted');
  await request('DELETE', '/connectors/restarted');
});

test.each([
  ['thread', 'test.CountingSource'],
  ['process', 'test.OtherCountingSource'],
])(
  'INV-2: a task whose %s died begins when its last requests have come or timed out',
  async (where, connectorClass) => {
    const name = `dead-${where}`;
    const { dieFile } = await start(name, connectorClass);
    writeFileSync(dieFile, '');
    await eventually('the status tells the wait', async () => {
      const { tasks } = (await request('GET', `/connectors/${name}/status`)) as {
        tasks: { state: string; trace?: string }[];
      };
      return (
        tasks[0]?.state === 'FAILED' &&
        tasks[0].trace?.includes(`by itself in ${REQUEST_TIMEOUT_MS / 1000} s`)
      );
    });
    await release();
    await expectNoneAfterTheNext(name);
    await request('DELETE', `/connectors/${name}`);
  },
);

test('INV-2 INV-3: a worker that is stopped past its session, its requests on their way, goes on without a gap', async () => {
  await using database = await testDatabase();
  await createChangingTables(database);
  const own = (name: string): string => `stopped-${name}`;
  await using millrace = await startMillrace({
    bootstrapServers: `127.0.0.1:${proxy.port}`,
    properties: {
      'bootstrap.servers': `127.0.0.1:${proxy.port}`,
      'group.id': own('group'),
      'config.storage.topic': own('configs'),
      'offset.storage.topic': own('offsets'),
      'status.storage.topic': own('status'),
      'session.timeout.ms': '6000',
      'heartbeat.interval.ms': '1000',
      'producer.request.timeout.ms': String(REQUEST_TIMEOUT_MS),
    },
  });
  await putConnector(millrace, 'source', postgresSource(database, 'stopped', Object.keys(CHANGING_TABLES)));
  await eventually('the snapshot is stored', async () => {
    const { body } = await millrace.request('GET', '/connectors/source/offsets');
    const { offsets } = body as { offsets: { offset: Record<string, unknown> }[] };
    return offsets.some(({ offset }) => offset['snapshot_completed'] === true || 'lsn_proc' in offset);
  });
  await using writers = new TableWriters(database.url, testRandom('a stopped worker'), {
    connections: 2,
    pauseMs: 5,
  });
  proxy.hold();
  await eventually('requests are held', () => proxy.held > 0);
  const { pid } = millrace;
  if (pid === undefined) throw new Error('the worker does not run');
  process.kill(pid, 'SIGSTOP');
  try {
    const admin = new Kafka({ brokers: [direct], logLevel: logLevel.NOTHING }).admin();
    await eventually('its session is over', async () => {
      const { groups } = await admin.describeGroups([own('group')]);
      return groups[0]?.members.length === 0;
    });
    await admin.disconnect();
    proxy.release();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await untilRunning(millrace, 'source');
  await writers.stop();
  for (const [table, keyColumns] of Object.entries(CHANGING_TABLES)) {
    const committed = await committedChanges(database, table);
    await eventually(`all changes of ${table}`, async () => {
      const delivered = deliveredChanges(await readTopic(direct, `stopped.public.${table}`), keyColumns);
      const problems = historyProblems(committed, delivered, 2);
      if (problems.length > 0) throw new Error(problems.slice(0, 3).join('; '));
      return true;
    });
  }
});
