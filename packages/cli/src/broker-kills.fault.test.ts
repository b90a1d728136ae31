// SIGKILL of `millrace broker` again and again under three kinds of producer at once: ours, kafkajs, and librdkafka
// through Python. A consumer reads along. In the end everything that was acknowledged and everything that was read is
// there, once, in order, at the offset that was told.
import { type ChildProcess, spawn } from 'node:child_process';
import { silentLogger, systemClock } from '@millrace/foundation';
import { BatchProducer, Cluster, Fetcher } from '@millrace/kafka-client';
import { pythonWith } from '@millrace/testkit';
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { readTopic } from './testing/topic-reader.ts';

const isLong = process.env['MILLRACE_TEST_MODE'] === 'faults';
const ROUNDS = isLong ? 200 : 10;
/** Time between a start and the next kill, at most. */
const UP_MS = 500;
const BATCH = 10;

/** Offset -> number of the record there, as a topic's producer was told, and as its consumer saw it. */
class History {
  readonly topic: string;
  readonly told = new Map<number, number>();
  readonly seen = new Map<number, number>();

  constructor(topic: string) {
    this.topic = topic;
  }

  async check(kafka: string): Promise<void> {
    const records = await readTopic(kafka, this.topic);
    const found = new Map(records.map(({ offset, value }) => [offset, Number(value)]));
    for (const [offset, number] of this.told) {
      expect(found.get(offset), `${this.topic} ${offset} was acknowledged`).toBe(number);
    }
    for (const [offset, number] of this.seen) {
      expect(found.get(offset), `${this.topic} ${offset} was read`).toBe(number);
    }
    expect([...found.keys()]).toEqual([...found.keys()].map((_, index) => index));
    let last = -1;
    for (const number of found.values()) {
      expect(number, this.topic).toBeGreaterThan(last);
      last = number;
    }
  }
}

/** Writes until it is told to stop; resolves when all is answered. */
type Writer = (kafka: string, history: History, isOver: () => boolean) => Promise<void>;

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const writeOurs: Writer = async (bootstrapServers, history, isOver) => {
  await using cluster = makeCluster(bootstrapServers);
  const producer = new BatchProducer({ cluster, logger: silentLogger, clock: systemClock });
  for (let next = 0; !isOver(); next += BATCH) {
    const sends = Array.from({ length: BATCH }, async (_, index) => {
      const value = Buffer.from(`${next + index}`);
      const { offset } = await producer.send({ topic: history.topic, partition: 0, key: null, value });
      history.told.set(offset, next + index);
    });
    await Promise.all(sends);
    await rest(5);
  }
  await producer.close();
};

const writeKafkajs: Writer = async (kafka, history, isOver) => {
  const client = new Kafka({
    clientId: 'kills',
    brokers: [kafka],
    logLevel: logLevel.NOTHING,
    retry: { retries: 100, initialRetryTime: 20, maxRetryTime: 200 },
  });
  let producer: Producer | undefined;
  for (let next = 0; !isOver(); next += BATCH) {
    if (!producer) {
      producer = client.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      await producer.connect();
    }
    const messages = Array.from({ length: BATCH }, (_, index) => ({
      value: `${next + index}`,
      partition: 0,
    }));
    try {
      const [answer] = await producer.send({ topic: history.topic, messages });
      for (let index = 0; index < BATCH; index++) {
        history.told.set(Number(answer?.baseOffset) + index, next + index);
      }
    } catch {
      // What became of this batch nobody knows; a new producer goes on behind it.
      await producer.disconnect().catch(() => undefined);
      producer = undefined;
    }
    await rest(5);
  }
  await producer?.disconnect();
};

/** Prints `NUMBER OFFSET` for each record delivered; ends when its input does. */
const PYTHON = `
import sys, threading, time
from confluent_kafka import Producer
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
producer = Producer({'bootstrap.servers': sys.argv[1], 'enable.idempotence': True, 'linger.ms': 1,
    'reconnect.backoff.max.ms': 200, 'retry.backoff.ms': 20, 'log_level': 0})
def delivered(error, message):
    if error:
        print('failed', error, flush=True)
    else:
        print(message.value().decode(), message.offset(), flush=True)
number = 0
while not over.is_set():
    if len(producer) < 200:
        for _ in range(10):
            producer.produce(sys.argv[2], str(number), partition=0, on_delivery=delivered)
            number += 1
    producer.poll(0.005)
sys.exit(producer.flush(60))
`;

const writePython: Writer = async (kafka, history, isOver) => {
  const python = await pythonWith(['confluent-kafka==2.6.1']);
  const child: ChildProcess = spawn(python, ['-c', PYTHON, kafka, history.topic], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let pending = '';
  const failures: string[] = [];
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (pending + chunk.toString()).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const [number, offset] = line.split(' ').map(Number);
      if (line.startsWith('failed')) failures.push(line);
      else history.told.set(offset ?? -1, number ?? -1);
    }
  });
  while (!isOver() && child.exitCode === null) await rest(20);
  child.stdin?.end();
  expect(await ended).toBe(0);
  expect(failures).toEqual([]);
};

function makeCluster(bootstrapServers: string): Cluster {
  return new Cluster({
    bootstrapServers,
    clientId: 'kills',
    logger: silentLogger,
    clock: systemClock,
    requestTimeoutMs: 5000,
    defaultApiTimeoutMs: 60_000,
  });
}

async function readAlong(bootstrapServers: string, histories: readonly History[], isOver: () => boolean) {
  await using cluster = makeCluster(bootstrapServers);
  await using fetcher = new Fetcher({
    cluster,
    isolation: 'read_uncommitted',
    logger: silentLogger,
    clock: systemClock,
  });
  fetcher.assign(histories.map(({ topic }) => ({ topic, partition: 0, offset: 0 })));
  while (!isOver()) {
    for (const { topic, records } of await fetcher.poll({ maxWaitMs: 50 })) {
      const history = histories.find((each) => each.topic === topic);
      for (const { offset, value } of records) history?.seen.set(offset, Number(value));
    }
  }
}

test(`INV-12: ${ROUNDS} kills under three kinds of producer lose nothing, double nothing and take nothing back`, {
  timeout: isLong ? 3_000_000 : 240_000,
}, async () => {
  await using broker = await startBrokerProcess({ 'log.segment.bytes': '1048576' });
  const writers: readonly (readonly [string, Writer])[] = [
    ['ours', writeOurs],
    ['kafkajs', writeKafkajs],
    ['librdkafka', writePython],
  ];
  const histories = writers.map(([topic]) => new History(topic));
  const admin = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: histories.map(({ topic }) => ({ topic, numPartitions: 1 })) });
  await admin.disconnect();
  let isOver = false;
  const working = Promise.all([
    ...writers.map(([, write], index) => write(broker.kafka, histories[index] as History, () => isOver)),
    readAlong(broker.kafka, histories, () => isOver),
  ]);
  let failure: unknown;
  working.catch((error: unknown) => {
    failure = error;
  });
  while (histories.some(({ told }) => told.size === 0) && failure === undefined) await rest(50);
  for (let round = 0; round < ROUNDS && failure === undefined; round++) {
    await rest(50 + Math.random() * UP_MS);
    await broker.kill();
  }
  isOver = true;
  await working;
  for (const history of histories) {
    await history.check(broker.kafka);
    expect(history.told.size, history.topic).toBeGreaterThan(ROUNDS);
    expect(history.seen.size, history.topic).toBeGreaterThan(ROUNDS);
  }
});
