import { allErrorCodes, silentLogger, systemClock } from '@millrace/foundation';
import { API, type RequestBody, readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BatchProducer } from './batch-producer.ts';
import type { BatchProducerOptions } from './batch-producer-options.ts';
import { ModelLog } from './testing/model-log.ts';
import { type Reaction, ScriptedBroker } from './testing/scripted-broker.ts';

type ProduceBody = RequestBody<typeof API.Produce>;
type Answer = { errorCode: number; baseOffset?: number; logStartOffset?: number };

let broker: ScriptedBroker;
let producers: BatchProducer[];
let acked: number[];
let failed: { tokens: readonly number[]; code: string }[];

beforeEach(async () => {
  broker = await ScriptedBroker.start({ t: 1, many: 4 });
  producers = [];
  acked = [];
  failed = [];
});
afterEach(async () => {
  for (const producer of producers) await producer.abort('the test is over');
  await broker[Symbol.asyncDispose]();
});

function makeProducer(options: Partial<BatchProducerOptions> = {}, requestTimeoutMs = 2000): BatchProducer {
  const producer = new BatchProducer({
    cluster: broker.cluster({ requestTimeoutMs }),
    logger: silentLogger,
    clock: systemClock,
    onAcked: (tokens) => acked.push(...tokens),
    onFailed: (tokens, _topic, _partition, { code }) => failed.push({ tokens, code }),
    ...options,
  });
  producers.push(producer);
  return producer;
}

/** Answers each batch of a Produce request by a function. */
function onProduce(answer: (records: Buffer, topic: string, partition: number) => Answer | 'close'): void {
  broker.on(API.Produce, (body: ProduceBody): Reaction => {
    let close = false;
    const responses = body.topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: partitionData.map(({ index, records }) => {
        const one = answer(records ?? Buffer.alloc(0), name, index);
        if (one === 'close') close = true;
        return one === 'close' ? { index } : { index, baseOffset: -1, ...one };
      }),
    }));
    return close ? 'close' : { responses };
  });
}

function append(producer: BatchProducer, token: number, topic = 't', partition: number | null = 0): boolean {
  const value = Buffer.from(`value ${token}`);
  return producer.append(topic, partition, 1_700_000_000_000, value, -1, 0, 0, value.length, null, token);
}

const valuesOf = (batch: Buffer): string[] => readRecords(batch, 0).map(({ value }) => String(value));
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const named = (tokens: readonly number[]): string[] => tokens.map((token) => `value ${token}`);

test('records are acknowledged by token and arrive in order', async () => {
  const log = new ModelLog();
  onProduce((records) => log.append(records));
  const producer = makeProducer();
  await producer.prepare('t');
  for (let i = 0; i < 1000; i++) append(producer, i);
  await producer.flush();
  expect(acked).toEqual(numbers(0, 1000));
  expect(log.values).toEqual(named(numbers(0, 1000)));
});

test('send resolves with the place of the record', async () => {
  const log = new ModelLog();
  onProduce((records) => log.append(records));
  const producer = makeProducer();
  const value = Buffer.from('v');
  expect(await producer.send({ topic: 't', key: null, value })).toEqual({ partition: 0, offset: 0 });
  const places = await Promise.all([1, 2].map(() => producer.send({ topic: 't', key: null, value })));
  expect(places.map(({ offset }) => offset)).toEqual([1, 2]);
  expect(acked).toEqual([]);
});

test('keys go to the partitions where the Java client puts them, and records without key stick together', async () => {
  const seen = new Map<number, number>();
  onProduce((records, _topic, partition) => {
    seen.set(partition, (seen.get(partition) ?? 0) + valuesOf(records).length);
    return { errorCode: 0, baseOffset: 0 };
  });
  const producer = makeProducer();
  await producer.prepare('many');
  const key = Buffer.from('21');
  producer.append('many', null, 0, key, 0, 2, -1, 0, null, 1);
  await producer.flush();
  expect([...seen]).toEqual([[(-973932308 & 0x7fffffff) % 4, 1]]);
  seen.clear();
  for (let i = 0; i < 100; i++) append(producer, i, 'many', null);
  await producer.flush();
  expect(seen.size).toBe(1);
});

