// Servers around Millrace that stop, break off or run full: it goes on by itself, nothing is lost, and the status says
// meanwhile what is wrong.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PostgresServer, type RedisServer, startPostgres, startRedis } from '@millrace/local-servers';
import { eventually, type MillraceProcess, startMillrace, TcpProxy, testRounds } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  connectorStatus,
  notReady,
  postgresSource,
  putConnector,
  redisSink,
  untilCacheEquals,
  untilReady,
  untilRunning,
  untilStalled,
} from './testing/connectors.ts';
import { mayMountDisks, SmallDisk } from './testing/small-disk.ts';

const OUTAGE_MS = testRounds(5_000, 20_000);
const TABLES = { item: ['id'], log: ['id'] } as const;
/** Restarts follow each other quickly, so that the tests do not wait for the long pauses of a long outage. */
const QUICK = { 'task.restart.backoff.ms': '250', 'task.restart.backoff.max.ms': '1000' };

const LOGIN = { host: '127.0.0.1', user: 'postgres', password: 'postgres', name: 'postgres' };

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-recovery-'));
let postgres: PostgresServer;
let redis: RedisServer;
let proxy: TcpProxy;
let millrace: MillraceProcess;
let rounds = 0;

/** Runs SQL on a connection of its own, since servers stop in here. */
async function query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: postgres.url() });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as Record<string, unknown>[];
  } finally {
    await client.end().catch(() => undefined);
  }
}

const database = { query };

/** Inserts, updates, deletes and moves some rows. */
async function change(): Promise<void> {
  const from = ++rounds * 1000;
  await query(`insert into item select n, 'item ' || n from generate_series(${from}, ${from + 200}) n`);
  await query(`update item set name = 'round ${rounds}' where id % 7 = ${rounds % 7}`);
  await query(`update item set id = id + 500 where id between ${from} and ${from + 20}`);
  await query(`delete from item where id between ${from + 30} and ${from + 60}`);
  await query(`insert into log (line) select 'round ${rounds}' from generate_series(1, 50)`);
}

function outage(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
}

function cache(): { url: string; prefix: string } {
  return { url: redis.url, prefix: 'recovery' };
}

async function untilEqual(): Promise<void> {
  await untilCacheEquals(database, cache(), TABLES, 60_000);
}

/** Waits until the task of a connector is FAILED with a trace that matches. */
function untilFailed(name: string, trace: RegExp): Promise<true> {
  return eventually(`${name} says what is wrong`, async () => {
    const [task] = (await connectorStatus(millrace, name)).tasks;
    if (task?.state === 'FAILED' && trace.test(task.trace ?? '')) return true;
    throw new Error(JSON.stringify(task));
  });
}

beforeAll(async () => {
  postgres = await startPostgres({ fsync: false });
  redis = await startRedis({ dataDir: path.join(folder, 'redis') });
  proxy = await TcpProxy.start(postgres);
  await query('create table item (id integer primary key, name text)');
  await query('create table log (id integer generated always as identity primary key, line text)');
  await change();
  millrace = await startMillrace({ properties: QUICK });
  const through = { ...LOGIN, port: proxy.port };
  await putConnector(millrace, 'source', postgresSource(through, 'recovery', Object.keys(TABLES)));
  await putConnector(millrace, 'sink', redisSink(cache(), 'recovery', Object.keys(TABLES)));
  await untilEqual();
});

afterEach(async () => {
  // Whatever happened, it runs again without anybody's help.
  await untilRunning(millrace, 'source');
  await untilRunning(millrace, 'sink');
});

