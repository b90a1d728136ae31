// The life of a transactional id as a table: state x event -> next state. An event that has no entry in a state is a
// programming error; what clients may ask is checked before. Follows TransactionState of Kafka 4.3, whose numbers are
// in the log.

export type TransactionState =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort'
  | 'Dead';

/** By their number in the log. 7 is PrepareEpochFence, which Kafka keeps in memory only. */
export const STATES: readonly TransactionState[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
];

/**
 * init: a producer starts · add: partitions join · commit, abort: the decision is stored · complete: every partition
 * has its marker · expire: not used for long
 */
export type TransactionEvent = 'init' | 'add' | 'commit' | 'abort' | 'complete' | 'expire';

type Row = Readonly<Partial<Record<TransactionEvent, TransactionState>>>;

/** An idle id: clients of KIP-890 may abort a transaction to which nothing was added yet. */
const IDLE: Row = { init: 'Empty', add: 'Ongoing', abort: 'PrepareAbort', expire: 'Dead' };

export const TRANSITIONS: Readonly<Record<TransactionState, Row>> = {
  Empty: IDLE,
  Ongoing: { add: 'Ongoing', commit: 'PrepareCommit', abort: 'PrepareAbort' },
  PrepareCommit: { complete: 'CompleteCommit' },
  PrepareAbort: { complete: 'CompleteAbort' },
  CompleteCommit: IDLE,
  CompleteAbort: IDLE,
  Dead: {},
};

/** The state after `event`. */
export function nextState(state: TransactionState, event: TransactionEvent): TransactionState {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new Error(`a transaction in state ${state} cannot meet ${event}`);
  return next;
}

/** Decided, and on its way to the partitions. */
export function isPrepared(state: TransactionState): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort';
}