test('a full buffer refuses the record until there is room', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  broker.on(API.Produce, async (body) => {
    await held;
    return answerAll(body);
  });
  const producer = makeProducer({ bufferMemoryBytes: 10_000 });
  await producer.prepare('t');
  let taken = 0;
  while (append(producer, taken)) taken++;
  expect(taken).toBeGreaterThan(100);
  expect(producer.bufferedBytes).toBeLessThanOrEqual(10_000);
  let woken = false;
  const ready = producer.ready().then(() => {
    woken = true;
  });
  expect(woken).toBe(false);
  release();
  await ready;
  expect(append(producer, taken)).toBe(true);
});

test('a record that needs more room than is left waits for it without spinning', async () => {
  const log = new ModelLog();
  onProduce((records) => log.append(records));
  const producer = makeProducer({ bufferMemoryBytes: 10_000 });
  await producer.prepare('t');
  const big = (size: number): Promise<{ offset: number }> =>
    producer.send({ topic: 't', key: null, value: Buffer.alloc(size, 'x') });
  const places = await Promise.all([big(5000), big(9000), big(20_000), big(100)]);
  expect(places.map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
});

function answerAll(body: ProduceBody): object {
  return {
    responses: body.topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: partitionData.map(({ index }) => ({ index, baseOffset: 0 })),
    })),
  };
}

