import { testRandom } from '@millrace/testkit';
import { describe, expect, it } from 'vitest';
import {
  type AssignorInput,
  type AssignorResult,
  type AssignorView,
  assignWork,
  dealWork,
} from './assignor.ts';
import { CONNECTOR_ITSELF, itemKey, type WorkItem, WorkSet } from './work.ts';

const item = (connector: string, task: number = CONNECTOR_ITSELF): WorkItem => ({ connector, task });
const work = [item('a'), item('a', 0), item('a', 1), item('b'), item('b', 0)];
const member = (worker: string, owned: readonly WorkItem[] = []): AssignorInput['members'][number] => ({
  id: `${worker}-id`,
  worker,
  owned,
});
const run = (input: Partial<AssignorInput>): AssignorResult =>
  assignWork({
    members: [],
    configured: new WorkSet(work),
    view: null,
    nowMs: 1000,
    maxDelayMs: 300,
    ...input,
  });
const assigned = (result: AssignorResult, worker: string): readonly WorkItem[] =>
  result.byMember.get(`${worker}-id`)?.assigned ?? [];
const viewOf = (owners: Readonly<Record<string, readonly WorkItem[]>>): AssignorView => ({
  owners: new Map(
    Object.entries(owners).flatMap(([worker, items]) =>
      items.map((one) => [itemKey(one), { item: one, worker }]),
    ),
  ),
  deadlineMs: null,
  revocations: 0,
  quietUntilMs: null,
});

describe('assignWork', () => {
  it('gives a group of one everything', () => {
    const result = run({ members: [member('m')] });
    expect(assigned(result, 'm').length).toBe(work.length);
    expect(result.delayMs).toBe(0);
  });

  it('spreads connectors and tasks evenly and leaves work where it is', () => {
    const first = run({ members: [member('m'), member('n')] });
    expect(Math.abs(assigned(first, 'm').length - assigned(first, 'n').length)).toBe(1);
    const again = run({
      members: ['m', 'n'].map((worker) => member(worker, assigned(first, worker))),
      view: first.view,
    });
    for (const worker of ['m', 'n']) {
      expect(assigned(again, worker)).toEqual(assigned(first, worker));
      expect(again.byMember.get(`${worker}-id`)?.added).toEqual([]);
    }
  });

  it('revokes in one round what it gives away in the next', () => {
    const first = run({ members: [member('m', work), member('n')], view: viewOf({ m: work }) });
    expect(assigned(first, 'n')).toEqual([]);
    expect(first.byMember.get('m-id')?.revoked.length).toBe(2);
    const second = run({ members: [member('m', assigned(first, 'm')), member('n')], view: first.view });
    expect(assigned(second, 'n').length).toBe(2);
  });

  it('holds the work of a lost worker back until the delay is over', () => {
    const view = viewOf({ m: work.slice(0, 3), gone: work.slice(3) });
    const first = run({ members: [member('m', work.slice(0, 3))], view });
    expect(assigned(first, 'm')).toEqual(work.slice(0, 3));
    expect(first.waiting).toEqual(work.slice(3));
    expect(first.delayMs).toBe(300);
    const later = run({ members: [member('m', work.slice(0, 3))], view: first.view, nowMs: 1200 });
    expect(later.delayMs).toBe(100);
    const justBefore = run({ members: [member('m', work.slice(0, 3))], view: first.view, nowMs: 1299.7 });
    expect([justBefore.delayMs, justBefore.waiting.length]).toEqual([1, 2]);
    const late = run({ members: [member('m', work.slice(0, 3))], view: later.view, nowMs: 1300 });
    expect(assigned(late, 'm').length).toBe(work.length);
    expect([late.delayMs, late.waiting.length]).toEqual([0, 0]);
  });

  it('gives a worker that comes back its work at once', () => {
    const view = viewOf({ m: work.slice(0, 3), back: work.slice(3) });
    const away = run({ members: [member('m', work.slice(0, 3))], view });
    const back = run({
      members: [member('m', work.slice(0, 3)), member('back')],
      view: away.view,
      nowMs: 1100,
    });
    expect(assigned(back, 'back')).toEqual(work.slice(3));
    expect(back.delayMs).toBe(0);
  });

  it('gives the work of a lost worker away at once where nothing may wait', () => {
    const view = viewOf({ m: work.slice(0, 3), gone: work.slice(3) });
    const result = run({ members: [member('m', work.slice(0, 3))], view, maxDelayMs: 0 });
    expect(assigned(result, 'm').length).toBe(work.length);
  });

  it('waits for nobody without a previous view', () => {
    expect(assigned(run({ members: [member('m')], maxDelayMs: 300_000 }), 'm').length).toBe(work.length);
  });

  it('pauses for longer and longer between rounds that take work away', () => {
    const many = Array.from({ length: 8 }, (_, task) => item('c', task));
    const configured = new WorkSet(many);
    const members = [member('m', many), member('n')];
    let { view } = run({ members, configured, maxDelayMs: 60_000 });
    // The same member says again and again that it runs everything: what was taken away has not been given up.
    const delays: number[] = [];
    let nowMs = 1000;
    for (let round = 0; round < 4; round++) {
      const paused = run({ members, configured, view, nowMs, maxDelayMs: 60_000 });
      delays.push(paused.delayMs);
      expect(paused.byMember.get('m-id')?.revoked).toEqual([]);
      nowMs += paused.delayMs;
      ({ view } = run({ members, configured, view: paused.view, nowMs, maxDelayMs: 60_000 }));
    }
    expect(delays).toEqual([40, 1600, 60_000, 60_000]);
  });

  it('INV-2: never leaves one item with two workers', () => {
    const result = run({ members: [member('m', work), member('n', work)] });
    const all = ['m', 'n'].flatMap((worker) => assigned(result, worker).map(itemKey));
    expect(new Set(all).size).toBe(all.length);
  });

  it('gives up work that is not configured any more', () => {
    const result = run({ members: [member('m', [item('gone', 0), ...work])] });
    expect(result.byMember.get('m-id')?.revoked).toEqual([item('gone', 0)]);
  });
});

