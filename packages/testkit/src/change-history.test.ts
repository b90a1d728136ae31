import { expect, test } from 'vitest';
import { type DeliveredChange, historyProblems } from './change-history.ts';

const committed = [
  { key: 'a', version: 1 },
  { key: 'b', version: 2 },
  { key: 'a', version: 3 },
  { key: 'b', version: null },
];
const delivered: DeliveredChange[] = committed.map((change, i) => ({ ...change, position: `p${i}` }));
const at = (...places: number[]): DeliveredChange[] => places.flatMap((place) => delivered[place] ?? []);

test('A topic that has every change once, in order, has no problems', () => {
  expect(historyProblems(committed, delivered, 0)).toEqual([]);
});

test('A replay of a contiguous range to the end is no problem, and counts', () => {
  expect(historyProblems(committed, at(0, 1, 2, 1, 2, 3), 1)).toEqual([]);
  expect(historyProblems(committed, at(0, 1, 2, 1, 2, 3), 0)).toEqual([
    '1 replays, at most 0 can be explained',
  ]);
});

test('A missing change is found, wherever it is', () => {
  expect(historyProblems(committed, at(0, 1, 3), 0)).toEqual([
    'a: change 1 was version 3, the topic has nothing',
  ]);
  expect(historyProblems(committed, at(0, 1, 2), 0)).toEqual([
    'b: change 1 was a delete, the topic has nothing',
  ]);
});

test('Changes of one key in another order are found', () => {
  expect(historyProblems(committed, at(2, 1, 0, 3), 0)).toEqual([
    'a: change 0 was version 1, the topic has version 3',
  ]);
});

test('A repeat that leaves changes out is no replay', () => {
  expect(historyProblems(committed, at(0, 1, 2, 0, 2, 3), 1)).toEqual([
    'a replay skipped 1 changes before a at p2',
  ]);
  expect(historyProblems(committed, at(0, 1, 2, 0, 3), 1)).toEqual([
    'b at p3 came new within a replay, 2 before its end',
  ]);
});

test('A change that nobody committed is found', () => {
  const made = { key: 'c', version: 9, position: 'p9' };
  expect(historyProblems(committed, [...delivered, made], 0)).toEqual(['c: nobody committed it']);
});
