import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ASSIGNORS, type Assignment, type AssignorName, type ConsumerPeer } from './assignors.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts';
import { partitionKey } from './topic-partition.ts';

function peer(memberId: string, topics: string[], owned: [string, number][] = []): ConsumerPeer {
  return {
    memberId,
    groupInstanceId: null,
    topics,
    owned: owned.map(([topic, partition]) => ({ topic, partition })),
    generation: owned.length > 0 ? 5 : -1,
  };
}

function short(assignment: Assignment): Record<string, string[]> {
  const entries = [...assignment].map(([id, places]) => [id, places.map((p) => `${p.topic}${p.partition}`)]);
  return Object.fromEntries(entries) as Record<string, string[]>;
}

test('range gives contiguous partitions of each topic, more to the first members', () => {
  const members = [peer('m2', ['a', 'b']), peer('m1', ['a', 'b'])];
  const assignment = ASSIGNORS.range(
    members,
    new Map([
      ['a', 3],
      ['b', 2],
    ]),
  );
  expect(short(assignment)).toEqual({ m1: ['a0', 'a1', 'b0'], m2: ['a2', 'b1'] });
});

test('roundrobin deals out all partitions in turn, skipping who is not subscribed', () => {
  const members = [peer('m1', ['a', 'b']), peer('m2', ['a'])];
  const assignment = ASSIGNORS.roundrobin(
    members,
    new Map([
      ['a', 3],
      ['b', 2],
    ]),
  );
  expect(short(assignment)).toEqual({ m1: ['a0', 'a2', 'b0', 'b1'], m2: ['a1'] });
});

test('cooperative-sticky takes away first and hands out in the next round', () => {
  const owned: [string, number][] = [
    ['a', 0],
    ['a', 1],
    ['a', 2],
    ['a', 3],
  ];
  const counts = new Map([['a', 4]]);
  const first = ASSIGNORS['cooperative-sticky']([peer('m1', ['a'], owned), peer('m2', ['a'])], counts);
  expect(short(first)).toEqual({ m1: ['a0', 'a1'], m2: [] });
  const kept: [string, number][] = [
    ['a', 0],
    ['a', 1],
  ];
  const second = ASSIGNORS['cooperative-sticky']([peer('m1', ['a'], kept), peer('m2', ['a'])], counts);
  expect(short(second)).toEqual({ m1: ['a0', 'a1'], m2: ['a2', 'a3'] });
});

const group = fc
  .record({
    topics: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 4 }),
    members: fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
  })
  .map(({ topics, members }) => {
    const counts = new Map(topics.map((count, i) => [`t${i}`, count]));
    const names = (wanted: number[]): string[] => [...new Set(wanted.map((i) => `t${i % topics.length}`))];
    return { counts, members: members.map((wanted, i) => peer(`m${i}`, names(wanted))) };
  });

describe.each<AssignorName>(['range', 'roundrobin', 'cooperative-sticky'])('%s', (name) => {
  test('gives every subscribed partition to exactly one subscriber, evenly when all want the same', () => {
    fc.assert(
      fc.property(group, ({ counts, members }) => {
        const assignment = ASSIGNORS[name](members, counts);
        const seen = new Set<string>();
        for (const { memberId, topics } of members) {
          for (const { topic, partition } of assignment.get(memberId) ?? []) {
            expect(topics).toContain(topic);
            expect(seen.has(partitionKey(topic, partition))).toBe(false);
            seen.add(partitionKey(topic, partition));
          }
        }
        const wanted = [...counts].filter(([topic]) => members.some(({ topics }) => topics.includes(topic)));
        expect(seen.size).toBe(wanted.reduce((sum, [, count]) => sum + count, 0));
        const loads = members.map(({ memberId }) => assignment.get(memberId)?.length ?? 0);
        const alike = members.every(
          ({ topics }) => topics.toSorted().join() === members[0]?.topics.toSorted().join(),
        );
        if (name !== 'range' && alike) expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

test('cooperative-sticky settles, and then moves nothing any more', () => {
  fc.assert(
    fc.property(group, ({ counts, members }) => {
      let peers = members;
      let before = '';
      for (let round = 1; round <= 5; round++) {
        const assignment = ASSIGNORS['cooperative-sticky'](peers, counts);
        const now = JSON.stringify([...assignment]);
        if (now === before) return;
        before = now;
        peers = peers.map((p) => ({ ...p, owned: assignment.get(p.memberId) ?? [], generation: round }));
      }
      expect.unreachable('five rounds did not settle the group');
    }),
  );
});

test('cooperative-sticky leaves an even group alone, also beside a member without partitions to take', () => {
  const place = (topic: string, ...partitions: number[]): { topic: string; partition: number }[] =>
    partitions.map((partition) => ({ topic, partition }));
  const held: Record<string, { topic: string; partition: number }[]> = {
    m0: [...place('t1', 0, 1), ...place('t0', 0)],
    m1: [],
    m2: place('t0', 1, 2, 3),
  };
  const wanted: Record<string, string[]> = { m0: ['t1', 't0'], m1: ['t2'], m2: ['t0'] };
  const members = Object.keys(held).map((id) => ({
    ...peer(id, wanted[id] ?? []),
    owned: held[id] ?? [],
    generation: 1,
  }));
  const counts = new Map([
    ['t0', 4],
    ['t1', 2],
    ['t2', 0],
  ]);
  const assignment = ASSIGNORS['cooperative-sticky'](members, counts);
  const sorted = (places: readonly { topic: string; partition: number }[]): string[] =>
    places.map(({ topic, partition }) => `${topic}-${partition}`).toSorted();
  for (const [id, places] of Object.entries(held))
    expect(sorted(assignment.get(id) ?? [])).toEqual(sorted(places));
});

test('subscriptions and assignments survive the wire, also in the versions of older members', () => {
  const subscription = { topics: ['a', 'b'], owned: [{ topic: 'a', partition: 3 }], generation: 7 };
  expect(decodeSubscription(encodeSubscription(subscription))).toEqual(subscription);
  const version0 = Buffer.from('00000000000100016100000000', 'hex');
  expect(decodeSubscription(version0)).toEqual({ topics: ['a'], owned: [], generation: -1 });
  expect(decodeAssignment(encodeAssignment(subscription.owned))).toEqual(subscription.owned);
  expect(decodeAssignment(Buffer.alloc(0))).toEqual([]);
});
