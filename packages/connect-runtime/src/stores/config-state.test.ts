import { describe, expect, it } from 'vitest';
import { ConfigState } from './config-state.ts';

const config = { 'connector.class': 'X', name: 'c' };

describe('ConfigState', () => {
  it('counts task configs only when their commit is there', () => {
    const state = new ConfigState();
    state.apply({ kind: 'connector', connector: 'c', config });
    state.apply({ kind: 'task', connector: 'c', task: 0, config: { t: '0' } });
    expect(state.tasks('c')).toEqual([]);
    state.apply({ kind: 'commit', connector: 'c', tasks: 1 });
    expect(state.tasks('c')).toEqual([{ t: '0' }]);
    expect(state.appliedConfig('c')).toBe(config);
  });

  it('keeps the tasks there are when a commit lacks one', () => {
    const state = new ConfigState();
    state.apply({ kind: 'connector', connector: 'c', config });
    expect(state.apply({ kind: 'commit', connector: 'c', tasks: 2 })).toBeUndefined();
    expect(state.tasks('c')).toEqual([]);
  });

  it('passes by the task and commit records that outlive their connector', () => {
    const state = new ConfigState();
    state.apply({ kind: 'task', connector: 'c', task: 0, config: { t: '0' } });
    state.apply({ kind: 'commit', connector: 'c', tasks: 1 });
    state.apply({ kind: 'connector', connector: 'c', config });
    expect(state.tasks('c')).toEqual([]);
  });

  it('takes a target state that comes before its connector', () => {
    const state = new ConfigState();
    state.apply({ kind: 'target-state', connector: 'c', state: 'STOPPED' });
    expect(state.apply({ kind: 'connector', connector: 'c', config })).toEqual({
      kind: 'connector',
      connector: 'c',
      isNew: true,
    });
    expect(state.targetState('c')).toBe('STOPPED');
  });
});
