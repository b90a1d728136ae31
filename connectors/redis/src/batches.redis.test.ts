// Many batches on a real Redis: what is under way, what is refused, what is encoded.
import { type PartitionPosition, SinkRecord } from '@millrace/connect-api';
import { readSchemalessJson } from '@millrace/data';
import { createMetrics, silentLogger, systemClock } from '@millrace/foundation';
import { type RedisServer, startRedis } from '@millrace/local-servers';
import { eventually, testRedis } from '@millrace/testkit';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { fenceKey } from './script.ts';
import { RedisSinkTask } from './task.ts';

const TOPIC = 'shop.orders';
const signal = new AbortController().signal;

/** A record whose value is JSON without a schema; its text or null. */
function record(offset: number, key: string, json: string | null, partition = 0): SinkRecord {
  return new SinkRecord({
    topic: TOPIC,
    kafkaPartition: partition,
    keySchema: null,
    key,
    valueSchema: null,
    value: json === null ? null : readSchemalessJson(Buffer.from(json)),
    headers: [],
    timestamp: 0,
    kafkaOffset: offset,
    timestampType: 'CreateTime',
  });
}

class Sink implements AsyncDisposable {
  readonly task = new RedisSinkTask();
  readonly redis: Redis;
  readonly prefix: string;
  readonly seeks: PartitionPosition[] = [];
  readonly reported: number[] = [];

  private constructor(url: string, prefix: string) {
    this.redis = new Redis(url);
    this.prefix = prefix;
  }
  /** On a server of its own when the test does something to the server. */
  static async start(config: Record<string, string>, own?: RedisServer): Promise<Sink> {
    const { url, prefix } = own ? { url: own.url, prefix: 'own' } : testRedis();
    const sink = new Sink(url, prefix);
    const partitions = [0, 1].map((partition) => ({ topic: TOPIC, partition }));
    await sink.task.start({
      connectorName: prefix,
      taskId: 0,
      config: { 'redis.url': url, 'redis.key.template': `${prefix}:\${key}`, ...config },
      logger: silentLogger,
      clock: systemClock,
      metrics: createMetrics(),
      assignment: () => partitions,
      topicId: async () => 'topic-1',
      seek: (positions) => sink.seeks.push(...positions),
      pause: () => undefined,
      resume: () => undefined,
      requestCommit: () => undefined,
      errantRecords: { report: async (errant) => void sink.reported.push(errant.kafkaOffset) },
    });
    await sink.task.open(partitions, []);
    return sink;
  }

  put(...records: SinkRecord[]): Promise<void> {
    return this.task.put(records, signal);
  }
  committable(offset: number): Promise<readonly PartitionPosition[]> {
    return this.task.preCommit([{ topic: TOPIC, partition: 0, offset }]);
  }
  get(key: string): Promise<string | null> {
    return this.redis.get(`${this.prefix}:${key}`);
  }
  marker(partition = 0): Promise<string | null> {
    return this.redis.get(`millrace:marker:${this.prefix}:${TOPIC}:${partition}`);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.task.stop();
    this.redis.disconnect();
  }
}

/** Records `first` to `last`, each with a key of its own. */
function records(first: number, last: number): SinkRecord[] {
  return Array.from({ length: last - first + 1 }, (_, i) =>
    record(first + i, `k${first + i}`, `{"n":${first + i}}`),
  );
}

test('INV-1: nothing is committed before Redis has answered for it', async () => {
  await using server = await startRedis();
  await using sink = await Sink.start({ 'redis.batch.size': '10' }, server);
  await sink.put(...records(0, 9));
  expect(await sink.committable(10)).toHaveLength(1);
  await sink.redis.client('PAUSE', 30_000, 'WRITE');
  await sink.put(...records(10, 29)); // two batches, left under way
  let committed = false;
  const commit = sink.committable(30).then((positions) => {
    committed = true;
    return positions;
  });
  expect(await sink.marker()).toBe('topic-1:0:10');
  expect(committed).toBe(false);
  await sink.redis.client('UNPAUSE');
  expect(await commit).toEqual([{ topic: TOPIC, partition: 0, offset: 30 }]);
  expect(await sink.marker()).toBe('topic-1:0:30');
  expect(await sink.get('k29')).toBe('{"n":29}');
});

test('a record that Redis refuses is reported alone, and the batches behind it are written', async () => {
  await using sink = await Sink.start({ 'redis.mode': 'stream', 'redis.batch.size': '2' });
  await sink.redis.set(`${sink.prefix}:k3`, 'somebody else');
  await sink.put(...records(0, 9));
  expect(await sink.committable(10)).toHaveLength(1);
  expect(sink.reported).toEqual([3]);
  const lengths = await Promise.all(
    records(0, 9)
      .filter(({ kafkaOffset }) => kafkaOffset !== 3)
      .map(({ key }) => sink.redis.xlen(`${sink.prefix}:${String(key)}`)),
  );
  expect(lengths).toEqual(Array.from({ length: 9 }, () => 1));
  expect(await sink.marker()).toBe('topic-1:0:10');
});

