// What a transactional producer says to a broker, in both generations of the protocol, and what it makes of the answers
// that a real broker gives only in passing.
import { silentLogger, systemClock } from '@millrace/foundation';
import { API, apiSpec, KafkaErrors, readBatchHeader } from '@millrace/kafka-protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Reaction, ScriptedBroker } from './testing/scripted-broker.ts';
import { TransactionalProducer } from './transactional-producer.ts';

const E = KafkaErrors;

let broker: ScriptedBroker;
let producers: TransactionalProducer[];
/** The requests about transactions, as `Name version what`. */
let asked: string[];
/** What the next Produce or EndTxn is answered instead. */
let produceAnswers: (number | 'close')[];
let endAnswers: (number | 'close')[];
let epoch: number;

beforeEach(async () => {
  broker = await ScriptedBroker.start({ t: 1, u: 1 });
  producers = [];
  asked = [];
  produceAnswers = [];
  endAnswers = [];
  epoch = 0;
  broker.on(API.InitProducerId, (body) => {
    asked.push(`Init ${body.producerEpoch}`);
    return { producerId: 4000, producerEpoch: epoch };
  });
  broker.on(API.AddPartitionsToTxn, (body, { version }) => {
    const topics = body.v3AndBelowTopics;
    asked.push(`Add ${version} ${topics.map(({ name }) => name).join()}`);
    const resultsByTopicV3AndBelow = topics.map(({ name, partitions }) => ({
      name,
      resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode: 0 })),
    }));
    return { resultsByTopicV3AndBelow };
  });
  broker.on(API.Produce, (body, { version }): Reaction => {
    const [topic] = body.topicData;
    const records = topic?.partitionData[0]?.records ?? Buffer.alloc(0);
    const { producerEpoch, baseSequence } = readBatchHeader(records, 0);
    asked.push(`Produce ${version} ${topic?.name} ${producerEpoch}/${baseSequence}`);
    const answer = produceAnswers.shift() ?? 0;
    if (answer === 'close') return answer;
    const partitionResponses = [{ index: 0, errorCode: answer, baseOffset: 7 }];
    return { responses: [{ name: topic?.name, partitionResponses }] };
  });
  broker.on(API.AddOffsetsToTxn, (_body, { version }) => {
    asked.push(`AddOffsets ${version}`);
    return {};
  });
  broker.on(API.TxnOffsetCommit, (body, { version }) => {
    asked.push(`Offsets ${version} ${body.producerEpoch}`);
    const topics = body.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: 0 })),
    }));
    return { topics };
  });
  broker.on(API.EndTxn, (body, { version }): Reaction => {
    asked.push(`End ${version} ${body.producerEpoch} ${body.committed ? 'commit' : 'abort'}`);
    const answer = endAnswers.shift() ?? 0;
    if (answer === 'close') return answer;
    if (answer !== 0) return { errorCode: answer };
    return version < 5 ? {} : { producerId: 4000, producerEpoch: body.producerEpoch + 1 };
  });
});
afterEach(async () => {
  for (const producer of producers) await producer.producer.abort('the test is over');
  await broker[Symbol.asyncDispose]();
});

/** The cluster has agreed on a level of `transaction.version`. */
function agreeOn(level: number): void {
  broker.on(API.ApiVersions, () => ({
    apiKeys: Object.values(API).map((apiKey) => {
      const spec = apiSpec(apiKey);
      return { apiKey, minVersion: spec?.minVersion ?? 0, maxVersion: spec?.maxVersion ?? 0 };
    }),
    finalizedFeaturesEpoch: 9,
    finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: level, minVersionLevel: level }],
  }));
}

async function started(): Promise<TransactionalProducer> {
  const producer = new TransactionalProducer({
    cluster: broker.cluster({ requestTimeoutMs: 2000 }),
    logger: silentLogger,
    clock: systemClock,
    transaction: { id: 'x' },
  });
  producers.push(producer);
  await producer.init();
  return producer;
}

const record = (topic: string): { topic: string; key: null; value: Buffer } => ({
  topic,
  key: null,
  value: Buffer.from('v'),
});
const OFFSETS = [{ topic: 't', partition: 0, offset: 3 }];

