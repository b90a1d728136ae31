// Actors that commit offsets: as members of a group that come, go and fall silent, and on their own.
import type { TestClient } from '../test-client.ts';
import { type Ledger, must, mustAnswer } from './ledger.ts';
import { type Actor, Ended, pause, type Session } from './session.ts';

/** The topic for which offsets are committed. */
export const OFFSETS_TOPIC = 'offsets';

const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER = 25;
const REBALANCE = 27;
const MEMBER_ID_REQUIRED = 79;
const UNSTABLE = 88;
const FENCED: ReadonlySet<number> = new Set([ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE]);
const SESSION_MS = 100;

/** Reads a committed offset and holds it against the ledger; -1 while a transaction holds it back. */
export async function checkCommit(client: TestClient, ledger: Ledger, key: string): Promise<void> {
  const [groupId = '', partition = '0'] = key.split('/');
  for (let tries = 0; ; tries++) {
    const topics = [{ name: OFFSETS_TOPIC, partitionIndexes: [Number(partition)] }];
    const answer = await client.send('OffsetFetch', 7, { groupId, topics, requireStable: true });
    const result = answer.topics[0]?.partitions[0];
    if (answer.errorCode === 0 && result?.errorCode === 0) {
      const offset = Number(result.committedOffset);
      for (const transaction of ledger.transactions) {
        if (offset < 0 || transaction.commits.get(key) !== offset) continue;
        must(transaction.outcome !== 'open', () => `${key} has ${offset} of open ${transaction.name}`);
        ledger.decide(transaction, 'committed');
      }
      ledger.commitRead(key, offset);
      return;
    }
    if (result?.errorCode !== UNSTABLE)
      mustAnswer(answer.errorCode || result?.errorCode, () => 'OffsetFetch');
    const undecided = [...ledger.transactions].some(
      ({ commits, outcome }) => commits.has(key) && outcome !== 'committed' && outcome !== 'aborted',
    );
    if (undecided) return;
    must(tries < 2000, () => `${key} stays unstable`);
    await pause(2);
  }
}

/** Commits one offset after another without being a member, and reads them. */
export class Committer implements Actor {
  readonly #group: string;
  #offset = 0;

  constructor(group: string) {
    this.#group = group;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    const key = `${this.#group}/0`;
    while (!session.isEnding) {
      const offset = this.#offset++;
      session.ledger.commitSent(key, offset);
      const code = await commit(client, this.#group, 0, offset, -1, '');
      if (code !== 0) session.settle();
      must(code === 0, () => `a commit of ${this.#group} answered ${code}`);
      session.ledger.commitTold(key, offset);
      session.ledger.count('commits of offsets');
      if (session.chance(0.3)) await checkCommit(client, session.ledger, key);
      await session.rest(session.below(40));
    }
  }
}

/** What the members of a group know together. */
export interface ModelGroup {
  readonly name: string;
  /** The newest that a join was answered with since the last start, and its leader. */
  newest: number;
  leader: string;
  /** The newest that a sync was answered for. */
  synced: number;
}

export class Member implements Actor {
  readonly #group: ModelGroup;
  readonly #partition: number;
  #memberId = '';
  #generation = -1;
  #offset = 0;

