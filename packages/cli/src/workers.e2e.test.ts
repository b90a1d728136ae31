// Several workers of one group on the bundled broker: they share connectors and tasks, take over from each other, and
// answer REST for the whole group.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceProcess } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { connectorStatus, putConnector, untilRunning } from './testing/connectors.ts';
import { fileSource, Lines, replays, TEXT, untilLine } from './testing/numbered-lines.ts';
import { group, idOf, statuses, untilBalanced, Workers } from './testing/workers.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-workers-'));
let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBrokerProcess();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const until = (topic: string, number: number): Promise<void> => untilLine(broker.kafka, topic, number);

/** The worker of the group that runs the only task of a connector. */
async function workerOf(workers: readonly MillraceProcess[], name: string): Promise<MillraceProcess> {
  const [asked] = workers;
  if (!asked) throw new Error('no worker');
  const [task] = (await connectorStatus(asked, name)).tasks;
  const found = workers.find((worker) => idOf(worker) === task?.worker_id);
  if (!found) throw new Error(`${name} runs on ${task?.worker_id}`);
  return found;
}

/** Three workers of a group, the leader last. */
async function followersAndLeader(
  workers: readonly MillraceProcess[],
): Promise<[MillraceProcess, MillraceProcess, MillraceProcess]> {
  const leads = await Promise.all(
    workers.map(async (worker) => {
      // What only the leader does, others refuse unless they may pass it on.
      const { status } = await worker.request('DELETE', '/connectors/nothing?forward=false');
      return status !== 409;
    }),
  );
  const leader = workers.filter((_, i) => leads[i]);
  const followers = workers.filter((_, i) => !leads[i]);
  if (leader.length !== 1 || followers.length !== 2) throw new Error(`${leader.length} workers lead`);
  return [...followers, ...leader] as [MillraceProcess, MillraceProcess, MillraceProcess];
}

test('INV-2: three workers share, take over from one that dies, and share again when it is back', {
  timeout: 180_000,
}, async () => {
  // Long enough that the time in which lost work is nobody's cannot pass unseen.
  const properties = { ...group('shared'), 'scheduled.rebalance.max.delay.ms': '6000' };
  await using started = new Workers(broker.kafka, properties);
  const workers = await started.start(3);
  // Whoever leads, two of the three are asked for something that the leader has to do.
  const asked = [...workers, ...workers].slice(0, 4);
  for (const [i, worker] of asked.entries()) {
    const file = path.join(folder, `shared-${i}`);
    writeFileSync(file, '0\n');
    const { status, body } = await worker.request('POST', '/connectors', {
      name: `c${i}`,
      config: fileSource(file, `shared-${i}`),
    });
    expect([status, body]).toEqual([201, expect.objectContaining({ name: `c${i}`, type: 'source' })]);
  }
  await untilBalanced(workers, { connectors: 4, tasks: 4 });

  // A new leader would not know whose the lost work was, and give it away at once.
  const [first, lost, third] = await followersAndLeader(workers);
  await lost.end('SIGKILL');
  await eventually("the work of the lost worker is shown as nobody's", async () => {
    const parts = [...(await statuses(first)).values()].flatMap(({ connector, tasks }) => [
      connector,
      ...tasks,
    ]);
    const ofLost = parts.filter(({ worker_id }) => worker_id === idOf(lost));
    if (ofLost.length > 0 && ofLost.every(({ state }) => state === 'UNASSIGNED')) return true;
    throw new Error(JSON.stringify(parts));
  });
  await untilBalanced([first, third], { connectors: 4, tasks: 4 });

  await lost.start();
  await untilBalanced(workers, { connectors: 4, tasks: 4 });
});

