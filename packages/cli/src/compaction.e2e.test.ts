// The topics a worker keeps its state in stay small on the bundled broker, and are as good after a cleaning as before.
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, Cluster, listOffsets } from '@millrace/kafka-client';
import { eventually, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-compaction-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = { 'value.converter': 'org.apache.kafka.connect.storage.StringConverter' };
const COMPACTED = ['connect-offsets', 'connect-status', 'connect-configs', '__consumer_offsets'];
/** Uncompacted, this many offsets take half as much again as MOST_BYTES. */
const WRITES = 60;
const MOST_BYTES = 4000;

async function withAdmin<T>(kafka: string, use: (admin: Admin, cluster: Cluster) => Promise<T>): Promise<T> {
  await using cluster = new Cluster({
    bootstrapServers: kafka,
    clientId: 'millrace-test',
    logger: silentLogger,
    clock: systemClock,
    defaultApiTimeoutMs: 20_000,
  });
  return await use(new Admin(cluster), cluster);
}

/** How many records were ever written to the partitions of a topic, and how many bytes of them there still are. */
async function counts(
  kafka: string,
  data: string,
  topic: string,
): Promise<{ written: number; bytes: number }> {
  const folders = readdirSync(data).filter((name) => name.replace(/-\d+$/, '') === topic);
  const partitions = folders.map((name) => ({ topic, partition: Number(/\d+$/.exec(name)?.[0]) }));
  const ends = await withAdmin(kafka, (_, cluster) => listOffsets(cluster, partitions, 'latest'));
  const files = folders.flatMap((name) =>
    readdirSync(path.join(data, name)).map((file) => path.join(data, name, file)),
  );
  const logs = files.filter((file) => file.endsWith('.log'));
  return {
    written: ends.reduce((sum, { offset }) => sum + offset, 0),
    bytes: logs.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0),
  };
}

/** Makes segments roll and be cleaned within seconds instead of minutes. */
async function hurry(kafka: string): Promise<void> {
  await withAdmin(kafka, async (admin) => {
    for (const topic of COMPACTED) {
      await admin.alterTopicConfigs(topic, { 'segment.ms': '500', 'min.cleanable.dirty.ratio': '0.01' });
    }
  });
}

test('F2: states and offsets of a worker are compacted while it works, and it goes on from them after a kill (INV-3)', {
  timeout: 120_000,
}, async () => {
  const settings = path.join(folder, 'server.properties');
  writeFileSync(settings, 'log.cleaner.backoff.ms=300\nlog.segment.delete.delay.ms=0\n');
  const input = path.join(folder, 'in.txt');
  const output = path.join(folder, 'out.txt');
  writeFileSync(input, 'line 0\n');
  await using millrace = await startMillrace({
    args: ['--broker-config', settings],
    properties: { 'offset.flush.interval.ms': '50' },
  });
  const connectors = {
    source: { 'connector.class': 'FileStreamSource', file: input, topic: 'lines' },
    sink: { 'connector.class': 'FileStreamSink', file: output, topics: 'lines' },
  };
  for (const [name, config] of Object.entries(connectors)) {
    const answer = await millrace.request('POST', '/connectors', { name, config: { ...TEXT, ...config } });
    expect(answer.status).toBe(201);
  }
  const lines = (): string[] =>
    existsSync(output) ? readFileSync(output, 'utf8').split('\n').slice(0, -1) : [];
  await eventually('the first line', () => lines().length > 0);
  await hurry(millrace.kafka);
  const log = path.join(millrace.dataDir, 'data/log');
  for (const topic of ['connect-offsets', '__consumer_offsets']) {
    let line = 0;
    await eventually(
      `few bytes of many records in ${topic}`,
      async () => {
        appendFileSync(input, `${topic} ${++line}\n`);
        await eventually(`line ${line}`, () => lines().includes(`${topic} ${line}`));
        const { written, bytes } = await counts(millrace.kafka, log, topic);
        return written >= WRITES && bytes < MOST_BYTES;
      },
      60_000,
    );
  }
  await millrace.crash();
  appendFileSync(input, 'line last\n');
  await eventually('the last line', () => lines().includes('line last'));
  // At least once, and nothing left out.
  const seen = new Set(lines());
  for (const line of readFileSync(input, 'utf8').split('\n').slice(0, -1)) expect(seen).toContain(line);
});
