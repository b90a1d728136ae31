// The sink task on a real Redis: what each mode stores, and that repeats, late deliveries and lost data converge.
import { type PartitionPosition, SinkRecord, type SinkTaskContext } from '@millrace/connect-api';
import {
  ArrayStruct,
  BigDecimal,
  decimalSchema,
  INT64,
  optional,
  type Schema,
  STRING,
  structSchema,
} from '@millrace/data';
import { createMetrics, MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import { startRedis } from '@millrace/local-servers';
import { eventually, testRedis } from '@millrace/testkit';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { RedisSinkTask } from './task.ts';

const KEY = structSchema([['id', INT64]]);
const ROW = structSchema([
  ['id', INT64],
  ['name', optional(STRING)],
  ['price', optional(decimalSchema(2))],
  ['note', optional(STRING)],
]);
const signal = new AbortController().signal;

interface Row {
  id: number;
  name?: string | null;
  price?: BigDecimal | null;
  note?: string | null;
}

function row(
  offset: number,
  value: Row | null,
  options: { topic?: string; partition?: number; schema?: Schema } = {},
): SinkRecord {
  const id = value?.id ?? 1;
  return new SinkRecord({
    topic: options.topic ?? 'shop.orders',
    kafkaPartition: options.partition ?? 0,
    keySchema: KEY,
    key: new ArrayStruct(KEY, [id]),
    valueSchema: value ? ROW : null,
    value: value ? ArrayStruct.of(ROW, { ...value }) : null,
    headers: [],
    timestamp: 0,
    kafkaOffset: offset,
    timestampType: 'CreateTime',
  });
}

class Harness implements AsyncDisposable {
  readonly task = new RedisSinkTask();
  readonly redis: Redis;
  readonly seeks: PartitionPosition[] = [];
  readonly reported: number[] = [];
  readonly prefix: string;
  topicId = 'topic-1';
  readonly #config: Record<string, string>;
  readonly #connector: string;

  constructor(url: string, prefix: string, config: Record<string, string> = {}) {
    this.redis = new Redis(url);
    this.redis.on('error', () => undefined);
    this.prefix = prefix;
    this.#connector = `sink-${prefix}`;
    this.#config = { 'redis.url': url, 'redis.key.template': `${prefix}:\${key}`, ...config };
  }
  async start(committed: PartitionPosition[] = []): Promise<readonly PartitionPosition[]> {
    const context: SinkTaskContext = {
      connectorName: this.#connector,
      taskId: 0,
      config: this.#config,
      logger: silentLogger,
      clock: systemClock,
      metrics: createMetrics(),
      assignment: () => [{ topic: 'shop.orders', partition: 0 }],
      topicId: async () => this.topicId,
      seek: (positions) => this.seeks.push(...positions),
      pause: () => undefined,
      resume: () => undefined,
      requestCommit: () => undefined,
      errantRecords: { report: async (record) => void this.reported.push(record.kafkaOffset) },
    };
    await this.task.start(context);
    return this.task.open([{ topic: 'shop.orders', partition: 0 }], committed);
  }
  put(...records: SinkRecord[]): Promise<void> {
    return this.task.put(records, signal);
  }
  committable(offset: number): Promise<readonly PartitionPosition[]> {
    return this.task.preCommit([{ topic: 'shop.orders', partition: 0, offset }]);
  }
  async document(id = 1): Promise<unknown> {
    const text = await this.redis.get(`${this.prefix}:${id}`);
    return text === null ? null : text;
  }
  /** Another incarnation on the same Redis, as after a crash. */
  again(): Harness {
    return new Harness(this.#config['redis.url'] ?? '', this.prefix, this.#config);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.task.stop();
    this.redis.disconnect();
  }
}

function harness(config: Record<string, string> = {}): Harness {
  const { url, prefix } = testRedis();
  return new Harness(url, prefix, config);
}

describe('string mode', () => {
  test('stores a row as JSON with exact numbers and deletes on a tombstone', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(0, { id: 9007199254740991, name: 'Añna "x"', price: new BigDecimal(1250n, 2) }));
    expect(await sink.document(9007199254740991)).toBe(
      '{"id":9007199254740991,"name":"Añna \\"x\\"","price":12.50,"note":null}',
    );
    await sink.put(row(1, { id: 1, name: 'a' }), row(2, null));
    expect(await sink.document()).toBeNull();
    expect(await sink.committable(3)).toEqual([{ topic: 'shop.orders', partition: 0, offset: 3 }]);
  });

  test('keeps the stored value of a column that the source did not send', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(0, { id: 1, name: 'a', price: new BigDecimal(100n, 2), note: 'a long text' }));
    await sink.put(row(1, { id: 1, name: 'b', note: '__debezium_unavailable_value' }));
    expect(await sink.document()).toBe('{"id":1,"name":"b","price":null,"note":"a long text"}');
  });

  test('keeps the latest value of such a column, also within one batch', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(0, { id: 1, name: 'a', note: 'one' }));
    const unsent = '__debezium_unavailable_value';
    await sink.put(
      row(1, { id: 1, name: 'b', note: 'two' }),
      row(2, { id: 1, name: 'c', note: unsent }),
      row(3, { id: 1, name: 'd', note: unsent }),
    );
    expect(await sink.document()).toBe('{"id":1,"name":"d","price":null,"note":"two"}');
    await sink.put(row(4, null), row(5, { id: 1, name: 'e', note: unsent }));
    expect(await sink.document()).toBe(
      '{"id":1,"name":"e","price":null,"note":"__debezium_unavailable_value"}',
    );
  });

  test('expires keys after their time to live', async () => {
    await using sink = harness({ 'redis.ttl.seconds': '100' });
    await sink.start();
    await sink.put(row(0, { id: 1 }));
    expect(await sink.redis.pttl(`${sink.prefix}:1`)).toBeGreaterThan(90_000);
  });
});

