// What every source connector has to keep, as tests. The subject brings a source to change and says what its records mean.
import {
  type CommittedOffset,
  type OffsetMap,
  offsetMapOf,
  type SourceConnectorPlugin,
  type SourceRecord,
  type SourceTask,
} from '@millrace/connect-api';
import { createMetrics, type RawConfig, silentLogger, systemClock } from '@millrace/foundation';
import { describe, expect, test } from 'vitest';
import { eventually } from '../waiting.ts';

/** One source of a test's own. */
export interface SourceUnderTest extends AsyncDisposable {
  /** A config that reads it. */
  readonly config: RawConfig;
  /** Makes changes, and returns what the record of each says, in order. */
  change(count: number): Promise<readonly string[]>;
}

export interface SourceSubject {
  readonly plugin: SourceConnectorPlugin;
  /** A config with which a task cannot start. */
  readonly unusableConfig: RawConfig;
  open(): Promise<SourceUnderTest>;
  /** What a record says, in the form of `change`. */
  readonly textOf: (record: SourceRecord) => string;
}

const CHANGES = 7;

/** Registers the suite for one connector. */
export function describeSourceConnector(name: string, subject: SourceSubject): void {
  const { plugin } = subject;
  describe(`${name} as a source connector`, () => {
    test('The manifest names a class and a version, and required keys are missed', () => {
      expect(plugin.kind).toBe('source');
      expect(plugin.className).toMatch(/^[\w.]+$/);
      expect(plugin.version).not.toBe('');
      const required = [...plugin.configDef.keys.values()].filter((key) => key.default === undefined);
      const missed = new Set(plugin.configDef.parse({}).problems.map((problem) => problem.key));
      for (const key of required) expect(missed).toContain(key.name);
    });

    test('It cuts its work into at least one and at most tasks.max tasks', async () => {
      await using source = await subject.open();
      const connector = plugin.createConnector();
      await connector.start(connectorContext(name), source.config);
      for (const most of [1, 3]) {
        const configs = await connector.taskConfigs(most);
        expect(configs.length).toBeGreaterThan(0);
        expect(configs.length).toBeLessThanOrEqual(most);
      }
      await connector.stop();
    });

    test('INV-2: records come in the order of the changes, each once, with partition and offset', async () => {
      await using source = await subject.open();
      await using run = await TaskRun.start(plugin, source.config);
      const expected = [...(await source.change(CHANGES)), ...(await source.change(CHANGES))];
      const records = await run.read(expected.length);
      expect(records.map(subject.textOf)).toEqual(expected);
      for (const record of records) expect(Object.keys(record.sourcePartition)).not.toEqual([]);
      const last = await source.change(1);
      expect((await run.read(1)).map(subject.textOf)).toEqual(last);
    });

    test('INV-3: a new task goes on right after any offset that was stored', async () => {
      await using source = await subject.open();
      const expected = await source.change(CHANGES);
      const stored: OffsetMap[] = [];
      {
        await using run = await TaskRun.start(plugin, source.config);
        // Not confirmed to the source: it has to keep what comes after each of them.
        for (const record of await run.read(CHANGES, { confirm: false }))
          stored.push(offsetMapOf(record.sourceOffset));
      }
      for (const [i, offset] of stored.entries()) {
        await using run = await TaskRun.start(plugin, source.config, offset);
        const rest = expected.slice(i + 1);
        const records = await run.read(rest.length, { confirm: false });
        expect(records.map(subject.textOf), `after record ${i}`).toEqual(rest);
      }
      const added = await source.change(2);
      await using run = await TaskRun.start(plugin, source.config, stored.at(-1));
      expect((await run.read(2)).map(subject.textOf)).toEqual(added);
    });

    test('A poll that waits ends soon after its signal', async () => {
      await using source = await subject.open();
      await using run = await TaskRun.start(plugin, source.config);
      const stop = new AbortController();
      const polled = run.task.poll(stop.signal);
      stop.abort();
      const before = performance.now();
      await polled;
      expect(performance.now() - before).toBeLessThan(2_000);
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
  readonly task: SourceTask;
  readonly #ahead: SourceRecord[] = [];

  private constructor(task: SourceTask) {
    this.task = task;
  }

  static async start(plugin: SourceConnectorPlugin, config: RawConfig, stored?: OffsetMap): Promise<TaskRun> {
    const task = plugin.createTask();
    await startTask(task, config, stored);
    return new TaskRun(task);
  }

  /** Reads until there are so many records; what comes beyond them is there for the next read. */
  async read(count: number, { confirm = true }: { confirm?: boolean } = {}): Promise<SourceRecord[]> {
    const { signal } = new AbortController();
    await eventually(`${count} records`, async () => {
      if (this.#ahead.length >= count) return true;
      const batch = await this.task.poll(signal);
      const records = batch?.records ?? [];
      this.#ahead.push(...records);
      if (batch?.urgent === true && batch.position) {
        const { partition, offset } = batch.position;
        await this.task.commit([{ partition, offset: offsetMapOf(offset) }]);
      }
      if (confirm) await this.task.commit(records.map(committed));
      return this.#ahead.length >= count;
    });
    return this.#ahead.splice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.task.stop();
    await this.task.stop(); // idempotent
    expect(this.#ahead, 'records nobody asked for').toEqual([]);
  }
}

function committed(record: SourceRecord): CommittedOffset {
  return { partition: record.sourcePartition, offset: offsetMapOf(record.sourceOffset) };
}

function startTask(task: SourceTask, config: RawConfig, stored?: OffsetMap): Promise<void> {
  return task.start({
    connectorName: 'conformance',
    taskId: 0,
    config,
    logger: silentLogger,
    clock: systemClock,
    metrics: createMetrics(),
    offsets: { offset: () => Promise.resolve(stored ?? null) },
    topicLog: () => Promise.reject(new Error('this suite has no topics')),
  });
}

/** What a connector is given by the worker; it must not ask for anything in these tests. */
export function connectorContext(
  connectorName: string,
): Parameters<ReturnType<SourceConnectorPlugin['createConnector']>['start']>[0] {
  return {
    connectorName,
    logger: silentLogger,
    requestTaskReconfiguration: () => undefined,
    raiseError: (error) => {
      throw error;
    },
  };
}
