import { KafkaErrors, kafkaErrorName } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import type { StoredTransaction } from './records.ts';
import { type EndStep, endStepV1, endStepV2, type InitStep, initStep } from './rules.ts';
import { nextState, STATES, type TransactionState } from './states.ts';
import { Transaction } from './transaction.ts';

/** Producer 7 with epoch 3, unless told otherwise. */
function transaction(state: TransactionState, change: Partial<StoredTransaction> = {}): Transaction {
  return new Transaction('x', {
    producerId: 7,
    previousProducerId: 7,
    nextProducerId: -1,
    producerEpoch: 3,
    timeoutMs: 1000,
    state,
    partitions: new Map(),
    lastUpdateMs: 0,
    startMs: -1,
    clientVersion: 0,
    ...change,
  });
}

/** The step, or the name of the error. */
function short(step: InitStep | EndStep): unknown {
  return step.kind === 'refuse' ? kafkaErrorName(step.error.code) : step.kind;
}

test('InitProducerId bumps for a new producer, and for the current one that goes on after an error', () => {
  const txn = transaction('Empty');
  expect(initStep(txn, undefined)).toEqual({ kind: 'bump', epoch: 4, lastEpoch: -1 });
  const current = { producerId: 7, producerEpoch: 3 };
  expect(initStep(txn, current)).toEqual({ kind: 'bump', epoch: 4, lastEpoch: 3 });
});

test('InitProducerId repeats the answer to a request whose answer was lost, and fences everybody else', () => {
  const txn = transaction('Empty');
  const before = { producerId: 7, producerEpoch: 2 };
  expect(short(initStep(txn, before))).toBe('PRODUCER_FENCED');
  txn.lastEpoch = 2;
  expect(short(initStep(txn, before))).toBe('repeat');
  expect(short(initStep(txn, { producerId: 7, producerEpoch: 9 }))).toBe('PRODUCER_FENCED');
  expect(short(initStep(txn, { producerId: 8, producerEpoch: 3 }))).toBe('PRODUCER_FENCED');
});

test('InitProducerId takes a new producer id when the epochs are used up, and repeats that, too', () => {
  const used = transaction('CompleteAbort', { producerEpoch: 32_767 });
  expect(initStep(used, undefined)).toEqual({ kind: 'rotate', lastEpoch: -1 });
  const last = { producerId: 7, producerEpoch: 32_766 };
  const current = transaction('Empty', { producerEpoch: 32_766 });
  expect(initStep(current, last)).toEqual({ kind: 'rotate', lastEpoch: 32_766 });
  const rotated = transaction('Empty', { producerId: 9, previousProducerId: 7, producerEpoch: 0 });
  rotated.lastEpoch = 32_766;
  expect(short(initStep(rotated, last))).toBe('repeat');
});

const ENDS: readonly [TransactionState, string, string, string, string][] = [
  // state, then commit and abort by the old protocol, and by KIP-890 with the current epoch
  ['Empty', 'INVALID_TXN_STATE', 'INVALID_TXN_STATE', 'INVALID_TXN_STATE', 'prepare'],
  ['Ongoing', 'prepare', 'prepare', 'prepare', 'prepare'],
  ['PrepareCommit', 'CONCURRENT_TRANSACTIONS', 'INVALID_TXN_STATE', 'PRODUCER_FENCED', 'PRODUCER_FENCED'],
  ['PrepareAbort', 'INVALID_TXN_STATE', 'CONCURRENT_TRANSACTIONS', 'PRODUCER_FENCED', 'PRODUCER_FENCED'],
  ['CompleteCommit', 'repeat', 'INVALID_TXN_STATE', 'INVALID_TXN_STATE', 'prepare'],
  ['CompleteAbort', 'INVALID_TXN_STATE', 'repeat', 'INVALID_TXN_STATE', 'prepare'],
];

for (const [state, ...expected] of ENDS) {
  test(`EndTxn in state ${state}`, () => {
    const txn = transaction(state);
    const current = { producerId: 7, producerEpoch: 3 };
    expect([
      short(endStepV1(txn, current, true)),
      short(endStepV1(txn, current, false)),
      short(endStepV2(txn, current, true)),
      short(endStepV2(txn, current, false)),
    ]).toEqual(expected);
    const old = { producerId: 7, producerEpoch: 1 };
    expect([short(endStepV1(txn, old, true)), short(endStepV2(txn, old, true))]).toEqual([
      'PRODUCER_FENCED',
      'PRODUCER_FENCED',
    ]);
    const other = { producerId: 8, producerEpoch: 3 };
    expect(short(endStepV2(txn, other, true))).toBe('INVALID_PRODUCER_ID_MAPPING');
  });
}

test('EndTxn of KIP-890 knows a retry by the epoch before the current one, also when the id changed', () => {
  const before = { producerId: 7, producerEpoch: 2 };
  expect(short(endStepV2(transaction('CompleteCommit'), before, true))).toBe('repeat');
  expect(short(endStepV2(transaction('CompleteCommit'), before, false))).toBe('INVALID_TXN_STATE');
  expect(short(endStepV2(transaction('PrepareAbort'), before, false))).toBe('CONCURRENT_TRANSACTIONS');
  const rotated = transaction('CompleteCommit', { producerId: 9, previousProducerId: 7, producerEpoch: 0 });
  expect(short(endStepV2(rotated, { producerId: 7, producerEpoch: 32_766 }, true))).toBe('repeat');
  expect(short(endStepV2(rotated, { producerId: 7, producerEpoch: 5 }, true))).toBe(
    kafkaErrorName(KafkaErrors.INVALID_PRODUCER_ID_MAPPING.code),
  );
});

test('Only what the table of states has can happen', () => {
  expect(nextState('Ongoing', 'commit')).toBe('PrepareCommit');
  expect(() => nextState('PrepareCommit', 'abort')).toThrow('PrepareCommit cannot meet abort');
  for (const state of STATES)
    expect(() => nextState(state, 'complete') && nextState(state, 'commit')).toThrow();
});
