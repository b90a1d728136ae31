// A run of the model: many clients work on one broker, which ends again and again in the middle of it; after each start
// everything that any of them was told is held against what the broker serves.

import type { TestClient } from '../test-client.ts';
import { seededRandom } from '../test-log.ts';
import { Committer, checkCommit, Member, type ModelGroup, OFFSETS_TOPIC } from './group-actors.ts';
import type { Host } from './hosts.ts';
import { Ledger, must, Refused } from './ledger.ts';
import { checkLog, readEnds } from './reading.ts';
import { type Actor, isEnd, nextTurn, pause, Session } from './session.ts';
import { TopicActor } from './topic-actor.ts';
import { TransactionActor } from './transaction-actor.ts';
import { HastyWriter, IdempotentWriter, Reader, Trimmer } from './writers.ts';

const TOPICS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: {},
  trimmed: { 'segment.ms': '30' },
  states: { 'cleanup.policy': 'compact', 'segment.ms': '20', 'min.cleanable.dirty.ratio': '0.01' },
  retained: { 'segment.ms': '20', 'retention.ms': '300' },
  [OFFSETS_TOPIC]: {},
};

export interface ModelRun {
  readonly seed: number;
  /** Starts of the broker. */
  readonly rounds: number;
  /** Turns of the event loop between a start and an end, at most. */
  readonly turns: number;
}

/** How often each kind of thing happened. Throws when the broker broke a promise. */
export async function runModel(host: Host, { seed, rounds, turns }: ModelRun): Promise<Map<string, number>> {
  const random = seededRandom(seed);
  const ledger = new Ledger();
  const world = makeWorld(ledger);
  for (let round = 0; round <= rounds; round++) {
    if (round > 0 && random() < 0.2) await host.startInVain(Math.floor(random() * 150));
    const session = new Session(await host.start(), random, ledger);
    world.group.newest = -1;
    const client = await session.connect();
    if (round === 0) await createTopics(client);
    await checkAll(client, ledger);
    if (round === rounds) {
      await finish(session, client, ledger, world.transactional);
      await host.end('close', session);
      break;
    }
    const failure = await work(session, world.actors, turns * host.pace, async () => {
      const how = session.pick(host.ends);
      ledger.count(`ends by ${how}`);
      await host.end(how, session);
      if (how !== 'close') ledger.crash();
    });
    if (failure) throw failure;
  }
  return ledger.counts;
}

function makeWorld(ledger: Ledger): {
  actors: readonly Actor[];
  transactional: readonly TransactionActor[];
  group: ModelGroup;
} {
  const plain = ledger.addLog('plain', 0, 'plain');
  const other = ledger.addLog('plain', 1, 'plain');
  const trimmed = ledger.addLog('trimmed', 0, 'plain');
  const states = ledger.addLog('states', 0, 'compacted');
  const retained = ledger.addLog('retained', 0, 'retained');
  const logs = [...ledger.logs];
  const group: ModelGroup = { name: 'members', newest: -1, leader: '', synced: -1 };
  const transactional = [
    new TransactionActor('x1', 1, [plain, other, states]),
    new TransactionActor('x2', 2, [plain, trimmed, states]),
    new TransactionActor('x3', 2, logs),
  ];
  const actors = [
    new IdempotentWriter(plain, 'w0'),
    new IdempotentWriter(trimmed, 'w1'),
    new IdempotentWriter(states, 'w2', 5),
    new IdempotentWriter(retained, 'w3'),
    new HastyWriter(other),
    ...transactional,
    new Reader(logs),
    new Reader([plain, other]),
    new Trimmer([trimmed]),
    new Committer('alone'),
    new Member(group, 1),
    new Member(group, 2),
    new TopicActor(['passing', 'fleeting']),
  ];
  return { actors, transactional, group };
}

async function createTopics(client: TestClient): Promise<void> {
  const topics = Object.entries(TOPICS).map(([name, configs]) => ({
    name,
    numPartitions: 3,
    replicationFactor: 1,
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  }));
  const answer = await client.send('CreateTopics', 7, { timeoutMs: 30_000, topics });
  for (const { name, errorCode } of answer.topics)
    must(errorCode === 0, () => `${name} answered ${errorCode}`);
}

/** Lets all work for a while, then ends the broker; what an actor found wrong. */
async function work(
  session: Session,
  actors: readonly Actor[],
  turns: number,
  end: () => Promise<void>,
): Promise<unknown> {
  let failure: unknown;
  const working = actors.map(async (actor) => {
    try {
      await actor.run(session);
    } catch (error) {
      const isLast = error instanceof Refused && session.isEnding;
      if (!isLast && !isEnd(error)) failure ??= error;
    }
  });
  // Some turns, and in any case until something was done.
  const enough = session.ledger.done + session.below(40);
  for (let left = session.below(turns); left > 0 && !failure; left--) await nextTurn();
  while (session.ledger.done < enough && !failure) await nextTurn();
  await end();
  await Promise.all(working);
  return failure;
}

async function checkAll(client: TestClient, ledger: Ledger): Promise<void> {
  for (const log of ledger.logs) {
    // Those of topics that come and go are read by the actor that knows whether they are there.
    if (!(log.topic in TOPICS)) continue;
    await checkLog(client, ledger, log, 0);
    await checkLog(client, ledger, log, 1);
  }
  for (const key of ledger.commits.keys()) await checkCommit(client, ledger, key);
}

/** Ends what is open; then nothing is undecided, and nothing held back. */
async function finish(
  session: Session,
  client: TestClient,
  ledger: Ledger,
  transactional: readonly TransactionActor[],
): Promise<void> {
  for (const actor of transactional) await actor.finish(session);
  for (const log of ledger.logs) {
    if (!(log.topic in TOPICS)) continue;
    for (let tries = 0; ; tries++) {
      const [, stable, end] = await readEnds(client, ledger, log);
      if (stable === end) break;
      must(tries < 2000, () => `${log.topic}-${log.partition} stays at ${stable} of ${end}`);
      await pause(2);
    }
  }
  // Twice: the first reading decides what was undecided, the second holds all partitions against it.
  await checkAll(client, ledger);
  await checkAll(client, ledger);
}