describe('after failures', () => {
  test('INV-2: batches that could not be stored go again in the same order', async () => {
    const log = new ModelLog();
    let failures = 3;
    onProduce((records) => (failures-- > 0 ? { errorCode: 6 } : log.append(records)));
    const producer = makeProducer({ batchSizeBytes: 200 });
    await producer.prepare('t');
    for (let i = 0; i < 100; i++) append(producer, i);
    await producer.flush();
    expect(log.values).toEqual(named(numbers(0, 100)));
    expect(acked).toEqual(numbers(0, 100));
  });

  test('INV-1: a batch whose answer was lost is stored once', async () => {
    const log = new ModelLog();
    let drops = 2;
    onProduce((records) => {
      const answer = log.append(records);
      return drops-- > 0 ? 'close' : answer;
    });
    const producer = makeProducer({ batchSizeBytes: 200 });
    await producer.prepare('t');
    for (let i = 0; i < 100; i++) append(producer, i);
    await producer.flush();
    expect(log.values).toEqual(named(numbers(0, 100)));
    expect(acked).toEqual(numbers(0, 100));
  });

  test('a refused batch fails alone; the rest is sent in order under a new epoch', async () => {
    const log = new ModelLog();
    const epochs = new Set<number>();
    onProduce((records) => {
      if (valuesOf(records).includes('value 12')) return { errorCode: 87 };
      const answer = log.append(records);
      if (answer.errorCode === 0) epochs.add(readBatchHeader(records, 0).producerEpoch);
      return answer;
    });
    const producer = makeProducer({ batchSizeBytes: 200 });
    await producer.prepare('t');
    for (let i = 0; i < 60; i++) append(producer, i);
    await producer.flush();
    const lost = failed.flatMap(({ tokens }) => tokens);
    expect(failed.map(({ code }) => code)).toEqual(['kafka.record_refused']);
    expect(lost).toContain(12);
    expect(log.values).toEqual(named(numbers(0, 60).filter((token) => !lost.includes(token))));
    expect([...epochs]).toEqual([0, 1]);
  });

  test.each([
    ['INVALID_RECORD', 87, 'kafka.record_refused', 'needs_operator'],
    [
      'INVALID_TIMESTAMP, which may pass when the record is made again',
      32,
      'kafka.timestamp_refused',
      'retry',
    ],
    ['an error that nobody knows', 9999, 'kafka.refused', 'needs_operator'],
  ])('a batch is refused for %s', async (_, errorCode, code, policy) => {
    onProduce(() => ({ errorCode }));
    const producer = makeProducer();
    await producer.prepare('t');
    append(producer, 1);
    await producer.flush();
    expect(failed.map((one) => one.code)).toEqual([code]);
    expect(allErrorCodes().get(code)?.policy).toBe(policy);
  });

  test('a batch that is too large is halved until it fits', async () => {
    const log = new ModelLog();
    onProduce((records) => (records.length > 400 ? { errorCode: 10 } : log.append(records)));
    const producer = makeProducer();
    await producer.prepare('t');
    for (let i = 0; i < 50; i++) append(producer, i);
    await producer.flush();
    expect(log.values).toEqual(named(numbers(0, 50)));
    expect(acked).toEqual(numbers(0, 50));
    expect(failed).toEqual([]);
  });

  test('one record that is too large fails with its own code', async () => {
    onProduce(() => ({ errorCode: 10 }));
    const producer = makeProducer();
    await producer.prepare('t');
    append(producer, 7);
    await producer.flush();
    expect(failed).toEqual([{ tokens: [7], code: 'kafka.record_too_large' }]);
  });

  test('INV-1: out of order without a predecessor means that acknowledged records are gone', async () => {
    const log = new ModelLog();
    onProduce((records) => log.append(records));
    const producer = makeProducer();
    await producer.prepare('t');
    append(producer, 1);
    await producer.flush();
    append(producer, 2);
    await producer.flush();
    log.loseTail(1);
    append(producer, 3);
    await producer.flush();
    expect(failed).toEqual([{ tokens: [3], code: 'kafka.acknowledged_data_lost' }]);
  });

  test('a producer that was forgotten with its expired records goes on under a new epoch', async () => {
    let answer: Answer = { errorCode: 0, baseOffset: 10 };
    const sequences: number[] = [];
    onProduce((records) => {
      const header = readBatchHeader(records, 0);
      sequences.push(header.producerEpoch, header.baseSequence);
      const now = answer;
      answer = { errorCode: 0, baseOffset: 50 };
      return now;
    });
    const producer = makeProducer();
    await producer.prepare('t');
    append(producer, 1);
    await producer.flush();
    answer = { errorCode: 59, logStartOffset: 30 };
    append(producer, 2);
    await producer.flush();
    expect(acked).toEqual([1, 2]);
    expect(sequences).toEqual([0, 0, 0, 1, 1, 0]);
  });

  test('a broker that refuses idempotence gets one request at a time, without producer id', async () => {
    let inFlight = 0;
    let most = 0;
    broker.on(API.InitProducerId, () => ({ errorCode: 31 }));
    broker.on(API.Produce, async (body) => {
      most = Math.max(most, ++inFlight);
      await new Promise(setImmediate);
      inFlight--;
      expect(
        readBatchHeader(body.topicData[0]?.partitionData[0]?.records ?? Buffer.alloc(0), 0).producerId,
      ).toBe(-1);
      return answerAll(body);
    });
    const producer = makeProducer({ batchSizeBytes: 200 });
    await producer.prepare('t');
    for (let i = 0; i < 40; i++) append(producer, i);
    await producer.flush();
    expect(most).toBe(1);
    expect(acked).toEqual(numbers(0, 40));
  });

  test('records never sent expire when that is asked for; those sent do not', async () => {
    let silent = true;
    const log = new ModelLog();
    broker.on(API.Produce, (body) => {
      if (silent) return 'silence';
      const records = body.topicData[0]?.partitionData[0]?.records ?? Buffer.alloc(0);
      return { responses: [{ name: 't', partitionResponses: [{ index: 0, ...log.append(records) }] }] };
    });
    const producer = makeProducer({ deliveryTimeoutMs: 1000, maxInFlight: 1 });
    await producer.prepare('t');
    append(producer, 1);
    while (producer.inFlight === 0) await new Promise(setImmediate);
    append(producer, 2);
    while (failed.length === 0) await systemClock.sleep(5);
    expect(failed).toEqual([{ tokens: [2], code: 'kafka.request_timeout' }]);
    silent = false;
    broker.disconnectAll();
    await producer.flush();
    expect(log.values).toEqual(['value 1']);
    expect(acked).toEqual([1]);
  });
});

