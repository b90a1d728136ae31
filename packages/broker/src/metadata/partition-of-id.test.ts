import { expect, test } from 'vitest';
import { partitionOfId } from './partition-of-id.ts';

test('An id lies where Kafka looks for it', () => {
  // As Java computes them.
  expect(partitionOfId('x', 1)).toBe(0);
  expect(partitionOfId('x', 50)).toBe(20);
  expect(partitionOfId('my-transactional-id', 50)).toBe(46);
  // Hash -2^31, which has no absolute value.
  expect(partitionOfId('polygenelubricants', 50)).toBe(0);
});
