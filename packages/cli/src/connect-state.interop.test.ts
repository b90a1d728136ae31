// What a worker leaves in its topics, a worker of the other kind goes on with: configs, target states, task configs and
// offsets, from Millrace to a real Connect worker and back. Needs Java 17 and Maven: a named skip elsewhere.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  connectWithDebezium,
  eventually,
  RealConnect,
  type RestSubject,
  startMillrace,
} from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { fileSource, replays, untilLine } from './testing/numbered-lines.ts';
import { readTopic } from './testing/topic-reader.ts';
import { group } from './testing/workers.ts';

const GROUP = group('state');
let folder: string;
let broker: BrokerProcess;
/** Lines so far, by name. */
const lines = new Map<string, number>();

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-state-'));
  broker = await startBrokerProcess();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const fileOf = (name: string): string => path.join(folder, `${name}.txt`);

/** Ten more numbered lines in the file of a source. */
function grow(name: string): number {
  const from = lines.get(name) ?? 0;
  if (from === 0) writeFileSync(fileOf(name), '');
  appendFileSync(fileOf(name), Array.from({ length: 10 }, (_, i) => `${from + i}\n`).join(''));
  lines.set(name, from + 10);
  return from + 10;
}

async function create(worker: RestSubject, name: string): Promise<void> {
  grow(name);
  const config = fileSource(fileOf(name), name);
  const { status, body } = await worker.request('PUT', `/connectors/${name}/config`, config);
  expect(status, JSON.stringify(body)).toBe(201);
  await untilLine(broker.kafka, name, 10);
}

async function untilState(worker: RestSubject, name: string, wanted: string): Promise<void> {
  await eventually(
    `${name} is ${wanted}`,
    async () => {
      const { body } = await worker.request('GET', `/connectors/${name}/status`);
      const { connector, tasks } = body as {
        connector: { state: string };
        tasks: { state: string }[];
      };
      const taskStates = tasks.map(({ state }) => state);
      const tasksFit = wanted === 'STOPPED' ? tasks.length === 0 : taskStates.join() === wanted;
      if (connector.state === wanted && tasksFit) return true;
      throw new Error(JSON.stringify(body));
    },
    60_000,
  );
}

/** What the worker knows of every connector, sorted. */
async function known(worker: RestSubject): Promise<Record<string, unknown>> {
  const { body } = await worker.request('GET', '/connectors?expand=info');
  const all = body as Record<string, { info: { config: object; tasks: object[]; type: string } }>;
  const names = Object.keys(all).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [
        name,
        { info: all[name]?.info, offsets: (await worker.request('GET', `/connectors/${name}/offsets`)).body },
      ]),
    ),
  );
}

const asked = async (
  worker: RestSubject,
  method: string,
  at: string,
  status: number,
  body?: object,
): Promise<void> => {
  const answer = await worker.request(method, `/connectors/${at}`, body);
  expect([answer.status, answer.body], `${method} ${at}`).toEqual([status, answer.body]);
};

/** A connector in every state: running, paused, stopped with an offset that was set, and one that was deleted. */
async function leaveBehind(worker: RestSubject, prefix: string): Promise<void> {
  for (const name of ['runs', 'paused', 'stopped', 'gone']) await create(worker, `${prefix}-${name}`);
  await asked(worker, 'PUT', `${prefix}-paused/pause`, 202);
  await untilState(worker, `${prefix}-paused`, 'PAUSED');
  await asked(worker, 'PUT', `${prefix}-stopped/stop`, 204);
  await untilState(worker, `${prefix}-stopped`, 'STOPPED');
  // Five lines of two bytes each: from line 5 on.
  await asked(worker, 'PATCH', `${prefix}-stopped/offsets`, 200, {
    offsets: [{ partition: { filename: fileOf(`${prefix}-stopped`) }, offset: { position: 10 } }],
  });
  await asked(worker, 'DELETE', `${prefix}-gone`, 204);
  await untilState(worker, `${prefix}-runs`, 'RUNNING');
}

/** The other worker finds all of it, goes on, and takes what is asked of it. */
async function goOn(worker: RestSubject, prefix: string): Promise<void> {
  await untilState(worker, `${prefix}-runs`, 'RUNNING');
  await untilState(worker, `${prefix}-paused`, 'PAUSED');
  await untilState(worker, `${prefix}-stopped`, 'STOPPED');
  expect((await worker.request('GET', `/connectors/${prefix}-gone`)).status).toBe(404);
  for (const name of ['runs', 'paused', 'stopped']) grow(`${prefix}-${name}`);
  await untilLine(broker.kafka, `${prefix}-runs`, 20);
  expect((await replays(broker.kafka, `${prefix}-runs`)).count).toBe(0);
  expect((await replays(broker.kafka, `${prefix}-paused`)).last).toBe(9);
  await asked(worker, 'PUT', `${prefix}-paused/resume`, 202);
  await untilState(worker, `${prefix}-paused`, 'RUNNING');
  await untilLine(broker.kafka, `${prefix}-paused`, 20);
  expect((await replays(broker.kafka, `${prefix}-paused`)).count).toBe(0);
  await asked(worker, 'PUT', `${prefix}-stopped/resume`, 202);
  await untilLine(broker.kafka, `${prefix}-stopped`, 20);
  const numbers = (await readTopic(broker.kafka, `${prefix}-stopped`)).map(({ value }) =>
    Number(String(value)),
  );
  expect(numbers.slice(10, 12)).toEqual([5, 6]);
}

test('a real Connect worker goes on with what Millrace leaves in its topics, and Millrace with what that leaves', {
  timeout: 400_000,
}, async (context) => {
  await connectWithDebezium().catch((error: unknown) => {
    if (process.env['CI'] === 'true') throw error;
    context.skip(`Connect cannot be had: ${String(error).slice(0, 300)}`);
  });
  const millrace = await startMillrace({ bootstrapServers: broker.kafka, properties: GROUP });
  try {
    await leaveBehind(millrace, 'ours');
    const left = await known(millrace);
    await millrace.end('SIGTERM');

    await using connect = await RealConnect.start(path.join(folder, 'connect'), broker.kafka, GROUP);
    expect(await known(connect)).toEqual(left);
    await goOn(connect, 'ours');
    await leaveBehind(connect, 'theirs');
    const theirs = await known(connect);
    await connect.stop();

    await millrace.start();
    expect(await known(millrace)).toEqual(theirs);
    await goOn(millrace, 'theirs');
    // What Connect went on with, goes on here.
    for (const name of ['runs', 'paused']) {
      const count = grow(`ours-${name}`);
      await untilLine(broker.kafka, `ours-${name}`, count);
      expect((await replays(broker.kafka, `ours-${name}`)).count).toBe(0);
    }
  } finally {
    await millrace[Symbol.asyncDispose]();
  }
});
