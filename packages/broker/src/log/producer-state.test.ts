import { expect, test } from 'vitest';
import { addSequence, ProducerState } from './producer-state.ts';

const OLD = 1_000;

function batch(baseSequence: number, lastOffsetDelta = 0, producerEpoch = 0) {
  return { producerId: 9, producerEpoch, baseSequence, lastOffsetDelta };
}

function filled(count: number): ProducerState {
  const state = new ProducerState();
  for (let i = 0; i < count; i++) state.append(batch(i * 2, 1), i * 2 + 1, OLD, 5_000);
  return state;
}

test('Sequences wrap from 2^31-1 to 0', () => {
  expect(addSequence(2_147_483_647, 1)).toBe(0);
  expect(addSequence(2_147_483_646, 3)).toBe(1);
  const state = new ProducerState();
  state.append(batch(2_147_483_646, 1), 1, OLD, 0);
  expect(state.check(batch(0)).kind).toBe('append');
});

test('Of a known producer only the next sequence, or one of the last five batches, is taken', () => {
  const state = filled(7);
  expect(state.check(batch(14)).kind).toBe('append');
  for (const sequence of [4, 6, 8, 10, 12]) expect(state.check(batch(sequence, 1)).kind).toBe('duplicate');
  for (const sequence of [0, 2, 13, 15])
    expect(state.check(batch(sequence, 1))).toMatchObject({ error: { code: 45 } });
});

test('A lower epoch is fenced and a higher one starts at sequence 0', () => {
  const state = filled(2);
  state.append(batch(0, 0, 3), 4, OLD, 0);
  expect(state.check(batch(4, 0, 2))).toMatchObject({ error: { code: 47 } });
  expect(state.check(batch(1, 0, 4))).toMatchObject({ error: { code: 45 } });
  expect(state.check(batch(0, 0, 4)).kind).toBe('append');
});

test('A snapshot gives back the whole window; a damaged one gives nothing', () => {
  const bytes = filled(7).toSnapshot();
  const read = ProducerState.parse(bytes, 0);
  for (const sequence of [4, 6, 8, 10, 12]) expect(read?.check(batch(sequence, 1)).kind).toBe('duplicate');
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    expect(ProducerState.parse(flipped, 0)).toBeUndefined();
    ProducerState.parse(bytes.subarray(0, at), 0);
  }
});

test('Producers expire by when they wrote, not by the timestamps of their records', () => {
  const state = filled(1);
  state.expire(5_000);
  expect(state.size).toBe(1);
  state.expire(5_001);
  expect(state.size).toBe(0);
  const restarted = ProducerState.parse(filled(1).toSnapshot(), 9_000);
  restarted?.expire(9_000);
  expect(restarted?.size).toBe(1);
});
