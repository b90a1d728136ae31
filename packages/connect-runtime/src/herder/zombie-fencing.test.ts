import { describe, expect, it } from 'vitest';
import type { ConfigRecord } from '../stores/config-records.ts';
import { ConfigState } from '../stores/config-state.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import { ZombieFencing } from './zombie-fencing.ts';

/** A config topic in memory, and what was fenced. */
class Group {
  readonly state = new ConfigState();
  readonly fenced: number[] = [];
  readonly written: number[] = [];
  /** Done while producers are being fenced. */
  meanwhile: () => void = () => undefined;
  readonly fencing: ZombieFencing;

  constructor() {
    this.apply({ kind: 'connector', connector: 'c', config: {} });
    const configs = {
      state: this.state,
      refresh: () => Promise.resolve(),
      putTasksFencing: (connector: string, tasks: number) => {
        this.written.push(tasks);
        this.apply({ kind: 'tasks-fencing', connector, tasks });
        return Promise.resolve();
      },
    } as unknown as ConfigStore;
    this.fencing = new ZombieFencing({
      configs,
      isSource: (connector) => Promise.resolve(connector !== 'sink'),
      fence: async (_connector, count) => {
        await Promise.resolve();
        this.fenced.push(count);
        this.meanwhile();
      },
    });
  }

  apply(record: ConfigRecord): void {
    this.state.apply(record);
  }
  tasks(count: number): void {
    for (let task = 0; task < count; task++) this.apply({ kind: 'task', connector: 'c', task, config: {} });
    this.apply({ kind: 'commit', connector: 'c', tasks: count });
  }
}

describe('ZombieFencing', () => {
  it('fences what was counted before, once for each generation of tasks', async () => {
    const group = new Group();
    group.tasks(3);
    await group.fencing.run('c');
    expect([group.fenced, group.written]).toEqual([[], [3]]);
    await group.fencing.run('c');
    group.tasks(2);
    await Promise.all([group.fencing.run('c'), group.fencing.run('c')]);
    expect([group.fenced, group.written]).toEqual([[3], [3, 2]]);
  });

  it('leaves a single task that follows a single one to fence it by its own id', async () => {
    const group = new Group();
    for (let generation = 0; generation < 2; generation++) {
      group.tasks(1);
      await group.fencing.run('c');
    }
    expect([group.fenced, group.written]).toEqual([[], [1, 1]]);
  });

  it('counts nothing when newer tasks come meanwhile', async () => {
    const group = new Group();
    group.tasks(2);
    await group.fencing.run('c');
    group.tasks(3);
    group.meanwhile = () => group.tasks(4);
    await expect(group.fencing.run('c')).rejects.toMatchObject({ code: 'connect.conflict' });
    expect(group.written).toEqual([2]);
    group.meanwhile = () => undefined;
    await group.fencing.run('c');
    expect([group.fenced, group.written]).toEqual([
      [2, 2],
      [2, 4],
    ]);
  });

  it('remembers the producers of a connector that was deleted', async () => {
    const group = new Group();
    group.tasks(2);
    await group.fencing.run('c');
    group.apply({ kind: 'connector', connector: 'c', config: null });
    await expect(group.fencing.run('c')).rejects.toMatchObject({ code: 'connect.not_found' });
    group.apply({ kind: 'connector', connector: 'c', config: {} });
    group.tasks(1);
    await group.fencing.run('c');
    expect(group.fenced).toEqual([2]);
  });
});
