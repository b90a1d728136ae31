// Exactly-once sources on one worker: where transactions end, where offsets are, who is fenced, and what is refused.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startWorker } from '@millrace/connect-runtime';
import { createMetrics, LogHub, silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, listOffsets, TransactionalProducer } from '@millrace/kafka-client';
import { eventually, type RestAnswer, restRequest } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { connectorStatus, putConnector, untilRunning } from './testing/connectors.ts';
import { TEXT } from './testing/numbered-lines.ts';
import { readTopic } from './testing/topic-reader.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-once-'));
const cleanups: (() => PromiseLike<unknown>)[] = [];
let broker: BrokerProcess;
let rest = '';
const worker = {
  request: (method: string, pathname: string, body?: unknown): Promise<RestAnswer> =>
    restRequest(rest, method, pathname, body),
};

beforeAll(async () => {
  broker = await startBrokerProcess({
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
  });
  cleanups.push(() => broker[Symbol.asyncDispose]());
  const pluginsModule = new URL('testing/transactional-plugins.mjs', import.meta.url);
  const { pluginEntries } = (await import(pluginsModule.href)) as Pick<
    Parameters<typeof startWorker>[0],
    'pluginEntries'
  >;
  const started = await startWorker({
    properties: {
      ...TEXT,
      'group.id': 'g',
      'exactly.once.source.support': 'enabled',
      'task.restart.backoff.ms': '100',
      'offset.flush.interval.ms': '200',
    },
    pluginEntries,
    pluginsModule,
    bootstrapServers: broker.kafka,
    rest: { host: '127.0.0.1', port: 0 },
    dataDir: path.join(folder, 'worker'),
    logHub: new LogHub({ level: 'silent' }),
    metrics: createMetrics(),
    clock: systemClock,
    env: {},
    version: '0',
    onFatal: (error) => {
      throw error;
    },
  });
  cleanups.push(() => started[Symbol.asyncDispose]());
  rest = `http://127.0.0.1:${started.restPort}`;
});

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

function groups(topic: string, count: number, more: Record<string, string> = {}): Record<string, string> {
  return { 'connector.class': 'test.GroupSource', topic, count: String(count), ...more };
}

