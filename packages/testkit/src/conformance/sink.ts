// What every sink connector has to keep, as tests. The subject brings a target and says what lies in it.
import {
  type PartitionPosition,
  type SinkConnectorPlugin,
  SinkRecord,
  type SinkTask,
} from '@millrace/connect-api';
import { INT64, STRING } from '@millrace/data';
import { createMetrics, type RawConfig, silentLogger, systemClock } from '@millrace/foundation';
import { describe, expect, test } from 'vitest';
import { connectorContext } from './source.ts';

/** One target of a test's own. */
export interface TargetUnderTest extends AsyncDisposable {
  /** A config that writes to it. */
  readonly config: RawConfig;
  /** The texts in the target, in the order in which they were written where it knows one. */
  texts(): Promise<readonly string[]>;
}

export interface SinkSubject {
  readonly plugin: SinkConnectorPlugin;
  /** A config with which a task cannot start. */
  readonly unusableConfig: RawConfig;
  /** Whether a record that comes again leaves the target as it was (INV-9), or is written again. */
  readonly repeats: 'converge' | 'appear again';
  open(): Promise<TargetUnderTest>;
}

const TOPIC = 'conformance';
const signal = new AbortController().signal;

/** Registers the suite for one connector. */
export function describeSinkConnector(name: string, subject: SinkSubject): void {
  const { plugin } = subject;
  describe(`${name} as a sink connector`, () => {
    test('The manifest names a class and a version, and it makes at least one task', async () => {
      expect(plugin.kind).toBe('sink');
      expect(plugin.className).toMatch(/^[\w.]+$/);
      expect(plugin.version).not.toBe('');
      await using target = await subject.open();
      const connector = plugin.createConnector();
      await connector.start(connectorContext(name), target.config);
      const configs = await connector.taskConfigs(3);
      expect(configs.length).toBeGreaterThan(0);
      expect(configs.length).toBeLessThanOrEqual(3);
      await connector.stop();
    });

    test('INV-1: what preCommit answers for is in the target, and no more is answered for than was delivered', async () => {
      await using target = await subject.open();
      await using run = await TaskRun.start(plugin, target.config);
      const written: string[] = [];
      for (const [from, count] of [
        [0, 1],
        [1, 1],
        [2, 30],
        [32, 500],
      ] as const) {
        const records = Array.from({ length: count }, (_, i) => record(from + i));
        await run.task.put(records, signal);
        const delivered = [{ topic: TOPIC, partition: 0, offset: from + count }];
        for (const { topic, partition, offset } of await run.task.preCommit(delivered)) {
          expect({ topic, partition }).toEqual({ topic: TOPIC, partition: 0 });
          expect(offset).toBeLessThanOrEqual(from + count);
        }
        written.push(...records.map(({ value }) => String(value)));
        expect(await target.texts()).toEqual(written);
      }
    });

    test('INV-3: a new task goes on after the committed offset and keeps what is there', async () => {
      await using target = await subject.open();
      let committed: readonly PartitionPosition[] = [];
      for (let offset = 0; offset < 3; offset++) {
        await using run = await TaskRun.start(plugin, target.config, committed);
        expect(run.startsAt ?? offset).toBe(offset);
        await run.task.put([record(offset)], signal);
        committed = await run.task.preCommit([{ topic: TOPIC, partition: 0, offset: offset + 1 }]);
        expect(committed).toEqual([{ topic: TOPIC, partition: 0, offset: offset + 1 }]);
      }
      expect(await target.texts()).toEqual(['text 0', 'text 1', 'text 2']);
    });

    test(`INV-9: records that come again after a crash ${subject.repeats}`, async () => {
      await using target = await subject.open();
      const records = [record(0), record(1)];
      for (let incarnation = 0; incarnation < 2; incarnation++) {
        await using run = await TaskRun.start(plugin, target.config);
        await run.task.put(records, signal);
        await run.task.preCommit([{ topic: TOPIC, partition: 0, offset: 2 }]);
      }
      const once = ['text 0', 'text 1'];
      expect(await target.texts()).toEqual(subject.repeats === 'converge' ? once : [...once, ...once]);
    });

    test('A put without records and a preCommit without positions do nothing', async () => {
      await using target = await subject.open();
      await using run = await TaskRun.start(plugin, target.config);
      await run.task.put([], signal);
      expect(await run.task.preCommit([])).toEqual([]);
      expect(await target.texts()).toEqual([]);
    });

    test('A config that cannot work fails the start, and stop may follow it, twice', async () => {
      const task = plugin.createTask();
      await expect(startTask(task, subject.unusableConfig)).rejects.toThrow();
      await task.stop();
      await task.stop();
    });
  });
}

class TaskRun implements AsyncDisposable {
  readonly task: SinkTask;
  /** Where it asked to start; undefined = at the committed offset. */
  readonly startsAt: number | undefined;

  private constructor(task: SinkTask, startsAt: number | undefined) {
    this.task = task;
    this.startsAt = startsAt;
  }

  static async start(
    plugin: SinkConnectorPlugin,
    config: RawConfig,
    committed: readonly PartitionPosition[] = [],
  ): Promise<TaskRun> {
    const task = plugin.createTask();
    await startTask(task, config);
    const positions = await task.open([{ topic: TOPIC, partition: 0 }], committed);
    return new TaskRun(task, positions?.[0]?.offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.task.close([{ topic: TOPIC, partition: 0 }]);
    await this.task.stop();
    await this.task.stop(); // idempotent
  }
}

function record(offset: number): SinkRecord {
  return new SinkRecord({
    topic: TOPIC,
    kafkaPartition: 0,
    kafkaOffset: offset,
    keySchema: INT64,
    key: offset,
    valueSchema: STRING,
    value: `text ${offset}`,
    headers: [],
    timestamp: 0,
    timestampType: 'CreateTime',
  });
}

function startTask(task: SinkTask, config: RawConfig): Promise<void> {
  return task.start({
    connectorName: 'conformance',
    taskId: 0,
    config,
    logger: silentLogger,
    clock: systemClock,
    metrics: createMetrics(),
    assignment: () => [{ topic: TOPIC, partition: 0 }],
    topicId: () => Promise.resolve('conformance-topic'),
    seek: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    requestCommit: () => undefined,
    errantRecords: null,
  });
}
