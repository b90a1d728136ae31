// Workers of which one speaks `connect.protocol=eager` only: the whole group does, in whatever order they come, and
// gives up all work before it is dealt out anew.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { putConnector } from './testing/connectors.ts';
import { fileSource, untilLine } from './testing/numbered-lines.ts';
import { group, idOf, statuses, untilBalanced } from './testing/workers.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-eager-'));
let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBrokerProcess();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const start = (protocol: string): Promise<MillraceProcess> =>
  startMillrace({
    bootstrapServers: broker.kafka,
    properties: { ...group('eager'), 'connect.protocol': protocol },
  });

test('INV-2: a group falls to the eager protocol and rises again, and no change is lost on the way', {
  timeout: 180_000,
}, async () => {
  await using sessioned = await start('sessioned');
  const files = [0, 1, 2, 3].map((i) => path.join(folder, `lines-${i}`));
  for (const [i, file] of files.entries()) {
    writeFileSync(file, '0\n');
    await putConnector(sessioned, `c${i}`, fileSource(file, `eager-${i}`));
  }
  await untilBalanced([sessioned], { connectors: 4, tasks: 4 });
  let line = 0;
  const more = async (): Promise<void> => {
    line++;
    for (const file of files) appendFileSync(file, `${line}\n`);
    for (const i of files.keys()) await untilLine(broker.kafka, `eager-${i}`, line + 1);
  };
  await more();
  {
    await using eager = await start('eager');
    await untilBalanced([sessioned, eager], { connectors: 4, tasks: 4 });
    await more();
    await using compatible = await start('compatible');
    const three = [sessioned, eager, compatible];
    await untilBalanced(three, { connectors: 4, tasks: 4 });
    await more();
    // What one is asked, whoever leads, is carried out.
    for (const [i, worker] of three.entries()) {
      const { status } = await worker.request('PUT', `/connectors/c${i}/pause`);
      expect(status).toBe(202);
      await worker.request('PUT', `/connectors/c${i}/resume`);
    }
    await untilBalanced(three, { connectors: 4, tasks: 4 });
    await compatible.end('SIGKILL');
    await untilBalanced([sessioned, eager], { connectors: 4, tasks: 4 }, 60_000);
    await more();
  }
  await eventually(
    'the last one runs everything',
    async () => {
      const tasks = [...(await statuses(sessioned)).values()].flatMap((one) => one.tasks);
      return tasks.every(({ state, worker_id }) => state === 'RUNNING' && worker_id === idOf(sessioned));
    },
    60_000,
  );
  await more();
});
