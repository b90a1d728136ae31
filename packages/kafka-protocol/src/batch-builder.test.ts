import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BatchBuilder,
  batchCrcValid,
  type Compression,
  joined,
  patchBatch,
  readBatchHeader,
  readRecords,
  simpleBatch,
} from './index.ts';

const bytes = fc.option(
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  { nil: null },
);
const record = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.integer({ min: -1, max: 4_000_000_000_000 }),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 20 }), value: bytes }), { maxLength: 3 }),
});
const seal = { producerId: 77, producerEpoch: 3, baseSequence: 12, transactional: false };

test.each(['a buffer of its own', 'the memory of the batch'])(
  'records come back as appended from %s',
  (from) => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 40 }),
        fc.constantFrom(64, 65_536),
        (records, initialBytes) => {
          const builder = new BatchBuilder({ initialBytes, maxBytes: 1 << 20 });
          for (const { key, value, timestamp, headers } of records) {
            let source = joined(key, value);
            let start = 0;
            let keyEnd = key?.length ?? 0;
            let valueAt = keyEnd;
            const { draftStart, draftGap } = builder;
            if (from !== 'a buffer of its own' && draftStart + draftGap + source.length <= builder.capacity) {
              start = draftStart;
              keyEnd += start;
              valueAt = keyEnd + draftGap;
              source = builder.memory();
              key?.copy(source, start);
              value?.copy(source, valueAt);
            }
            const keyStart = key === null ? -1 : start;
            const valueStart = value === null ? -1 : valueAt;
            const valueEnd = valueAt + (value?.length ?? 0);
            builder.append(timestamp, source, keyStart, keyEnd, valueStart, valueEnd, headers);
          }
          const batch = builder.finish(seal);
          expect(batch.length).toBe(builder.sizeInBytes);
          const header = readBatchHeader(batch, 0);
          expect(header).toMatchObject({
            baseOffset: 0,
            magic: 2,
            producerId: 77,
            producerEpoch: 3,
            baseSequence: 12,
            recordCount: records.length,
            lastOffsetDelta: records.length - 1,
            baseTimestamp: records[0]?.timestamp,
            maxTimestamp: Math.max(...records.map((r) => r.timestamp)),
            sizeInBytes: batch.length,
          });
          expect(batchCrcValid(batch, 0, batch.length)).toBe(true);
          expect(readRecords(batch, 0)).toEqual(records.map((r, offset) => ({ ...r, offset })));
        },
      ),
      { numRuns: 200 },
    );
  },
);

test.each<Compression>(['none', 'gzip', 'snappy', 'lz4'])('%s batches read back', (compression) => {
  const records = Array.from({ length: 500 }, (_, i) => ({
    key: Buffer.from(`key ${i % 7}`),
    value: Buffer.from(`value ${i} ${'x'.repeat((i * 37) % 900)}`),
    timestamp: 1_700_000_000_000 + i,
    headers: [],
  }));
  const batch = simpleBatch(records, { compression });
  expect(readRecords(batch, 0)).toEqual(records.map((r, offset) => ({ ...r, offset })));
});

test('base offset and leader epoch can be patched without touching the checksum', () => {
  const batch = simpleBatch([{ key: null, value: Buffer.from('v'), timestamp: 5 }]);
  patchBatch(batch, 0, 2 ** 40 + 9, 4);
  expect(readBatchHeader(batch, 0)).toMatchObject({ baseOffset: 2 ** 40 + 9, partitionLeaderEpoch: 4 });
  expect(batchCrcValid(batch, 0, batch.length)).toBe(true);
  expect(readRecords(batch, 0)[0]?.offset).toBe(2 ** 40 + 9);
});

test('a full builder has no room, an empty one takes any record', () => {
  const builder = new BatchBuilder({ initialBytes: 64, maxBytes: 200 });
  expect(builder.hasRoomFor(0, 10_000, 1)).toBe(true);
  builder.append(0, Buffer.alloc(100), -1, 0, 0, 100, null);
  expect(builder.hasRoomFor(0, 100, 1)).toBe(false);
});

test('damaged batches give a typed error or records, and never anything else', () => {
  const source = Array.from({ length: 20 }, (_, i) => ({
    key: Buffer.from(`k${i}`),
    value: Buffer.from('v'.repeat(i * 3)),
    timestamp: i,
  }));
  const codecs: Compression[] = ['none', 'gzip', 'snappy', 'lz4'];
  fc.assert(
    fc.property(
      fc.constantFrom(...codecs),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      (compression, flips, cut) => {
        const batch = simpleBatch(source, { compression });
        for (const [at, value] of flips) batch[at % batch.length] = value;
        const damaged = batch.subarray(0, batch.length - (cut % 4 === 0 ? cut % batch.length : 0));
        try {
          expect(readRecords(damaged, 0).length).toBeLessThan(100_000);
        } catch (error) {
          expect(error).toMatchObject({ name: 'MillraceError', code: 'kafka.malformed' });
        }
      },
    ),
    { numRuns: 2000 },
  );
});
