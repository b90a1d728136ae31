// SIGKILL of a broker process while it compacts what a client writes. After each restart every key has its last
// acknowledged value, or one that was sent after it, and no key that was deleted has an older one.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBatchHeader, readRecords, simpleBatch } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { TestClient } from './testing/test-client.ts';
import { seededRandom } from './testing/test-log.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const KILLS = 5;
const KEYS = 20;
const TOPIC = 'states';

const PROPERTIES = {
  'log.cleaner.backoff.ms': '1',
  'log.segment.delete.delay.ms': '5',
  'log.cleaner.delete.retention.ms': '0',
};

/** What was sent for a key: versions rise; a null value is a deletion. */
interface Sent {
  acknowledged: number;
  readonly values: Map<number, string | null>;
}

test(`INV-12: SIGKILLs while a topic is compacted lose no state and bring none back (seed ${SEED})`, {
  timeout: 120_000,
}, async () => {
  const random = seededRandom(SEED);
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-kill-cleaner-'));
  const sent = Array.from({ length: KEYS }, (): Sent => ({ acknowledged: -1, values: new Map() }));
  let version = 0;
  let cleanings = 0;
  try {
    for (let round = 0; round <= KILLS; round++) {
      const broker = await startBrokerProcess(dataDirectory, PROPERTIES);
      const ended = new Promise((resolve) => broker.child.once('exit', resolve));
      await using client = await TestClient.connect(broker.port);
      if (round === 0) await create(client);
      verify(await readAll(client), sent);
      const deadline = Date.now() + 700 + random() * 1500;
      if (round === KILLS) broker.child.kill('SIGKILL');
      try {
        while (round < KILLS) {
          const key = Math.floor(random() * KEYS);
          const mine = ++version;
          const value = random() < 0.3 ? null : `${mine}`;
          sent[key]?.values.set(mine, value);
          await produce(client, key, mine, value);
          const entry = sent[key];
          if (entry) entry.acknowledged = mine;
          if (Date.now() > deadline) broker.child.kill('SIGKILL');
        }
      } catch (error) {
        // The connection ends with the process; anything else is a failure of the test.
        if (!String(error).includes('connection')) throw error;
      }
      await ended;
      const names = await readdir(join(dataDirectory, 'log'));
      if (names.includes('cleaner-offset-checkpoint')) cleanings++;
    }
    expect(version).toBeGreaterThan(500);
    expect(cleanings).toBeGreaterThan(0);
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
});

async function create(client: TestClient): Promise<void> {
  const configs = { 'cleanup.policy': 'compact', 'segment.ms': '20', 'min.cleanable.dirty.ratio': '0.01' };
  const topic = {
    name: TOPIC,
    numPartitions: 1,
    replicationFactor: 1,
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  };
  const answer = await client.send('CreateTopics', 7, { timeoutMs: 5000, topics: [topic] });
  expect(answer.topics[0]?.errorCode).toBe(0);
}

/** The version stands in the timestamp, too, so that deletions have one. */
async function produce(
  client: TestClient,
  key: number,
  version: number,
  value: string | null,
): Promise<void> {
  const records = simpleBatch([
    {
      key: Buffer.from(`${key}`),
      value: value === null ? null : Buffer.from(value),
      timestamp: 1_700_000_000_000 + version,
    },
  ]);
  const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records }] }];
  const answer = await client.send('Produce', 9, { acks: -1, timeoutMs: 5000, topicData });
  expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

/** Last version and value of each key; a key without any may have been deleted. */
async function readAll(client: TestClient): Promise<Map<number, { version: number; value: string | null }>> {
  const last = new Map<number, { version: number; value: string | null }>();
  const topics = [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1 }] }];
  const listed = await client.send('ListOffsets', 4, { replicaId: -1, topics });
  const end = Number(listed.topics[0]?.partitions[0]?.offset);
  for (let at = 0; at < end; ) {
    const bytes = await client.fetch(TOPIC, 0, at);
    for (let position = 0; position + 61 <= bytes.length; ) {
      const header = readBatchHeader(bytes, position);
      if (position + header.sizeInBytes > bytes.length) break;
      for (const { key, value, timestamp } of readRecords(bytes, position, header)) {
        const version = timestamp - 1_700_000_000_000;
        const known = last.get(Number(key))?.version ?? 0;
        expect(version).toBeGreaterThan(known);
        last.set(Number(key), { version, value: value === null ? null : String(value) });
      }
      at = header.baseOffset + header.lastOffsetDelta + 1;
      position += header.sizeInBytes;
    }
  }
  return last;
}

function verify(
  found: ReadonlyMap<number, { version: number; value: string | null }>,
  sent: readonly Sent[],
): void {
  for (const [key, { acknowledged, values }] of sent.entries()) {
    const last = found.get(key);
    if (!last) {
      // Nothing is left of it: then something that deleted it was sent at or after what was acknowledged.
      const deleted = [...values].some(([version, value]) => version >= acknowledged && value === null);
      expect(values.size === 0 || deleted || acknowledged < 0, `key ${key}`).toBe(true);
      continue;
    }
    expect(last.version, `key ${key}`).toBeGreaterThanOrEqual(acknowledged);
    expect(values.get(last.version)).toBe(last.value);
  }
}
