// Exactly-once sources on a real Kafka: a group of ours whose workers are killed and held, and one that a real Connect
// worker shares, where each fences for the other. Needs Java 17 and Maven: a named skip elsewhere.
import path from 'node:path';
import { eventually, type MillraceProcess, RealConnect, testDatabase, testRandom } from '@millrace/testkit';
import { expect, test } from 'vitest';
import {
  CHANGING_TABLES,
  createChangingTables,
  expectWhole,
  TableWriters,
} from './testing/changing-tables.ts';
import { postgresSource, putConnector, untilRunning, untilSnapshotStored } from './testing/connectors.ts';
import { fileSource, Lines, replays, untilLine } from './testing/numbered-lines.ts';
import { realKafka } from './testing/real-kafka.ts';
import { readTopic } from './testing/topic-reader.ts';
import { group, statuses, takeOver, Workers } from './testing/workers.ts';

const ENABLED = { 'exactly.once.source.support': 'enabled' };
const TABLES = Object.keys(CHANGING_TABLES);
const { folder, kafkaOf } = realKafka('once');

test('INV-2 INV-3: workers on a real Kafka take over, and every change and line comes once', {
  timeout: 300_000,
}, async (context) => {
  const address = kafkaOf(context);
  await using database = await testDatabase();
  await createChangingTables(database);
  await using started = new Workers(address, { ...group('once'), ...ENABLED });
  const workers = await started.start(2);
  const [first] = workers as [MillraceProcess];
  await putConnector(first, 'rows', postgresSource(database, 'once', TABLES));
  using lines = new Lines(folder, 'lines', 2);
  await putConnector(first, 'lines', fileSource(lines.file, 'lines'));
  await untilSnapshotStored(first, 'rows');
  await using writers = new TableWriters(database.url, testRandom('once on a real Kafka'), {
    connections: 2,
    pauseMs: 5,
  });
  const killed = await takeOver(workers, 'rows', (worker) => worker.end('SIGKILL'));
  await killed.start();
  const held = await takeOver(workers, 'rows', (worker) => void process.kill(worker.pid ?? 0, 'SIGSTOP'));
  process.kill(held.pid ?? 0, 'SIGCONT');
  for (const name of ['rows', 'lines']) await untilRunning(first, name, 60_000);
  await writers.stop();
  lines[Symbol.dispose]();
  await expectWhole(address, database, 'once', 0);
  await untilLine(address, 'lines', lines.count);
  expect(await replays(address, 'lines')).toEqual({ last: lines.count - 1, count: 0 });
});

test('a real Connect worker and one of ours fence for each other, whoever leads', {
  timeout: 300_000,
}, async (context) => {
  const address = kafkaOf(context);
  for (const leader of ['connect', 'millrace'] as const) {
    const own = { ...group(`once-${leader}`), ...ENABLED };
    await using started = new Workers(address, own);
    const begin = {
      connect: () => RealConnect.start(path.join(folder, leader), address, own),
      millrace: async () => (await started.start(1))[0] as MillraceProcess,
    };
    // Who comes first leads.
    const early = await begin[leader]();
    const late = leader === 'connect' ? await begin.millrace() : await begin.connect();
    const [connect, millrace] = (leader === 'connect' ? [early, late] : [late, early]) as [
      RealConnect,
      MillraceProcess,
    ];
    const databases = [await testDatabase(), await testDatabase()];
    try {
      for (const [i, database] of databases.entries()) {
        await createChangingTables(database);
        const config = {
          ...postgresSource(database, `${leader}-${i}`, TABLES, {
            'slot.name': `once_${leader}_${i}`,
            'publication.name': `once_${leader}_${i}`,
          }),
          'exactly.once.support': 'required',
        };
        // Made, and made anew: the second time the tasks before are fenced.
        for (const more of [{}, { 'max.batch.size': '1024' }]) {
          await eventually(
            'the config is taken',
            async () => {
              const { status, body } = await millrace.request('PUT', `/connectors/p${i}/config`, {
                ...config,
                ...more,
              });
              if (status < 300) return true;
              throw new Error(`${status}: ${JSON.stringify(body)}`);
            },
            60_000,
          );
          await untilRunning(millrace, `p${i}`, 90_000);
        }
      }
      await eventually(
        'one runs on each',
        async () => {
          const tasks = [...(await statuses(millrace)).values()].flatMap((one) => one.tasks);
          const places = new Set(
            tasks.filter(({ state }) => state === 'RUNNING').map((one) => one.worker_id),
          );
          if (tasks.length === 2 && places.size === 2) return true;
          throw new Error(JSON.stringify(tasks));
        },
        90_000,
      );
      await eventually(
        'the tasks of both generations were counted',
        async () => {
          const counted = (await readTopic(address, `once-${leader}-configs`))
            .filter(({ key }) => String(key).startsWith('tasks-fencing-'))
            .map(({ key, value }) => `${String(key)} ${String(value)}`);
          const isTwice = ['p0', 'p1'].every(
            (name) => counted.filter((one) => one === `tasks-fencing-${name} {"task-count":1}`).length > 1,
          );
          if (isTwice) return true;
          throw new Error(counted.join('; '));
        },
        60_000,
      );
    } finally {
      await connect.stop();
      await millrace[Symbol.asyncDispose]();
      for (const database of databases) await database[Symbol.asyncDispose]();
    }
  }
});