describe('INV-2: abort', () => {
  test('waits for the answer to what is in flight, and sends nothing more', async () => {
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const stored: string[] = [];
    broker.on(API.Produce, async (body) => {
      await held;
      stored.push(...valuesOf(body.topicData[0]?.partitionData[0]?.records ?? Buffer.alloc(0)));
      return answerAll(body);
    });
    const producer = makeProducer({ maxInFlight: 1 });
    await producer.prepare('t');
    append(producer, 1);
    while (producer.inFlight === 0) await new Promise(setImmediate);
    append(producer, 2);
    let ended = false;
    const ending = producer.abort('test').then(() => {
      ended = true;
    });
    await systemClock.sleep(20);
    expect(ended).toBe(false);
    answer();
    await ending;
    expect(stored).toEqual(['value 1']);
    expect(acked).toEqual([1]);
    expect(() => append(producer, 3)).toThrowError(expect.objectContaining({ code: 'kafka.closed' }));
  });

  test('waits out the request timeout when the connection of a request died', async () => {
    broker.on(API.Produce, () => 'silence');
    const producer = makeProducer({}, 300);
    await producer.prepare('t');
    append(producer, 1);
    while (producer.inFlight === 0) await new Promise(setImmediate);
    const startedMs = systemClock.monotonicMs();
    broker.disconnectAll();
    while (producer.inFlight > 0) await new Promise(setImmediate);
    await producer.abort('test');
    expect(systemClock.monotonicMs() - startedMs).toBeGreaterThan(250);
  });
});

test('a topic that is not there is refused by prepare', async () => {
  const producer = new BatchProducer({
    cluster: broker.cluster({ defaultApiTimeoutMs: 50 }),
    logger: silentLogger,
    clock: systemClock,
  });
  await expect(producer.prepare('missing')).rejects.toMatchObject({ code: 'kafka.unknown_topic' });
  await producer.close();
});

test('INV-1, INV-2: under random faults every record is stored once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('ok', 'ok', 'ok', 'retry', 'dropBefore', 'dropAfter', 'notLeader'), {
        minLength: 1,
        maxLength: 30,
      }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 80, max: 600 }),
      async (script, maxInFlight, batchSizeBytes) => {
        const logs = numbers(0, 4).map(() => new ModelLog());
        let step = 0;
        onProduce((records, _topic, partition) => {
          const log = logs[partition] ?? new ModelLog();
          switch (script[step++]) {
            case 'retry':
              return { errorCode: 19 };
            case 'notLeader':
              return { errorCode: 6 };
            case 'dropBefore':
              return 'close';
            case 'dropAfter':
              log.append(records);
              return 'close';
            default:
              return log.append(records);
          }
        });
        acked = [];
        const producer = makeProducer({ maxInFlight, batchSizeBytes }, 5000);
        await producer.prepare('many');
        for (let i = 0; i < 400; i++) append(producer, i, 'many', i % 4);
        await producer.flush();
        for (const [partition, log] of logs.entries()) {
          expect(log.values).toEqual(named(numbers(0, 400).filter((token) => token % 4 === partition)));
        }
        expect(acked.toSorted((a, b) => a - b)).toEqual(numbers(0, 400));
        expect(failed).toEqual([]);
        await producer.close();
      },
    ),
    { numRuns: 12 },
  );
});

test('INV-7: says which partition waits longest for an acknowledgement, and why', async () => {
  const full = new Set([1, 2]);
  onProduce((_records, _topic, partition) =>
    full.has(partition) ? { errorCode: 56 } : { errorCode: 0, baseOffset: 0 },
  );
  const producer = makeProducer();
  await producer.prepare('many');
  expect(producer.slowest).toBeUndefined();
  append(producer, 1, 'many', 2);
  await vi.waitFor(() =>
    expect(producer.slowest).toMatchObject({
      topic: 'many',
      partition: 2,
      error: {
        message: expect.stringContaining('KAFKA_STORAGE_ERROR'),
        hint: expect.stringContaining('Make room on the disk'),
      },
    }),
  );
  const since = producer.slowest?.sinceMs;
  append(producer, 2, 'many', 1);
  append(producer, 3, 'many', 0);
  await vi.waitFor(() => expect(acked).toEqual([3]));
  expect(producer.slowest).toMatchObject({ partition: 2, sinceMs: since });
  full.delete(2);
  await vi.waitFor(() => expect(producer.slowest).toMatchObject({ partition: 1 }));
  full.clear();
  await producer.flush();
  expect(producer.slowest).toBeUndefined();
});
