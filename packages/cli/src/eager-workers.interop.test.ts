// A group of a real Connect worker that speaks `connect.protocol=eager` only and one of Millrace, on a real Kafka.
import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, RealConnect } from '@millrace/testkit';
import { test } from 'vitest';
import { fileSource, untilLine } from './testing/numbered-lines.ts';
import { realKafka } from './testing/real-kafka.ts';
import { group, statuses, Workers } from './testing/workers.ts';

const { folder, kafkaOf } = realKafka('eager');

test.for(['connect', 'millrace'] as const)(
  'they share work while %s leads',
  { timeout: 240_000 },
  async (leader, context) => {
    const address = kafkaOf(context);
    const own = group(`eager-${leader}`);
    await using workers = new Workers(address, own);
    const connectWorker = (): Promise<RealConnect> =>
      RealConnect.start(path.join(folder, leader), address, { ...own, 'connect.protocol': 'eager' });
    // Who comes first leads.
    if (leader === 'millrace') await workers.start(1);
    await using connect = await connectWorker();
    if (leader === 'connect') await workers.start(1);
    const [millrace] = workers.all;
    if (!millrace) throw new Error('no worker');
    const files = [0, 1].map((i) => path.join(folder, `${leader}-${i}`));
    for (const [i, asked] of [connect, millrace].entries()) {
      writeFileSync(files[i] ?? '', '0\n');
      const config = fileSource(files[i] ?? '', `${leader}-${i}`);
      await eventually('the connector is taken', async () => {
        const { status, body } = await asked.request('PUT', `/connectors/${leader}-${i}/config`, config);
        if (status < 300) return true;
        throw new Error(`${status}: ${JSON.stringify(body)}`);
      });
    }
    const places = async (): Promise<string[]> => {
      const tasks = [...(await statuses(millrace)).values()].flatMap((one) => one.tasks);
      return tasks.filter(({ state }) => state === 'RUNNING').map(({ worker_id }) => worker_id);
    };
    await eventually(
      'each runs one',
      async () => {
        const found = await places();
        return found.length === 2 && new Set(found).size === 2;
      },
      90_000,
    );
    for (const [i, file] of files.entries()) {
      appendFileSync(file, '1\n');
      await untilLine(address, `${leader}-${i}`, 2);
    }
    await connect.stop();
    await eventually(
      'Millrace runs both',
      async () => {
        const found = await places();
        return found.length === 2 && new Set(found).size === 1;
      },
      90_000,
    );
    for (const [i, file] of files.entries()) {
      appendFileSync(file, '2\n');
      await untilLine(address, `${leader}-${i}`, 3);
    }
  },
);
