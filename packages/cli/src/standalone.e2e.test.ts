// `millrace standalone`: connectors from files, REST as in a group, offsets in a file that outlives the worker.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceOptions, runMillrace, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { connectorStatus, untilRunning } from './testing/connectors.ts';
import { fileSource, Lines, replays, TEXT, untilLine } from './testing/numbered-lines.ts';

let broker: BrokerProcess;
let folder: string;
const folders: string[] = [];
beforeAll(async () => {
  broker = await startBrokerProcess();
});
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-standalone-'));
  folders.push(folder);
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  for (const one of folders) rmSync(one, { recursive: true, force: true });
});

function inFolder(name: string, content: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}
function properties(name: string, config: Readonly<Record<string, string>>): string {
  const lines = Object.entries(config).map(([key, value]) => `${key}=${value}`);
  return inFolder(name, `${lines.join('\n')}\n`);
}
const options = (standalone: readonly string[]): MillraceOptions => ({
  bootstrapServers: broker.kafka,
  standalone,
  properties: {
    ...TEXT,
    'offset.storage.file.filename': path.join(folder, 'connect.offsets'),
    'offset.flush.interval.ms': '100',
  },
});

test('connectors of files run as REST says, in their states, and REST changes them as in a group', {
  timeout: 120_000,
}, async () => {
  const input = inFolder('input', '0\n1\n');
  const one = properties('one.properties', { name: 'one', ...fileSource(input, 'sa-one') });
  const two = inFolder(
    'two.json',
    JSON.stringify({ name: 'two', config: fileSource(input, 'sa-two'), initial_state: 'paused' }),
  );
  const three = inFolder('three', JSON.stringify({ name: 'three', ...fileSource(input, 'sa-three') }));
  await using worker = await startMillrace(options([one, two, three]));
  await untilRunning(worker, 'one');
  await untilRunning(worker, 'three');
  await untilLine(broker.kafka, 'sa-one', 2);
  expect((await connectorStatus(worker, 'two')).connector.state).toBe('PAUSED');
  expect((await worker.request('GET', '/health')).body).toMatchObject({ status: 'healthy' });
  // Answers of a real standalone worker.
  expect(await worker.request('POST', '/connectors/one/tasks', [])).toEqual({
    status: 500,
    body: {
      error_code: 500,
      message: 'Kafka Connect in standalone mode does not support externally setting task configurations.',
    },
  });
  expect(await worker.request('PUT', '/connectors/one/fence', {})).toEqual({
    status: 500,
    body: {
      error_code: 500,
      message: 'Kafka Connect in standalone mode does not support exactly-once source connectors.',
    },
  });
  expect((await worker.request('POST', '/connectors/one/restart?includeTasks=true')).status).toBe(202);
  await untilRunning(worker, 'one');
  expect((await worker.request('POST', '/connectors/one/tasks/0/restart')).status).toBe(204);
  await untilRunning(worker, 'one');
  const moved = { ...fileSource(input, 'sa-moved'), name: 'three' };
  expect((await worker.request('PUT', '/connectors/three/config', moved)).status).toBe(200);
  appendFileSync(input, '2\n');
  await untilRunning(worker, 'three');
  await eventually('offsets are shown', async () => {
    const { body } = await worker.request('GET', '/connectors/one/offsets');
    expect(body).toEqual({ offsets: [{ partition: { filename: input }, offset: { position: 6 } }] });
    return true;
  });
  expect((await worker.request('PUT', '/connectors/one/stop')).status).toBe(204);
  await eventually('the stopped connector has no tasks', async () => {
    return (await connectorStatus(worker, 'one')).tasks.length === 0;
  });
  expect(await worker.request('DELETE', '/connectors/one/offsets')).toEqual({
    status: 200,
    body: { message: 'The offsets for this connector have been reset successfully' },
  });
  expect(readFileSync(path.join(folder, 'connect.offsets'), 'latin1')).not.toContain('["one"');
  expect((await worker.request('DELETE', '/connectors/two')).status).toBe(204);
  expect((await worker.request('GET', '/connectors')).body).toEqual(expect.arrayContaining(['one', 'three']));
});

test('INV-1 INV-3: a standalone worker that is killed again and again loses no line, and ends in order', {
  timeout: 180_000,
}, async () => {
  using lines = new Lines(folder, 'lines');
  const file = properties('lines.properties', { name: 'lines', ...fileSource(lines.file, 'sa-lines') });
  await using worker = await startMillrace(options([file]));
  for (let round = 0; round < 6; round++) {
    await untilRunning(worker, 'lines');
    await untilLine(broker.kafka, 'sa-lines', lines.count);
    if (round % 3 === 2) expect(await worker.end()).toBe(true);
    else await worker.end('SIGKILL');
    await worker.start();
  }
  lines[Symbol.dispose]();
  await untilLine(broker.kafka, 'sa-lines', lines.count);
  // `replays` has seen that no number is left out.
  expect((await replays(broker.kafka, 'sa-lines')).count).toBeLessThanOrEqual(6);
});

test('a sink of a standalone worker goes on where its group stood', { timeout: 120_000 }, async () => {
  const input = inFolder('in', '0\n1\n');
  const output = path.join(folder, 'out');
  const source = properties('source.properties', { name: 'in', ...fileSource(input, 'sa-sink') });
  const sink = properties('sink.properties', {
    ...TEXT,
    name: 'out',
    'connector.class': 'FileStreamSink',
    topics: 'sa-sink',
    file: output,
  });
  await using worker = await startMillrace(options([source, sink]));
  const arrived = (text: string): Promise<true> =>
    eventually(
      'the lines arrive',
      () => {
        const found = readFileSync(output, 'utf8');
        if (found === text) return Promise.resolve(true);
        throw new Error(found);
      },
      60_000,
    );
  await untilRunning(worker, 'out');
  await arrived('0\n1\n');
  await worker.end();
  appendFileSync(input, '2\n');
  await worker.start();
  await arrived('0\n1\n2\n');
});

test.each([
  ['a file that names nobody', 'x.properties', 'connector.class=FileStreamSource\n', /has no name/],
  ['a file that is no JSON', 'x.json', '{"name": ', /not JSON/],
  [
    'a connector that is refused',
    'x.properties',
    'name=x\nconnector.class=FileStreamSource\n',
    /cannot be created.*topic/s,
  ],
  [
    'a state that there is not',
    'x.json',
    '{"name":"x","config":{},"initial_state":"GONE"}',
    /initial_state is GONE/,
  ],
])('%s is named, and nothing runs', async (_what, name, content, message) => {
  const { standalone = [], properties: worker = {} } = options([inFolder(name, content)]);
  const file = properties('worker.properties', { ...worker, 'bootstrap.servers': broker.kafka });
  const { code, stderr } = await runMillrace([
    'standalone',
    file,
    ...standalone,
    '--data',
    path.join(folder, 'data'),
    '--rest',
    '127.0.0.1:0',
  ]);
  expect(stderr).toMatch(message);
  expect(stderr).toContain(standalone[0]);
  expect(code).toBe(2);
});
