import type { OffsetMap } from '@millrace/connect-api';
import { expect, test } from 'vitest';
import { MarkOffset } from './offset.ts';
import { StoredMarks } from './stored-marks.ts';

const BASE: OffsetMap = { lsn: 1, txId: 1 };

function markAt(lsn: number): MarkOffset {
  return new MarkOffset(BASE, lsn, undefined);
}

/** Marks, and a wait that has begun. */
function waiting(): { marks: StoredMarks; isDone: () => Promise<boolean> } {
  const marks = new StoredMarks();
  let done = false;
  void marks.next().then(() => {
    done = true;
  });
  return {
    marks,
    isDone: async () => {
      await Promise.resolve();
      return done;
    },
  };
}

test('Whoever waits is called once the next mark that is handed out is stored', async () => {
  const { marks, isDone } = waiting();
  expect(marks.isAsked).toBe(true);
  marks.stored(BASE);
  const mark = markAt(2);
  marks.handedOut(mark);
  expect(marks.isAsked).toBe(false);
  marks.stored(BASE);
  expect(await isDone()).toBe(false);
  marks.stored(mark.toOffsetMap());
  expect(await isDone()).toBe(true);
});

test('A later mark covers it as well', async () => {
  const { marks, isDone } = waiting();
  marks.handedOut(markAt(2));
  const later = markAt(3);
  marks.handedOut(later);
  marks.stored(later.toOffsetMap());
  expect(await isDone()).toBe(true);
});

test('INV-3, INV-5: where no mark is stored for long, the oldest are forgotten, and who waited for them waits on', async () => {
  const { marks, isDone } = waiting();
  const first = markAt(2);
  marks.handedOut(first);
  for (let lsn = 3; lsn < 2000; lsn++) marks.handedOut(markAt(lsn));
  marks.stored(first.toOffsetMap());
  expect(await isDone()).toBe(false);
  const last = markAt(2000);
  marks.handedOut(last);
  marks.stored(last.toOffsetMap());
  expect(await isDone()).toBe(true);
});