describe('a group over many rebalances', () => {
  it('INV-2: runs nothing twice, loses nothing, takes away before it gives, and ends balanced', () => {
    const random = testRandom('a group over many rebalances');
    for (let game = 0; game < 200; game++) playGame(random);
  });
});

/** Workers come, go, restart and lag behind; connectors are made and deleted. What each worker runs is the model. */
function playGame(random: ReturnType<typeof testRandom>): void {
  const maxDelayMs = random.int(0, 2) === 0 ? 0 : 1000;
  const running = new Map<string, WorkSet>([['w0', new WorkSet()]]);
  const configured = new Map<string, number>();
  let nextWorker = 1;
  let nextConnector = 0;
  let nowMs = 0;
  let view: AssignorView | null = null;
  const all = (): WorkSet =>
    new WorkSet(
      [...configured].flatMap(([name, tasks]) => [
        item(name),
        ...Array.from({ length: tasks }, (_, task) => item(name, task)),
      ]),
    );
  const meet = (): AssignorResult => {
    const before = new Map([...running].map(([worker, items]) => [worker, items.values()]));
    const members = [...before].map(([worker, owned]) => member(worker, owned));
    const result = assignWork({ members, configured: all(), view, nowMs, maxDelayMs });
    // Who was slow to sync keeps what it had, and says so the next time.
    const missed = random.int(0, 7) === 0 ? [...running.keys()][random.int(0, running.size - 1)] : undefined;
    for (const [worker, owned] of before) {
      const { assigned: now = [], added = [], revoked = [] } = result.byMember.get(`${worker}-id`) ?? {};
      const others = [...before]
        .filter(([other]) => other !== worker)
        .flatMap(([, items]) => items.map(itemKey));
      for (const one of added) expect(others).not.toContain(itemKey(one));
      expect([...now, ...revoked].map(itemKey).sort()).toEqual([...owned, ...added].map(itemKey).sort());
      if (worker !== missed) running.set(worker, new WorkSet(now));
    }
    const everywhere = [...running.values()].flatMap((items) => items.values().map(itemKey));
    expect(new Set(everywhere).size).toBe(everywhere.length);
    view = result.view;
    return result;
  };
  for (let step = 0; step < 30; step++) {
    nowMs += random.int(0, 699);
    const names = [...running.keys()];
    const worker = names[random.int(0, names.length - 1)] ?? 'w0';
    const choice = random.int(0, 5);
    if (choice === 0) running.set(`w${nextWorker++}`, new WorkSet());
    else if (choice === 1 && running.size > 1) running.delete(worker);
    else if (choice === 2) running.set(worker, new WorkSet());
    else if (choice === 3) configured.delete([...configured.keys()][0] ?? '');
    else if (choice === 4) view = null;
    else configured.set(`c${nextConnector++}`, random.int(0, 4));
    meet();
  }
  // Left alone, the group comes to rest.
  for (let round = 0; round < 12; round++) {
    const { delayMs, byMember } = meet();
    nowMs += delayMs;
    const settled =
      delayMs === 0 && [...byMember.values()].every((one) => one.added.length + one.revoked.length === 0);
    if (settled && round > 8) break;
  }
  const everywhere = [...running.values()].flatMap((items) => items.values().map(itemKey));
  expect(everywhere.sort()).toEqual(all().values().map(itemKey).sort());
  for (const tasks of [false, true]) {
    const counts = [...running.values()].map(
      (items) => items.values().filter((one) => (one.task !== CONNECTOR_ITSELF) === tasks).length,
    );
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
}

describe('the eager protocol', () => {
  it('deals work out one by one, connectors before tasks, as Connect does', () => {
    const hands = dealWork(['m-2', 'm-1'], new WorkSet(work));
    expect(Object.fromEntries(hands)).toEqual({
      'm-1': [item('a'), item('a', 0), item('b', 0)],
      'm-2': [item('b'), item('a', 1)],
    });
    expect(dealWork([], new WorkSet(work)).size).toBe(0);
  });
});
