// Power cuts over all files of a broker at once. A run writes through real connections, the disk loses what was not
// synced in a random way, the broker starts again on what is left; and again, with a second cut right after.
import { readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { type BrokerHandle, startBroker } from './broker.ts';
import { MemoryDisk } from './testing/memory-disk.ts';
import { TestClient } from './testing/test-client.ts';
import { seededRandom } from './testing/test-log.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const TOPICS = ['small', 'large'];
const GROUP = 'readers';

function start(disk: MemoryDisk): Promise<BrokerHandle> {
  return startBroker({
    dataDirectory: '/data',
    listen: { host: '127.0.0.1', port: 0 },
    properties: { 'millrace.disk.reserve.bytes': '65536', 'millrace.tail.cache.bytes': '2000' },
    disk,
  });
}

/** What clients were told over all runs. */
class Promises {
  /** topic -> offset -> value that was acknowledged with acks=all. */
  readonly acknowledged = new Map<string, Map<number, string>>(TOPICS.map((topic) => [topic, new Map()]));
  /** topic -> offset -> value that a consumer saw. */
  readonly consumed = new Map<string, Map<number, string>>(TOPICS.map((topic) => [topic, new Map()]));
  committed = -1;
  /** The power is off: what is said from now on is said by nobody. */
  isOff = false;

  acknowledge(topic: string, offset: number, value: string): void {
    if (!this.isOff) this.acknowledged.get(topic)?.set(offset, value);
  }
  consume(topic: string, seen: ReadonlyMap<number, string>): void {
    if (this.isOff) return;
    for (const [offset, value] of seen) this.consumed.get(topic)?.set(offset, value);
  }
  commit(offset: number): void {
    if (!this.isOff) this.committed = offset;
  }
}

async function readAll(client: TestClient, topic: string): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let offset = 0; ; ) {
    const bytes = await client.fetch(topic, 0, offset);
    if (bytes.length === 0) return found;
    for (let at = 0; at < bytes.length; at += readBatchHeader(bytes, at).sizeInBytes) {
      if (at + 61 > bytes.length || at + readBatchHeader(bytes, at).sizeInBytes > bytes.length) break;
      for (const record of readRecords(bytes, at)) {
        found.set(record.offset, String(record.value));
        offset = record.offset + 1;
      }
    }
  }
}

async function createTopics(client: TestClient): Promise<void> {
  const topics = TOPICS.map((name) => ({
    name,
    numPartitions: 1,
    replicationFactor: 1,
    configs: [{ name: 'segment.bytes', value: '1048576' }],
  }));
  await client.send('CreateTopics', 5, { topics, timeoutMs: 1000 });
}

/** Writes and reads for a while; whatever was promised is noted, failures are expected at the end. */
async function work(
  port: number,
  random: () => number,
  promises: Promises,
  operations: number,
): Promise<void> {
  await using client = await TestClient.connect(port);
  await using reader = await TestClient.connect(port);
  await createTopics(client);
  const sends: Promise<unknown>[] = [];
  // Some runs hardly ever sync, so that what waits for a sync is most of what there is.
  const durableShare = random() < 0.5 ? 0.05 : 0.7;
  for (let i = 0; i < operations; i++) {
    const topic = random() < 0.5 ? 'small' : 'large';
    const text = `${i}-${Math.floor(random() * 1e9)}`;
    const value = topic === 'large' ? text.padEnd(Math.floor(random() * 200_000), 'x') : text;
    const acks = random() < durableShare ? -1 : 1;
    const noted = client.produce(topic, 0, { values: [value] }, acks).then((offset) => {
      if (acks === -1) promises.acknowledge(topic, offset, value);
    });
    noted.catch(() => undefined);
    sends.push(noted);
    if (random() < 0.3) await noted;
    if (random() < 0.4) {
      promises.consume(topic, await readAll(reader, topic));
    }
    if (random() < 0.2) await commit(client, promises, i);
  }
  await Promise.all(sends);
}

async function commit(client: TestClient, promises: Promises, offset: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
  const topics = [{ name: 'small', partitions }];
  const answer = await client.send('OffsetCommit', 8, {
    groupId: GROUP,
    generationIdOrMemberEpoch: -1,
    topics,
  });
  expect(answer.topics[0]?.partitions[0]?.errorCode).toBe(0);
  promises.commit(offset);
}

async function check(port: number, promises: Promises): Promise<void> {
  await using client = await TestClient.connect(port);
  const known = await client.send('Metadata', 9, { topics: null });
  for (const topic of TOPICS) {
    const isThere = known.topics.some(({ name }) => name === topic);
    const present = isThere ? await readAll(client, topic) : new Map<number, string>();
    for (const [offset, value] of promises.acknowledged.get(topic) ?? [])
      expect(present.get(offset)).toBe(value);
    for (const [offset, value] of promises.consumed.get(topic) ?? []) expect(present.get(offset)).toBe(value);
    // A record that was never promised and is gone leaves no hole.
    expect([...present.keys()]).toEqual([...present.keys()].map((_, index) => index));
  }
  const topics = [{ name: 'small', partitionIndexes: [0] }];
  const answer = await client.send('OffsetFetch', 7, { groupId: GROUP, topics });
  if (promises.committed >= 0) {
    expect(Number(answer.topics[0]?.partitions[0]?.committedOffset)).toBeGreaterThanOrEqual(
      promises.committed,
    );
  }
}

test(`INV-12: what was acknowledged or consumed is there after power cuts (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  for (let round = 0; round < 8; round++) {
    const promises = new Promises();
    let disk = new MemoryDisk();
    for (let cuts = 0; cuts < 3; cuts++) {
      disk.syncTurns = () => 1 + Math.floor(random() * 20);
      const broker = await start(disk);
      await check(broker.port, promises);
      const working = work(broker.port, random, promises, 10 + Math.floor(random() * 30));
      // The cut comes at some write or sync in the middle, or after the work.
      const cut = await cutDuring(disk, working, random, promises);
      await broker.close();
      disk = cut;
    }
    const broker = await start(disk);
    await check(broker.port, promises);
    await broker.close();
  }
}, 60_000);

/** Lets the work run for a random number of turns, and takes the disk as a power cut at that moment leaves it. */
async function cutDuring(
  disk: MemoryDisk,
  working: Promise<void>,
  random: () => number,
  promises: Promises,
): Promise<MemoryDisk> {
  let done = false;
  const finished = working.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  for (let turns = Math.floor(random() * 1200); turns > 0 && !done; turns--) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  const cut = disk.afterPowerCut(random);
  promises.isOff = true;
  await finished;
  promises.isOff = false;
  return cut;
}
