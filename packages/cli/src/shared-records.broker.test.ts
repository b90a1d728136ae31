// Records that a thread hands over to the bundled broker in shared memory: the same log as over the wire.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BrokerThreadHandle, startBrokerThread } from '@millrace/broker/thread';
import { silentLogger, systemClock } from '@millrace/foundation';
import { BatchProducer, Cluster, HandOver, TransactionalProducer } from '@millrace/kafka-client';
import { testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { readTopic } from './testing/topic-reader.ts';

const FILLER = 'x'.repeat(20_000);

/** A broker in a thread, and a producer that hands over to it by sockets that the test sees. */
class Rig implements AsyncDisposable {
  readonly address: string;
  readonly producer: BatchProducer;
  readonly sockets: Socket[] = [];
  readonly failures: Error[] = [];
  readonly #broker: BrokerThreadHandle;
  readonly cluster: Cluster;
  readonly #folder: string;

  private constructor(folder: string, broker: BrokerThreadHandle) {
    this.#folder = folder;
    this.#broker = broker;
    this.address = `${broker.host}:${broker.port}`;
    this.cluster = new Cluster({
      bootstrapServers: this.address,
      clientId: 'shared',
      logger: silentLogger,
      clock: systemClock,
      handOver: new HandOver(broker.shareRecords()),
      dial: (host, port) => {
        const socket = connect({ host, port, noDelay: true });
        this.sockets.push(socket);
        return socket;
      },
    });
    this.producer = new BatchProducer({
      cluster: this.cluster,
      logger: silentLogger,
      clock: systemClock,
      onFailed: (_tokens, _topic, _partition, error) => this.failures.push(error),
    });
  }

  static async start(): Promise<Rig> {
    const folder = await mkdtemp(path.join(tmpdir(), 'millrace-shared-'));
    const listen = { host: '127.0.0.1', port: 0 };
    return new Rig(folder, await startBrokerThread({ dataDirectory: folder, listen }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.producer.close();
    await this.cluster.close();
    await this.#broker.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Writes records that tell their number and have a length that depends on it. */
async function write(
  producer: BatchProducer,
  topic: string,
  numbers: readonly number[],
  between: (number: number) => Promise<void>,
): Promise<void> {
  await producer.prepare(topic);
  for (const number of numbers) {
    const value = Buffer.from(valueOf(number));
    while (!producer.append(topic, 0, systemClock.nowMs(), value, -1, 0, 0, value.length, null, number))
      await producer.ready();
    await between(number);
  }
  await producer.flush();
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

function valueOf(number: number): string {
  return `${number} ${FILLER.slice(0, (number * 7919) % FILLER.length)}`;
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

test('Large batches reach the log of the broker beside the connection', async () => {
  await using rig = await Rig.start();
  const numbers = numbersTo(2000);
  await write(rig.producer, 'shared', numbers, async (number) => {
    if (number % 50 === 49) await turn();
  });
  const records = await readTopic(rig.address, 'shared');
  expect(records.map(({ value }) => value?.toString())).toEqual(numbers.map(valueOf));
  const sent = rig.sockets.reduce((sum, socket) => sum + socket.bytesWritten, 0);
  const written = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  expect(sent).toBeLessThan(written / 4);
});

test('INV-1, INV-2: each record is in the log once and in order, whichever connections break', async () => {
  const random = testRandom('shared records');
  for (let round = 0; round < testRounds(3, 60); round++) {
    await using rig = await Rig.start();
    const numbers = numbersTo(3000);
    await write(rig.producer, 'shared', numbers, async (number) => {
      if (number % 10 === 9) await turn();
      if (random.int(0, 150) === 0) for (const socket of rig.sockets.splice(0)) socket.destroy();
    });
    const records = await readTopic(rig.address, 'shared');
    expect(rig.failures).toEqual([]);
    expect(records.map(({ value }) => value?.toString())).toEqual(numbers.map(valueOf));
  }
});

test('INV-2: batches that are handed over are part of their transaction', async () => {
  await using rig = await Rig.start();
  await using transactional = new TransactionalProducer({
    cluster: rig.cluster,
    logger: silentLogger,
    clock: systemClock,
    transaction: { id: 'shared' },
  });
  await transactional.init();
  const committed: number[] = [];
  for (let round = 0; round < 4; round++) {
    transactional.begin();
    const numbers = numbersTo(200).map((number) => 200 * round + number);
    await write(transactional.producer, 'shared', numbers, () => Promise.resolve());
    if (round % 2 === 0) await transactional.abort();
    else {
      await transactional.commit();
      committed.push(...numbers);
    }
  }
  const records = await readTopic(rig.address, 'shared');
  expect(records.map(({ value }) => value?.toString())).toEqual(committed.map(valueOf));
});
