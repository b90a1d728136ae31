// Log folders written by a real Kafka: the broker starts on a copy, clean or not, and serves what is in them.

import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBroker } from './broker.ts';
import { ProducerState } from './log/producer-state.ts';
import { OffsetIndex, TimeIndex } from './log/sparse-index.ts';
import { TransactionIndex } from './log/transaction-index.ts';
import { TestClient } from './testing/test-client.ts';

const SEGMENTS = fileURLToPath(new URL('../../../testdata/goldens/kafka/segments/', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-kafka-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Copies the recorded partitions into a log folder, under the topic names they had. */
async function copyFolders(name: string, clean: boolean): Promise<string> {
  const data = join(folder, name);
  const log = join(data, 'log');
  await mkdir(log, { recursive: true });
  for (const entry of await readdir(SEGMENTS)) {
    if (entry === '_datadir') continue;
    const topic = entry.startsWith('__') ? entry : `seg-${entry}`;
    await cp(join(SEGMENTS, entry), join(log, `${topic}-0`), {
      recursive: true,
      filter: (source) => !source.endsWith('.txt'),
    });
  }
  for (const file of ['recovery-point-offset-checkpoint', 'log-start-offset-checkpoint']) {
    await cp(join(SEGMENTS, '_datadir', file), join(log, file));
  }
  if (clean) await writeFile(join(log, '.kafka_cleanshutdown'), '{"version":0,"brokerEpoch":1}');
  else await rm(join(log, 'recovery-point-offset-checkpoint'));
  return data;
}

/** End offset of each partition as Kafka noted it. */
async function recordedEnds(): Promise<Map<string, number>> {
  const text = await readFile(join(SEGMENTS, '_datadir', 'recovery-point-offset-checkpoint'), 'utf8');
  const rows = text.trimEnd().split('\n').slice(2);
  return new Map(rows.map((row) => [row.split(' ')[0] ?? '', Number(row.split(' ')[2])]));
}

for (const clean of [true, false]) {
  test(`The broker takes over Kafka's folders after ${clean ? 'a clean' : 'an unclean'} shutdown`, async () => {
    const dataDirectory = await copyFolders(clean ? 'clean' : 'unclean', clean);
    const broker = await startBroker({ dataDirectory, listen: { host: '127.0.0.1', port: 0 } });
    await using client = await TestClient.connect(broker.port);
    const ends = await recordedEnds();
    const topics = [...ends.keys()].map((name) => ({
      name,
      partitions: [{ partitionIndex: 0, timestamp: -1 }],
    }));
    const listed = await client.send('ListOffsets', 4, { replicaId: -1, topics });
    const found = new Map(listed.topics.map(({ name, partitions }) => [name, Number(partitions[0]?.offset)]));
    expect(found).toEqual(ends);
    const bytes = await client.fetch('seg-gzip', 0, 0);
    expect(readRecords(bytes, 0).map(({ key }) => String(key))).toEqual(['k0', 'k1', 'k2', 'k3', 'k4']);
    // DeleteRecords had moved the start of this one.
    const earliest = [{ name: 'seg-deleterecords', partitions: [{ partitionIndex: 0, timestamp: -2 }] }];
    const start = await client.send('ListOffsets', 4, { replicaId: -1, topics: earliest });
    expect(Number(start.topics[0]?.partitions[0]?.offset)).toBe(4);
    // Offsets of groups, in Kafka's own schemas.
    const asked = [{ name: 'seg-none', partitionIndexes: [0] }];
    const offsets = await client.send('OffsetFetch', 7, { groupId: 'seg-classic', topics: asked });
    expect(offsets.topics[0]?.partitions[0]).toMatchObject({ committedOffset: 7 });
    expect(await client.produce('seg-zstd', 0, { values: ['next'] })).toBe(50);
    await broker.close();
  });
}

test('Index and snapshot files of Kafka are read, and written the same', async () => {
  for (const entry of await readdir(SEGMENTS)) {
    for (const name of await readdir(join(SEGMENTS, entry))) {
      const bytes = await readFile(join(SEGMENTS, entry, name));
      if (name.endsWith('.index')) expect(OffsetIndex.parse(bytes, 1 << 30)?.toBytes()).toEqual(bytes);
      if (name.endsWith('.timeindex')) expect(TimeIndex.parse(bytes)?.toBytes()).toEqual(bytes);
      if (name.endsWith('.txnindex')) expect(TransactionIndex.parse(bytes)?.toBytes()).toEqual(bytes);
      if (!name.endsWith('.snapshot')) continue;
      // Ours has a list behind Kafka's part, and with it another checksum.
      const again = ProducerState.parse(bytes, 0)?.toSnapshot();
      expect(again?.subarray(6, bytes.length)).toEqual(bytes.subarray(6));
    }
  }
});

test('Every record of every segment that Kafka wrote is read as Kafka itself prints it', async () => {
  const dataDirectory = await copyFolders('records', true);
  const broker = await startBroker({ dataDirectory, listen: { host: '127.0.0.1', port: 0 } });
  await using client = await TestClient.connect(broker.port);
  let count = 0;
  for (const entry of await readdir(SEGMENTS)) {
    if (entry === '_datadir') continue;
    const dumped = await readFile(join(SEGMENTS, entry, 'dump-log.txt'), 'utf8');
    // DumpLogSegments prints what lies before the log's start, too.
    const from = entry === 'deleterecords' ? 4 : 0;
    const expected = [
      ...dumped.matchAll(/^\| offset: (\d+) \w+: (-?\d+) keySize: (-?\d+) valueSize: (-?\d+)/gm),
    ]
      .map((match) => match.slice(1).map(Number))
      .filter(([offset = 0]) => offset >= from);
    const read = await readAll(client, entry.startsWith('__') ? entry : `seg-${entry}`);
    expect(
      read.filter(([offset = 0]) => offset >= from),
      entry,
    ).toEqual(expected);
    count += expected.length;
  }
  expect(count).toBeGreaterThan(400);
  await broker.close();
});

/** Offset, timestamp, size of key and value of every record; the size of what is null is -1. */
async function readAll(client: TestClient, topic: string): Promise<number[][]> {
  const offsetOf = async (timestamp: number): Promise<number> => {
    const topics = [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }];
    const { topics: found } = await client.send('ListOffsets', 4, { replicaId: -1, topics });
    return Number(found[0]?.partitions[0]?.offset);
  };
  const records: number[][] = [];
  const end = await offsetOf(-1);
  for (let at = await offsetOf(-2); at < end; ) {
    const bytes = await client.fetch(topic, 0, at);
    for (let position = 0; position < bytes.length; ) {
      const header = readBatchHeader(bytes, position);
      for (const { offset, timestamp, key, value } of readRecords(bytes, position, header)) {
        records.push([offset, timestamp, key?.length ?? -1, value?.length ?? -1]);
      }
      at = header.baseOffset + header.lastOffsetDelta + 1;
      position += header.sizeInBytes;
    }
  }
  return records;
}