test('INV-1 INV-2 INV-3: a worker that dies is followed without a gap', { timeout: 120_000 }, async () => {
  await using started = new Workers(broker.kafka, group('dying'));
  const workers = await started.start(2);
  using lines = new Lines(folder, 'dying');
  await putConnector(workers[0] as MillraceProcess, 'dying', fileSource(lines.file, 'dying'));
  await until('dying', 1000);
  const worker = await workerOf(workers, 'dying');
  const rest = workers.filter((other) => other !== worker);
  await worker.end('SIGKILL');
  await eventually(
    'the task runs on the other worker',
    async () => (await workerOf(rest, 'dying')) !== worker,
  );
  await untilRunning(rest[0] as MillraceProcess, 'dying');
  await until('dying', lines.count);
  expect((await replays(broker.kafka, 'dying')).count).toBeLessThanOrEqual(1);
});

test('INV-2 INV-3: a worker that stood still past its session writes nothing after its successor', {
  timeout: 120_000,
}, async () => {
  await using started = new Workers(broker.kafka, group('zombie'));
  const workers = await started.start(2);
  using lines = new Lines(folder, 'zombie');
  await putConnector(workers[0] as MillraceProcess, 'zombie', fileSource(lines.file, 'zombie'));
  await until('zombie', 1000);
  const zombie = await workerOf(workers, 'zombie');
  const rest = workers.filter((other) => other !== zombie);
  process.kill(zombie.pid ?? 0, 'SIGSTOP');
  try {
    await eventually(
      'the task runs on the other worker',
      async () => (await workerOf(rest, 'zombie')) !== zombie,
    );
    await untilRunning(rest[0] as MillraceProcess, 'zombie');
    await until('zombie', lines.count);
  } finally {
    process.kill(zombie.pid ?? 0, 'SIGCONT');
  }
  // It joins again and gets its share, which is the connector or the task.
  await untilBalanced(workers, { connectors: 1, tasks: 1 });
  await until('zombie', lines.count);
  expect((await replays(broker.kafka, 'zombie')).count).toBeLessThanOrEqual(2);
});

test('INV-1 INV-2 INV-3: the successor of a sink that died takes its place in the consumer group at once', {
  timeout: 120_000,
}, async () => {
  await using started = new Workers(broker.kafka, group('sinking'));
  const workers = await started.start(2);
  using lines = new Lines(folder, 'sinking');
  const file = path.join(folder, 'sinking.out');
  const [first] = workers as [MillraceProcess];
  await putConnector(first, 'sinking-in', fileSource(lines.file, 'sinking'));
  const sink = { ...TEXT, 'connector.class': 'FileStreamSink', topics: 'sinking', file };
  await putConnector(first, 'sinking-out', { ...sink, 'consumer.override.session.timeout.ms': '90000' });
  const last = (): number => Number(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1));
  await eventually('the sink writes', () => last() > 500);
  const worker = await workerOf(workers, 'sinking-out');
  const rest = workers.filter((other) => other !== worker);
  await worker.end('SIGKILL');
  await eventually('it runs elsewhere', async () => (await workerOf(rest, 'sinking-out')) !== worker);
  const wanted = lines.count;
  // Sooner than the session of the dead one ends.
  await eventually('the sink goes on', () => last() > wanted, 60_000);
  const numbers = readFileSync(file, 'utf8').trimEnd().split('\n').map(Number);
  const jumps = numbers.filter((number, i) => number !== (numbers[i - 1] ?? -1) + 1);
  expect(jumps.length).toBeLessThanOrEqual(2);
  for (const number of jumps) expect(number).toBeLessThan(wanted);
  expect(new Set(numbers).size).toBe(Math.max(...numbers) + 1);
});

