// Members of a group of workers, against a real broker: one that cannot read the config topic as far as the others know it
// leaves its work to them.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster } from '@millrace/kafka-client';
import { eventually, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lease } from '../lease.ts';
import { Membership } from './membership.ts';
import { type WorkItem, WorkSet } from './work.ts';

let millrace: MillraceProcess;
beforeAll(async () => {
  millrace = await startMillrace();
});
afterAll(async () => {
  await millrace[Symbol.asyncDispose]();
});

const NEWEST = 10;
const ALL: readonly WorkItem[] = Array.from({ length: 4 }, (_, task) => ({ connector: 'c', task }));

class Member implements AsyncDisposable {
  readonly membership: Membership;
  configOffset: number;
  owned: readonly WorkItem[] = [];
  readonly #cluster: Cluster;
  #isClosed = false;

  constructor(groupId: string, name: string, configOffset: number) {
    this.configOffset = configOffset;
    const parts = { logger: silentLogger, clock: systemClock };
    this.#cluster = new Cluster({ bootstrapServers: millrace.kafka, clientId: name, ...parts });
    this.membership = new Membership({
      ...parts,
      cluster: this.#cluster,
      groupId,
      instanceId: name,
      url: `http://${name}:1/`,
      protocol: 'sessioned',
      lease: new Lease(),
      sessionTimeoutMs: 6000,
      rebalanceTimeoutMs: 12_000,
      heartbeatIntervalMs: 100,
      maxDelayMs: 0,
      syncTimeoutMs: 100,
      unsyncBackoffMs: 1000,
      rebalances: { begin: () => undefined, end: () => undefined },
      configOffset: () => this.configOffset,
      refreshConfig: async () => {
        while (this.configOffset < NEWEST && !this.#isClosed) await systemClock.sleep(10);
      },
      configured: () => new WorkSet(ALL),
      owned: () => this.owned,
      onAssigned: (work) => {
        this.owned = work;
        return Promise.resolve();
      },
      onLeading: () => undefined,
      giveUp: () => Promise.resolve(),
      onLost: () => {
        this.owned = [];
        return Promise.resolve();
      },
      onFatal: (error) => {
        if (!this.#isClosed) throw error;
      },
    });
    this.membership.start();
  }

  /** Ends its connections without a word to the group. */
  async cut(): Promise<void> {
    this.#isClosed = true;
    await this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.membership.close();
    await this.#cluster.close();
  }
}

function untilOwned(members: readonly Member[], counts: readonly number[]): Promise<unknown> {
  return eventually(`they own ${counts.join(' and ')}`, () => {
    const owned = members.map((member) => member.owned.length);
    if (owned.join() === counts.join()) return true;
    throw new Error(`${owned.join(' and ')}; ${String(members.map(({ membership }) => membership.problem))}`);
  });
}

test.each([
  ['a worker', NEWEST, 0],
  ['a leader', 0, NEWEST],
])(
  '%s that does not catch up with the config topic in worker.sync.timeout.ms leaves the others its work, and comes back',
  async (who, first, second) => {
    await using one = new Member(who, 'one', first);
    await untilOwned([one], [4]);
    await using other = new Member(who, 'other', second);
    const [behind, rest] = first < second ? [one, other] : [other, one];
    await eventually('it says why it is out', () =>
      behind.membership.problem?.includes('up to offset 0 and not up to 10'),
    );
    expect(behind.membership.ready).toBe(false);
    await untilOwned([behind, rest], [0, 4]);
    behind.configOffset = NEWEST;
    await untilOwned([behind, rest], [2, 2]);
    expect(behind.membership.ready).toBe(true);
  },
);

test('a worker is told that its group goes on without one that it has asked something', async () => {
  await using one = new Member('asked', 'one', NEWEST);
  await untilOwned([one], [4]);
  await using other = new Member('asked', 'other', NEWEST);
  await untilOwned([one, other], [2, 2]);
  const leader = other.membership.gone('http://one:1/');
  const member = one.membership.gone('http://other:1/');
  // A rebalance in which both stay.
  await using third = new Member('asked', 'third', NEWEST);
  await untilOwned([one, other, third], [2, 1, 1]);
  expect([leader.aborted, member.aborted]).toEqual([false, false]);
  expect(third.membership.gone('http://other:1/').aborted).toBe(true);
  await one.cut();
  await eventually('another one leads', () => leader.aborted && other.membership.isLeader);
  const last = other.membership.gone('http://third:1/');
  expect(last.aborted).toBe(false);
  await third.cut();
  await eventually('a member is gone', () => last.aborted);
});
