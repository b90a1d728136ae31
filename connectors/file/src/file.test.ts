import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SinkRecord, type SinkTaskContext, type SourceTaskContext } from '@millrace/connect-api';
import { ArrayStruct, Double, FLOAT64, INT32, STRING, structSchema } from '@millrace/data';
import { createMetrics, type RawConfig, silentLogger, systemClock } from '@millrace/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileStreamSource } from './connector.ts';
import { javaText } from './java-text.ts';
import { FileStreamSinkTask } from './sink-task.ts';
import { FileStreamSourceTask } from './source-task.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-file-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const context = (config: RawConfig, position: number | null = null): SourceTaskContext => ({
  connectorName: 'c',
  taskId: 0,
  config,
  logger: silentLogger,
  clock: { ...systemClock, sleepRoughly: () => Promise.resolve() },
  metrics: createMetrics(),
  offsets: { offset: () => Promise.resolve(position === null ? null : { position }) },
  topicLog: () => Promise.reject(new Error('not used')),
});

async function linesOf(task: FileStreamSourceTask): Promise<[unknown, unknown][]> {
  const batch = await task.poll(new AbortController().signal);
  return (batch?.records ?? []).map(({ value, sourceOffset }) => [value, sourceOffset]);
}

describe('FileStreamSourceTask', () => {
  it('reads lines of every ending with the position after each, and waits for a line to be whole', async () => {
    const file = path.join(folder, 'in.txt');
    writeFileSync(file, 'one\r\ntwo\n\nthr');
    const task = new FileStreamSourceTask();
    await task.start(context({ file, topic: 't' }));
    expect(await linesOf(task)).toEqual([
      ['one', { position: 5 }],
      ['two', { position: 9 }],
      ['', { position: 10 }],
    ]);
    expect(await linesOf(task)).toEqual([]);
    appendFileSync(file, 'ee\n');
    expect(await linesOf(task)).toEqual([['three', { position: 16 }]]);
    await task.stop();
  });

  it('INV-7: says that what is there cannot be read, until it can; a missing file is waited for', async () => {
    const file = path.join(folder, 'later');
    const task = new FileStreamSourceTask();
    await task.start(context({ file, topic: 't' }));
    expect(await linesOf(task)).toEqual([]);
    expect(task.activity()).toBeNull();
    mkdirSync(file);
    expect(await linesOf(task)).toEqual([]);
    expect(task.activity()).toMatchObject({
      stage: `opening ${file}`,
      error: { message: `${file} is a folder` },
    });
    rmdirSync(file);
    writeFileSync(file, 'one\n');
    expect(await linesOf(task)).toEqual([['one', { position: 4 }]]);
    expect(task.activity()).toBeNull();
    await task.stop();
  });

  it('INV-3: goes on at the stored position', async () => {
    const file = path.join(folder, 'resume.txt');
    writeFileSync(file, 'ä\nb\nc\n');
    const task = new FileStreamSourceTask();
    await task.start(context({ file, topic: 't' }, 3));
    expect(await linesOf(task)).toEqual([
      ['b', { position: 5 }],
      ['c', { position: 7 }],
    ]);
    await task.stop();
  });

  it('gives at most batch.size lines at a time', async () => {
    const file = path.join(folder, 'many.txt');
    writeFileSync(file, 'a\nb\nc\n');
    const task = new FileStreamSourceTask();
    await task.start(context({ file, topic: 't', 'batch.size': '2' }));
    expect((await linesOf(task)).length).toBe(2);
    expect((await linesOf(task)).length).toBe(1);
    await task.stop();
  });

  it('fills a batch from as much of the file as it takes, within a bound', async () => {
    const file = path.join(folder, 'wide.txt');
    const lines = (length: number): string =>
      Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat(length)}\n`).join('');
    const task = new FileStreamSourceTask();
    writeFileSync(file, lines(1000));
    await task.start(context({ file, topic: 't', 'batch.size': '400' }));
    expect((await linesOf(task)).length).toBe(400);
    expect((await linesOf(task)).length).toBe(100);
    await task.stop();
    writeFileSync(file, lines(10_000));
    await task.start(context({ file, topic: 't' }));
    const counts = [];
    for (let sum = 0; sum < 500; sum += counts.at(-1) ?? 500) counts.push((await linesOf(task)).length);
    // A MiB holds 104 of them, and a poll takes what it has read whole.
    expect(counts.every((count) => count > 0 && count < 120)).toBe(true);
    await task.stop();
  });

  it('waits for a file that is not there, or that is a folder', async () => {
    for (const file of [path.join(folder, 'missing'), folder]) {
      const task = new FileStreamSourceTask();
      await task.start(context({ file, topic: 't' }));
      expect(await task.poll(new AbortController().signal)).toBeNull();
      await task.stop();
    }
  });
});

describe('the FileStream source’s offsets', () => {
  it.each([
    [{ filename: 'f' }, { position: -1 }, /non-negative/],
    [{ filename: 'f' }, { position: 'x' }, /Long value/],
    [{ filename: 'f' }, { other: 1 }, /contain the key 'position'/],
    [{ other: 'f' }, { position: 1 }, /contain the key 'filename'/],
  ])('are refused as %j %j', async (partition, offset, message) => {
    const alter = fileStreamSource.alterOffsets?.bind(fileStreamSource);
    await expect(async () => await alter?.({ file: 'f' }, [{ partition, offset }])).rejects.toThrow(message);
  });
});

describe('FileStreamSinkTask', () => {
  it('appends values as Java prints them', async () => {
    const file = path.join(folder, 'out.txt');
    const task = new FileStreamSinkTask();
    await task.start({ config: { file } } as unknown as SinkTaskContext);
    const values = [
      'line',
      null,
      new Map<string, unknown>([
        ['a', 1],
        ['b', [true, 'x']],
      ]),
    ];
    await task.put(
      values.map(
        (value, kafkaOffset) =>
          new SinkRecord({
            topic: 't',
            kafkaPartition: 0,
            kafkaOffset,
            keySchema: null,
            key: null,
            valueSchema: null,
            value,
            headers: [],
            timestamp: null,
            timestampType: 'CreateTime',
          }),
      ),
    );
    const delivered = [{ topic: 't', partition: 0, offset: 3 }];
    expect(await task.preCommit(delivered)).toBe(delivered);
    await task.stop();
    expect(readFileSync(file, 'utf8')).toBe('line\nnull\n{a=1, b=[true, x]}\n');
  });
});

describe('javaText', () => {
  it('prints structs, doubles and nested values as Java does', () => {
    const schema = structSchema([
      ['id', INT32],
      ['price', FLOAT64],
      ['note', STRING],
    ]);
    expect(javaText(ArrayStruct.of(schema, { id: 1, price: 2, note: null }))).toBe('Struct{id=1,price=2.0}');
    expect(javaText(new Double(3))).toBe('3.0');
    expect(javaText(9007199254740993n)).toBe('9007199254740993');
  });
});
