// Segments that a real broker wrote: every batch checks and every record reads, in each codec.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { batchCrcValid, type KafkaRecord, readBatchHeader, readRecords } from './index.ts';

const FOLDER = new URL('../../../testdata/goldens/kafka/segments/', import.meta.url);

function recordsOf(folder: string): { records: KafkaRecord[]; batches: number } {
  const logs = readdirSync(new URL(`${folder}/`, FOLDER)).filter((name) => name.endsWith('.log'));
  const records: KafkaRecord[] = [];
  let batches = 0;
  for (const name of logs) {
    const bytes = readFileSync(new URL(`${folder}/${name}`, FOLDER));
    for (let position = 0; position < bytes.length; batches++) {
      const header = readBatchHeader(bytes, position);
      expect(batchCrcValid(bytes, position, header.sizeInBytes)).toBe(true);
      records.push(...readRecords(bytes, position, header));
      position += header.sizeInBytes;
    }
  }
  return { records, batches };
}

/** Offsets, timestamps and sizes as Kafka's own dump tool printed them. */
function dumped(folder: string): { offset: number; timestamp: number; keySize: number; valueSize: number }[] {
  const text = readFileSync(new URL(`${folder}/dump-log.txt`, FOLDER), 'utf8');
  const lines = text.matchAll(/^\| offset: (\d+) \w+: (-?\d+) keySize: (-?\d+) valueSize: (-?\d+)/gm);
  return [...lines].map(([, offset, timestamp, keySize, valueSize]) => ({
    offset: Number(offset),
    timestamp: Number(timestamp),
    keySize: Number(keySize),
    valueSize: Number(valueSize),
  }));
}

const folders = readdirSync(FOLDER).filter((name) => name !== '_datadir');

describe.each(folders)('segment %s', (folder) => {
  test('has the records that the dump tool lists', () => {
    const { records } = recordsOf(folder);
    const seen = records.map(({ offset, timestamp, key, value }) => ({
      offset,
      timestamp,
      keySize: key?.length ?? -1,
      valueSize: value?.length ?? -1,
    }));
    expect(seen).toEqual(dumped(folder));
  });
});

test.each(['gzip', 'snappy', 'lz4', 'zstd'])(
  '%s segments hold the same keys and values as plain ones',
  (codec) => {
    const plain = recordsOf('none').records.map(({ key, value }) => [String(key), String(value)]);
    expect(recordsOf(codec).records.map(({ key, value }) => [String(key), String(value)])).toEqual(plain);
  },
);
