// The log of transactions that a real Kafka wrote: each record is read, and written the same.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { decodeTransaction, encodeTransaction } from './records.ts';

const LOG = fileURLToPath(
  new URL(
    '../../../../testdata/goldens/kafka/segments/__transaction_state/00000000000000000000.log',
    import.meta.url,
  ),
);

test('Records of Kafka’s transaction log decode, and encode to the same bytes', () => {
  const bytes = readFileSync(LOG);
  const states = new Set<string>();
  for (let at = 0; at < bytes.length; at += readBatchHeader(bytes, at).sizeInBytes) {
    for (const { key, value, timestamp } of readRecords(bytes, at)) {
      const record = key && decodeTransaction(key, value);
      if (!record?.stored) throw new Error(`the record at ${at} was not understood`);
      states.add(record.stored.state);
      const again = encodeTransaction(record.transactionalId, record.stored, timestamp);
      expect(again).toEqual({ timestamp, key, value });
    }
  }
  const all = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort'];
  expect([...states].sort()).toEqual(all.sort());
});
