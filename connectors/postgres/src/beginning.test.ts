import { type OffsetMap, ownerOfPrivate, type SourcePartition } from '@millrace/connect-api';
import { PrivateRecords } from '@millrace/connector-common';
import { expect, test } from 'vitest';
import { Beginning } from './beginning.ts';

const PARTITION = { server: 'p' };
const SNAPSHOT: OffsetMap = { lsn: 100, snapshot: 'INITIAL', snapshot_completed: false };
const STREAM: OffsetMap = { lsn: 200, txId: 1 };

/** What a worker has stored: one offset of records, and one private record. */
class Stored {
  ofRecords: OffsetMap | null = null;
  beginning: OffsetMap | null = null;

  async read(): Promise<{ readonly beginning: Beginning; keep(offset: OffsetMap): void }> {
    const records = new PrivateRecords(() => undefined);
    const offset = (partition: SourcePartition): Promise<OffsetMap | null> =>
      Promise.resolve(ownerOfPrivate(partition) === undefined ? this.ofRecords : this.beginning);
    const beginning = await Beginning.read({ offsets: { offset }, sourcePartition: PARTITION, records });
    return {
      beginning,
      keep: (begun) => {
        void beginning.keep(begun);
        this.beginning = (records.take()?.position?.offset as OffsetMap | undefined) ?? null;
      },
    };
  }

  async goesOnFrom(readsData: boolean): Promise<unknown> {
    return (await this.read()).beginning.goesOnFrom(readsData)?.lsn;
  }
}

test('a beginning counts until an offset of records is stored (INV-3)', async () => {
  const stored = new Stored();
  expect(await stored.goesOnFrom(true)).toBeUndefined();
  (await stored.read()).keep(SNAPSHOT);
  expect(await stored.goesOnFrom(true)).toBe(100);
  stored.ofRecords = { lsn: 150, snapshot: 'INITIAL', snapshot_completed: false };
  expect(await stored.goesOnFrom(true)).toBe(150);
});

test('a beginning anew counts in place of the offset that was stored before, whatever form its store gives it (INV-3)', async () => {
  const stored = new Stored();
  stored.ofRecords = { lsn: 50, txId: 7n };
  (await stored.read()).keep(SNAPSHOT);
  stored.ofRecords = { txId: 7, lsn: 50n };
  expect(await stored.goesOnFrom(true)).toBe(100);
  stored.ofRecords = { lsn: 51, txId: 7 };
  expect(await stored.goesOnFrom(true)).toBe(51);
});

test('a config that reads the tables does not go on from a stream without them, nor the other way round', async () => {
  const stored = new Stored();
  (await stored.read()).keep(STREAM);
  expect([await stored.goesOnFrom(false), await stored.goesOnFrom(true)]).toEqual([200, undefined]);
  (await stored.read()).keep(SNAPSHOT);
  expect([await stored.goesOnFrom(false), await stored.goesOnFrom(true)]).toEqual([undefined, 100]);
});
