// The client's transactions against the bundled broker: what is committed is read once and in order, what is not is
// never read, whatever happens to connections in between.
import { connect, type Socket } from 'node:net';
import { MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import {
  Cluster,
  fetchGroupOffsets,
  TransactionalProducer,
  type TransactionalProducerOptions,
} from '@millrace/kafka-client';
import { type MillraceProcess, startMillrace, testRandom } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTopic } from './testing/topic-reader.ts';

const REQUEST_TIMEOUT_MS = 1500;

let millrace: MillraceProcess;
const cleanups: (() => PromiseLike<unknown>)[] = [];
beforeAll(async () => {
  millrace = await startMillrace();
});
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  await millrace[Symbol.asyncDispose]();
});

/** Of the protocol; the second is that of KIP-890. */
type Generation = 1 | 2;

/** As brokers before Kafka 4.0 show themselves. */
class OldCluster extends Cluster {
  override featureLevel(): number {
    return 0;
  }
}

/** A client whose connections `cut` ends. */
function clientOf(generation: Generation): { readonly cluster: Cluster; readonly cut: () => void } {
  const sockets = new Set<Socket>();
  const cluster = new (generation === 1 ? OldCluster : Cluster)({
    bootstrapServers: millrace.kafka,
    clientId: 'millrace-test',
    logger: silentLogger,
    clock: systemClock,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    dial: (host, port) => {
      const socket = connect(port, host);
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      return socket;
    },
  });
  cleanups.push(() => cluster.close());
  return {
    cluster,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function producerOf(
  cluster: Cluster,
  id: string,
  options: Partial<TransactionalProducerOptions> = {},
): TransactionalProducer {
  const producer = new TransactionalProducer({
    cluster,
    logger: silentLogger,
    clock: systemClock,
    transaction: { id },
    ...options,
  });
  cleanups.push(() => producer.close());
  return producer;
}

const codeOf = (error: unknown): string => (error instanceof MillraceError ? error.code : String(error));
const valuesOf = async (topic: string): Promise<string[]> =>
  (await readTopic(millrace.kafka, topic)).map(({ value }) => String(value));
const record = (topic: string, value: string): { topic: string; key: null; value: Buffer } => ({
  topic,
  key: null,
  value: Buffer.from(value),
});

describe.each([1, 2] as const)('TransactionalProducer, generation %i', (generation) => {
  const named = (name: string): string => `${name}-${generation}`;
  test('shows what is committed, with the offsets of a group, and nothing of what is aborted', async () => {
    const { cluster } = clientOf(generation);
    await using producer = producerOf(cluster, named('shows'));
    await producer.init();
    for (const [value, commit] of [
      ['first', true],
      ['taken back', false],
      ['second', true],
    ] as const) {
      producer.begin();
      await producer.send(record(named('shown'), value));
      const [offset] = [{ topic: named('shown'), partition: 0, offset: value.length, metadata: value }];
      await producer.sendOffsets(named('shown-group'), [offset]);
      await (commit ? producer.commit() : producer.abort());
    }
    expect(await valuesOf(named('shown'))).toEqual(['first', 'second']);
    const committed = await fetchGroupOffsets(cluster, named('shown-group'), 'all');
    expect(committed).toMatchObject([{ topic: named('shown'), partition: 0, offset: 6, metadata: 'second' }]);
  });

  test('is fenced by the next producer of its id, which ends its transaction', async () => {
    const first = producerOf(clientOf(generation).cluster, named('fenced'));
    await first.init();
    first.begin();
    await first.send(record(named('fencing'), 'of the first'));
    const second = producerOf(clientOf(generation).cluster, named('fenced'));
    await second.init();
    second.begin();
    await second.send(record(named('fencing'), 'of the second'));
    await second.commit();
    await expect(first.send(record(named('fencing'), 'too late'))).rejects.toSatisfy(
      (error) => codeOf(error) === 'kafka.refused',
    );
    await expect(first.abort()).rejects.toSatisfy((error) => codeOf(error) === 'kafka.producer_fenced');
    expect(first.phase).toBe('fenced');
    expect(() => first.begin()).toThrow(/transactional/i);
    expect(await valuesOf(named('fencing'))).toEqual(['of the second']);
  });

  test('a record that is refused fails the transaction; after the abort the next one works', async () => {
    const { cluster } = clientOf(generation);
    const producer = producerOf(cluster, named('refused'), { batchSizeBytes: 4_000_000 });
    await producer.init();
    producer.begin();
    await producer.send(record(named('refusing'), 'before'));
    await expect(producer.send(record(named('refusing'), 'x'.repeat(2_000_000)))).rejects.toSatisfy(
      (error) => codeOf(error) === 'kafka.record_too_large',
    );
    await expect(producer.commit()).rejects.toSatisfy((error) => codeOf(error) === 'kafka.record_too_large');
    expect(producer.phase).toBe('failed');
    await producer.abort();
    producer.begin();
    await producer.send(record(named('refusing'), 'after'));
    await producer.commit();
    expect(await valuesOf(named('refusing'))).toEqual(['after']);
  });

  test('says what is missing when its steps come in another order', async () => {
    const producer = producerOf(clientOf(generation).cluster, named('misused'));
    expect(() => producer.begin()).toThrow(/no producer id yet/);
    await producer.init();
    await expect(producer.send(record('misused', 'x'))).rejects.toThrow(/no open transaction/);
    await expect(producer.commit()).rejects.toThrow(/no open transaction/);
    await expect(producer.init()).rejects.toThrow(/identity already/);
    producer.begin();
    expect(() => producer.begin()).toThrow(/has an open transaction/);
    await producer.commit();
  });

  test('INV-2: cut connections neither repeat, reorder nor lose what is committed', async () => {
    const { cluster, cut } = clientOf(generation);
    const random = testRandom('cut connections');
    const producer = producerOf(cluster, named('cut'));
    await producer.init();
    const committed: string[] = [];
    for (let round = 0; round < 25; round++) {
      producer.begin();
      const values = Array.from({ length: random.int(0, 40) }, (_, i) => `${round}/${i} of ${random.seed}`);
      await producer.producer.prepare(named('cuts'));
      const sent = values.map((value) => producer.send(record(named('cuts'), value)));
      if (random.int(0, 2) === 0) setTimeout(cut, random.int(0, 4));
      if (random.int(0, 3) === 0) {
        const settled = Promise.allSettled(sent);
        await producer.abort();
        await settled;
      } else {
        await Promise.all(sent);
        await producer.commit();
        committed.push(...values);
      }
    }
    expect(await valuesOf(named('cuts'))).toEqual(committed);
  });
});
