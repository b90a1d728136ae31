import { describe, expect, it } from 'vitest';
import { type AssignorInput, type AssignorResult, assignWork } from './assignor.ts';
import { CONNECTOR_ITSELF, type WorkItem, WorkSet } from './work.ts';

const item = (connector: string, task: number = CONNECTOR_ITSELF): WorkItem => ({ connector, task });
const work = [item('a'), item('a', 0), item('a', 1), item('b'), item('b', 0)];
const run = (input: Partial<AssignorInput>): AssignorResult =>
  assignWork({
    members: [],
    configured: new WorkSet(work),
    view: null,
    nowMs: 1000,
    maxDelayMs: 300,
    ...input,
  });
const countOf = (result: AssignorResult, id: string): number => result.byMember.get(id)?.assigned.length ?? 0;

describe('assignWork', () => {
  it('gives a group of one everything', () => {
    const result = run({ members: [{ id: 'm', owned: [] }] });
    expect(countOf(result, 'm')).toBe(work.length);
    expect(result.delayMs).toBe(0);
  });

  it('spreads connectors and tasks evenly and leaves work where it is', () => {
    const first = run({
      members: [
        { id: 'm', owned: [] },
        { id: 'n', owned: [] },
      ],
    });
    expect(Math.abs(countOf(first, 'm') - countOf(first, 'n'))).toBe(1);
    const again = run({
      members: ['m', 'n'].map((id) => ({ id, owned: first.byMember.get(id)?.assigned ?? [] })),
      view: first.view,
    });
    expect(again.byMember).toEqual(first.byMember);
  });

  it('revokes in one round what it gives away in the next', () => {
    const members = [
      { id: 'm', owned: work },
      { id: 'n', owned: [] },
    ];
    const view = { assigned: new WorkSet(work), deadlineMs: null };
    const first = run({ members, view });
    expect(countOf(first, 'n')).toBe(0);
    expect(first.byMember.get('m')?.revoked.length).toBe(2);
    const second = run({
      members: [
        { id: 'm', owned: first.byMember.get('m')?.assigned ?? [] },
        { id: 'n', owned: [] },
      ],
      view: first.view,
    });
    expect(countOf(second, 'n')).toBe(2);
  });

  it('holds the work of a lost worker back until the delay is over', () => {
    const view = { assigned: new WorkSet(work), deadlineMs: null };
    const members = [{ id: 'm', owned: work.slice(0, 3) }];
    const first = run({ members, view });
    expect(countOf(first, 'm')).toBe(3);
    expect(first.delayMs).toBe(300);
    const late = run({ members, view: first.view, nowMs: 1300 });
    expect(countOf(late, 'm')).toBe(work.length);
    expect(late.delayMs).toBe(0);
  });

  it('waits for nobody without a previous view', () => {
    expect(countOf(run({ members: [{ id: 'm', owned: [] }], maxDelayMs: 300_000 }), 'm')).toBe(work.length);
  });

  it('INV-2: never leaves one item with two workers', () => {
    const result = run({
      members: [
        { id: 'm', owned: work },
        { id: 'n', owned: work },
      ],
    });
    const all = [...result.byMember.values()].flatMap(({ assigned }) =>
      assigned.map((i) => `${i.connector}${i.task}`),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  it('gives up work that is not configured any more', () => {
    const result = run({ members: [{ id: 'm', owned: [item('gone', 0), ...work] }] });
    expect(result.byMember.get('m')?.revoked).toEqual([item('gone', 0)]);
  });
});
