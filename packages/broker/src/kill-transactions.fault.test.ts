// SIGKILL of a broker process while two producers, one of each generation of the protocol, run transactions over two
// topics. After each restart they take their ids over; in the end every transaction is in both topics or in none.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type BrokerProcess, killBroker, startBrokerProcess } from './testing/broker-process.ts';
import { TestClient } from './testing/test-client.ts';
import { seededRandom } from './testing/test-log.ts';
import {
  type Generation,
  readCommitted,
  TransactionalProducer,
  whenStable,
} from './testing/transactional-client.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const KILLS = 4;
const TOPICS = ['left', 'right'];

/** What the producers were told. */
class Outcomes {
  readonly committed: string[] = [];
  readonly aborted: string[] = [];
}

/** Runs transactions until the connection breaks, or `limit` of them have ended. */
async function produce(
  port: number,
  generation: Generation,
  round: number,
  outcomes: Outcomes,
  onEnded: () => void,
  limit: number = Number.MAX_SAFE_INTEGER,
): Promise<void> {
  await using client = await TestClient.connect(port);
  try {
    const producer = new TransactionalProducer(client, `x${generation}`, generation);
    await producer.init();
    for (let index = 0; index < limit; index++) {
      const name = `${generation}-${round}-${index}`;
      for (const topic of TOPICS) await producer.write(topic, name);
      const commit = index % 3 !== 2;
      await producer.end(commit);
      (commit ? outcomes.committed : outcomes.aborted).push(name);
      onEnded();
    }
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('closed')) throw error;
  }
}

async function check(port: number, outcomes: Outcomes): Promise<void> {
  await using client = await TestClient.connect(port);
  for (const topic of TOPICS) await whenStable(client, topic);
  const left = await readCommitted(client, 'left');
  const right = await readCommitted(client, 'right');
  expect([...left].sort()).toEqual([...right].sort());
  expect(new Set(left).size).toBe(left.length);
  expect(left).toEqual(expect.arrayContaining(outcomes.committed));
  expect(left.filter((name) => outcomes.aborted.includes(name))).toEqual([]);
}

test(`INV-12: kills leave whole transactions (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-kill-'));
  const outcomes = new Outcomes();
  let broker: BrokerProcess = await startBrokerProcess(dataDirectory);
  try {
    {
      await using client = await TestClient.connect(broker.port);
      const topics = TOPICS.map((name) => ({ name, numPartitions: 1, replicationFactor: 1 }));
      await client.send('CreateTopics', 5, { topics, timeoutMs: 1000 });
    }
    for (let round = 0; round < KILLS; round++) {
      let left = 5 + Math.floor(random() * 60);
      let resolveEnded = (): void => undefined;
      const ended = new Promise<void>((resolve) => {
        resolveEnded = resolve;
      });
      const onEnded = (): void => {
        if (--left === 0) resolveEnded();
      };
      const producers = ([1, 2] as const).map((generation) =>
        produce(broker.port, generation, round, outcomes, onEnded),
      );
      await Promise.race([ended, ...producers]);
      // In the middle of what the other producer does, or a little later.
      for (let turns = Math.floor(random() * 40); turns > 0; turns--) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      await killBroker(broker);
      await Promise.all(producers);
      broker = await startBrokerProcess(dataDirectory);
      for (const generation of [1, 2] as const) {
        await produce(broker.port, generation, round + 100, outcomes, () => undefined, 2);
      }
      await check(broker.port, outcomes);
    }
    expect(outcomes.committed.length).toBeGreaterThan(4 * KILLS);
  } finally {
    await killBroker(broker);
    await rm(dataDirectory, { recursive: true, force: true });
  }
});
