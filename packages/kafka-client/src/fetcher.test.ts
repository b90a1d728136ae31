import { silentLogger, systemClock } from '@millrace/foundation';
import { API, patchBatch, simpleBatch } from '@millrace/kafka-protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fetcher } from './fetcher.ts';
import type { FetcherOptions } from './fetcher-options.ts';
import { type Reaction, ScriptedBroker } from './testing/scripted-broker.ts';

let broker: ScriptedBroker;
let fetchers: Fetcher[];

beforeEach(async () => {
  broker = await ScriptedBroker.start({ t: 2 });
  fetchers = [];
});
afterEach(async () => {
  for (const fetcher of fetchers) await fetcher.close();
  await broker[Symbol.asyncDispose]();
});

function makeFetcher(options: Partial<FetcherOptions> = {}): Fetcher {
  const fetcher = new Fetcher({
    cluster: broker.cluster({ defaultApiTimeoutMs: 2000 }),
    isolation: 'read_committed',
    logger: silentLogger,
    clock: systemClock,
    maxWaitMs: 20,
    ...options,
  });
  fetchers.push(fetcher);
  return fetcher;
}

function batchAt(offset: number, count: number): Buffer {
  const value = (i: number): Buffer => Buffer.from(`v${offset + i}`);
  const records = Array.from({ length: count }, (_, i) => ({ key: null, value: value(i), timestamp: 0 }));
  const batch = simpleBatch(records);
  patchBatch(batch, 0, offset, 0);
  return batch;
}

type Part = { errorCode?: number; records?: Buffer; highWatermark?: number; lastStableOffset?: number };

/** Answers Fetch by partition and offset; an empty answer takes a while, as a long poll does. */
function onFetch(answer: (partition: number, offset: number) => Part): void {
  broker.on(API.Fetch, async ({ topics }): Promise<Reaction> => {
    let empty = true;
    const responses = topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, fetchOffset }) => {
        const part = answer(partition, Number(fetchOffset));
        if (part.records || part.errorCode) empty = false;
        return { partitionIndex: partition, ...part };
      }),
    }));
    if (empty) await systemClock.sleep(10);
    return { responses };
  });
}

/** Answers ListOffsets: the log has 3 to 10. */
function onListOffsets(): void {
  broker.on(API.ListOffsets, ({ topics }) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => ({
        partitionIndex,
        offset: timestamp === -2 ? 3 : 10,
      })),
    })),
  }));
}

const at = (partition: number, offset: number): { topic: string; partition: number; offset: number } => ({
  topic: 't',
  partition,
  offset,
});

/** A log of ten records in batches of five. */
const tenRecords = (_partition: number, offset: number): Part =>
  offset < 10
    ? { records: batchAt(offset - (offset % 5), 5), lastStableOffset: 10 }
    : { lastStableOffset: 10 };

async function readAll(fetcher: Fetcher, count: number, maxRecords = 100): Promise<string[]> {
  const values: string[] = [];
  while (values.length < count) {
    for (const { partition, records } of await fetcher.poll({ maxWaitMs: 1000, maxRecords })) {
      values.push(...records.map((record) => `${partition}:${String(record.value)}`));
    }
  }
  return values;
}

test('records come in order from where each partition stands', async () => {
  onFetch(tenRecords);
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0), at(1, 7)]);
  const values = await readAll(fetcher, 13, 3);
  expect(values.filter((v) => v.startsWith('0'))).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `0:v${i}`),
  );
  expect(values.filter((v) => v.startsWith('1'))).toEqual(['1:v7', '1:v8', '1:v9']);
  expect([fetcher.position('t', 0), fetcher.position('t', 1)]).toEqual([10, 10]);
  expect(fetcher.highWatermark('t', 0)).toBe(10);
});

test('the next answer is under way while the caller works, and no more than that', async () => {
  onFetch((_partition, offset) => ({ records: batchAt(offset, 5) }));
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  await fetcher.poll({ maxWaitMs: 1000 });
  await systemClock.sleep(50);
  expect(broker.seen.filter((key) => key === API.Fetch)).toHaveLength(2);
});