test('a Redis that forgot the script is told again, with batches under way', async () => {
  await using server = await startRedis();
  await using sink = await Sink.start({ 'redis.batch.size': '5' }, server);
  await sink.put(...records(0, 9));
  await sink.committable(10);
  await sink.redis.script('FLUSH');
  await sink.put(...records(10, 39));
  expect(await sink.committable(40)).toHaveLength(1);
  expect(sink.seeks).toEqual([]);
  expect(await sink.marker()).toBe('topic-1:0:40');
  expect(await sink.get('k39')).toBe('{"n":39}');
});

test('INV-9: a connection that breaks with batches under way loses none of them', async () => {
  await using server = await startRedis();
  await using sink = await Sink.start({ 'redis.batch.size': '10' }, server);
  await sink.put(...records(0, 9));
  await sink.committable(10);
  await sink.redis.client('PAUSE', 30_000, 'WRITE');
  await sink.put(...records(10, 29));
  const name = `name=millrace-${sink.prefix}`;
  const clients = String(await sink.redis.client('LIST')).split('\n');
  const id = /id=(\d+)/.exec(clients.find((line) => line.includes(name)) ?? '')?.[1] ?? '';
  await sink.redis.client('KILL', 'ID', id);
  await sink.redis.client('UNPAUSE');
  const commit = await eventually('a commit after the connection broke', async () => {
    const next = sink.seeks.splice(0)[0]?.offset;
    if (next !== undefined) await sink.put(...records(next, 29));
    const positions = await sink.committable(30);
    return positions.length > 0 ? positions : undefined;
  });
  expect(commit).toEqual([{ topic: TOPIC, partition: 0, offset: 30 }]);
  expect(await sink.marker()).toBe('topic-1:0:30');
  for (const { key, kafkaOffset } of records(0, 29))
    expect(await sink.get(String(key))).toBe(`{"n":${kafkaOffset}}`);
});

test('partitions keep their own progress within a batch, and deletes and writes take turns', async () => {
  await using sink = await Sink.start({ 'redis.batch.size': '4' });
  await sink.put(
    ...[0, 1, 2, 3, 4]
      .flatMap((i) => [
        record(i, `a${i}`, `{"n":${i}}`, 0),
        record(i + 100, `b${i}`, i % 2 === 0 ? null : `{"n":${i}}`, 1),
        record(i + 105, `a${i}`, null, 0),
      ])
      .toSorted((x, y) => x.kafkaOffset - y.kafkaOffset),
  );
  await sink.committable(110);
  expect(await sink.marker(0)).toBe('topic-1:0:110');
  expect(await sink.marker(1)).toBe('topic-1:1:105');
  expect(await Promise.all(['a0', 'a4', 'b0', 'b1'].map((key) => sink.get(key)))).toEqual([
    null,
    null,
    null,
    '{"n":1}',
  ]);
});

test('keys of any text get their fence where it is looked for', async () => {
  await using sink = await Sink.start({});
  const keys = [
    'plain',
    'Añna 漢字 😀',
    '{tag}:1',
    'a{b',
    'line\r\nbreak',
    'x'.repeat(300),
    'ü'.repeat(200),
    '\u0000',
  ];
  await sink.put(...keys.map((key, i) => record(i, key, `{"key":${i}}`)));
  for (const [i, key] of keys.entries()) {
    expect(await sink.get(key)).toBe(`{"key":${i}}`);
    expect(await sink.redis.get(fenceKey(`${sink.prefix}:${key}`))).toBe(`topic-1:0:${i}`);
  }
});

test('INV-4: JSON without a schema is stored as it came, in the form Connect writes', async () => {
  await using sink = await Sink.start({});
  const exact =
    '{"id":9223372036854775807,"price":1.5,"rate":1.0,"text":"a \\"ü\\" \\u001F","in":{"list":[null,true]}}';
  await sink.put(
    record(0, 'exact', exact),
    record(1, 'spaced', '{ "a": 1.50, "b" : "\\u00fc" }'),
    record(2, 'kept', '{"a":1,"long":"text"}'),
  );
  await sink.put(record(3, 'kept', '{"a":2,"long":"__debezium_unavailable_value"}'));
  expect(await sink.get('exact')).toBe(exact);
  expect(await sink.get('spaced')).toBe('{"a":1.5,"b":"ü"}');
  expect(await sink.get('kept')).toBe('{"a":2,"long":"text"}');
});

test('INV-5: a batch ends at its bytes when its values are large', async () => {
  await using server = await startRedis();
  await using sink = await Sink.start({}, server);
  const large = JSON.stringify({ text: 'x'.repeat(1_500_000) });
  const calls = async (): Promise<number> =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await sink.redis.info('commandstats'))?.[1] ?? 0);
  await sink.put(record(0, 'first', '{}'));
  const before = await calls();
  await sink.put(...Array.from({ length: 9 }, (_, i) => record(i + 1, `large${i}`, large)));
  expect((await calls()) - before).toBeGreaterThanOrEqual(3);
  expect((await sink.get('large8'))?.length).toBe(large.length);
});
