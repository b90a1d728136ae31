// The recorded logs of a real Kafka before and after its own cleaner: ours leaves the same records.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BatchHeader, canCompress, type KafkaRecord } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { cleanLogs, type ReadBatch, readBatches } from '../../testing/clean-log.ts';
import { MemoryDisk } from '../../testing/memory-disk.ts';
import { openTestLogs, TEST_TOPIC_ID } from '../../testing/test-log.ts';
import { formatPartitionMetadata } from '../checkpoint.ts';
import type { PartitionLog } from '../partition-log.ts';

const SEGMENTS = fileURLToPath(new URL('../../../../../testdata/goldens/kafka/segments/', import.meta.url));

/** Copies a recorded folder into memory as partition t-0. */
async function recorded(
  name: string,
): Promise<{ disk: MemoryDisk; clean: () => Promise<unknown>; log: PartitionLog }> {
  const disk = new MemoryDisk();
  disk.makeDirectory('/data/log/t-0');
  for (const file of readdirSync(join(SEGMENTS, name))) {
    if (!file.endsWith('.txt')) put(disk, `/data/log/t-0/${file}`, readFileSync(join(SEGMENTS, name, file)));
  }
  put(disk, '/data/log/t-0/partition.metadata', Buffer.from(formatPartitionMetadata(TEST_TOPIC_ID)));
  put(disk, '/data/log/.kafka_cleanshutdown', Buffer.alloc(0));
  const { open, directory } = await openTestLogs(disk);
  const log = await open({ compacted: true, deletes: false, indexIntervalBytes: 300 });
  return {
    disk,
    log,
    clean: () => cleanLogs(disk, directory, { nowMs: log.segments.at(-1)?.maxTimestamp ?? 0 }),
  };
}

function put(disk: MemoryDisk, path: string, bytes: Buffer): void {
  disk.open(path).writeSync([bytes], 0);
}

/** What is left, but for the times at which a cleaner came by. */
async function contents(log: PartitionLog): Promise<unknown[]> {
  return (await readBatches(log)).map(({ header, records }) => ({
    baseOffset: header.baseOffset,
    lastOffsetDelta: header.lastOffsetDelta,
    // Each cleaning of the recording saw tombstones of its own; ours came by once.
    attributes: header.attributes & ~0x40,
    records: records.map(({ offset, key, value }) => `${offset} ${String(key)}=${String(value)}`),
  }));
}

test('Ours leaves of a recorded log what the cleaner of Kafka left, batch by batch', async () => {
  const before = await recorded('compact-before');
  const after = await recorded('compact-after');
  await before.clean();
  expect(before.log.segments.map((s) => s.baseOffset)).toEqual([0, 78]);
  expect(await contents(before.log)).toEqual(await contents(after.log));
  expect(before.disk.readFile('/data/log/cleaner-offset-checkpoint')?.toString()).toBe('0\n1\nt 0 78\n');
});

test('Of a log that Kafka cleaned before, with transactions, ours drops nothing more', async () => {
  const { log, clean } = await recorded('compact-txn');
  const before = await contents(log);
  await clean();
  expect(await contents(log)).toEqual(before);
});

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  test(`Batches that other clients compressed with ${codec} are cleaned to the last record of each key`, async () => {
    const { log, clean } = await recorded(codec);
    const before = await readBatches(log);
    await log.roll();
    await clean();
    const after = await readBatches(log);
    expect(after.length).toBeLessThan(before.length);
    const records = after.flatMap((batch) => batch.records);
    const last = finalRecords(before.flatMap((batch) => batch.records));
    expect(records).toEqual([...last.values()].sort((a, b) => a.offset - b.offset));
    // What this Node cannot write is stored in gzip.
    const own = ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(codec);
    const expected = codec === 'zstd' && !canCompress('zstd') ? 1 : own;
    expect(
      after.filter(({ header }) => header.recordCount > 0).map(({ header }) => header.attributes & 7),
    ).toEqual(
      after
        .filter(({ header }) => header.recordCount > 0)
        .map(({ header }) => (untouched(header, before) ? own : expected)),
    );
  });
}

/** Whether a batch is stored as it was. */
function untouched(header: BatchHeader, before: readonly ReadBatch[]): boolean {
  return before.some(
    (batch) => batch.header.baseOffset === header.baseOffset && batch.header.crc === header.crc,
  );
}

function finalRecords(records: readonly KafkaRecord[]): Map<string, KafkaRecord> {
  const last = new Map<string, KafkaRecord>();
  for (const item of records) last.set(String(item.key), item);
  return last;
}