test('a rebalance that nothing is lost in moves tasks without a replay', { timeout: 120_000 }, async () => {
  await using started = new Workers(broker.kafka, group('moving'));
  const workers = await started.start(1);
  using one = new Lines(folder, 'moving-1');
  using two = new Lines(folder, 'moving-2');
  const [first] = workers as [MillraceProcess];
  await putConnector(first, 'moving-1', fileSource(one.file, 'moving-1'));
  await putConnector(first, 'moving-2', fileSource(two.file, 'moving-2'));
  await until('moving-1', 500);
  await until('moving-2', 500);
  workers.push(...(await started.start(1)));
  await untilBalanced(workers, { connectors: 2, tasks: 2 });
  for (const [topic, lines] of [
    ['moving-1', one],
    ['moving-2', two],
  ] as const) {
    await until(topic, lines.count);
    expect(await replays(broker.kafka, topic)).toEqual(expect.objectContaining({ count: 0 }));
  }
});

test('REST changes and restarts connectors through whichever worker is asked', {
  timeout: 120_000,
}, async () => {
  await using started = new Workers(broker.kafka, group('asked'));
  const workers = await started.start(3);
  const sink = { 'connector.class': 'FileStreamSink', topics: 'asked', 'tasks.max': '4', ...TEXT };
  const file = path.join(folder, 'asked.out');
  const [first, second, third] = workers as [MillraceProcess, MillraceProcess, MillraceProcess];
  const created = await second.request('PUT', '/connectors/asked/config', { ...sink, file });
  expect(created.status, JSON.stringify(created.body)).toBe(201);
  await eventually('every worker runs a task', async () => {
    const { tasks } = await connectorStatus(third, 'asked');
    return tasks.length === 4 && new Set(tasks.map(({ worker_id }) => worker_id)).size === 3;
  });
  for (const worker of workers) {
    for (const task of [0, 1, 2, 3]) {
      const restarted = await worker.request('POST', `/connectors/asked/tasks/${task}/restart`);
      expect([restarted.status, restarted.body]).toEqual([204, '']);
    }
    expect((await worker.request('POST', '/connectors/asked/restart')).status).toBe(204);
    const all = await worker.request('POST', '/connectors/asked/restart?includeTasks=true');
    expect(all.status, JSON.stringify(all.body)).toBe(202);
    const patched = await worker.request('PATCH', '/connectors/asked/config', { 'tasks.max': '3' });
    expect([patched.status, (patched.body as { config: object }).config]).toEqual([
      200,
      expect.objectContaining({ 'tasks.max': '3' }),
    ]);
    expect((await worker.request('PUT', '/connectors/asked/pause')).status).toBe(202);
    await eventually('the tasks rest', async () => {
      const { connector, tasks } = await connectorStatus(worker, 'asked');
      return tasks.length === 3 && [connector, ...tasks].every(({ state }) => state === 'PAUSED');
    });
    await worker.request('PUT', '/connectors/asked/resume');
    await worker.request('PATCH', '/connectors/asked/config', { 'tasks.max': '4' });
    await untilRunning(worker, 'asked');
    await eventually(
      'four tasks again',
      async () => (await connectorStatus(worker, 'asked')).tasks.length === 4,
    );
  }
  for (const worker of workers) {
    expect((await worker.request('PUT', '/connectors/asked/stop')).status).toBe(204);
    const reset = await worker.request('DELETE', '/connectors/asked/offsets');
    expect(reset.status, JSON.stringify(reset.body)).toBe(200);
  }
  for (const worker of [first, third]) {
    const refused = await worker.request('POST', '/connectors/asked/tasks', [{ file }]);
    expect([refused.status, (refused.body as { message: string }).message]).toEqual([
      400,
      'Internal request missing required signature',
    ]);
  }
  // Two hops at most: a request that has been passed on is not passed on again.
  const answers = await Promise.all(
    workers.map((worker) => worker.request('PUT', '/connectors/asked/stop?forward=false')),
  );
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([204, 409, 409]);
  expect((await third.request('DELETE', '/connectors/asked')).status).toBe(204);
  for (const worker of workers) {
    await eventually(
      'it is gone',
      async () => (await worker.request('GET', '/connectors/asked')).status === 404,
    );
  }
});