afterAll(async () => {
  await millrace[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('Postgres', () => {
  for (const mode of ['fast', 'immediate'] as const) {
    test(`F14: a restart of the server (${mode}) is survived, and shown while it lasts (INV-1, INV-3, INV-7)`, async () => {
      await change();
      await postgres.stop(mode);
      await untilFailed(
        'source',
        /(connect|terminat|ECONNRE|closed)[^]*Millrace restarts this task by itself/i,
      );
      await postgres.start();
      await change();
      await untilEqual();
    });
  }

  test('F14: a walsender that is terminated again and again loses nothing (INV-3)', async () => {
    for (let i = 0; i < 5; i++) {
      await change();
      await eventually('a walsender to terminate', async () => {
        const [row] = await query(
          'select pg_terminate_backend(active_pid) as done from pg_replication_slots where active_pid is not null',
        );
        return row?.['done'];
      });
    }
    await untilEqual();
  });

  test('F13: connections that are reset, and refused for a while, are opened again (INV-3, INV-7)', async () => {
    for (let i = 0; i < 3; i++) {
      await change();
      proxy.reset();
    }
    await untilEqual();
    proxy.refuse();
    await change();
    await untilFailed('source', /Millrace restarts this task by itself/);
    expect((await connectorStatus(millrace, 'sink')).tasks[0]?.state, 'INV-6').toBe('RUNNING');
    proxy.resume();
    await untilEqual();
  });
});

describe('Redis', () => {
  test('INV-7 INV-9: an outage is survived, with the data kept, and shown while it lasts', async () => {
    await redis.stop('SIGTERM');
    await change();
    await outage();
    await change();
    await eventually('the status to say what is wrong', async () => {
      const [task] = (await connectorStatus(millrace, 'sink')).tasks;
      return task?.trace?.includes('Check that Redis runs');
    });
    expect((await connectorStatus(millrace, 'source')).tasks[0]?.state, 'INV-6').toBe('RUNNING');
    await redis.start();
    await untilEqual();
    await eventually('the status to be clean again', async () => {
      const [task] = (await connectorStatus(millrace, 'sink')).tasks;
      return task?.state === 'RUNNING' && task.trace === undefined;
    });
  });

  test('INV-7: an outage is shown also when there is nothing to write', async () => {
    await redis.stop('SIGTERM');
    const shown = async (): Promise<boolean> => {
      const [task] = (await connectorStatus(millrace, 'sink')).tasks;
      return task?.state === 'RUNNING' && task.trace?.includes('Check that Redis runs') === true;
    };
    await eventually('the status to say what is wrong', shown);
    await redis.start();
    await eventually('the status to be clean again', async () => {
      const [task] = (await connectorStatus(millrace, 'sink')).tasks;
      return task?.state === 'RUNNING' && task.trace === undefined;
    });
  });

  test('INV-9: a Redis that is killed and comes back older is brought up to date', async () => {
    await change();
    await redis.stop('SIGKILL');
    await redis.start();
    await untilEqual();
  });

  test('INV-9: a Redis that comes back empty is filled again, also when nothing new is written', async () => {
    await redis.stop('SIGKILL');
    rmSync(path.join(folder, 'redis/appendonlydir'), { recursive: true, force: true });
    await redis.start();
    await untilEqual();
  });

  test('INV-9: a Redis that comes back empty under load is filled again', async () => {
    await change();
    await redis.stop('SIGKILL');
    rmSync(path.join(folder, 'redis/appendonlydir'), { recursive: true, force: true });
    await change();
    await redis.start();
    await change();
    await untilEqual();
  });
});

describe('Millrace', () => {
  test('INV-3: an orderly end and a new start go on where it stopped', async () => {
    await change();
    expect(await millrace.end('SIGTERM')).toBe(true);
    await change();
    await millrace.start();
    await untilEqual();
  });
});

describe('the data folder', () => {
  test.skipIf(!mayMountDisks)(
    'INV-1 INV-6 INV-7 (needs root to mount a small disk): a full disk is survived, and shown while it lasts',
    async () => {
      using disk = new SmallDisk(192);
      try {
        await using small = await startMillrace({ dataDir: disk.path, properties: QUICK });
        const source = { ...LOGIN, port: postgres.port };
        await putConnector(
          small,
          'full-source',
          postgresSource(source, 'full', Object.keys(TABLES), {
            'slot.name': 'full',
            'publication.name': 'full',
          }),
        );
        const target = { url: redis.url, prefix: 'full' };
        await putConnector(small, 'full-sink', redisSink(target, 'full', Object.keys(TABLES)));
        await untilCacheEquals(database, target, TABLES, 60_000);
        await change();
        await untilCacheEquals(database, target, TABLES, 60_000);
        await untilReady(small);
        disk.fill();
        await change();
        await change();
        const trace = await untilStalled(small, 'full-source', /The disk is full/);
        expect(trace).toMatch(
          /^[\w.]+: No progress for \d+ s \(since .*\) while waiting for acknowledgements of (full\.public\.\w+-0|connect-offsets-\d+): /,
        );
        expect(trace).toMatch(/\nWhat to do: Make room on the disk of the broker's data folder[^\n]*\n$/);
        expect(await notReady(small)).toMatch(
          /Task 0 of connector full-source: No progress .*The disk is full/,
        );
        expect((await small.request('GET', '/connectors')).status).toBe(200);
        expect(small.running).toBe(true);
        disk.empty();
        await change();
        await untilCacheEquals(database, target, TABLES, 60_000);
        await untilReady(small);
        expect((await connectorStatus(small, 'full-source')).tasks[0]).not.toHaveProperty('trace');
        expect((await small.request('DELETE', '/connectors/full-source')).status).toBe(204);
      } finally {
        await eventually('the slot is free', async () => {
          await query("select pg_drop_replication_slot('full')");
          return true;
        });
      }
    },
  );
});
