import { SourceRecord } from '@millrace/connect-api';
import { describe, expect, it } from 'vitest';
import { TransactionRequests } from './transaction-context.ts';
import { TransactionOffsets } from './transaction-offsets.ts';

describe('TransactionOffsets', () => {
  it('gives the last offset of each partition, once', () => {
    const offsets = new TransactionOffsets();
    const [a, b] = [{ p: 'a' }, { p: 'b' }];
    for (const n of [1, 2]) offsets.submit(offsets.partitionIndex(a), { n });
    offsets.submit(offsets.partitionIndex({ p: 'b' }), { toOffsetMap: () => ({ n: 3 }) });
    expect(offsets.count).toBe(3);
    expect(offsets.take()).toEqual([
      { partition: a, offset: { n: 2 } },
      { partition: b, offset: { n: 3 } },
    ]);
    expect(offsets.take()).toEqual([]);
    expect(offsets.isEmpty).toBe(true);
  });

  it('forgets the record whose append was refused', () => {
    const offsets = new TransactionOffsets();
    const index = offsets.partitionIndex({ p: 'a' });
    offsets.submit(index, { n: 1 });
    offsets.submit(index, { n: 2 });
    offsets.removeLast();
    expect(offsets.take()).toEqual([{ partition: { p: 'a' }, offset: { n: 1 } }]);
    offsets.submit(index, { n: 2 });
    offsets.removeLast();
    expect(offsets.isEmpty).toBe(true);
    expect(offsets.take()).toEqual([]);
  });
});

describe('TransactionRequests', () => {
  const record = (): SourceRecord =>
    new SourceRecord({ sourcePartition: {}, sourceOffset: {}, topic: 't', value: 1 });

  it('gives each request once, for the record or the batch it was made for', () => {
    const requests = new TransactionRequests();
    const [first, second] = [record(), record()];
    requests.commitTransaction(first);
    requests.abortTransaction(second);
    requests.commitTransaction();
    expect(requests.hasRecords).toBe(true);
    expect([requests.takeFor(first), requests.takeFor(first), requests.takeFor(second)]).toEqual([
      'commit',
      undefined,
      'abort',
    ]);
    expect([requests.hasRecords, requests.takeForBatch(), requests.takeForBatch()]).toEqual([
      false,
      'commit',
      undefined,
    ]);
  });

  it('refuses two ends of one transaction', () => {
    const requests = new TransactionRequests();
    const one = record();
    requests.commitTransaction(one);
    expect(() => requests.abortTransaction(one)).toThrow('for the same record');
    requests.abortTransaction();
    expect(() => requests.commitTransaction()).toThrow('for the current batch');
  });
});
