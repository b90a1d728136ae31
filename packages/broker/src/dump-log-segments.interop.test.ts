// Kafka's own DumpLogSegments over the files of our partitions: logs, indexes and snapshots, as they were written and
// after our cleaner rewrote them. Needs Java 17 and Maven: named skips elsewhere, in CI they must be there.
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Compression, simpleBatch } from '@millrace/kafka-protocol';
import { kafkaClassPath } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestBroker, type TestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';

const run = promisify(execFile);
const has = (program: string): boolean => spawnSync(program, ['-version']).error === undefined;
const testJava = (has('java') && has('mvn')) || process.env['CI'] === 'true' ? test : test.skip;
const CODECS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4'];

let broker: TestBroker;
let logFolder = '';
/** By topic: `offset key value`, as the broker serves them. */
const expected = new Map<string, string[]>();

beforeAll(async () => {
  broker = await startTestBroker({ 'log.cleaner.backoff.ms': '50', 'log.segment.delete.delay.ms': '0' });
  logFolder = join(broker.dataDirectory, 'log');
  await using client = await TestClient.connect(broker.handle.port);
  for (const codec of CODECS) await write(client, codec, codec, {});
  await write(client, 'appendtime', 'none', { 'message.timestamp.type': 'LogAppendTime' });
  await write(client, 'compacted', 'gzip', {
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': '0.01',
  });
  const deadline = Date.now() + 30_000;
  // What is left is the cleaner's copy and the active segment.
  while (logs('compacted').length !== 2) {
    if (Date.now() > deadline) throw new Error('the topic was not cleaned in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await broker.handle.close();
}, 120_000);
afterAll(() => broker[Symbol.asyncDispose]());

const files = (topic: string): string[] =>
  readdirSync(join(logFolder, `${topic}-0`)).map((name) => join(logFolder, `${topic}-0`, name));
const logs = (topic: string): string[] => files(topic).filter((name) => name.endsWith('.log'));

/** Forty batches of an idempotent producer, eleven in a segment. */
async function write(
  client: TestClient,
  name: string,
  compression: Compression,
  configs: Record<string, string>,
): Promise<void> {
  const all = { 'segment.ms': '200', 'index.interval.bytes': '100', ...configs };
  const topic = {
    name,
    numPartitions: 1,
    replicationFactor: 1,
    configs: Object.entries(all).map(([key, value]) => ({ name: key, value })),
  };
  const made = await client.send('CreateTopics', 7, { timeoutMs: 5000, topics: [topic] });
  expect(made.topics[0]?.errorCode).toBe(0);
  const { producerId } = await client.send('InitProducerId', 4, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
    producerId: -1n,
    producerEpoch: -1,
  });
  const start = Date.now() - 100_000;
  const written: string[] = [];
  for (let i = 0; i < 40; i++) {
    // One of the keys is deleted and never written again.
    const items = [0, 1, 2].map((n) =>
      i === 5 && n === 2
        ? { key: 'gone', value: null }
        : { key: `key${(i + n) % 5}`, value: `value${i}.${n}${'-'.repeat(40)}` },
    );
    const records = simpleBatch(
      items.map(({ key, value }) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp: start + 20 * i,
      })),
      { compression, producerId: Number(producerId), producerEpoch: 0, baseSequence: 3 * i },
    );
    const topicData = [{ name, partitionData: [{ index: 0, records }] }];
    const answer = await client.send('Produce', 9, { acks: -1, timeoutMs: 5000, topicData });
    expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    written.push(...items.map(({ key, value }, n) => `${3 * i + n} ${key} ${value ?? ''}`));
  }
  expected.set(name, written);
}

async function dump(paths: readonly string[], ...flags: string[]): Promise<string> {
  const args = [
    '-Xmx256m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    await kafkaClassPath(),
    'org.apache.kafka.tools.DumpLogSegments',
  ];
  const { stdout, stderr } = await run('java', [...args, ...flags, '--files', paths.join(',')], {
    maxBuffer: 1 << 26,
  });
  expect(stderr).not.toMatch(/Exception|ERROR/);
  expect(stdout).not.toMatch(/isvalid: false|mismatch|corrupt|Exception|out of order/i);
  return stdout;
}

function dumpedRecords(text: string): string[] {
  return [...text.matchAll(/^\| offset: (\d+) .*? key: (\S+)(?: payload: (\S*))?$/gm)].map(
    ([, offset, key, value]) => `${offset} ${key} ${value ?? ''}`,
  );
}

for (const topic of [...CODECS, 'appendtime']) {
  testJava(`Kafka reads every record of a log written in ${topic}`, { timeout: 360_000 }, async () => {
    const text = await dump(logs(topic), '--print-data-log', '--deep-iteration');
    expect(dumpedRecords(text)).toEqual(expected.get(topic));
  });
}

testJava(
  'Kafka reads a log after our cleaner: the last record of each key, and the batches that had to stay',
  { timeout: 360_000 },
  async () => {
    const text = await dump(logs('compacted'), '--print-data-log', '--deep-iteration');
    const written = expected.get('compacted') ?? [];
    const dumped = dumpedRecords(text);
    for (const record of dumped) expect(written).toContain(record);
    const last = (records: readonly string[]): Map<string | undefined, string> =>
      new Map(records.map((record) => [record.split(' ')[1], record]));
    expect(last(dumped)).toEqual(last(written));
    expect(dumped.length).toBeLessThan(40);
    expect(text).toMatch(/deleteHorizonMs: OptionalLong\[\d+\]/);
  },
);

testJava(
  'Kafka finds indexes and snapshots sound, also those our cleaner wrote',
  { timeout: 360_000 },
  async () => {
    const all = [...CODECS, 'appendtime', 'compacted'].flatMap(files);
    const ending = (suffix: string): string[] => all.filter((name) => name.endsWith(suffix));
    expect(ending('.index').length).toBeGreaterThan(20);
    const sane = await dump([...ending('.index'), ...ending('.timeindex')], '--index-sanity-check');
    expect(sane.match(/(?:passed sanity check|is empty)\./g)).toHaveLength(
      ending('.index').length + ending('.timeindex').length,
    );
    await dump([...ending('.index'), ...ending('.timeindex')], '--verify-index-only');
    const snapshots = await dump(ending('.snapshot'));
    expect(snapshots).toMatch(/producerId: \d+ producerEpoch: 0 .* lastSequence: 119/);
  },
);
