// Connectors, tasks and transforms that fail or hang, in a worker with others that do not: INV-6 throughout.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { type Config, connectorStatus, putConnector, untilRunning } from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';
import { type OwnWorker, startWorkerWith } from './testing/worker-with.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-moods-'));
let broker: BrokerProcess;
let worker: OwnWorker;

beforeAll(async () => {
  broker = await startBrokerProcess();
  worker = await startWorkerWith('moody-plugins.mjs', broker.kafka, path.join(folder, 'worker'), {
    'task.restart.backoff.ms': '1000',
    'task.restart.backoff.max.ms': '2000',
    'task.stall.timeout.ms': '1500',
    'task.shutdown.graceful.timeout.ms': '500',
    'offset.flush.timeout.ms': '500',
  });
  await putConnector(worker, 'bystander', source('bystander'));
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => path.join(folder, name);
const setMood = (name: string, mood: string): void => writeFileSync(at(name), mood);

function source(topic: string, more: Config = {}): Config {
  return { 'connector.class': 'test.MoodySource', topic, 'starts.file': at(`starts-${topic}`), ...more };
}
function sink(topics: string, name: string, more: Config = {}): Config {
  const files = { file: at(`out-${name}`), 'starts.file': at(`starts-${name}`) };
  return { 'connector.class': 'test.MoodySink', topics, ...files, ...more };
}
const linesOf = (name: string): string[] => {
  try {
    return readFileSync(at(name), 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
};
/** Which tasks have started so far, in order. */
const starts = (name: string): string[] => linesOf(`starts-${name}`);

async function count(topic: string): Promise<number> {
  return (await readTopic(broker.kafka, topic)).length;
}
async function untilGrows(topic: string): Promise<void> {
  const before = await count(topic);
  await eventually(`${topic} grows`, async () => (await count(topic)) > before);
}

async function untilTask(name: string, state: string, trace = /^/, task = 0): Promise<string> {
  return await eventually(`task ${task} of ${name} is ${state}`, async () => {
    const found = (await connectorStatus(worker, name)).tasks[task];
    if (found?.state === state && trace.test(found.trace ?? '')) return found.trace ?? 'none';
    throw new Error(JSON.stringify(found));
  });
}

async function put(name: string, config: Config): Promise<void> {
  const { status, body } = await worker.request('PUT', `/connectors/${name}/config`, config);
  expect(status, JSON.stringify(body)).toBeLessThan(300);
}

describe('F37', () => {
  test('a task whose error can pass restarts by itself, after waits that grow up to a bound', async () => {
    setMood('retrying', 'retry');
    await put('retrying', source('retrying', { 'mood.0': at('retrying') }));
    await untilTask('retrying', 'FAILED', /restarts this task by itself in 1 s/);
    await untilTask('retrying', 'FAILED', /restarts this task by itself in 2 s/);
    await eventually('it has begun five times', () => starts('retrying').length >= 5);
    await untilTask('retrying', 'FAILED', /restarts this task by itself in 2 s/);
    setMood('retrying', '');
    await untilRunning(worker, 'retrying');
    await untilGrows('retrying');
  });

  test('restart begins what it says: the connector, failed tasks, or all', async () => {
    setMood('second', 'fail');
    await put('three', source('three', { 'tasks.max': '3', 'mood.1': at('second') }));
    await untilTask('three', 'FAILED', /in the mood to fail/, 1);
    await untilTask('three', 'RUNNING', /^/, 2);
    await eventually('each task has begun', () => starts('three').toSorted().join() === '0,1,2');
    const restart = async (query: string): Promise<void> => {
      const { status } = await worker.request('POST', `/connectors/three/restart${query}`);
      expect(status).toBe(query === '' ? 204 : 202);
    };
    await restart('');
    await restart('?includeTasks=false&onlyFailed=true');
    setMood('second', '');
    await restart('?includeTasks=true&onlyFailed=true');
    await untilTask('three', 'RUNNING', /^/, 1);
    expect(starts('three').slice(3)).toEqual(['1']);
    await restart('?includeTasks=true&onlyFailed=false');
    await eventually('all have begun again', () => starts('three').length === 7);
    expect(starts('three').slice(4).sort()).toEqual(['0', '1', '2']);
    await untilRunning(worker, 'three');
    expect((await worker.request('POST', '/connectors/three/tasks/2/restart')).status).toBe(204);
    await eventually('that one has begun again', () => starts('three').slice(7).join() === '2');
  });
});

describe('F38', () => {
  test('offsets change only while the connector is stopped; a config that fails can be corrected', async () => {
    setMood('broken', 'fail');
    await put('broken', source('broken', { 'mood.0': at('broken') }));
    await untilTask('broken', 'FAILED', /in the mood to fail/);
    const partition = { stream: 'numbers', task: 0 };
    const patch = { offsets: [{ partition, offset: { number: 41 } }] };
    for (const [method, body] of [
      ['PATCH', patch],
      ['DELETE', undefined],
    ] as const) {
      const refused = await worker.request(method, '/connectors/broken/offsets', body);
      expect(refused.status).toBe(400);
      expect(refused.body).toMatchObject({
        message: expect.stringContaining('Connectors must be in the STOPPED state'),
      });
    }
    expect((await worker.request('GET', '/connectors/broken/offsets')).status).toBe(200);
    await put('broken', source('broken', { 'mood.0': '' }));
    await untilRunning(worker, 'broken');
    await untilGrows('broken');
    expect((await worker.request('PUT', '/connectors/broken/stop')).status).toBe(204);
    // A source that alters no offsets itself is not asked.
    const changed = await worker.request('DELETE', '/connectors/broken/offsets');
    expect(changed.status, JSON.stringify(changed.body)).toBe(200);
  });

  test('connectors that hang in every place keep neither REST nor the others from their work', async () => {
    setMood('always', 'hang');
    const places = ['connector.mood', 'mood.0', 'poll.mood', 'stop.mood', 'connector.stop.mood'];
    for (const place of places)
      await put(`hangs-${place}`, source(`hangs-${place}`, { [place]: at('always') }));
    const validation = worker.request('PUT', '/connector-plugins/MoodySource/config/validate', {
      ...source('validated', { 'validate.mood': at('always') }),
      name: 'validated',
    });
    validation.catch(() => undefined);
    await put('beside', source('beside'));
    await untilRunning(worker, 'beside');
    await untilGrows('bystander');
    for (const place of places) {
      const restarted = worker.request('POST', `/connectors/hangs-${place}/restart?includeTasks=true`);
      restarted.catch(() => undefined);
      expect((await worker.request('GET', `/connectors/hangs-${place}`)).status).toBe(200);
      expect((await worker.request('DELETE', `/connectors/hangs-${place}`)).status).toBe(204);
    }
    // What hung is given up, and its name is free again.
    for (const place of places) {
      await put(`hangs-${place}`, source(`again-${place}`));
      await untilRunning(worker, `hangs-${place}`, 60_000);
      await untilGrows(`again-${place}`);
    }
    await untilGrows('bystander');
  }, 120_000);
});

describe('F39', () => {
  const tolerant = (queue: string): Config => ({
    'errors.tolerance': 'all',
    'errors.deadletterqueue.topic.name': queue,
    'errors.deadletterqueue.context.headers.enable': 'true',
    transforms: 'moody',
    'transforms.moody.type': 'test.Moody',
    'transforms.moody.fails.on': '3',
  });

  test('what a transform or the sink refuses goes to the queue; the rest is written', async () => {
    await put('numbers', source('numbers'));
    await put('tolerant', sink('numbers', 'tolerant', { ...tolerant('letters'), errant: '5' }));
    await eventually('the sink writes', () => linesOf('out-tolerant').includes('10'));
    const written = linesOf('out-tolerant');
    expect(written.slice(0, 8)).toEqual(['0', '1', '2', '4', '6', '7', '8', '9']);
    const letters = await eventually('both letters', async () => {
      const found = await readTopic(broker.kafka, 'letters');
      return found.length >= 2 && found;
    });
    const headers = letters.map((letter) =>
      Object.fromEntries(
        letter.headers.map(({ key, value }) => [key.replace('__connect.errors.', ''), String(value)]),
      ),
    );
    expect(letters.map(({ value }) => String(value)).sort()).toEqual(['3', '5']);
    expect(headers.map(({ stage }) => stage).sort()).toEqual(['TASK_PUT', 'TRANSFORMATION']);
    for (const each of headers)
      expect(each).toMatchObject({ topic: 'numbers', 'connector.name': 'tolerant' });
  });

  test('a broker that is killed loses neither a letter nor a record', async () => {
    await put('delayed', sink('numbers', 'delayed', tolerant('late-letters')));
    await eventually('the sink has its letter', async () => (await count('late-letters')) > 0);
    await broker.kill();
    await untilRunning(worker, 'delayed', 60_000);
    const from = linesOf('out-delayed').length;
    await eventually('it goes on', () => linesOf('out-delayed').length > from, 60_000);
    const numbers = new Set(linesOf('out-delayed').map(Number));
    const last = Math.max(...numbers);
    for (let i = 0; i <= last; i++) expect(numbers.has(i)).toBe(i !== 3);
    const letters = (await readTopic(broker.kafka, 'late-letters')).map(({ value }) => String(value));
    expect(new Set(letters)).toEqual(new Set(['3']));
  }, 120_000);
});

test('F45: one of twenty sinks hangs; the others, the source and REST go on, and its status says where it stands', async () => {
  setMood('one', 'hang');
  await put('many', source('many'));
  const names = Array.from({ length: 20 }, (_, i) => `sink-${i}`);
  for (const [i, name] of names.entries()) {
    await put(name, sink('many', name, i === 7 ? { 'put.mood': at('one') } : {}));
  }
  const trace = await eventually(
    'the stall is told',
    async () => {
      const [task] = (await connectorStatus(worker, 'sink-7')).tasks;
      if (task?.state === 'RUNNING' && task.trace) return task.trace;
      throw new Error(JSON.stringify(task));
    },
    60_000,
  );
  expect(trace).toMatch(/No progress for \d+ s/);
  const ready = await worker.request('GET', '/health/ready');
  expect([ready.status, JSON.stringify(ready.body)]).toEqual([503, expect.stringContaining('sink-7')]);
  const others = names.filter((name) => name !== 'sink-7');
  for (const name of others)
    await eventually(`${name} writes`, () => linesOf(`out-${name}`).length > 0, 60_000);
  const before = others.map((name) => linesOf(`out-${name}`).length);
  await eventually('they go on', () =>
    others.every((name, i) => linesOf(`out-${name}`).length > (before[i] as number)),
  );
  await untilGrows('many');
  // It ends when it is told to, and goes on where it was.
  setMood('one', '');
  expect((await worker.request('POST', '/connectors/sink-7/tasks/0/restart')).status).toBe(204);
  await eventually('it writes', () => linesOf('out-sink-7').length > 0, 60_000);
  expect(linesOf('out-sink-7')[0]).toBe('0');
}, 180_000);
