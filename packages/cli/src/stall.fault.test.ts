// INV-7 where nothing breaks and nothing moves: processes that hang without closing their connections.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, type PostgresServer, startPostgres } from '@millrace/local-servers';
import { eventually, type MillraceProcess, startMillrace, TcpProxy } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBrokerAlone } from './testing/broker-alone.ts';
import {
  type Config,
  connectorStatus,
  notReady,
  postgresSource,
  putConnector,
  untilReady,
  untilStalled,
} from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

/** What takes half a minute takes seconds here. */
const QUICK = {
  'task.stall.timeout.ms': '1500',
  // Long enough for a failure to be seen.
  'task.restart.backoff.ms': '1000',
  'task.restart.backoff.max.ms': '1000',
};
const LOGIN = { host: '127.0.0.1', user: 'postgres', password: 'postgres', name: 'postgres' };

let postgres: PostgresServer;
let client: pg.Client;
let millrace: MillraceProcess;
const stopped = new Set<number>();
let rows = 0;

/** A process goes no further, and closes nothing. */
function stopProcess(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  stopped.add(pid);
}
function continueProcess(pid: number): void {
  stopped.delete(pid);
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // it has ended meanwhile
  }
}

async function insert(count: number): Promise<void> {
  await client.query('insert into item select generate_series($1::int, $2::int)', [rows + 1, rows + count]);
  rows += count;
}

/** A source of `item` with slot, publication and topic of that name. */
function source(name: string, port: number, more: Config = {}): Config {
  return postgresSource({ ...LOGIN, port }, name, ['item'], {
    'slot.name': name,
    'publication.name': name,
    'slot.max.retries': '1',
    'slot.retry.delay.ms': '200',
    ...more,
  });
}

/** Waits until every row is in the topic at least once. */
async function untilDelivered(of: MillraceProcess, name: string): Promise<void> {
  await eventually(`all ${rows} rows are in the topic`, async () => {
    const records = await readTopic(of.kafka, `${name}.public.item`);
    const found = new Set(
      records.map(({ key }) => (JSON.parse(String(key)) as { payload: { id: number } }).payload.id),
    );
    if (found.size === rows) return true;
    throw new Error(`${found.size} are`);
  });
}

/** Waits until the process of the server that sends the changes is there, and returns its id. */
async function untilStreaming(slot: string): Promise<number> {
  return await eventually(`${slot} is streamed`, async () => {
    const { rows: found } = await client.query<{ pid: number }>(
      "select pid from pg_stat_replication join pg_replication_slots on active_pid = pid where slot_name = $1 and state = 'streaming'",
      [slot],
    );
    return found[0]?.pid;
  });
}

async function untilFailed(name: string, trace: RegExp): Promise<void> {
  await eventually(`${name} fails`, async () => {
    const [task] = (await connectorStatus(millrace, name)).tasks;
    if (task?.state === 'FAILED' && trace.test(task.trace ?? '')) return true;
    throw new Error(JSON.stringify(task));
  });
}

