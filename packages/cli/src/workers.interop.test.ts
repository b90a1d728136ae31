// Several workers of one group on a real Kafka: Millrace's among themselves, and one of Millrace beside a real Connect worker
// with Debezium, which understand each other's assignments and requests. Needs Java 17 and Maven: a named skip elsewhere.
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
import { realKafka } from './testing/real-kafka.ts';
import { group, idOf, statuses, takeOver, untilBalanced, Workers } from './testing/workers.ts';

const TABLES = Object.keys(CHANGING_TABLES);
const { folder, kafkaOf } = realKafka('workers');

type Database = Awaited<ReturnType<typeof testDatabase>>;

test('INV-1 INV-2 INV-3: workers on a real Kafka take over from one that is killed and one that stood still', {
  timeout: 300_000,
}, async (context) => {
  const address = kafkaOf(context);
  await using database = await testDatabase();
  await createChangingTables(database);
  await using started = new Workers(address, group('ours'));
  const workers = await started.start(3);
  const [first] = workers as [MillraceProcess];
  await putConnector(first, 'ours', postgresSource(database, 'ours', TABLES));
  await untilSnapshotStored(first, 'ours');
  await using writers = new TableWriters(database.url, testRandom('workers on a real Kafka'), {
    connections: 2,
    pauseMs: 5,
  });
  const killed = await takeOver(workers, 'ours', (worker) => worker.end('SIGKILL'));
  await killed.start();
  await untilBalanced(workers, { connectors: 1, tasks: 1 });
  const stopped = await takeOver(workers, 'ours', (worker) => void process.kill(worker.pid ?? 0, 'SIGSTOP'));
  process.kill(stopped.pid ?? 0, 'SIGCONT');
  await untilBalanced(workers, { connectors: 1, tasks: 1 }, 60_000);
  await writers.stop();
  await expectWhole(address, database, 'ours', 4);
});

test('one group of a real Connect worker and one of Millrace shares connectors, and each carries out what the other is asked', {
  timeout: 300_000,
}, async (context) => {
  const address = kafkaOf(context);
  for (const leader of ['connect', 'millrace'] as const) {
    await using left = await testDatabase();
    await using right = await testDatabase();
    for (const database of [left, right]) await createChangingTables(database);
    const named = (name: string): string => `${leader}-${name}`;
    const own = group(named('mixed'));
    await using started = new Workers(address, own);
    const begin = {
      connect: () => RealConnect.start(path.join(folder, named('connect')), address, own),
      millrace: async () => (await started.start(1))[0] as MillraceProcess,
    };
    // Who comes first leads.
    const early = await begin[leader]();
    const late = leader === 'connect' ? await begin.millrace() : await begin.connect();
    const [connect, millrace] = (leader === 'connect' ? [early, late] : [late, early]) as [
      RealConnect,
      MillraceProcess,
    ];
    try {
      // Each is asked for one connector, and runs one.
      const databases = [left, right];
      for (const [i, worker] of [connect, millrace].entries()) {
        const database = databases[i] as Database;
        const config = postgresSource(database, named(`p${i}`), TABLES, {
          'slot.name': `${leader}_${i}`,
          'publication.name': `${leader}_${i}`,
        });
        await eventually('the connector is taken', async () => {
          const { status, body } = await worker.request(
            'PUT',
            `/connectors/${named(`p${i}`)}/config`,
            config,
          );
          if (status < 300) return true;
          throw new Error(`${status}: ${JSON.stringify(body)}`);
        });
      }
      await eventually(
        'both run, one on each',
        async () => {
          const all = [...(await statuses(millrace)).values()];
          const tasks = all.flatMap((one) => one.tasks);
          const places = new Set(
            tasks.filter(({ state }) => state === 'RUNNING').map((one) => one.worker_id),
          );
          const connectors = new Set(all.map(({ connector }) => connector.worker_id));
          if (tasks.length === 2 && places.size === 2 && connectors.size === 2) return true;
          throw new Error(JSON.stringify(all));
        },
        90_000,
      );
      // A restart within a snapshot begins it again, with other positions where Debezium makes it.
      for (const name of ['p0', 'p1']) await untilSnapshotStored(millrace, named(name));
      for (const worker of [connect, millrace]) {
        for (const name of [named('p0'), named('p1')]) {
          const restarted = await worker.request('POST', `/connectors/${name}/tasks/0/restart`);
          expect([restarted.status, restarted.body]).toEqual([204, '']);
          await untilRunning(millrace, name, 60_000);
        }
      }
      await using writers = new TableWriters(left.url, testRandom('a mixed group'), {
        connections: 1,
        pauseMs: 20,
      });
      // What one of them ran goes on with the other, in both directions.
      await millrace.end('SIGKILL');
      const onConnect = async (): Promise<boolean> => {
        const body = (await connect.request('GET', `/connectors/${named('p0')}/status`)).body as {
          tasks: { state: string; worker_id: string }[];
        };
        const other = (await connect.request('GET', `/connectors/${named('p1')}/status`)).body as typeof body;
        return [...body.tasks, ...other.tasks].every(
          (task) => task.state === 'RUNNING' && task.worker_id === connect.rest.replace('http://', ''),
        );
      };
      await eventually('the real worker runs both', onConnect, 90_000);
      await millrace.start();
      await untilRunning(millrace, named('p0'), 60_000);
      await untilRunning(millrace, named('p1'), 60_000);
      await connect.stop();
      await eventually(
        'Millrace runs both',
        async () => {
          const tasks = [...(await statuses(millrace)).values()].flatMap((one) => one.tasks);
          return tasks.every((task) => task.state === 'RUNNING' && task.worker_id === idOf(millrace));
        },
        90_000,
      );
      await writers.stop();
      await expectWhole(address, left, named('p0'), 6);
    } finally {
      await connect.stop();
    }
  }
});
