import { offsetMapOf } from '@millrace/connect-api';
import { expect, test } from 'vitest';
import { afterBlocking, MarkOffset } from './offset.ts';

test('INV-3: a mark beyond a change is a commit, so that Debezium does not take the change that begins there for done', () => {
  const change = { lsn_proc: 100, messageType: 'INSERT', lsn_commit: 90, lsn: 100, txId: 7, ts_usec: 1 };
  expect(new MarkOffset(change, 200, undefined).toOffsetMap()).toEqual({
    lsn_proc: 200,
    messageType: 'COMMIT',
    lsn_commit: 200,
    lsn: 100,
    txId: 7,
    ts_usec: 1,
  });
});

test('A mark beyond a snapshot moves its position and nothing else', () => {
  const complete = { last_snapshot_record: true, lsn: 100, snapshot: 'INITIAL', snapshot_completed: true };
  expect(new MarkOffset(complete, 200, undefined).toOffsetMap()).toEqual({ ...complete, lsn: 200 });
});

test('after a snapshot that a signal asked for, a place where no change was seen yet has its transaction and time', () => {
  const position = { kind: 'BLOCKING' as const, lsn: 300, transactionId: 9, timestampUs: 5 };
  const place = new MarkOffset({ lsn: 100 }, 200, { incremental_snapshot_x: 1 });
  expect(offsetMapOf(afterBlocking(place, position))).toEqual({
    lsn: 200,
    txId: 9,
    ts_usec: 5,
    incremental_snapshot_x: 1,
  });
  const change = { lsn_proc: 100, lsn: 100, txId: 7, ts_usec: 1 };
  expect(afterBlocking(change, position)).toBe(change);
});