async function metric(name: string, source: string): Promise<number> {
  const text = await (await fetch(`${millrace.rest}/metrics`)).text();
  const line = text
    .split('\n')
    .find((l) => l.startsWith(`debezium_metrics_${name}{`) && l.includes(`"${source}"`));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

beforeAll(async () => {
  postgres = await startPostgres({ fsync: false, settings: { wal_sender_timeout: '6s' } });
  client = new pg.Client({ connectionString: postgres.url() });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('create table item (id integer primary key)');
  await insert(10);
  millrace = await startMillrace({ properties: QUICK });
});

afterAll(async () => {
  for (const pid of stopped) continueProcess(pid);
  await client.end().catch(() => undefined);
  await millrace[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

describe('INV-7', () => {
  test('F47: a server process that hangs is noticed, named, left, and taken up again; nothing is lost (INV-3)', async () => {
    const name = 'hung';
    await putConnector(millrace, name, source(name, postgres.port));
    await untilDelivered(millrace, name);
    await untilReady(millrace);
    const walsender = await untilStreaming(name);
    stopProcess(walsender);
    await insert(20);
    await untilStalled(
      millrace,
      name,
      /while waiting for the server to answer on the replication connection/,
    );
    expect(await notReady(millrace)).toMatch(/Task 0 of connector hung: No progress for \d+ s/);
    await untilFailed(name, /does not answer[^]*What to do: The connection is opened again by itself/);
    // The slot still belongs to the process that hangs: that is said until it is free.
    await untilFailed(name, /replication slot "hung" is active/);
    continueProcess(walsender);
    await untilDelivered(millrace, name);
    await untilReady(millrace);
    await millrace.request('DELETE', `/connectors/${name}`);
  });

  test('F13, F47: a network that swallows everything is noticed, and the connection made anew (INV-3)', async () => {
    const name = 'swallowed';
    await using proxy = await TcpProxy.start(postgres);
    await putConnector(millrace, name, source(name, proxy.port));
    await untilDelivered(millrace, name);
    await untilStreaming(name);
    proxy.hang();
    await insert(20);
    await untilFailed(name, /The server has sent nothing on the replication connection for \d+ s/);
    proxy.resume();
    await untilDelivered(millrace, name);
    await untilReady(millrace);
    await millrace.request('DELETE', `/connectors/${name}`);
  });

  test('F47: a slot that cannot be made while a transaction stays open is named, with what to do', async () => {
    const name = 'waiting';
    const other = new pg.Client({ connectionString: postgres.url() });
    await other.connect();
    await other.query('begin; select txid_current()');
    await millrace.request('PUT', `/connectors/${name}/config`, source(name, postgres.port));
    const trace = await untilStalled(
      millrace,
      name,
      /while creating the slot waiting, which waits for all transactions/,
    );
    expect(trace).toMatch(/\nWhat to do: End the transactions that stay open/);
    await other.end();
    await untilDelivered(millrace, name);
    await untilReady(millrace);
    await millrace.request('DELETE', `/connectors/${name}`);
  });

  test('F47: brokers that do not answer are named by source and sink; then everything goes on', async () => {
    const name = 'mute';
    const folder = mkdtempSync(path.join(tmpdir(), 'millrace-mute-'));
    const kafka = `127.0.0.1:${await freePort()}`;
    await withBrokerAlone(folder, kafka, async (broker) => {
      // A worker whose session has ended has ended its tasks: what they waited for would be seen for seconds only.
      const properties = { ...QUICK, 'bootstrap.servers': kafka, 'session.timeout.ms': '120000' };
      await using worker = await startMillrace({ bootstrapServers: kafka, properties });
      await putConnector(worker, name, source(name, postgres.port));
      const items = { 'connector.class': 'FileStreamSink', file: path.join(folder, 'items') };
      await putConnector(worker, 'reader', { ...items, topics: `${name}.public.item` });
      // One that has nothing to read notices, too.
      await putConnector(worker, 'idle', {
        ...items,
        file: path.join(folder, 'none'),
        topics: 'not.there.yet',
      });
      await untilDelivered(worker, name);
      // From its first streamed change on, what the table looks like is stored.
      await insert(1);
      await untilDelivered(worker, name);
      await untilReady(worker);
      stopProcess(broker);
      await insert(20);
      await untilStalled(worker, name, /while waiting for acknowledgements of mute\.public\.item-0\n/);
      await untilStalled(
        worker,
        'reader',
        /while (waiting for broker|waiting for the coordinator|committing offsets|joining the group)/,
      );
      // Its topic comes into being at about that time, which makes it join once more.
      await untilStalled(
        worker,
        'idle',
        /while (waiting for the coordinator of group connect-idle|joining the group connect-idle)\n/,
      );
      expect(await notReady(worker)).toMatch(/connector mute: No progress[^]*connector reader: No progress/);
      continueProcess(broker);
      await untilDelivered(worker, name);
      await untilReady(worker);
      await worker.request('DELETE', `/connectors/${name}`);
    });
    rmSync(folder, { recursive: true, force: true });
  });

  test('F47: a worker whose brokers are silent for its session says so, and comes back by itself', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'millrace-silent-'));
    const kafka = `127.0.0.1:${await freePort()}`;
    await withBrokerAlone(folder, kafka, async (broker) => {
      const properties = { ...QUICK, 'session.timeout.ms': '6000' };
      await using worker = await startMillrace({ bootstrapServers: kafka, properties });
      await untilReady(worker);
      stopProcess(broker);
      await eventually('it says why', async () =>
        /has not joined its group: .*not answered/.test(await notReady(worker)),
      );
      continueProcess(broker);
      await untilReady(worker);
    });
    rmSync(folder, { recursive: true, force: true });
  });

  test('F47: the lag of an idle source is zero and stays so, while the time since the last change grows', async () => {
    const name = 'idle';
    await putConnector(millrace, name, source(name, postgres.port));
    await insert(1);
    await untilDelivered(millrace, name);
    await eventually('nothing is left', async () => (await metric('MilliSecondsBehindSource', name)) === 0);
    const since = await metric('MilliSecondsSinceLastEvent', name);
    await client.query('create table if not exists unrelated (id int); insert into unrelated values (1)');
    await eventually('the source has read past changes that are not captured', async () => {
      const lag = await metric('MilliSecondsBehindSource', name);
      const grown = await metric('MilliSecondsSinceLastEvent', name);
      return lag === 0 && grown > since;
    });
    expect(await metric('Connected', name)).toBe(1);
    expect(await metric('QueueRemainingCapacity', name)).toBe(await metric('QueueTotalCapacity', name));
    await millrace.request('DELETE', `/connectors/${name}`);
  });
});
