import { readBatchHeader } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { batchOf } from '../testing/test-log.ts';
import { Segment } from './segment.ts';

test('A segment that readers let go of before its lists are stored still has them', async () => {
  const disk = new MemoryDisk();
  const segment = new Segment(disk, '/log', 0, 0);
  const batch = batchOf({ values: ['v'] });
  segment.file.writeSync([batch], segment.place(readBatchHeader(batch, 0), 0, 1));
  segment.writtenSize = segment.size;
  segment.transactions.append({ producerId: 7, firstOffset: 0, lastOffset: 0, lastStableOffset: 1 });
  segment.release();
  await segment.storeIndexes();
  const again = new Segment(disk, '/log', 0, segment.size);
  expect(again.loadIndexes()).toBe(true);
  expect([...again.transactions.entries()]).toMatchObject([{ producerId: 7 }]);
  // Stored, they are given back.
  segment.release();
  expect(segment.isOpen).toBe(false);
  expect(segment.find(0)).toMatchObject({ position: 0 });
});