test('an answer that is delivered in parts has the next one come meanwhile, and no more than that', async () => {
  onFetch((_partition, offset) => ({ records: batchAt(offset, 5) }));
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  const fetches = (): number => broker.seen.filter((key) => key === API.Fetch).length;
  expect(await readAll(fetcher, 1, 1)).toEqual(['0:v0']);
  while (fetches() < 2) await systemClock.sleep(1);
  expect(await readAll(fetcher, 3, 1)).toEqual(['0:v1', '0:v2', '0:v3']);
  await systemClock.sleep(50);
  expect(fetches()).toBe(2);
  expect(fetcher.position('t', 0)).toBe(4);
  expect(await readAll(fetcher, 3, 1)).toEqual(['0:v4', '0:v5', '0:v6']);
  while (fetches() < 3) await systemClock.sleep(1);
});

test('INV-3: what is behind an answer and cannot be had is an error only when everything before was delivered', async () => {
  onListOffsets();
  const refused = { partitionIndex: 0, errorCode: 1 };
  const cut = { partitionIndex: 0, divergingEpoch: { epoch: 1, endOffset: 2 } };
  for (const [trouble, error] of [
    [refused, { code: 'kafka.offset_out_of_range', context: { position: 5 } }],
    [cut, { code: 'kafka.log_truncated', context: { position: 5, logEnd: 2 } }],
  ] as const) {
    let asked = 0;
    broker.on(API.Fetch, ({ topics }) => {
      const behind = Number(topics[0]?.partitions[0]?.fetchOffset) >= 5;
      if (behind) asked++;
      return {
        responses: [
          { topic: 't', partitions: [behind ? trouble : { partitionIndex: 0, records: batchAt(0, 5) }] },
        ],
      };
    });
    const fetcher = makeFetcher();
    fetcher.assign([at(0, 0)]);
    expect(await readAll(fetcher, 1, 1)).toEqual(['0:v0']);
    while (asked < 1) await systemClock.sleep(1);
    await systemClock.sleep(20);
    expect(await readAll(fetcher, 4, 1)).toEqual(['0:v1', '0:v2', '0:v3', '0:v4']);
    const poll = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await fetcher.poll({ maxWaitMs: 200 });
    };
    await expect(poll()).rejects.toMatchObject(error);
    expect(asked).toBe(2);
  }
});

test('a seek drops also the answer that waits behind the one being delivered', async () => {
  onFetch((_partition, offset) => ({ records: batchAt(offset, 5) }));
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  expect(await readAll(fetcher, 1, 1)).toEqual(['0:v0']);
  while (broker.seen.filter((key) => key === API.Fetch).length < 2) await systemClock.sleep(1);
  await systemClock.sleep(20);
  fetcher.seek('t', 0, 70);
  expect(await readAll(fetcher, 6, 1)).toEqual([70, 71, 72, 73, 74, 75].map((i) => `0:v${i}`));
});

test('INV-3: an offset the log does not have is an error with its bounds, and the partition stands still', async () => {
  onFetch((partition, offset) =>
    partition === 0 && offset === 99 ? { errorCode: 1 } : tenRecords(partition, offset),
  );
  onListOffsets();
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 99)]);
  await expect(fetcher.poll({ maxWaitMs: 1000 })).rejects.toMatchObject({
    code: 'kafka.offset_out_of_range',
    context: { topic: 't', partition: 0, position: 99, logStart: 3, logEnd: 10 },
  });
  expect(await fetcher.poll({ maxWaitMs: 50 })).toEqual([]);
  fetcher.seek('t', 0, 8);
  expect(await readAll(fetcher, 2)).toEqual(['0:v8', '0:v9']);
});

test('a truncated log is an error with the end of the common part', async () => {
  broker.on(API.Fetch, () => ({
    responses: [
      { topic: 't', partitions: [{ partitionIndex: 0, divergingEpoch: { epoch: 1, endOffset: 40 } }] },
    ],
  }));
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 50)]);
  await expect(fetcher.poll({ maxWaitMs: 1000 })).rejects.toMatchObject({
    code: 'kafka.log_truncated',
    context: { position: 50, logEnd: 40 },
  });
});

