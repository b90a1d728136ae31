// Crashes in every state of a transaction. A script of transactions runs on a disk in memory; at every write and every
// sync that it causes, the disk is copied as a kill and as a power cut at that moment would leave it. A broker starts
// on each copy, and what it serves must be all of a transaction or nothing.
import { expect, test } from 'vitest';
import { type BrokerHandle, startBroker } from './broker.ts';
import { MemoryDisk } from './testing/memory-disk.ts';
import { TestClient } from './testing/test-client.ts';
import { seededRandom } from './testing/test-log.ts';
import {
  type Generation,
  readCommitted,
  TransactionalProducer,
  whenStable,
} from './testing/transactional-client.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const GROUP = 'g';
const TOPICS = ['left', 'right'];

/** A disk that calls back before every write and sync. */
class WatchedDisk extends MemoryDisk {
  onOperation: (() => void) | undefined;

  override checkFault(operation: 'write' | 'sync', path: string): void {
    this.onOperation?.();
    super.checkFault(operation, path);
  }
}

function start(disk: MemoryDisk): Promise<BrokerHandle> {
  return startBroker({
    dataDirectory: '/data',
    listen: { host: '127.0.0.1', port: 0 },
    properties: { 'millrace.disk.reserve.bytes': '65536' },
    disk,
  });
}

/** What the client had been told when a copy was made. */
interface Told {
  readonly ended: readonly string[];
  /** Offset of the last transaction whose commit was answered. */
  readonly offset: number;
}

interface Copy extends Told {
  readonly disk: MemoryDisk;
  readonly kind: 'kill' | 'power cut';
}

/** Runs the script: three transactions that commit or abort, and one that stays open. */
async function runScript(generation: Generation, random: () => number): Promise<Copy[]> {
  const disk = new WatchedDisk();
  const copies: Copy[] = [];
  const ended: string[] = [];
  let offset = -1;
  disk.onOperation = () => {
    const told = { ended: [...ended], offset };
    copies.push({ ...told, kind: 'kill', disk: disk.afterKill() });
    copies.push({ ...told, kind: 'power cut', disk: disk.afterPowerCut(random) });
  };
  const broker = await start(disk);
  {
    await using client = await TestClient.connect(broker.port);
    const topics = TOPICS.map((name) => ({ name, numPartitions: 1, replicationFactor: 1 }));
    await client.send('CreateTopics', 5, { topics, timeoutMs: 1000 });
    const producer = new TransactionalProducer(client, 'x', generation);
    await producer.init();
    for (const [index, name] of ['commit-0', 'abort-1', 'commit-2'].entries()) {
      for (const topic of TOPICS) await producer.write(topic, name);
      await producer.commitOffset(GROUP, 'left', index);
      await producer.end(name.startsWith('commit'));
      ended.push(name);
      if (name.startsWith('commit')) offset = index;
    }
    for (const topic of TOPICS) await producer.write(topic, 'open-3');
    await producer.commitOffset(GROUP, 'left', 3);
  }
  disk.onOperation = undefined;
  await broker.close();
  return copies;
}

async function check(copy: Copy, generation: Generation): Promise<void> {
  const broker = await start(copy.disk);
  try {
    await using client = await TestClient.connect(broker.port);
    const known = await client.send('Metadata', 9, { topics: null });
    const names = known.topics.map(({ name }) => name);
    if (!TOPICS.every((name) => names.includes(name))) {
      expect(copy.ended).toEqual([]);
      return;
    }
    // A new producer takes the id over, which ends what was open.
    const successor = new TransactionalProducer(client, 'x', generation);
    await successor.init();
    for (const topic of TOPICS) await whenStable(client, topic);
    const [left, right] = [await readCommitted(client, 'left'), await readCommitted(client, 'right')];
    expect(left).toEqual(right);
    const decided = ['commit-0', 'commit-2'];
    expect(left).toEqual(decided.slice(0, left.length));
    expect(left).toEqual(expect.arrayContaining(copy.ended.filter((name) => name.startsWith('commit'))));
    const topics = [{ name: 'left', partitionIndexes: [0] }];
    const answer = await client.send('OffsetFetch', 7, { groupId: GROUP, topics, requireStable: true });
    const committed = answer.topics[0]?.partitions[0];
    expect(committed?.errorCode).toBe(0);
    // Offsets go with the records of their transaction.
    expect(Number(committed?.committedOffset)).toBe([-1, 0, 2][left.length]);
    expect(Number(committed?.committedOffset)).toBeGreaterThanOrEqual(copy.offset);
    await successor.write('left', 'after');
    await successor.end(true);
    await whenStable(client, 'left');
    expect(await readCommitted(client, 'left')).toEqual([...left, 'after']);
  } finally {
    await broker.close();
  }
}

for (const generation of [1, 2] as const) {
  test(`INV-12: a crash at any write or sync leaves whole transactions, protocol ${generation} (seed ${SEED})`, async () => {
    const copies = await runScript(generation, seededRandom(SEED));
    expect(copies.length).toBeGreaterThan(100);
    for (const [index, copy] of copies.entries()) {
      try {
        await check(copy, generation);
      } catch (error) {
        throw new Error(`${copy.kind} ${index} of ${copies.length}, told ${copy.ended.join()}`, {
          cause: error,
        });
      }
    }
  }, 120_000);
}
