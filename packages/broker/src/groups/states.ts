// The life of a classic group as a table: state x event -> next state. An event that has no entry in a state is a
// programming error.

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

/**
 * rebalance: members must join again · joined: all have, or the time is up · emptied: nobody did · assigned: the
 * leader's assignment is stored · removed: the group is deleted
 */
export type GroupEvent = 'rebalance' | 'joined' | 'emptied' | 'assigned' | 'removed';

type Row = Readonly<Record<GroupEvent, GroupState | undefined>>;

const NEVER: Row = {
  rebalance: undefined,
  joined: undefined,
  emptied: undefined,
  assigned: undefined,
  removed: undefined,
};

export const TRANSITIONS: Readonly<Record<GroupState, Row>> = {
  Empty: { ...NEVER, rebalance: 'PreparingRebalance', removed: 'Dead' },
  PreparingRebalance: { ...NEVER, joined: 'CompletingRebalance', emptied: 'Empty', removed: 'Dead' },
  CompletingRebalance: { ...NEVER, rebalance: 'PreparingRebalance', assigned: 'Stable', removed: 'Dead' },
  Stable: { ...NEVER, rebalance: 'PreparingRebalance', removed: 'Dead' },
  Dead: { ...NEVER, removed: 'Dead' },
};

/** The state after `event`. */
export function nextState(state: GroupState, event: GroupEvent): GroupState {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new Error(`a group in state ${state} cannot meet ${event}`);
  return next;
}
