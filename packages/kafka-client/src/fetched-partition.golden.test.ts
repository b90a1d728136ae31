// Transactions that a real broker wrote, read the way a consumer must.
import { readFileSync } from 'node:fs';
import { simpleBatch } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { type AbortedTransaction, FetchedPartition, type Isolation } from './fetched-partition.ts';

const FOLDER = new URL('../../../testdata/goldens/kafka/segments/txn/', import.meta.url);
const plainBatch = simpleBatch([{ key: Buffer.alloc(4), value: null, timestamp: 0 }]);
const bytes = readFileSync(new URL('00000000000000000000.log', FOLDER));
const aborted: AbortedTransaction[] = [
  ...readFileSync(new URL('dump-txnindex.txt', FOLDER), 'utf8').matchAll(
    /producerId: (\d+) firstOffset: (\d+)/g,
  ),
].map(([, producerId, firstOffset]) => ({
  producerId: Number(producerId),
  firstOffset: Number(firstOffset),
}));

function read(isolation: Isolation, position = 0, max = 1000): { offsets: number[]; nextOffset: number } {
  const data = new FetchedPartition({ topic: 't', partition: 0, bytes, position, isolation, aborted });
  const offsets: number[] = [];
  for (let taken = data.take(max); taken.length > 0; taken = data.take(max)) {
    offsets.push(...taken.map(({ offset }) => offset));
  }
  return { offsets, nextOffset: data.nextOffset };
}

test('read_committed leaves out aborted records and markers, and ends behind the last marker', () => {
  expect(aborted).toHaveLength(4);
  expect(read('read_committed')).toEqual({ offsets: [0, 1, 3, 4, 10, 12], nextOffset: 18 });
});

test('read_uncommitted leaves out markers only', () => {
  expect(read('read_uncommitted').offsets).toEqual([0, 1, 2, 3, 4, 6, 7, 10, 12, 14, 16]);
});

test('reading starts inside a batch, and goes on where the last answer ended', () => {
  expect(read('read_committed', 4).offsets).toEqual([4, 10, 12]);
  expect(read('read_committed', 0, 1).offsets).toEqual([0, 1, 3, 4, 10, 12]);
});

test('what comes next is where the last whole batch ends', () => {
  const endOf = (length: number): unknown =>
    new FetchedPartition({
      topic: 't',
      partition: 0,
      bytes: bytes.subarray(0, length),
      position: 0,
      isolation: 'read_committed',
      aborted,
    }).end;
  expect(endOf(bytes.length)).toEqual({ offset: 18, epoch: 0 });
  expect(endOf(bytes.length - 1)).toEqual({ offset: 17, epoch: 0 });
  expect(endOf(40)).toBeUndefined();
});

test('a record whose key looks like an abort marker is a record', () => {
  // Only control batches are markers: a key of four zero bytes in an ordinary batch must come out.
  const data = new FetchedPartition({
    topic: 't',
    partition: 0,
    bytes: plainBatch,
    position: 0,
    isolation: 'read_committed',
    aborted: [],
  });
  expect(data.take(10).map(({ key }) => key)).toEqual([Buffer.alloc(4)]);
});

test('a batch with a wrong checksum is an error that names the place', () => {
  const broken = Buffer.from(bytes);
  broken[70] = (broken[70] ?? 0) ^ 1;
  const data = new FetchedPartition({
    topic: 't',
    partition: 3,
    bytes: broken,
    position: 0,
    isolation: 'read_committed',
    aborted,
  });
  expect(() => data.take(1)).toThrowError(
    expect.objectContaining({
      code: 'kafka.corrupt_records',
      context: { topic: 't', partition: 3, position: 0 },
    }),
  );
});

test('a batch that is cut off at the end is left for the next answer', () => {
  const data = new FetchedPartition({
    topic: 't',
    partition: 0,
    bytes: bytes.subarray(0, bytes.length - 5),
    position: 0,
    isolation: 'read_uncommitted',
    aborted: [],
  });
  expect(data.take(1000)).toHaveLength(11);
  expect(data.nextOffset).toBe(17);
});
