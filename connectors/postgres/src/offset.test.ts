import { expect, test } from 'vitest';
import { MarkOffset } from './offset.ts';

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
