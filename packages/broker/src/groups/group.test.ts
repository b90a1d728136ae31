import { KafkaErrors } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { Group, type GroupEnvironment } from './group.ts';
import { commitProblem, heartbeat, type JoinRequest, join, leave, sync } from './group-requests.ts';
import type { JoinAnswer, SyncAnswer } from './member.ts';
import { type GroupEvent, type GroupState, nextState, TRANSITIONS } from './states.ts';

/** Time that moves when the test says so, and a store that can fail. */
class TestEnvironment implements GroupEnvironment {
  initialRebalanceDelayMs = 0;
  readonly newMemberTimeoutMs = 60_000;
  storedGenerations: number[] = [];
  failStore = false;
  #now = 1_000_000;
  #timers = new Map<number, { at: number; callback: () => void }>();
  #nextTimer = 0;
  #nextId = 0;

  nowMs(): number {
    return this.#now;
  }
  schedule(ms: number, callback: () => void): () => void {
    const id = this.#nextTimer++;
    this.#timers.set(id, { at: this.#now + ms, callback });
    return () => this.#timers.delete(id);
  }
  async store(group: Group): Promise<void> {
    if (this.failStore) throw new Error('no');
    this.storedGenerations.push(group.generation);
  }
  newId(): string {
    return `id${this.#nextId++}`;
  }
  /** Runs what is due within `ms`, in order. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, timer]) => timer.at <= end)
        .sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].callback();
      await Promise.resolve();
    }
    this.#now = end;
  }
}

function setUp(initialRebalanceDelayMs = 0): { env: TestEnvironment; group: Group } {
  const env = new TestEnvironment();
  env.initialRebalanceDelayMs = initialRebalanceDelayMs;
  return { env, group: new Group('g', env) };
}

function request(memberId: string, changes: Partial<JoinRequest> = {}): JoinRequest {
  return {
    memberId,
    groupInstanceId: null,
    clientId: 'c',
    clientHost: '/127.0.0.1',
    rebalanceTimeoutMs: 5000,
    sessionTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('m') }],
    requireKnownMemberId: false,
    canSkipAssignment: true,
    ...changes,
  };
}

const claim = (memberId: string, generationId: number, groupInstanceId: string | null = null) => ({
  memberId,
  generationId,
  groupInstanceId,
});

function syncWith(
  group: Group,
  memberId: string,
  assignments: Record<string, string> = {},
): Promise<SyncAnswer> {
  return sync(group, {
    ...claim(memberId, group.generation),
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: new Map(Object.entries(assignments).map(([id, text]) => [id, Buffer.from(text)])),
  });
}

/** A stable group of one. */
async function stableGroup(instanceId: string | null = null): Promise<{
  env: TestEnvironment;
  group: Group;
  leader: string;
}> {
  const { env, group } = setUp();
  const { memberId } = await join(group, request('', { groupInstanceId: instanceId }));
  await syncWith(group, memberId, { [memberId]: 'all' });
  return { env, group, leader: memberId };
}

test('The table of states has an entry for every state and event, and refuses what cannot be', () => {
  const states: GroupState[] = ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead'];
  const events: GroupEvent[] = ['rebalance', 'joined', 'emptied', 'assigned', 'removed'];
  const edges = states.flatMap((state) =>
    events.flatMap((event) => {
      const next = TRANSITIONS[state][event];
      if (next === undefined) expect(() => nextState(state, event)).toThrow();
      return next === undefined ? [] : [`${state} ${event} ${next}`];
    }),
  );
  expect(edges).toEqual([
    'Empty rebalance PreparingRebalance',
    'Empty removed Dead',
    'PreparingRebalance joined CompletingRebalance',
    'PreparingRebalance emptied Empty',
    'PreparingRebalance removed Dead',
    'CompletingRebalance rebalance PreparingRebalance',
    'CompletingRebalance assigned Stable',
    'CompletingRebalance removed Dead',
    'Stable rebalance PreparingRebalance',
    'Stable removed Dead',
    'Dead removed Dead',
  ]);
});

test('One member joins, leads, assigns, and its generation is stored', async () => {
  const { env, group } = setUp();
  const joined = await join(group, request(''));
  expect(joined).toMatchObject({
    errorCode: 0,
    generationId: 1,
    protocolName: 'range',
    leader: joined.memberId,
  });
  expect(group.state).toBe('CompletingRebalance');
  expect((await syncWith(group, joined.memberId, { [joined.memberId]: 'all' })).assignment.toString()).toBe(
    'all',
  );
  expect([group.state, env.storedGenerations]).toEqual(['Stable', [1]]);
});

test('A second member makes the first rejoin; both share the next generation under the same leader', async () => {
  const { group, leader } = await stableGroup();
  const second = join(group, request(''));
  expect(heartbeat(group, claim(leader, 1))).toBe(KafkaErrors.REBALANCE_IN_PROGRESS);
  const first = await join(group, request(leader));
  expect(first).toMatchObject({ generationId: 2, leader });
  expect(first.members).toHaveLength(2);
  const other = await second;
  expect(other).toMatchObject({ generationId: 2, leader, members: [] });
  const waiting = syncWith(group, other.memberId);
  await syncWith(group, leader, { [leader]: 'a', [other.memberId]: 'b' });
  expect((await waiting).assignment.toString()).toBe('b');
});

test('A member that does not rejoin within the rebalance timeout is dropped', async () => {
  const { env, group, leader } = await stableGroup();
  const second = join(group, request(''));
  await env.pass(5000);
  const answer = await second;
  expect(answer).toMatchObject({ errorCode: 0, generationId: 2, leader: answer.memberId });
  expect(heartbeat(group, claim(leader, 2))).toBe(KafkaErrors.UNKNOWN_MEMBER_ID);
});

test('A silent member is dropped after its session, and the group becomes empty', async () => {
  const { env, group, leader } = await stableGroup();
  await env.pass(9000);
  expect(heartbeat(group, claim(leader, 1))).toBe(KafkaErrors.NONE);
  await env.pass(9000);
  expect(group.state).toBe('Stable');
  await env.pass(1000);
  expect([group.state, group.generation, group.members.size]).toEqual(['Empty', 2, 0]);
});

test('A member that joined and never asks for its assignment does not hold up the group', async () => {
  const { env, group } = setUp();
  const first = await join(group, request('', { sessionTimeoutMs: 60_000 }));
  await env.pass(5000);
  expect(group.members.has(first.memberId)).toBe(false);
  expect(group.state).toBe('Empty');
});

test('The first rebalance waits for more members, as long as they keep coming', async () => {
  const { env, group } = setUp(100);
  const answers: Promise<JoinAnswer>[] = [];
  for (let i = 0; i < 3; i++) {
    answers.push(join(group, request('')));
    await env.pass(60);
  }
  await env.pass(200);
  const joined = await Promise.all(answers);
  expect(joined.map(({ generationId }) => generationId)).toEqual([1, 1, 1]);
});

test('New members get their id first, and an id that is never used expires', async () => {
  const { env, group } = setUp();
  const refused = await join(group, request('', { requireKnownMemberId: true }));
  expect(refused).toMatchObject({ errorCode: KafkaErrors.MEMBER_ID_REQUIRED.code, memberId: 'c-id0' });
  expect(await join(group, request('c-id0'))).toMatchObject({ errorCode: 0, generationId: 1 });
  const unused = await join(group, request('', { requireKnownMemberId: true }));
  await env.pass(10_000);
  expect((await join(group, request(unused.memberId))).errorCode).toBe(KafkaErrors.UNKNOWN_MEMBER_ID.code);
});

test('A static member that comes back keeps the generation and fences its old self', async () => {
  const { group, leader } = await stableGroup('i1');
  const back = await join(group, request('', { groupInstanceId: 'i1' }));
  expect(back).toMatchObject({ errorCode: 0, generationId: 1, skipAssignment: true });
  expect(back.memberId).not.toBe(leader);
  expect(heartbeat(group, claim(leader, 1, 'i1'))).toBe(KafkaErrors.FENCED_INSTANCE_ID);
  expect((await syncWith(group, back.memberId)).assignment.toString()).toBe('all');
});

test('Static members leave only when they are asked to by instance id', async () => {
  const { group } = await stableGroup('i1');
  expect(leave(group, '', 'other')).toBe(KafkaErrors.UNKNOWN_MEMBER_ID);
  expect(leave(group, '', 'i1')).toBe(KafkaErrors.NONE);
  expect(group.state).toBe('Empty');
});

test('An assignment that could not be stored is taken back and the members join again', async () => {
  const { env, group } = setUp();
  const { memberId } = await join(group, request(''));
  env.failStore = true;
  expect((await syncWith(group, memberId, { [memberId]: 'x' })).errorCode).toBe(
    KafkaErrors.COORDINATOR_NOT_AVAILABLE.code,
  );
  expect(group.state).toBe('PreparingRebalance');
  env.failStore = false;
  expect(await join(group, request(memberId))).toMatchObject({ errorCode: 0, generationId: 2 });
});

test('Who may commit depends on generation, membership and state', async () => {
  const { group, leader } = await stableGroup();
  expect(commitProblem(group, claim(leader, 1))).toBeUndefined();
  expect(commitProblem(group, claim(leader, 0))).toBe(KafkaErrors.ILLEGAL_GENERATION);
  expect(commitProblem(group, claim('ghost', 1))).toBe(KafkaErrors.UNKNOWN_MEMBER_ID);
  expect(commitProblem(group, claim('', -1))).toBe(KafkaErrors.UNKNOWN_MEMBER_ID);
  const second = join(group, request(''));
  expect(commitProblem(group, claim(leader, 1))).toBeUndefined();
  await join(group, request(leader));
  await second;
  expect(commitProblem(group, claim(leader, 2))).toBe(KafkaErrors.REBALANCE_IN_PROGRESS);
});

test('The protocol is one that all members know, wanted by most', async () => {
  const { env, group } = setUp(10);
  const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: Buffer.from(name) }));
  const answers = [
    join(group, request('', { protocols: protocols('a', 'b', 'c') })),
    join(group, request('', { protocols: protocols('b', 'a') })),
    join(group, request('', { protocols: protocols('b', 'c', 'a') })),
  ];
  expect((await join(group, request('', { protocols: protocols('z') }))).errorCode).toBe(
    KafkaErrors.INCONSISTENT_GROUP_PROTOCOL.code,
  );
  await env.pass(20);
  expect((await Promise.all(answers)).map(({ protocolName }) => protocolName)).toEqual(['b', 'b', 'b']);
});
