import { silentLogger, systemClock } from '@millrace/foundation';
import { API } from '@millrace/kafka-protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GroupMember } from './group-member.ts';
import type { GroupMemberOptions } from './group-member-options.ts';
import { ScriptedBroker } from './testing/scripted-broker.ts';

let broker: ScriptedBroker;
let member: GroupMember | undefined;
let events: string[];
let generation: number;
let heartbeatCode: number;
let heartbeats: number;

beforeEach(async () => {
  broker = await ScriptedBroker.start();
  events = [];
  generation = 0;
  heartbeatCode = 0;
  heartbeats = 0;
  broker.on(API.JoinGroup, ({ memberId, groupInstanceId }) => {
    if (memberId === '' && groupInstanceId === null) return { errorCode: 79, memberId: 'm-1' };
    heartbeatCode = 0;
    const id = memberId === '' ? 'm-static' : memberId;
    return {
      generationId: ++generation,
      protocolName: 'p',
      leader: id,
      memberId: id,
      members: [{ memberId: id, metadata: Buffer.from('wish') }],
    };
  });
  broker.on(API.SyncGroup, ({ assignments }) => ({
    assignment: assignments[0]?.assignment ?? Buffer.alloc(0),
  }));
  broker.on(API.Heartbeat, () => {
    heartbeats++;
    return { errorCode: heartbeatCode };
  });
  broker.on(API.LeaveGroup, () => ({ errorCode: 0 }));
});
afterEach(async () => {
  await member?.leave();
  await broker[Symbol.asyncDispose]();
});

function makeMember(options: Partial<GroupMemberOptions> = {}, { keeps } = { keeps: false }): GroupMember {
  member = new GroupMember({
    cluster: broker.cluster({ defaultApiTimeoutMs: 2000 }),
    logger: silentLogger,
    clock: systemClock,
    groupId: 'g',
    protocolType: 'connect',
    protocols: () => [{ name: 'p', metadata: Buffer.from('wish') }],
    sessionTimeoutMs: 1000,
    rebalanceTimeoutMs: 1000,
    heartbeatIntervalMs: 10,
    lead: ({ members }) =>
      new Map(members.map((m) => [m.memberId, Buffer.from(`for ${String(m.metadata)}`)])),
    onAssigned: ({ assignment, generation: g }) => {
      events.push(`assigned ${String(assignment)} in ${g}`);
    },
    ...(keeps
      ? {}
      : {
          onRevoked: (g: number) => {
            events.push(`revoked in ${g}`);
          },
        }),
    onLost: (reason) => {
      events.push(`lost: ${reason}`);
    },
    onFatal: ({ code }) => {
      events.push(`fatal: ${code}`);
    },
    ...options,
  });
  member.start();
  return member;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = systemClock.monotonicMs() + 5000;
  while (!condition()) {
    if (systemClock.monotonicMs() > deadline) throw new Error(`still waiting; events: ${events.join(', ')}`);
    await systemClock.sleep(2);
  }
}

test('a member takes the id it is told, leads, and gets what it assigned', async () => {
  const m = makeMember();
  await until(() => events.length === 1);
  expect(events).toEqual(['assigned for wish in 1']);
  expect({ id: m.memberId, generation: m.generation, leader: m.isLeader }).toEqual({
    id: 'm-1',
    generation: 1,
    leader: true,
  });
});

test('a rebalance gives back first, awaits it with heartbeats going on, then joins again', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  makeMember({
    onRevoked: async (g) => {
      events.push(`revoking in ${g}`);
      await held;
      events.push('revoked');
    },
  });
  await until(() => events.length === 1);
  heartbeatCode = 27;
  await until(() => events.length === 2);
  const before = heartbeats;
  await until(() => heartbeats > before + 2);
  expect(generation).toBe(1);
  release();
  await until(() => events.length === 4);
  expect(events).toEqual(['assigned for wish in 1', 'revoking in 1', 'revoked', 'assigned for wish in 2']);
});

test('a member the coordinator no longer knows has lost its assignment and joins as a new one', async () => {
  makeMember();
  await until(() => events.length === 1);
  heartbeatCode = 25;
  await until(() => events.length === 3);
  expect(events.slice(1)).toEqual(['lost: unknown_member', 'assigned for wish in 2']);
});

test('a static member that was fenced stops for good instead of fencing the other', async () => {
  const m = makeMember({ groupInstanceId: 'i' });
  await until(() => events.length === 1);
  heartbeatCode = 82;
  await until(() => m.state === 'stopped');
  expect(events.slice(1)).toEqual(['lost: fenced', 'fatal: kafka.group_fenced']);
  expect(generation).toBe(1);
});

test('a member without contact for its session time has lost its assignment', async () => {
  makeMember({ sessionTimeoutMs: 60 });
  await until(() => events.length === 1);
  broker.on(API.Heartbeat, () => 'close');
  await until(() => events.length >= 2);
  expect(events[1]).toBe('lost: session_expired');
});

test('a lost connection is no loss while the session lasts', async () => {
  makeMember();
  await until(() => events.length === 1);
  const before = heartbeats;
  broker.disconnectAll();
  await until(() => heartbeats > before + 2);
  expect(events).toEqual(['assigned for wish in 1']);
});

