// Transactions on one partition: the last stable offset, the list of aborted ones, and both across restarts.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { appendDurably, openTestLogs, seededRandom } from '../testing/test-log.ts';
import { appendMarker } from './append-marker.ts';
import type { PartitionLog } from './partition-log.ts';

const NOW = 1_700_000_000_000;

interface Write {
  readonly id: number;
  readonly sequence: number;
  readonly epoch?: number;
}

/** Appends one record of a transaction; its offset. */
function write(log: PartitionLog, { id, sequence, epoch = 0 }: Write): number {
  const value = Buffer.from(`${id} ${sequence}`);
  const batch = simpleBatch([{ key: null, value, timestamp: NOW }], {
    producerId: id,
    producerEpoch: epoch,
    baseSequence: sequence,
    transactional: true,
  });
  return log.append(batch, readBatchHeader(batch, 0)).baseOffset;
}

function end(log: PartitionLog, id: number, commit: boolean, epoch: number = 0): number {
  const marker = { producerId: id, producerEpoch: epoch, commit, coordinatorEpoch: 0 };
  return appendMarker(log, marker, NOW).baseOffset;
}

/** What a log with transactions must say, kept the simple way. */
class Model {
  readonly open = new Map<number, number>();
  readonly aborted: { producerId: number; firstOffset: number; lastOffset: number }[] = [];
  end = 0;

  written(id: number, offset: number): void {
    if (!this.open.has(id)) this.open.set(id, offset);
    this.end = offset + 1;
  }
  ended(id: number, offset: number, commit: boolean): void {
    const firstOffset = this.open.get(id);
    this.open.delete(id);
    this.end = offset + 1;
    if (firstOffset !== undefined && !commit) {
      this.aborted.push({ producerId: id, firstOffset, lastOffset: offset });
    }
  }
  get lastStableOffset(): number {
    return Math.min(this.end, ...this.open.values());
  }
  abortedIn(from: number, to: number): object[] {
    return this.aborted.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to);
  }
}

const settled = (log: PartitionLog): Promise<void> => log.whenDurable(log.endOffset - 1);

test('The last stable offset stays at the oldest open transaction and moves with its marker', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open();
  await appendDurably(log, 'plain');
  write(log, { id: 1, sequence: 0 });
  write(log, { id: 2, sequence: 0 });
  end(log, 2, true);
  await settled(log);
  expect([log.highWatermark, log.lastStableOffset]).toEqual([4, 1]);
  end(log, 1, false);
  // The marker is not durable yet: a crash may take it back.
  expect(log.lastStableOffset).toBe(1);
  await settled(log);
  expect(log.lastStableOffset).toBe(5);
  const aborted = { producerId: 1, firstOffset: 1, lastOffset: 4, lastStableOffset: 5 };
  expect(log.abortedIn(0, 5)).toEqual([aborted]);
  expect(log.abortedIn(0, 1)).toEqual([]);
  expect(log.abortedIn(5, 9)).toEqual([]);
});

test('INV-12: open and aborted transactions are known again after a clean stop and after a kill', async () => {
  for (const clean of [true, false]) {
    const disk = new MemoryDisk();
    const before = await openTestLogs(disk);
    // Segments of a few batches, so that transactions reach over several.
    const config = { segmentBytes: 400 };
    const log = await before.open(config);
    for (let round = 0; round < 6; round++) {
      write(log, { id: 1, sequence: 2 * round });
      write(log, { id: 2, sequence: round });
      write(log, { id: 1, sequence: 2 * round + 1 });
      end(log, 1, round % 2 === 0);
      end(log, 2, round % 3 === 0);
      await settled(log);
    }
    const openAt = write(log, { id: 3, sequence: 0 });
    await settled(log);
    expect(log.segments.length).toBeGreaterThan(3);
    const aborted = log.abortedIn(0, log.endOffset);
    // Producer 1 aborts in rounds 1, 3 and 5, producer 2 in 1, 2, 4 and 5; by the order of markers.
    expect(aborted.map(({ producerId }) => producerId)).toEqual([1, 2, 2, 1, 2, 1, 2]);
    if (clean) await before.directory.close();
    const after = await openTestLogs(clean ? disk : disk.afterKill());
    const again = await after.open(config);
    expect(again.abortedIn(0, again.endOffset)).toEqual(aborted);
    expect(again.lastStableOffset).toBe(openAt);
    end(again, 3, true);
    await settled(again);
    expect(again.lastStableOffset).toBe(again.endOffset);
    expect(write(again, { id: 1, sequence: 12 })).toBe(again.endOffset - 1);
  }
});

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);