/** The numbers of one task in a topic, as readers of committed records see them. */
async function numbersOf(topic: string, task = 0): Promise<number[]> {
  const values = (await readTopic(broker.kafka, topic)).map(({ value }) => String(value).split(' '));
  return values.filter(([of]) => Number(of) === task).map(([, number]) => Number(number));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function untilNumbers(topic: string, expected: readonly number[], task = 0): Promise<void> {
  await eventually(`${topic} is whole`, async () => {
    const seen = await numbersOf(topic, task);
    if (seen.length < expected.length) throw new Error(`${seen.length} of ${expected.length}`);
    return true;
  });
  expect(await numbersOf(topic, task)).toEqual(expected);
}

async function offsetsIn(topic: string, connector: string): Promise<unknown[]> {
  return (await readTopic(broker.kafka, topic))
    .filter(({ key }) => String(key).startsWith(`["${connector}"`))
    .map(({ value }) => (value === null ? null : (JSON.parse(String(value)) as unknown)));
}

test('INV-3: records that share a position become visible together, also when the task fails between them', async () => {
  const config = groups('shared', 56, {
    'group.size': '7',
    'fail.at': '30',
    'fail.file': path.join(folder, 'failed'),
  });
  await worker.request('PUT', '/connectors/shared/config', config);
  await eventually('the task fails', async () => {
    return (await connectorStatus(worker, 'shared')).tasks[0]?.state === 'FAILED';
  });
  expect(await numbersOf('shared')).toEqual(upTo(28));
  await worker.request('POST', '/connectors/shared/tasks/0/restart');
  await untilNumbers('shared', upTo(56));
});

test('a connector that says where its transactions end has those, and what it aborts is not seen', async () => {
  await putConnector(
    worker,
    'bounds',
    groups('bounds', 40, { 'group.size': '4', boundaries: 'true', 'transaction.boundary': 'connector' }),
  );
  await untilNumbers(
    'bounds',
    upTo(36)
      .filter((number) => Math.floor(number / 4) % 3 !== 2)
      .concat(upTo(4).map((number) => 36 + number)),
  );
  const { body } = await worker.request('GET', '/connectors/bounds/offsets');
  expect(body).toEqual({ offsets: [{ partition: { task: 0 }, offset: { group: 10 } }] });
});

test('transactions by time hold more than one poll', async () => {
  await putConnector(
    worker,
    'timed',
    groups('timed', 100, { 'transaction.boundary': 'interval', 'transaction.boundary.interval.ms': '300' }),
  );
  await untilNumbers('timed', upTo(100));
  expect((await offsetsIn('connect-offsets', 'timed')).length).toBeLessThan(20);
});

test('a record that the broker refuses fails the task although errors are tolerated, and none of its transaction is seen', async () => {
  const config = groups('large', 10, {
    'large.at': '5',
    'errors.tolerance': 'all',
    'task.restart.enable': 'false',
  });
  await worker.request('PUT', '/connectors/large/config', config);
  await eventually('the task fails', async () => {
    const [task] = (await connectorStatus(worker, 'large')).tasks;
    return task?.state === 'FAILED' && task.trace?.includes('producer send callback');
  });
  expect(await numbersOf('large')).toEqual(upTo(5));
});

test('a transaction that takes longer than it may fails the task, which says what to do, and none of it is seen', async () => {
  const slow = groups('slow', 2000, {
    'group.size': '1000',
    'producer.override.transaction.timeout.ms': '1000',
    'task.restart.enable': 'false',
  });
  await worker.request('PUT', '/connectors/slow/config', slow);
  await eventually('the task fails', async () => {
    const [task] = (await connectorStatus(worker, 'slow')).tasks;
    return (
      task?.state === 'FAILED' &&
      task.trace?.includes(
        'unable to finish writing records to Kafka before its producer transaction expired',
      )
    );
  });
  expect(await numbersOf('slow')).toEqual([]);
});

test('a connector that is deleted takes its open transaction back, so that readers do not wait for it', async () => {
  await putConnector(worker, 'gone', groups('gone', 1000, { 'group.size': '1000' }));
  await eventually('its transaction is open', async () => {
    await using cluster = new Cluster({
      bootstrapServers: broker.kafka,
      clientId: 'test',
      logger: silentLogger,
      clock: systemClock,
    });
    const [end] = await listOffsets(cluster, [{ topic: 'gone', partition: 0 }], 'latest');
    return (end?.offset ?? 0) > 10;
  });
  await worker.request('DELETE', '/connectors/gone');
  const started = Date.now();
  expect(await numbersOf('gone')).toEqual([]);
  // Else they would wait for the minute after which it times out.
  expect(Date.now() - started).toBeLessThan(30_000);
});

test('INV-6: a connector whose brokers cannot be reached fails by itself, and others go on', async () => {
  const lost = groups('lost', 5, { 'producer.override.bootstrap.servers': '127.0.0.1:1' });
  expect((await worker.request('PUT', '/connectors/lost/config', lost)).status).toBe(201);
  await putConnector(worker, 'beside', groups('beside', 5));
  await untilNumbers('beside', upTo(5));
  await eventually(
    'it fails',
    async () => (await connectorStatus(worker, 'lost')).tasks[0]?.state === 'FAILED',
    60_000,
  );
  await worker.request('DELETE', '/connectors/lost');
});

test('only workers of the group may have producers fenced', async () => {
  const answer = await worker.request('PUT', '/connectors/beside/fence');
  expect([answer.status, answer.body]).toEqual([
    400,
    { error_code: 400, message: 'Internal request missing required signature' },
  ]);
});

test('a task may not write to its own offsets topic', async () => {
  await worker.request('PUT', '/connectors/own-topic/config', groups('connect-offsets', 5));
  await eventually('the task says so', async () => {
    const [task] = (await connectorStatus(worker, 'own-topic')).tasks;
    return task?.trace?.includes('Source tasks may not produce to their own offsets topics');
  });
  await worker.request('DELETE', '/connectors/own-topic');
});

test('a connector has its offsets in a topic of its own, a copy is in the one of the worker, and REST changes both', async () => {
  const config = groups('own', 20, { 'offsets.storage.topic': 'own-offsets' });
  await putConnector(worker, 'own', config);
  await untilNumbers('own', upTo(20));
  for (const topic of ['own-offsets', 'connect-offsets']) {
    await eventually(
      topic,
      async () => JSON.stringify((await offsetsIn(topic, 'own')).at(-1)) === '{"group":20}',
    );
  }
  await worker.request('PUT', '/connectors/own/stop');
  const altered = await worker.request('PATCH', '/connectors/own/offsets', {
    offsets: [{ partition: { task: 0 }, offset: { group: 15 } }],
  });
  expect(altered.status).toBe(200);
  await worker.request('PUT', '/connectors/own/resume');
  await untilRunning(worker, 'own');
  await untilNumbers('own', [...upTo(20), 15, 16, 17, 18, 19]);
  await worker.request('PUT', '/connectors/own/stop');
  expect((await worker.request('DELETE', '/connectors/own/offsets')).status).toBe(200);
  for (const topic of ['own-offsets', 'connect-offsets']) {
    expect((await offsetsIn(topic, 'own')).at(-1)).toBe(null);
  }
  expect((await worker.request('GET', '/connectors/own/offsets')).body).toEqual({ offsets: [] });
});

test('INV-2: before new tasks begin the leader fences the producers of all that were there', async () => {
  await putConnector(worker, 'fenced', groups('fenced', 50, { 'tasks.max': '3' }));
  for (const task of [0, 1, 2]) await untilNumbers('fenced', upTo(50), task);
  await using cluster = new Cluster({
    bootstrapServers: broker.kafka,
    clientId: 'zombie',
    logger: silentLogger,
    clock: systemClock,
  });
  // What the third task would be that lives on on a worker nobody hears of.
  await using zombie = new TransactionalProducer({
    cluster,
    logger: silentLogger,
    clock: systemClock,
    transaction: { id: 'g-fenced-2' },
  });
  await zombie.init();
  zombie.begin();
  await zombie.send({ topic: 'fenced', key: null, value: Buffer.from('2 999') });
  await worker.request('PUT', '/connectors/fenced/config', groups('fenced', 60, { 'tasks.max': '2' }));
  for (const task of [0, 1]) await untilNumbers('fenced', upTo(60), task);
  await expect(zombie.commit()).rejects.toMatchObject({ code: 'kafka.producer_fenced' });
  expect(await numbersOf('fenced', 2)).toEqual(upTo(50));
  const counts = (await readTopic(broker.kafka, 'connect-configs'))
    .filter(({ key }) => String(key) === 'tasks-fencing-fenced')
    .map(({ value }) => String(value));
  expect(counts).toEqual(['{"task-count":3}', '{"task-count":2}']);
});

test('what a connector cannot do is refused in the words of Connect', async () => {
  const source = { ...groups('x', 1), name: 'x' };
  const validate = async (className: string, config: Record<string, string>): Promise<string[]> => {
    const { body } = await worker.request('PUT', `/connector-plugins/${className}/config/validate`, config);
    const { configs } = body as { configs: { value: { errors: string[] } }[] };
    return configs.flatMap(({ value }) => value.errors);
  };
  expect(await validate('GroupSource', { ...source, 'exactly.once.support': 'required' })).toEqual([]);
  const file = { name: 'x', 'connector.class': 'FileStreamSource', topic: 'x' };
  expect(await validate('FileStreamSource', { ...file, 'exactly.once.support': 'required' })).toEqual([
    'The connector does not support exactly-once semantics with the provided configuration.',
  ]);
  expect(
    await validate('FileStreamSource', { ...file, file: '/x', 'transaction.boundary': 'connector' }),
  ).toEqual([
    'The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.',
  ]);
});