test('rejoin joins again with what the member wants now', async () => {
  let wish = 'one';
  const m = makeMember({ protocols: () => [{ name: 'p', metadata: Buffer.from(wish) }] });
  broker.on(API.JoinGroup, ({ memberId, protocols }) => ({
    generationId: ++generation,
    protocolName: 'p',
    leader: memberId || 'm-1',
    memberId: memberId || 'm-1',
    members: [{ memberId: memberId || 'm-1', metadata: protocols[0]?.metadata ?? Buffer.alloc(0) }],
  }));
  await until(() => events.length === 1);
  wish = 'two';
  m.rejoin();
  await until(() => events.length === 3);
  expect(events).toEqual(['assigned for one in 1', 'revoked in 1', 'assigned for two in 2']);
});

test('leaving gives back; a dynamic member tells the coordinator, a static one only when it is for good', async () => {
  const dynamic = makeMember();
  await until(() => events.length === 1);
  await dynamic.leave();
  expect(events).toEqual(['assigned for wish in 1', 'revoked in 1']);
  expect(broker.seen).toContain(API.LeaveGroup);
  broker.seen.length = 0;
  for (const forGood of [false, true]) {
    events = [];
    const fixed = makeMember({ groupInstanceId: 'i' });
    await until(() => events.length === 1);
    await fixed.leave({ forGood });
    expect(broker.seen.includes(API.LeaveGroup)).toBe(forGood);
  }
});

/** A member that keeps what it has through rebalances. */
function keeping(options: Partial<GroupMemberOptions> = {}): GroupMember {
  return makeMember(options, { keeps: true });
}

test('a member that keeps what it has says that it is there while a join waits', async () => {
  let contacts = 0;
  const m = keeping({ onContact: () => () => void contacts++ });
  await until(() => events.length === 1);
  let release: () => void = () => undefined;
  broker.on(API.JoinGroup, ({ memberId }) =>
    new Promise<void>((resolve) => {
      release = resolve;
    }).then(() => ({
      generationId: ++generation,
      protocolName: 'p',
      leader: memberId,
      memberId,
      members: [{ memberId, metadata: Buffer.from('wish') }],
    })),
  );
  heartbeatCode = 27;
  await until(() => m.state === 'joining');
  const before = [heartbeats, contacts] as const;
  await until(() => heartbeats > before[0] + 3 && contacts > before[1] + 3);
  heartbeatCode = 0;
  release();
  await until(() => events.length === 2);
  expect(events).toEqual(['assigned for wish in 1', 'assigned for wish in 2']);
});

test('INV-2: a member that keeps what it has loses it when the group forgot it, also while it joins', async () => {
  const m = keeping();
  await until(() => events.length === 1);
  broker.on(API.JoinGroup, ({ memberId }) =>
    memberId === '' ? { errorCode: 79, memberId: 'm-2' } : { errorCode: 25 },
  );
  m.rejoin();
  await until(() => events.length === 2);
  expect(events[1]).toBe('lost: unknown_member');
});

test('INV-2: a member that keeps what it has loses it when its session ends in a join without an answer', async () => {
  const m = keeping({ sessionTimeoutMs: 60 });
  await until(() => events.length === 1);
  broker.on(API.JoinGroup, () => 'silence');
  broker.on(API.Heartbeat, () => 'silence');
  m.rejoin();
  await until(() => events.length === 2);
  expect(events[1]).toBe('lost: session_expired');
  expect(m.state).not.toBe('stopped');
});

test.each([
  ['no coordinator is found', API.FindCoordinator],
  ['no connection to it opens', API.ApiVersions],
])('INV-2: a member loses what it has when its session ends while %s', async (_, unanswered) => {
  const m = keeping({ sessionTimeoutMs: 60 });
  await until(() => events.length === 1);
  broker.on(unanswered, () => 'silence');
  broker.on(API.Heartbeat, () => 'close');
  // It joins again at once, and may have done so already.
  await until(() => events.length >= 2);
  expect(events[1]).toBe('lost: session_expired');
  expect(m.state).not.toBe('stopped');
});

test('a member leaves at once while no connection to its coordinator opens', async () => {
  broker.on(API.ApiVersions, () => 'silence');
  const m = makeMember();
  await until(() => broker.seen.includes(API.ApiVersions));
  const left = m.leave().then(() => 'left');
  expect(await Promise.race([left, systemClock.sleep(5000).then(() => 'waiting')])).toBe('left');
});

test('a static member that leaves for good before its first join was answered leaves by its instance id', async () => {
  const left: unknown[] = [];
  let joins = 0;
  broker.on(API.JoinGroup, () => {
    joins++;
    return 'silence';
  });
  broker.on(API.LeaveGroup, ({ members }) => {
    left.push(...members);
    return { errorCode: 0 };
  });
  const m = makeMember({ groupInstanceId: 'i' });
  await until(() => joins === 1);
  await m.leave({ forGood: true });
  expect(left).toEqual([expect.objectContaining({ memberId: '', groupInstanceId: 'i' })]);
});