test('a topic that was created anew under its name is an error, not other data', async () => {
  let topicId = 'B'.repeat(22);
  broker.on(API.Metadata, () => ({
    brokers: [{ nodeId: 0, host: '127.0.0.1', port: broker.port }],
    controllerId: 0,
    topics: [{ name: 't', topicId, partitions: [{ partitionIndex: 0, leaderId: 0, leaderEpoch: 0 }] }],
  }));
  let gone = false;
  broker.on(API.Fetch, ({ topics }) => ({
    responses: topics.map((topic) => ({
      topicId: topic.topicId,
      partitions: [
        gone ? { partitionIndex: 0, errorCode: 100 } : { partitionIndex: 0, records: batchAt(0, 5) },
      ],
    })),
  }));
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  expect(await readAll(fetcher, 5)).toHaveLength(5);
  topicId = `C${'A'.repeat(21)}`;
  gone = true;
  const poll = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await fetcher.poll({ maxWaitMs: 200 });
  };
  await expect(poll()).rejects.toMatchObject({ code: 'kafka.topic_recreated' });
});

test('leaders that move and connections that break are followed without a gap', async () => {
  let trouble = 4;
  onFetch((partition, offset) => {
    if (trouble === 0) return tenRecords(partition, offset);
    trouble--;
    if (trouble % 2 === 0) return { errorCode: 6 };
    broker.disconnectAll();
    return {};
  });
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  expect(await readAll(fetcher, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `0:v${i}`));
});

test('paused partitions deliver nothing, keep what was fetched, and hold nobody up', async () => {
  onFetch(tenRecords);
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0), at(1, 0)]);
  fetcher.pause([{ topic: 't', partition: 0 }]);
  expect((await readAll(fetcher, 10)).every((v) => v.startsWith('1'))).toBe(true);
  expect(fetcher.position('t', 0)).toBe(0);
  fetcher.resume([{ topic: 't', partition: 0 }]);
  expect(await readAll(fetcher, 10)).toHaveLength(10);
});

test('an answer to a request made before a seek is dropped', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  broker.on(API.Fetch, async ({ topics }) => {
    const offset = Number(topics[0]?.partitions[0]?.fetchOffset);
    if (offset === 0) await held;
    return { responses: [{ topic: 't', partitions: [{ partitionIndex: 0, ...tenRecords(0, offset) }] }] };
  });
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  expect(await fetcher.poll({ maxWaitMs: 30 })).toEqual([]);
  fetcher.seek('t', 0, 5);
  release();
  expect((await readAll(fetcher, 5))[0]).toBe('0:v5');
});

test('poll ends early when the signal fires', async () => {
  onFetch(() => ({}));
  const fetcher = makeFetcher();
  fetcher.assign([at(0, 0)]);
  const startedMs = systemClock.monotonicMs();
  expect(await fetcher.poll({ maxWaitMs: 10_000, signal: AbortSignal.timeout(30) })).toEqual([]);
  expect(systemClock.monotonicMs() - startedMs).toBeLessThan(5000);
});

test('where nothing comes for long brokers are asked less often, and what is wanted then is asked for at once', async () => {
  const asked: { waitMs: number; offset: number }[] = [];
  let end: () => void = () => undefined;
  const never = new Promise<void>((resolve) => {
    end = resolve;
  });
  broker.on(API.Fetch, async ({ topics, maxWaitMs }): Promise<Reaction> => {
    const offset = Number(topics[0]?.partitions[0]?.fetchOffset);
    asked.push({ waitMs: maxWaitMs, offset });
    // A long wait is never answered: only a request that is given up makes room for the next.
    if (maxWaitMs > 500) await never;
    const records = offset === 3 ? batchAt(3, 1) : undefined;
    const part = { partitionIndex: 0, lastStableOffset: 5, ...(records ? { records } : {}) };
    return { responses: topics.map(({ topic }) => ({ topic, partitions: [part] })) };
  });
  const fetcher = new Fetcher({
    cluster: broker.cluster({ defaultApiTimeoutMs: 2000 }),
    isolation: 'read_committed',
    logger: silentLogger,
    clock: systemClock,
  });
  fetchers.push(fetcher);
  fetcher.assign([at(0, 5)]);
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await fetcher.poll({ maxWaitMs: 20 });
  };
  await until(() => asked.some(({ waitMs }) => waitMs > 500));
  expect(asked.map(({ waitMs }) => waitMs)).toEqual([500, 500, 500, 500, 10_000]);
  expect(fetcher.problem).toBeUndefined();
  fetcher.seek('t', 0, 3);
  expect(await readAll(fetcher, 1)).toEqual(['0:v3']);
  expect(asked.at(5)).toEqual({ waitMs: 500, offset: 3 });
  end();
});
