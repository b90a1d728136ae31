// The shop of the examples on real servers: Postgres, through Millrace, into Redis, driven by the client commands alone.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConnectorStatus } from '@millrace/connect-api';
import {
  type CommandOptions,
  type CommandResult,
  eventually,
  type MillraceProcess,
  runMillrace,
  startMillrace,
  type TestDatabase,
  testDatabase,
  testRedis,
} from '@millrace/testkit';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cachedRows, stateDifferences } from './testing/connectors.ts';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const example = (name: string): string => path.join(root, 'examples', name);
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-shop-'));
const SOURCE = 'shop-postgres-source';
const SINK = 'shop-redis-sink';
const TABLES = ['customers', 'products', 'orders', 'order_lines'];

let database: TestDatabase;
let millrace: MillraceProcess;
let redisUrl: string;
let redis: Redis;

beforeAll(async () => {
  database = await testDatabase();
  await database.query(readFileSync(path.join(root, 'deploy/demo/shop.sql'), 'utf8'));
  // The examples' Redis keys have no prefix: a database of this file's own.
  redisUrl = `${testRedis().url}/11`;
  redis = new Redis(redisUrl);
  await redis.flushdb();
  millrace = await startMillrace({
    env: {
      SHOP_PG_HOST: database.host,
      SHOP_PG_PORT: String(database.port),
      SHOP_PG_USER: database.user,
      SHOP_PG_PASSWORD: database.password,
      SHOP_PG_DATABASE: database.name,
      SHOP_REDIS_URL: redisUrl,
    },
  });
});

