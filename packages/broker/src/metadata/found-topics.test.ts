import { expect, test } from 'vitest';
import { foundTopics } from './found-topics.ts';

const folder = (topic: string, partition: number, topicId: string) => ({ topic, partition, topicId });

test('What nobody knows is found with all its partitions; what is known, or deleted, is not', () => {
  const folders = [
    folder('new', 0, 'N'),
    folder('new', 2, 'N'),
    folder('known', 0, 'K'),
    folder('gone', 0, 'G'),
  ];
  const known = new Map([['known', { id: 'K', partitions: 3 }]]);
  expect(foundTopics(folders, known, new Set(['G']))).toEqual([{ name: 'new', id: 'N', partitions: 3 }]);
});

test('A topic that grew is found as it is now', () => {
  const folders = [0, 1, 2].map((partition) => folder('t', partition, 'T'));
  const found = foundTopics(folders, new Map([['t', { id: 'T', partitions: 1 }]]), new Set());
  expect(found).toEqual([{ name: 't', id: 'T', partitions: 3 }]);
});

test('A name that was made anew belongs to the new topic, but not while the known one is there', () => {
  const known = new Map([['t', { id: 'A', partitions: 2 }]]);
  expect(foundTopics([folder('t', 0, 'B')], known, new Set())).toEqual([
    { name: 't', id: 'B', partitions: 1 },
  ]);
  expect(foundTopics([folder('t', 0, 'A'), folder('t', 1, 'B')], known, new Set())).toEqual([]);
  // The crash came between the deletion of A and the folders of C; B is what was there before both.
  expect(
    foundTopics([folder('t', 0, 'B')], new Map([['t', { id: 'C', partitions: 1 }]]), new Set(['A', 'B'])),
  ).toEqual([]);
});
