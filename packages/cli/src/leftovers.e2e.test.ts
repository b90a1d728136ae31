// What is left behind, and what is gone before somebody read it: both are said.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, runMillrace, startMillrace, testDatabase } from '@millrace/testkit';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { connectorStatus, postgresSource, putConnector, untilReady } from './testing/connectors.ts';
import { TEXT } from './testing/numbered-lines.ts';

test('the slot of a deleted connector is told in the log and by millrace slots, with the statement that drops it', async () => {
  await using database = await testDatabase();
  await using millrace = await startMillrace();
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-slots-'));
  try {
    await database.query('create table item (id int primary key)');
    const kept = postgresSource(database, 'kept', ['item'], { 'slot.name': `${database.name}_kept` });
    const left = postgresSource(database, 'left', ['item'], {
      'slot.name': `${database.name}_left`,
      'database.password': '${env:SLOTS_PASSWORD}',
    });
    const resolved = { ...left, 'database.password': database.password };
    await putConnector(millrace, 'kept', kept);
    await putConnector(millrace, 'left', resolved);
    const both = await runMillrace(['slots', '--url', millrace.rest]);
    expect(both.stdout).toMatch(
      new RegExp(`${database.name}_kept +\\S+/${database.name} +yes .* kept$`, 'm'),
    );
    expect(both.stdout).toMatch(
      new RegExp(`${database.name}_left +\\S+/${database.name} +yes .* left$`, 'm'),
    );

    expect((await millrace.request('DELETE', '/connectors/left')).status).toBe(204);
    const drop = `SELECT pg_drop_replication_slot('${database.name}_left');`;
    await eventually('the log tells', () => millrace.logs.includes(drop));
    const found = await eventually('it is not read any more', async () => {
      const { stdout } = await runMillrace(['slots', '--url', millrace.rest]);
      return stdout.includes(drop) && stdout;
    });
    expect(found).toMatch(new RegExp(`${database.name}_left .* no .* none$`, 'm'));

    // A source that no connector reads any more is named by a file.
    await millrace.request('DELETE', '/connectors/kept');
    const file = path.join(folder, 'left.json');
    writeFileSync(file, JSON.stringify({ name: 'left', config: left }));
    const args = ['slots', '--url', millrace.rest, '-f', file, '-o', 'json'];
    const json = await runMillrace(args, { env: { SLOTS_PASSWORD: database.password } });
    expect(JSON.parse(json.stdout)).toMatchObject({
      slots: [
        { name: `${database.name}_kept`, connector: null },
        { name: `${database.name}_left`, connector: null, keptBytes: expect.any(Number), release: drop },
      ],
      problems: [],
    });
    const unknown = await runMillrace(args);
    expect([unknown.code, unknown.stdout]).toEqual([3, expect.stringContaining('SLOTS_PASSWORD')]);
    await eventually('both are free', async () => {
      await database.query(drop);
      await database.query(drop.replace('_left', '_kept'));
      return true;
    });
    expect((await runMillrace(args, { env: { SLOTS_PASSWORD: database.password } })).stdout).toContain(
      '"slots": []',
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);

test('a connector that is paused reads nothing after a restart of its worker until it is resumed', async () => {
  await using database = await testDatabase();
  await using millrace = await startMillrace();
  await database.query('create table item (id int primary key); insert into item values (1)');
  await putConnector(millrace, 'rests', postgresSource(database, 'rests', ['item']));
  const state = async (): Promise<unknown> => (await connectorStatus(millrace, 'rests')).tasks[0]?.state;
  const isRead = async (): Promise<unknown> =>
    (
      await database.query('select active from pg_replication_slots where database = current_database()')
    )[0]?.['active'];
  await eventually('it reads', async () => (await state()) === 'RUNNING' && (await isRead()) === true);
  expect((await millrace.request('PUT', '/connectors/rests/pause')).status).toBe(202);
  await eventually('it is paused', async () => (await state()) === 'PAUSED');
  await millrace.crash();
  await eventually('it is paused again', async () => (await state()) === 'PAUSED');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await isRead()).toBe(false);
  expect((await millrace.request('PUT', '/connectors/rests/resume')).status).toBe(202);
  await eventually('it reads again', async () => (await state()) === 'RUNNING' && (await isRead()) === true);
}, 90_000);

test('INV-3: a sink that comes after the beginning of its topic was deleted says so in its status', async () => {
  await using millrace = await startMillrace();
  const kafka = new Kafka({ brokers: [millrace.kafka], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer();
  await admin.connect();
  await producer.connect();
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-cut-'));
  try {
    for (const topic of ['cut', 'whole']) {
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
      const messages = Array.from({ length: 10 }, (_, i) => ({ value: String(i) }));
      await producer.send({ topic, messages });
    }
    await admin.deleteTopicRecords({ topic: 'cut', partitions: [{ partition: 0, offset: '4' }] });
    for (const topics of ['cut', 'whole']) {
      const file = path.join(folder, topics);
      await putConnector(millrace, topics, { ...TEXT, 'connector.class': 'FileStreamSink', topics, file });
    }
    const trace = await eventually('the status tells', async () => {
      const [task] = (await connectorStatus(millrace, 'cut')).tasks;
      return task?.state === 'RUNNING' && task.trace;
    });
    expect(trace).toMatch(/^Note: cut-0 began at offset 4 when this sink first read it[^]*What to do: /);
    await untilReady(millrace);
    expect((await connectorStatus(millrace, 'whole')).tasks[0]).not.toHaveProperty('trace');
  } finally {
    await admin.disconnect();
    await producer.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