test('level 1: partitions and groups are added before they are used, and all transactions have one epoch', async () => {
  agreeOn(1);
  const producer = await started();
  for (let i = 0; i < 2; i++) {
    producer.begin();
    await producer.send(record('t'));
    await producer.sendOffsets('g', OFFSETS);
    await producer.commit();
  }
  const once = ['Add 3 t', 'Produce 11 t 0/', 'AddOffsets 4', 'Offsets 4 0', 'End 4 0 commit'];
  expect(asked).toEqual([
    'Init -1',
    ...once.map((text) => text.replace('0/', '0/0')),
    ...once.map((text) => text.replace('0/', '0/1')),
  ]);
});

test('level 2: what is sent adds itself, and each transaction has the epoch that the end of the last one gave', async () => {
  agreeOn(2);
  const producer = await started();
  for (let i = 0; i < 2; i++) {
    producer.begin([{ topic: 'u', partition: 0 }]);
    await producer.send(record('t'));
    await producer.send(record('t'));
    await producer.sendOffsets('g', OFFSETS);
    await producer.commit();
  }
  expect(asked).toEqual([
    'Init -1',
    ...[0, 1].flatMap((at) => [
      `Produce 12 t ${at}/0`,
      `Produce 12 t ${at}/1`,
      `Offsets 5 ${at}`,
      `End 5 ${at} commit`,
    ]),
  ]);
});

test('level 2: a transaction in which nothing was sent asks for nothing', async () => {
  agreeOn(2);
  const producer = await started();
  producer.begin();
  await producer.commit();
  producer.begin();
  await producer.send(record('t'));
  await producer.commit();
  expect(asked).toEqual(['Init -1', 'Produce 12 t 0/0', 'End 5 0 commit']);
});

test('level 2: while the transaction before is being finished, records and the end wait and lose nothing', async () => {
  agreeOn(2);
  const producer = await started();
  const busy = E.CONCURRENT_TRANSACTIONS.code;
  produceAnswers = [busy, busy];
  endAnswers = [busy, 'close'];
  producer.begin();
  expect(await producer.send(record('t'))).toEqual({ partition: 0, offset: 7 });
  await producer.commit();
  producer.begin();
  await producer.send(record('t'));
  await producer.commit();
  expect(asked).toEqual([
    'Init -1',
    ...Array.from({ length: 3 }, () => 'Produce 12 t 0/0'),
    ...Array.from({ length: 3 }, () => 'End 5 0 commit'),
    'Produce 12 t 1/0',
    'End 5 1 commit',
  ]);
});

test('level 2: an abort gives the next epoch itself, unless nothing had been sent', async () => {
  agreeOn(2);
  const producer = await started();
  produceAnswers = [E.MESSAGE_TOO_LARGE.code];
  producer.begin();
  await expect(producer.send(record('t'))).rejects.toMatchObject({ code: 'kafka.record_too_large' });
  await expect(producer.commit()).rejects.toMatchObject({ code: 'kafka.record_too_large' });
  await producer.abort();
  producer.begin();
  await producer.send(record('t'));
  await producer.commit();
  epoch = 5;
  producer.begin();
  await producer.abort();
  producer.begin();
  await producer.send(record('t'));
  expect(asked).toEqual([
    'Init -1',
    'Produce 12 t 0/0',
    'End 5 0 abort',
    'Produce 12 t 1/0',
    'End 5 1 commit',
    'Init 2',
    'Produce 12 t 5/0',
  ]);
});

test('level 2: who is fenced stays so', async () => {
  agreeOn(2);
  const producer = await started();
  producer.begin();
  await producer.send(record('t'));
  endAnswers = [E.PRODUCER_FENCED.code];
  await expect(producer.commit()).rejects.toMatchObject({ code: 'kafka.producer_fenced' });
  expect(producer.phase).toBe('fenced');
  await expect(producer.abort()).rejects.toMatchObject({ code: 'kafka.producer_fenced' });
  expect(asked.at(-1)).toBe('End 5 0 commit');
});
