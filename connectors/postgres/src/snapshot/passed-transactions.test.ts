import { expect, test } from 'vitest';
import { PassedTransactions } from './passed-transactions.ts';

function passed(...xids: readonly number[]): PassedTransactions {
  const transactions = new PassedTransactions();
  for (const xid of xids) transactions.passed(xid);
  return transactions;
}

test('tells which transactions a snapshot does not see, of those that passed before', () => {
  const transactions = passed(700, 703, 703, 701, 705, 702);
  expect(transactions.count).toBe(5);
  expect(transactions.unseen('701:705:701,704', 5)).toEqual([701, 705]);
  expect(transactions.unseen('701:705:701,704', 3)).toEqual([701]);
  expect(transactions.unseen('706:706:', 5)).toEqual([]);
});

test('knows the epoch of ids that have gone round', () => {
  const transactions = passed(2 ** 32 - 2, 2 ** 32 - 1, 3, 4);
  const around = (xid: number): number => 5 * 2 ** 32 + xid;
  expect(transactions.unseen(`${around(-1)}:${around(4)}:${around(-1)}`, 4)).toEqual([2 ** 32 - 1, 4]);
});
