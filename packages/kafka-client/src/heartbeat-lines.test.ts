import { silentLogger, systemClock } from '@millrace/foundation';
import { API } from '@millrace/kafka-protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Cluster } from './cluster.ts';
import { GroupMember } from './group-member.ts';
import { HeartbeatLines } from './heartbeat-lines.ts';
import { ScriptedBroker } from './testing/scripted-broker.ts';

/** A heartbeat as the broker saw it. */
interface Beat {
  readonly group: string;
  readonly connection: number;
  readonly clientId: string | null;
}

describe('heartbeats of several clients', () => {
  const never = new Promise<object>(() => undefined);
  let broker: ScriptedBroker;
  let lines: HeartbeatLines;
  let members: GroupMember[];
  let beats: Beat[];
  let lost: string[];
  /** Which connections are broken. */
  let broken: (connection: number) => boolean;
  /** `API of group`s that are not answered, nor what comes after them on the same connection. */
  let hanging: Set<string>;
  let sessionTimeoutMs: number;

  beforeEach(async () => {
    broker = await ScriptedBroker.start();
    lines = new HeartbeatLines();
    members = [];
    beats = [];
    lost = [];
    broken = () => false;
    hanging = new Set();
    sessionTimeoutMs = 30_000;
    broker.on(API.JoinGroup, ({ groupId }) =>
      hanging.has(`join of ${groupId}`)
        ? never
        : { generationId: 1, protocolName: 'p', leader: 'other', memberId: groupId },
    );
    broker.on(API.SyncGroup, () => ({ assignment: Buffer.alloc(0) }));
    broker.on(API.Heartbeat, ({ groupId }, { id, clientId }) => {
      beats.push({ group: groupId, connection: id, clientId });
      if (broken(id)) return 'close';
      return hanging.has(`heartbeat of ${groupId}`) ? never : {};
    });
    broker.on(API.LeaveGroup, () => ({}));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all(members.map((member) => member.leave()));
    await broker[Symbol.asyncDispose]();
  });

  function clusterOf(clientId: string, identity = ''): Cluster {
    return broker.cluster({ clientId, heartbeats: { lines, identity }, defaultApiTimeoutMs: 2000 });
  }

  function join(groupId: string, cluster: Cluster = clusterOf(`client-${groupId}`)): GroupMember {
    const member = new GroupMember({
      cluster,
      logger: silentLogger,
      clock: systemClock,
      groupId,
      protocolType: 'consumer',
      groupInstanceId: groupId,
      protocols: () => [],
      sessionTimeoutMs,
      rebalanceTimeoutMs: 1000,
      heartbeatIntervalMs: 50,
      lead: () => new Map(),
      onAssigned: () => undefined,
      onLost: (reason) => void lost.push(`${groupId}: ${reason}`),
    });
    member.start();
    members.push(member);
    return member;
  }

  async function until(condition: () => boolean): Promise<void> {
    const deadline = systemClock.monotonicMs() + 10_000;
    while (!condition()) {
      if (systemClock.monotonicMs() > deadline)
        throw new Error(`still waiting; seen: ${JSON.stringify(beats)}`);
      await systemClock.sleep(2);
    }
  }
  /** Forgets what was seen, and waits for more heartbeats of each of these groups. */
  async function seeMore(groups: readonly string[], count = 3): Promise<void> {
    beats.length = 0;
    await until(() => groups.every((name) => beats.filter(({ group }) => group === name).length >= count));
  }
  const usedBy = (name: string): number[] => [
    ...new Set(beats.filter(({ group }) => group === name).map(({ connection }) => connection)),
  ];

  test('go over one connection, each in the name of its client, which counts it', async () => {
    const clusters = ['a', 'b'].map((name) => clusterOf(name));
    ['a', 'b'].forEach((name, i) => join(name, clusters[i]));
    await seeMore(['a', 'b']);
    expect(new Set(beats.map(({ connection }) => connection)).size).toBe(1);
    expect(beats.every(({ group, clientId }) => group === clientId)).toBe(true);
    for (const { stats } of clusters) {
      const { requests, bytesIn } = stats;
      await until(() => stats.requests > requests && stats.bytesIn > bytesIn);
      expect(stats.requests - stats.responses).toBeLessThanOrEqual(1);
    }
  });

  test('go over a connection each where clients connect as different users', async () => {
    join('a', clusterOf('a', 'user 1'));
    join('b', clusterOf('b', 'user 2'));
    await seeMore(['a', 'b']);
    expect(usedBy('a')).not.toEqual(usedBy('b'));
  });

  test('INV-6: go on over connections of their own when the shared one is cut, and no membership ends', async () => {
    ['a', 'b'].forEach((name) => join(name));
    await seeMore(['a', 'b']);
    const [shared] = usedBy('a');
    broken = (connection) => connection === shared;
    await until(() => beats.filter(({ connection }) => connection !== shared).length >= 2);
    await seeMore(['a', 'b']);
    expect([usedBy('a').length, usedBy('b').length]).toEqual([1, 1]);
    expect(usedBy('a')).not.toEqual(usedBy('b'));
    expect(lost).toEqual([]);
    expect(members.map(({ state }) => state)).toEqual(['stable', 'stable']);
  });

  test('share a connection again some time after it broke', async () => {
    sessionTimeoutMs = 120_000;
    ['a', 'b'].forEach((name) => join(name));
    await seeMore(['a', 'b']);
    const [shared] = usedBy('a');
    broken = (connection) => connection === shared;
    await until(() => beats.filter(({ connection }) => connection !== shared).length >= 2);
    await seeMore(['a', 'b']);
    expect(usedBy('a')).not.toEqual(usedBy('b'));
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 31_000);
    await seeMore(['a', 'b']);
    await seeMore(['a', 'b']);
    expect(usedBy('a')).toEqual(usedBy('b'));
  });

  test('INV-6: are not held up by one that the broker does not answer, nor anything behind it', async () => {
    sessionTimeoutMs = 3000;
    ['a', 'b'].forEach((name) => join(name));
    await seeMore(['a', 'b']);
    hanging.add('heartbeat of a');
    await until(() => lost.length > 0);
    await seeMore(['b']);
    expect(lost).toEqual(['a: session_expired']);
    expect(members[1]?.state).toBe('stable');
  });

  test('go on while the join of another member waits at the broker', async () => {
    ['a', 'b'].forEach((name) => join(name));
    await seeMore(['a', 'b']);
    const shared = usedBy('b');
    hanging.add('join of a');
    members[0]?.rejoin();
    await until(() => members[0]?.state === 'joining');
    await seeMore(['b'], 10);
    expect(usedBy('b')).toEqual(shared);
    expect(members[0]?.state).toBe('joining');
  });

  test('keep their connection when one of the members leaves; the last takes it with it', async () => {
    const clusters = ['a', 'b'].map((name) => clusterOf(name));
    ['a', 'b'].forEach((name, i) => join(name, clusters[i]));
    await seeMore(['a', 'b']);
    const shared = usedBy('b');
    await members[0]?.leave({ forGood: true });
    await clusters[0]?.close();
    await seeMore(['b']);
    expect(usedBy('b')).toEqual(shared);
    await members[1]?.leave();
    await clusters[1]?.close();
    await until(() => broker.connections.length === 0);
  });

  test('INV-2: end with their client, although the connection stays', async () => {
    const cut = clusterOf('a');
    join('a', cut);
    join('b');
    await seeMore(['a', 'b']);
    await cut.close();
    await seeMore(['b'], 5);
    await seeMore(['b'], 5);
    expect(usedBy('a')).toEqual([]);
  });
});

describe('heartbeats of one interval', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('are due together, after the interval at the latest', async () => {
    const lines = new HeartbeatLines();
    const { signal } = new AbortController();
    const start = performance.now();
    const times: number[][] = [];
    const beat = async (): Promise<void> => {
      const mine: number[] = [performance.now() - start];
      times.push(mine);
      for (;;) {
        await lines.due(3000, signal);
        mine.push(performance.now() - start);
      }
    };
    for (let i = 0; i < 10; i++) {
      void beat();
      await vi.advanceTimersByTimeAsync(370);
    }
    await vi.advanceTimersByTimeAsync(30_000);
    for (const mine of times) {
      const waits = mine.slice(1).map((time, i) => time - (mine[i] ?? 0));
      expect(Math.max(...waits)).toBeLessThanOrEqual(3001);
      expect(Math.min(...waits.slice(1))).toBeGreaterThan(2800);
    }
    expect(new Set(times.map((mine) => mine.at(-1))).size).toBe(1);
  });

  test('end at once with their signal, without a timer left', async () => {
    const lines = new HeartbeatLines();
    const stop = new AbortController();
    const due = lines.due(3000, stop.signal);
    stop.abort();
    await due;
    await lines.due(3000, stop.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});
