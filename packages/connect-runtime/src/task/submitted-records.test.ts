import { describe, expect, it } from 'vitest';
import { SubmittedRecords } from './submitted-records.ts';

const shop = { server: 'shop' };
const bank = { server: 'bank' };

describe('SubmittedRecords', () => {
  it('INV-1: commits nothing at or past the oldest unacknowledged record', () => {
    const records = new SubmittedRecords();
    const partition = records.partitionIndex(shop);
    const [first, second, third] = [1, 2, 3].map((lsn) => records.submit(partition, { lsn }));
    records.acknowledge(second ?? -1);
    records.acknowledge(third ?? -1);
    expect(records.takeCommittable()).toEqual([]);
    records.acknowledge(first ?? -1);
    expect(records.takeCommittable()).toEqual([{ partition: shop, offset: { lsn: 3 } }]);
    expect(records.takeCommittable()).toEqual([]);
  });

  it('INV-1: bounds each source partition by its own records', () => {
    const records = new SubmittedRecords();
    const a = records.partitionIndex(shop);
    const b = records.partitionIndex(bank);
    const stuck = records.submit(a, { lsn: 1 });
    records.acknowledge(records.submit(b, { lsn: 7 }));
    records.acknowledge(records.submit(a, { lsn: 2 }));
    expect(records.takeCommittable()).toEqual([{ partition: bank, offset: { lsn: 7 } }]);
    records.acknowledge(stuck);
    expect(records.takeCommittable()).toEqual([{ partition: shop, offset: { lsn: 2 } }]);
  });

  it('INV-1: is empty only when nothing is left to store, also behind what another partition waits for', () => {
    const records = new SubmittedRecords();
    expect(records.isEmpty).toBe(true);
    const stuck = records.submit(records.partitionIndex(shop), { lsn: 1 });
    records.acknowledge(records.submit(records.partitionIndex(bank), { lsn: 7 }));
    expect(records.isEmpty).toBe(false);
    expect(records.takeCommittable()).toHaveLength(1);
    expect(records.isEmpty).toBe(false);
    records.acknowledge(stuck);
    expect(records.isEmpty).toBe(false);
    expect(records.takeCommittable()).toHaveLength(1);
    expect(records.isEmpty).toBe(true);
  });

  it('INV-1: acknowledges many at once, each source partition up to its oldest unacknowledged record', () => {
    const records = new SubmittedRecords();
    const a = records.partitionIndex(shop);
    const b = records.partitionIndex(bank);
    const submitted = [a, b, a, b, a, b].map((partition, lsn) => records.submit(partition, { lsn }));
    records.acknowledgeAll(submitted.filter((_, i) => i !== 3));
    expect(records.pending).toBe(1);
    expect(records.takeCommittable()).toEqual([
      { partition: shop, offset: { lsn: 4 } },
      { partition: bank, offset: { lsn: 1 } },
    ]);
    records.acknowledgeAll([...submitted, 999]);
    expect(records.pending).toBe(0);
    expect(records.takeCommittable()).toEqual([{ partition: bank, offset: { lsn: 5 } }]);
  });

  it('takes partitions of equal content as one', () => {
    const records = new SubmittedRecords();
    expect(records.partitionIndex({ server: 'shop' })).toBe(records.partitionIndex({ server: 'shop' }));
    expect(records.partitionIndex({ server: 'bank' })).not.toBe(records.partitionIndex({ server: 'shop' }));
  });

  it('makes the map of a deferred offset only when it is committed', () => {
    const records = new SubmittedRecords();
    const partition = records.partitionIndex(shop);
    let made = 0;
    const offset = (lsn: number): { toOffsetMap(): { lsn: number } } => ({
      toOffsetMap: () => {
        made++;
        return { lsn };
      },
    });
    for (let lsn = 1; lsn <= 100; lsn++) records.acknowledge(records.submit(partition, offset(lsn)));
    expect(records.takeCommittable()).toEqual([{ partition: shop, offset: { lsn: 100 } }]);
    expect(made).toBe(1);
  });

  it('forgets a record that was taken back', () => {
    const records = new SubmittedRecords();
    const partition = records.partitionIndex(shop);
    records.acknowledge(records.submit(partition, { lsn: 1 }));
    records.removeLast(records.submit(partition, { lsn: 2 }));
    expect(records.pending).toBe(0);
    expect(records.takeCommittable()).toEqual([{ partition: shop, offset: { lsn: 1 } }]);
  });

  it('is full at its bound and has room again after a commit', () => {
    const records = new SubmittedRecords(8);
    const partition = records.partitionIndex(shop);
    const sequences = Array.from({ length: 8 }, (_, lsn) => records.submit(partition, { lsn }));
    expect(records.full).toBe(true);
    for (const sequence of sequences) records.acknowledge(sequence);
    records.takeCommittable();
    expect(records.full).toBe(false);
  });

  it('INV-1: agrees with a plain model over random submissions and acknowledgements', () => {
    const seed = 20261124;
    let state = seed;
    const random = (below: number): number => {
      state = (state * 1103515245 + 12345) & 0x7fffffff;
      return state % below;
    };
    const records = new SubmittedRecords();
    const partitions = [shop, bank, { server: 'mail' }];
    const model: { partition: number; lsn: number; acked: boolean }[][] = [[], [], []];
    const open: { partition: number; sequence: number; index: number }[] = [];
    for (let step = 0; step < 60_000; step++) {
      if (random(3) > 0) {
        const partition = random(3);
        const queue = model[partition] ?? [];
        const sequence = records.submit(records.partitionIndex(partitions[partition] ?? shop), { lsn: step });
        open.push({ partition, sequence, index: queue.length });
        queue.push({ partition, lsn: step, acked: false });
      } else if (open.length > 0) {
        const [taken] = open.splice(random(Math.min(open.length, 50)), 1);
        if (!taken) continue;
        records.acknowledge(taken.sequence);
        const entry = model[taken.partition]?.[taken.index];
        if (entry) entry.acked = true;
      }
      if (step % 997 !== 0) continue;
      const expected = model.flatMap((queue, partition) => {
        const end = queue.findIndex((entry) => !entry.acked);
        const last = queue[(end < 0 ? queue.length : end) - 1];
        return last ? [{ partition: partitions[partition], offset: { lsn: last.lsn } }] : [];
      });
      for (const { partition, offset } of records.takeCommittable()) {
        expect(expected, `seed ${seed}, step ${step}`).toContainEqual({ partition, offset });
      }
    }
  });
});