describe('hash mode', () => {
  test('stores a field per column, leaves nulls out, and replaces the whole hash', async () => {
    await using sink = harness({ 'redis.mode': 'hash' });
    await sink.start();
    await sink.put(
      row(0, { id: 1, name: 'a', note: 'n' }),
      row(1, { id: 1, name: 'b', price: new BigDecimal(5n, 1) }),
    );
    expect(await sink.redis.hgetall(`${sink.prefix}:1`)).toEqual({ id: '1', name: 'b', price: '0.5' });
  });

  test('merges when a column was not sent', async () => {
    await using sink = harness({ 'redis.mode': 'hash' });
    await sink.start();
    await sink.put(
      row(0, { id: 1, name: 'a', note: 'kept' }),
      row(1, { id: 1, name: null, note: '__debezium_unavailable_value' }),
    );
    expect(await sink.redis.hgetall(`${sink.prefix}:1`)).toEqual({ id: '1', note: 'kept' });
  });
});

test('stream mode appends every record once, deletes included', async () => {
  await using sink = harness({ 'redis.mode': 'stream' });
  await sink.start();
  await sink.put(row(0, { id: 1, name: 'a' }), row(1, { id: 1, name: 'b' }), row(2, null));
  await using repeat = sink.again();
  await repeat.start();
  await repeat.put(row(1, { id: 1, name: 'b' }), row(2, null), row(3, { id: 1, name: 'c' }));
  const entries = await sink.redis.xrange(`${sink.prefix}:1`, '-', '+');
  const texts = entries.map(([, fields]) => fields.at(-1));
  expect(texts.map((text) => (text === 'true' ? 'deleted' : (JSON.parse(text ?? '{}') as Row).name))).toEqual(
    ['a', 'b', 'deleted', 'c'],
  );
});

describe('INV-9', () => {
  test('a repeat after a restart never brings back an older value or a deleted key', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(
      row(0, { id: 1, name: 'old' }),
      row(1, { id: 1, name: 'new' }),
      row(2, { id: 2, name: 'x' }),
      row(3, null),
    );
    await using repeat = sink.again();
    await repeat.start();
    await repeat.put(row(0, { id: 1, name: 'old' }));
    expect(await sink.document(1)).toBeNull();
    await repeat.put(row(1, { id: 1, name: 'new' }), row(2, { id: 2, name: 'x' }), row(3, null));
    expect(await sink.document(1)).toBeNull();
    expect(await sink.document(2)).toContain('"x"');
  });

  test('random repeats of any stretch of the log end in the state of the log', async () => {
    await using sink = harness({ 'redis.batch.size': '7' });
    const seed = Date.now() % 100_000;
    let state = seed;
    const random = (n: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((state / 2_147_483_648) * n);
    };
    const log = Array.from({ length: 120 }, (_, offset) => {
      const id = 1 + random(6);
      const made = row(offset, random(4) === 0 ? null : { id, name: `v${offset}` });
      return made.value === null ? made.with({ key: new ArrayStruct(KEY, [id]) }) : made;
    });
    let at = 0;
    while (at < log.length) {
      await using incarnation = sink.again();
      await incarnation.start();
      const from = Math.max(0, at - random(30));
      const to = Math.min(log.length, from + 1 + random(50));
      await incarnation.put(...log.slice(from, to));
      await incarnation.committable(to);
      at = Math.max(at, to);
    }
    const expected = new Map<number, string | null>();
    for (const record of log) {
      const id = Number((record.key as ArrayStruct).get('id'));
      expected.set(id, record.value === null ? null : String((record.value as ArrayStruct).get('name')));
    }
    for (const [id, name] of expected) {
      const document = (await sink.document(id)) as string | null;
      expect({ seed, id, name: document === null ? null : (JSON.parse(document) as Row).name }).toEqual({
        seed,
        id,
        name,
      });
    }
  });

  test('a topic made anew starts a new order', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(100, { id: 1, name: 'before' }));
    await using anew = sink.again();
    anew.topicId = 'topic-2';
    await anew.start();
    await anew.put(row(0, { id: 1, name: 'after' }));
    expect(await sink.document()).toContain('"after"');
  });
});

