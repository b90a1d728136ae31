// SIGKILL of a broker process while an idempotent producer writes. After each restart the producer sends again what
// was not acknowledged; in the end every record is there once and in order.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { killBroker as kill, startBrokerProcess as startProcess } from './testing/broker-process.ts';
import { TestClient } from './testing/test-client.ts';
import { batchOf, seededRandom } from './testing/test-log.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const KILLS = 4;
const TOPIC = 'killed';

async function readAll(client: TestClient): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const bytes = await client.fetch(TOPIC, 0, found.length);
    if (bytes.length === 0) return found;
    for (let at = 0; at + 61 <= bytes.length; ) {
      const header = readBatchHeader(bytes, at);
      if (at + header.sizeInBytes > bytes.length) break;
      for (const record of readRecords(bytes, at, header)) {
        if (record.offset === found.length) found.push(String(record.value).split(' ')[0] ?? '');
      }
      at += header.sizeInBytes;
    }
  }
}

test(`INV-12: kills lose nothing and double nothing that an idempotent producer sent (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-kill-'));
  let broker = await startProcess(dataDirectory);
  try {
    let client = await TestClient.connect(broker.port);
    await client.send('Metadata', 9, { topics: [{ name: TOPIC }], allowAutoTopicCreation: true });
    const { producerId } = await client.send('InitProducerId', 4, { transactionalId: null });
    let acknowledged = 0;
    for (let round = 0; round < KILLS; round++) {
      const killAt = acknowledged + 20 + Math.floor(random() * 300);
      acknowledged = await produceUntilKilled(client, Number(producerId), acknowledged, async (count) => {
        if (count === killAt) await kill(broker);
      });
      broker = await startProcess(dataDirectory);
      client = await TestClient.connect(broker.port);
      expect((await readAll(client)).length).toBeGreaterThanOrEqual(acknowledged);
    }
    const total = acknowledged + 50;
    acknowledged = await produceUntilKilled(
      client,
      Number(producerId),
      acknowledged,
      async () => undefined,
      total,
    );
    expect(await readAll(client)).toEqual(Array.from({ length: total }, (_, i) => String(i)));
    client.socket.destroy();
  } finally {
    await kill(broker);
    await rm(dataDirectory, { recursive: true, force: true });
  }
});

/** Sends with five requests in flight until the connection breaks or `until` is reached; the count acknowledged. */
async function produceUntilKilled(
  client: TestClient,
  producerId: number,
  from: number,
  onAcknowledged: (count: number) => Promise<void>,
  until: number = Number.MAX_SAFE_INTEGER,
): Promise<number> {
  let acknowledged = from;
  let broken = false;
  const inFlight: Promise<void>[] = [];
  for (let sequence = from; sequence < until && !broken; sequence++) {
    const values = [`${sequence} ${'x'.repeat((sequence * 37) % 9000)}`];
    const records = batchOf({ values, producerId, sequence });
    const partitionData = [{ index: 0, records }];
    const sent = client
      .send('Produce', 9, { acks: -1, timeoutMs: 5000, topicData: [{ name: TOPIC, partitionData }] })
      .then(async (answer) => {
        expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
        acknowledged = sequence + 1;
        await onAcknowledged(acknowledged);
      })
      .catch((error: unknown) => {
        if (error instanceof Error && error.message.includes('closed')) broken = true;
        else throw error;
      });
    inFlight.push(sent);
    if (inFlight.length === 5) await inFlight.shift();
  }
  await Promise.all(inFlight);
  return acknowledged;
}