afterAll(async () => {
  await millrace[Symbol.asyncDispose]();
  await redis.flushdb();
  redis.disconnect();
  await database[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A command that finds the Millrace of this file by the environment. */
function command(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const env = { MILLRACE_URL: millrace.rest, MILLRACE_BOOTSTRAP: millrace.kafka, ...options.env };
  return runMillrace(args, { ...options, env });
}

function file(name: string, content: string): string {
  const written = path.join(folder, name);
  writeFileSync(written, content);
  return written;
}

/** The rows as the sink is to write them. */
async function shopRows(): Promise<Map<string, string>> {
  const time = (column: string): string =>
    `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  const queries: Readonly<Record<string, string>> = {
    customers: `select id::int, name, email, city, ${time('created_at')} created_at from customers`,
    products: `select id::int, sku, name, price::text, stock, attributes::text, ${time('updated_at')} updated_at from products`,
    orders: `select id::int, customer_id::int, status, total::text, ${time('placed_at')} placed_at, ${time('updated_at')} updated_at from orders`,
    order_lines:
      'select order_id::int, line_no, product_id::int, quantity, unit_price::text from order_lines',
  };
  const rows = new Map<string, string>();
  for (const [table, query] of Object.entries(queries)) {
    for (const row of await database.query(query)) {
      const key =
        table === 'order_lines' ? `${String(row['order_id'])}:${String(row['line_no'])}` : String(row['id']);
      const sorted = Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
      rows.set(`${table}:${key}`, JSON.stringify(Object.fromEntries(sorted)));
    }
  }
  return rows;
}

function untilCacheEqualsShop(): Promise<number> {
  return eventually('Redis holds the rows of the shop', async () => {
    const expected = await shopRows();
    const actual = new Map<string, string>();
    for (const table of TABLES) for (const [key, row] of await cachedRows(redis, table)) actual.set(key, row);
    const differences = stateDifferences(expected, actual);
    if (differences.length > 0)
      throw new Error(`${differences.length}: ${differences.slice(0, 3).join('\n')}`);
    return expected.size;
  });
}

async function statusOf(name: string): Promise<ConnectorStatus> {
  const { stdout } = await command(['status', name, '-o', 'json']);
  return JSON.parse(stdout) as ConnectorStatus;
}

describe('the shop', () => {
  test('The examples are applied by one command, and the snapshot reaches Redis', async () => {
    const applied = await command(['apply', '-f', example(`${SOURCE}.json`), example(`${SINK}.json`)]);
    expect(applied).toEqual({ code: 0, stdout: `${SOURCE} applied\n${SINK} applied\n`, stderr: '' });
    expect(await untilCacheEqualsShop()).toBe(50 + 20 + 30 + 60);
  });

  test('Changes, key changes, deletes and cascades reach Redis', async () => {
    await database.query(`
      begin;
      insert into customers (name, email, city) values ('Ünïcode "quoted" \\ back', 'x@shop.example', E'line\\nbreak');
      update products set price = price * 1.1, attributes = attributes || '{"n": 12345678901234567890.5}';
      commit;
      update order_lines set line_no = line_no + 100 where order_id = 3;
      update orders set status = 'cancelled', updated_at = now() where id % 2 = 0;
      delete from orders where id in (5, 6, 7);
    `);
    await database.query('begin; delete from order_lines; rollback');
    expect(await untilCacheEqualsShop()).toBe(51 + 20 + 27 + 54);
    expect(await redis.exists('order_lines:3:1', 'orders:5')).toBe(0);
  });

  test('Connectors, their tasks and their offsets are shown', async () => {
    const listed = await command(['connectors'], { env: { FORCE_COLOR: '1' } });
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout.split('\n').map((line) => line.split(/\s{2,}/))).toEqual([
      ['NAME', 'TYPE', 'STATE', 'TASKS', 'ERROR'],
      [SOURCE, 'source', 'RUNNING', '1/1 running'],
      [SINK, 'sink', 'RUNNING', '1/1 running'],
      [''],
    ]);
    expect(await statusOf(SOURCE)).toMatchObject({
      name: SOURCE,
      type: 'source',
      connector: { state: 'RUNNING' },
      tasks: [{ id: 0, state: 'RUNNING' }],
      config: { 'topic.prefix': 'shop', 'database.password': '${env:SHOP_PG_PASSWORD}' },
    });
    const text = await command(['status', SINK], { env: { NO_COLOR: '1' } });
    expect(text.stdout).toMatch(/^Name: +shop-redis-sink\nType: +sink\n/);
    expect(text.stdout).not.toContain('\u001b');
    const source = await millrace.request('GET', `/connectors/${SOURCE}/offsets`);
    expect(source.body).toEqual({
      offsets: [
        {
          partition: { server: 'shop' },
          offset: expect.objectContaining({ lsn: expect.any(Number) as number }) as object,
        },
      ],
    });
    await eventually('the sink has committed the ends of its topics', async () => {
      const topics = JSON.parse((await command(['topics', '-o', 'json'])).stdout) as {
        topic: string;
        records: number;
      }[];
      const { body } = await millrace.request('GET', `/connectors/${SINK}/offsets`);
      const committed = (body as { offsets: { partition: unknown; offset: unknown }[] }).offsets;
      expect(committed).toHaveLength(TABLES.length);
      for (const table of TABLES)
        expect(committed).toContainEqual({
          partition: { kafka_topic: `shop.public.${table}`, kafka_partition: 0 },
          offset: { kafka_offset: topics.find(({ topic }) => topic === `shop.public.${table}`)?.records },
        });
      return true;
    });
  });

  test('Pause, stop, resume and restart by name lose nothing', async () => {
    expect(await command(['pause', SOURCE])).toMatchObject({ code: 0, stdout: `${SOURCE} paused\n` });
    await eventually('it is paused', async () => (await statusOf(SOURCE)).tasks[0]?.state === 'PAUSED');
    await database.query("update customers set city = 'while paused' where id <= 5");
    expect(await command(['resume', SOURCE])).toMatchObject({ code: 0 });
    await untilCacheEqualsShop();
    expect(await command(['stop', SOURCE, SINK])).toMatchObject({ code: 0 });
    await eventually('both are stopped', async () => {
      const states = await Promise.all([SOURCE, SINK].map(statusOf));
      return states.every(({ connector, tasks }) => connector.state === 'STOPPED' && tasks.length === 0);
    });
    await database.query("update customers set city = 'while stopped' where id <= 6");
    expect(await command(['resume', SOURCE, SINK])).toMatchObject({ code: 0 });
    await untilCacheEqualsShop();
    expect(await command(['restart', SOURCE])).toMatchObject({ code: 0, stdout: `${SOURCE} restarting\n` });
    await database.query("update customers set city = 'after a restart' where id <= 7");
    await untilCacheEqualsShop();
  });
});

describe('topics', () => {
  test('Topics are listed with their records, internal ones on demand', async () => {
    const table = await command(['topics']);
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/^TOPIC +PARTITIONS +RECORDS\n/);
    expect(table.stdout).toMatch(/^shop\.public\.products +1 +40$/m);
    expect(table.stdout).not.toContain('connect-offsets');
    expect((await command(['topics', '--internal'])).stdout).toContain('connect-offsets');
  });

  test('Records written line by line are read back from the beginning', async () => {
    const input = 'k1:first\nk2:zwei €\nk1:NULL\n';
    const produced = await command(['produce', 'lines', '-K', ':', '-Z', 'NULL', '-H', 'a=b'], { input });
    expect(produced).toEqual({ code: 0, stdout: '3 records written to lines\n', stderr: '' });
    const read = await command(['consume', 'lines', '-b', '-e', '-k', '--headers']);
    expect(read).toEqual({ code: 0, stdout: 'a:b\tk1\tfirst\na:b\tk2\tzwei €\na:b\tk1\tnull\n', stderr: '' });
    const json = await command(['consume', 'lines', '-b', '-e', '-n', '1', '-o', 'json']);
    expect(JSON.parse(json.stdout)).toEqual({
      topic: 'lines',
      partition: 0,
      offset: 0,
      timestamp: expect.any(Number) as number,
      key: 'k1',
      value: 'first',
      headers: [{ key: 'a', value: 'b' }],
    });
  });
});

describe('commands that cannot do it', () => {
  /** What, why and what to do, in three lines. */
  const threeLines = /^Error: .+\n {2}Why: .+\n {2}Do: {2}.+\n$/;

  test('An unknown connector is exit code 1', async () => {
    const result = await command(['status', 'nobody']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(threeLines);
    expect(result.stderr).toContain('nobody');
    expect((await command(['consume', 'nothing', '-b', '-e'])).code).toBe(1);
  });

  test('A wrong config is exit code 2, and the message names key, value and expected form', async () => {
    const config = JSON.parse(readFileSync(example(`${SOURCE}.json`), 'utf8')) as {
      config: Record<string, string>;
    };
    config.config['snapshot.mode'] = 'sometimes';
    config.config['database.port'] = 'many';
    const result = await command([
      'apply',
      '-f',
      file('wrong.json', JSON.stringify({ ...config, name: 'wrong' })),
    ]);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(threeLines);
    for (const part of ['snapshot.mode', 'sometimes', 'when_needed', 'database.port', 'many'])
      expect(result.stderr).toContain(part);
    expect((await millrace.request('GET', '/connectors/wrong')).status).toBe(404);
  });

  test('Files that hold no config are exit code 2, and nothing is applied', async () => {
    const good = file('good.json', JSON.stringify({ name: 'good', config: { 'connector.class': 'x' } }));
    const cases = [
      path.join(folder, 'absent.json'),
      file('broken.json', '{"name": '),
      file('array.json', '[]'),
      file('nameless.json', '{"config": {}}'),
      file('nested.json', '{"name": "n", "config": {"a": {}}}'),
    ];
    for (const wrong of cases) {
      const result = await command(['apply', '-f', good, wrong]);
      expect(result).toMatchObject({ code: 2, stdout: '' });
      expect(result.stderr).toMatch(threeLines);
      expect(result.stderr).toContain(wrong);
    }
    expect((await millrace.request('GET', '/connectors/good')).status).toBe(404);
  });

  test('Wrong use is exit code 2', async () => {
    for (const args of [
      ['consume'],
      ['topics', '-o', 'xml'],
      ['no-such-command'],
      ['consume', 't', '-n', 'x'],
    ])
      expect((await command(args)).code).toBe(2);
  });

  test('A worker or broker that is not there is exit code 3', async () => {
    const env = { MILLRACE_URL: 'http://127.0.0.1:1', MILLRACE_BOOTSTRAP: '127.0.0.1:1' };
    const results = await Promise.all([command(['connectors'], { env }), command(['topics'], { env })]);
    for (const result of results) {
      expect(result).toMatchObject({ code: 3, stdout: '' });
      expect(result.stderr).toMatch(threeLines);
    }
  });

  test('A taken port is exit code 3 and is named', async () => {
    const data = path.join(folder, 'second');
    const port = millrace.kafka.split(':')[1] ?? '';
    const result = await runMillrace([
      'start',
      '--data',
      data,
      '--kafka',
      millrace.kafka,
      '--rest',
      '127.0.0.1:0',
    ]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain(port);
  });

  test('A data folder in use is exit code 3 and is named', async () => {
    const data = path.join(millrace.dataDir, 'data');
    const result = await runMillrace([
      'start',
      '--data',
      data,
      '--kafka',
      '127.0.0.1:0',
      '--rest',
      '127.0.0.1:0',
    ]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain(data);
  });
});