  constructor(group: ModelGroup, partition: number) {
    this.#group = group;
    this.#partition = partition;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    while (!session.isEnding) {
      const stale = { generation: this.#generation, memberId: this.#memberId };
      if (!(await this.#join(session, client))) continue;
      if (stale.generation >= 0 && stale.generation < this.#generation && session.chance(0.3)) {
        await this.#commitStale(session, client, stale);
      }
      for (let commits = 1 + session.below(6); commits > 0; commits--) {
        if (!(await this.#commit(session, client))) break;
        await session.rest(session.below(30));
      }
      const choice = session.random();
      if (choice < 0.2) await this.#leave(client);
      else if (choice < 0.35) await pause(SESSION_MS * 2); // it is taken for dead
    }
  }

  /** Joins and syncs; false when it has to be tried again. */
  async #join(session: Session, client: TestClient): Promise<boolean> {
    const group = this.#group;
    const before = group.newest;
    const answer = await client.send('JoinGroup', 5, {
      groupId: group.name,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: SESSION_MS,
      memberId: this.#memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from([1]) }],
    });
    if (answer.errorCode === MEMBER_ID_REQUIRED) {
      this.#memberId = answer.memberId;
      return false;
    }
    if (answer.errorCode === UNKNOWN_MEMBER) {
      this.#memberId = '';
      return false;
    }
    if (answer.errorCode !== 0) {
      session.settle();
      must(FENCED.has(answer.errorCode), () => `JoinGroup answered ${answer.errorCode}`);
      return false;
    }
    const { generationId, leader } = answer;
    must(generationId >= before && generationId >= group.synced, () => {
      return `${group.name} joined generation ${generationId} after ${before}, synced ${group.synced}`;
    });
    must(generationId !== group.newest || leader === group.leader, () => {
      return `generation ${generationId} of ${group.name} has leaders ${leader} and ${group.leader}`;
    });
    if (generationId > group.newest) {
      group.newest = generationId;
      group.leader = leader;
    }
    this.#generation = generationId;
    this.#memberId = answer.memberId;
    const isLeader = leader === answer.memberId;
    const assignments = answer.members.map(({ memberId }) => ({
      memberId,
      assignment: Buffer.from(memberId),
    }));
    const synced = await client.send('SyncGroup', 3, {
      groupId: group.name,
      generationId,
      memberId: this.#memberId,
      groupInstanceId: null,
      assignments: isLeader ? assignments : [],
    });
    if (synced.errorCode === 0) {
      must(
        synced.assignment.toString() === this.#memberId,
        () => `${this.#memberId} got another's assignment`,
      );
      group.synced = Math.max(group.synced, generationId);
      session.ledger.count('generations synced');
      return true;
    }
    session.settle();
    must(FENCED.has(synced.errorCode), () => `SyncGroup answered ${synced.errorCode}`);
    if (synced.errorCode === UNKNOWN_MEMBER) this.#memberId = '';
    return false;
  }

  async #commit(session: Session, client: TestClient): Promise<boolean> {
    const { ledger } = session;
    const key = `${this.#group.name}/${this.#partition}`;
    const offset = this.#offset++;
    const newest = this.#group.newest;
    ledger.commitSent(key, offset);
    const code = await commit(
      client,
      this.#group.name,
      this.#partition,
      offset,
      this.#generation,
      this.#memberId,
    );
    if (code === 0) {
      must(this.#generation >= newest, () => `generation ${this.#generation} committed after ${newest}`);
      ledger.commitTold(key, offset);
      ledger.count('commits of members');
      return true;
    }
    session.settle();
    must(FENCED.has(code), () => `a commit of a member answered ${code}`);
    ledger.commitRefused(key, offset);
    ledger.count('fenced members');
    if (code === UNKNOWN_MEMBER) this.#memberId = '';
    return false;
  }

  async #commitStale(
    session: Session,
    client: TestClient,
    stale: { generation: number; memberId: string },
  ): Promise<void> {
    const offset = this.#offset++;
    const code = await commit(
      client,
      this.#group.name,
      this.#partition,
      offset,
      stale.generation,
      stale.memberId,
    );
    must(code !== 0, () => `generation ${stale.generation} committed after ${this.#generation} was joined`);
    session.ledger.count('stale commits refused');
  }

  async #leave(client: TestClient): Promise<void> {
    const members = [{ memberId: this.#memberId, groupInstanceId: null }];
    await client.send('LeaveGroup', 4, { groupId: this.#group.name, members });
    this.#memberId = '';
  }
}

async function commit(
  client: TestClient,
  groupId: string,
  partitionIndex: number,
  offset: number,
  generation: number,
  memberId: string,
): Promise<number> {
  const partitions = [{ partitionIndex, committedOffset: offset, committedMetadata: '' }];
  const answer = await client.send('OffsetCommit', 8, {
    groupId,
    generationIdOrMemberEpoch: generation,
    memberId,
    topics: [{ name: OFFSETS_TOPIC, partitions }],
  });
  const code = answer.topics[0]?.partitions[0]?.errorCode;
  if (code === undefined) throw new Ended('no answer for the partition');
  return code;
}