describe('what Redis forgot', () => {
  test('an emptied Redis is noticed at start and the topic is read from its beginning', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(0, { id: 1 }), row(1, { id: 2 }));
    const keys = await sink.redis.keys(`*${sink.prefix}*`);
    await sink.redis.del(...keys);
    await using next = sink.again();
    expect(await next.start([{ topic: 'shop.orders', partition: 0, offset: 2 }])).toEqual([
      { topic: 'shop.orders', partition: 0, offset: 0 },
    ]);
  });

  test('the earlier of marker and group position is where it goes on', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(0, { id: 1 }), row(1, { id: 2 }));
    await using next = sink.again();
    expect(await next.start([{ topic: 'shop.orders', partition: 0, offset: 5 }])).toEqual([
      { topic: 'shop.orders', partition: 0, offset: 2 },
    ]);
  });

  test('redis.marker.missing=fail stops with what happened', async () => {
    await using sink = harness({ 'redis.marker.missing': 'fail' });
    await expect(sink.start([{ topic: 'shop.orders', partition: 0, offset: 5 }])).rejects.toMatchObject({
      code: 'redis.marker_missing',
    });
  });

  test('data lost while running is noticed by the next write, which goes back instead', async () => {
    await using sink = harness();
    await sink.start();
    await sink.put(row(0, { id: 1, name: 'a' }), row(1, { id: 2, name: 'b' }));
    const keys = await sink.redis.keys(`*${sink.prefix}*`);
    await sink.redis.del(...keys);
    await sink.put(row(2, { id: 3, name: 'c' }));
    expect(sink.seeks).toEqual([{ topic: 'shop.orders', partition: 0, offset: 0 }]);
    expect(await sink.document(3)).toBeNull();
    await sink.put(row(0, { id: 1, name: 'a' }), row(1, { id: 2, name: 'b' }), row(2, { id: 3, name: 'c' }));
    expect(await sink.document(1)).toContain('"a"');
    expect(await sink.document(3)).toContain('"c"');
  });

  test('records that a transform dropped are committed, and leave no doubt about what Redis holds', async () => {
    await using sink = harness({ 'redis.marker.missing': 'fail' });
    await sink.start();
    const dropped = [{ topic: 'shop.orders', partition: 0, offset: 3 }];
    expect(await sink.task.preCommit(dropped)).toEqual(dropped);
    await using next = sink.again();
    expect(await next.start(dropped)).toEqual(dropped);
    await next.put(row(3, { id: 1 }));
    const more = [{ topic: 'shop.orders', partition: 0, offset: 9 }];
    expect(await next.task.preCommit(more)).toEqual(more);
    await using last = sink.again();
    expect(await last.start(more)).toEqual(more);
  });

  test('INV-9: an idle sink notices an emptied Redis and fills it again', async () => {
    await using server = await startRedis();
    await using sink = new Harness(server.url, 'own');
    await sink.start();
    await sink.put(row(0, { id: 1, name: 'a' }));
    const delivered = [{ topic: 'shop.orders', partition: 0, offset: 1 }];
    expect(await sink.task.preCommit(delivered)).toEqual(delivered);
    await server.stop('SIGKILL');
    await server.start();
    const answer = await eventually('an answer after the restart', () => sink.task.preCommit(delivered));
    expect(answer).toEqual([]);
    expect(sink.seeks).toEqual([{ topic: 'shop.orders', partition: 0, offset: 0 }]);
  });

  test('a Redis that is down is worth another try, and a restarted empty one is filled again', async () => {
    await using server = await startRedis();
    await using sink = new Harness(server.url, 'own');
    await sink.start();
    await sink.put(row(0, { id: 1, name: 'a' }));
    await server.stop('SIGKILL');
    const failed = await sink.put(row(1, { id: 2, name: 'b' })).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(MillraceError);
    expect(failed).toMatchObject({ code: 'redis.unavailable' });
    await server.start();
    await eventually('a write after the restart', () =>
      sink.put(row(1, { id: 2, name: 'b' })).then(() => true),
    );
    expect(sink.seeks).toEqual([{ topic: 'shop.orders', partition: 0, offset: 0 }]);
    await sink.put(row(0, { id: 1, name: 'a' }), row(1, { id: 2, name: 'b' }));
    expect(await sink.document(1)).toContain('"a"');
    expect(await sink.document(2)).toContain('"b"');
  });
});

test('a key of another type is reported for that record alone', async () => {
  await using sink = harness({ 'redis.mode': 'hash' });
  await sink.start();
  await sink.redis.set(`${sink.prefix}:1`, 'somebody else');
  await sink.put(
    row(0, { id: 1, name: 'a', note: '__debezium_unavailable_value' }),
    row(1, { id: 2, name: 'b' }),
  );
  expect(sink.reported).toEqual([0]);
  expect(await sink.redis.hget(`${sink.prefix}:2`, 'name')).toBe('b');
});

test('a record without a key is reported with what to do', async () => {
  await using sink = harness();
  await sink.start();
  await sink.put(row(0, { id: 1 }).with({ keySchema: null, key: null }), row(1, { id: 2, name: 'b' }));
  expect(sink.reported).toEqual([0]);
  expect(await sink.document(2)).toContain('"b"');
  expect(await sink.committable(2)).toEqual([{ topic: 'shop.orders', partition: 0, offset: 2 }]);
});