test(`Any mix of transactions, rolls and restarts gives what a simple model says (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 5; round++) {
    let disk = new MemoryDisk();
    const config = { segmentBytes: 300 + below(900) };
    let logs = await openTestLogs(disk);
    let log = await logs.open(config);
    const model = new Model();
    const sequences = new Map<number, number>();
    for (let step = 0; step < 120; step++) {
      const id = below(4);
      const what = random();
      if (what < 0.6) {
        const sequence = sequences.get(id) ?? 0;
        sequences.set(id, sequence + 1);
        model.written(id, write(log, { id, sequence }));
      } else if (what < 0.9) {
        const commit = random() < 0.5;
        model.ended(id, end(log, id, commit), commit);
      } else {
        if (log.endOffset > 0) await settled(log);
        const clean = random() < 0.5;
        if (clean) await logs.directory.close();
        else if (random() < 0.5) await logs.directory.checkpoint();
        disk = clean ? disk : disk.afterKill();
        logs = await openTestLogs(disk);
        log = await logs.open(config);
      }
      if (log.endOffset > 0) await settled(log);
      expect([log.endOffset, log.lastStableOffset]).toEqual([model.end, model.lastStableOffset]);
      const from = below(model.end + 1);
      const to = from + below(model.lastStableOffset - from + 1);
      const found = log.abortedIn(from, to).map(({ producerId, firstOffset, lastOffset }) => ({
        producerId,
        firstOffset,
        lastOffset,
      }));
      expect(found).toEqual(model.abortedIn(from, to));
    }
    expect(log.segments.length).toBeGreaterThan(3);
  }
}, 60_000);

test('A refused write takes open and aborted transactions back', async () => {
  const disk = new MemoryDisk();
  const { open } = await openTestLogs(disk);
  const log = await open();
  write(log, { id: 1, sequence: 0 });
  await settled(log);
  disk.capacityBytes = disk.usedBytes;
  end(log, 1, false);
  await expect(settled(log)).rejects.toMatchObject({ message: 'The disk is full.' });
  expect(log.abortedIn(0, 9)).toEqual([]);
  expect(log.producers.hasOpen(1, 0)).toBe(true);
  expect(log.lastStableOffset).toBe(0);
});

test('A marker of an older producer or coordinator is refused, and one of a newer epoch fences', async () => {
  const { open } = await openTestLogs(new MemoryDisk());
  const log = await open();
  write(log, { id: 1, sequence: 0, epoch: 3 });
  expect(() => end(log, 1, true, 2)).toThrow('old epoch');
  end(log, 1, false, 4);
  expect(() => write(log, { id: 1, sequence: 1, epoch: 3 })).toThrow();
  expect(() => write(log, { id: 1, sequence: 1, epoch: 4 })).toThrow();
  expect(write(log, { id: 1, sequence: 0, epoch: 4 })).toBe(2);
  const old = { producerId: 1, producerEpoch: 4, commit: true, coordinatorEpoch: -1 };
  expect(() => appendMarker(log, old, NOW)).toThrow('coordinator');
});

test('The list of aborted transactions that recovery makes from a log of Kafka is Kafka’s', async () => {
  const folder = fileURLToPath(new URL('../../../../testdata/goldens/kafka/segments/txn/', import.meta.url));
  const name = '00000000000000000000';
  const disk = new MemoryDisk();
  const before = await openTestLogs(disk);
  await (await before.open()).close();
  const file = disk.open(`/data/log/t-0/${name}.log`);
  file.writeSync([readFileSync(`${folder}${name}.log`)], 0);
  await file.sync();
  const { directory, open } = await openTestLogs(disk.afterKill());
  const log = await open();
  expect(log.segments[0]?.transactions.toBytes()).toEqual(readFileSync(`${folder}${name}.txnindex`));
  await directory.close();
  expect(log.lastStableOffset).toBe(18);
  expect([...log.producers.entries()].map(([id, { epoch }]) => [id, epoch])).toEqual([
    [0, 1],
    [1, 0],
    [2, 2],
  ]);
});
