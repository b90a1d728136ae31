// The wall clock of a process is set while it works, ahead and back: what measures time goes on by clocks
// that never go back, so that nothing stalls, nobody loses a place in the group, and no transaction is cut off.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { connectorStatus, putConnector, untilReady, untilRunning } from './testing/connectors.ts';
import { MetricsPage } from './testing/metrics-page.ts';
import { type TemporaryFolder, temporaryFolder } from './testing/moments.ts';
import { fileSource, Lines, replays, TEXT, untilLine } from './testing/numbered-lines.ts';
import { readTopic } from './testing/topic-reader.ts';
import { group, untilBalanced } from './testing/workers.ts';

/**
 * Longer than sessions, leases and transactions may last. Twice as much is less than the hour by which a record may be ahead
 * of its broker (`message.timestamp.after.max.ms`): one that is on its way when the clock goes back is not refused.
 */
const JUMP_MS = 20 * 60_000;
/** Offsets from the true time, one after another: ahead, back by twice as much, and right again. */
const JUMPS = [JUMP_MS, -JUMP_MS, 0];
const SOURCES = ['lines-0', 'lines-1'] as const;
/** And a sink. */
const TOTAL = { connectors: 3, tasks: 3 };
const LINES_AFTER_JUMP = 600;

/** The wall clock of a process under test. */
class JumpingClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  constructor(folder: TemporaryFolder, name: string) {
    this.#file = path.join(folder.path, name);
    this.env = {
      NODE_OPTIONS: `--import ${new URL('testing/jumping-clock.mjs', import.meta.url).href}`,
      JUMPING_CLOCK_FILE: this.#file,
    };
    this.jump(0);
  }

  jump(offsetMs: number): void {
    writeFileSync(this.#file, String(offsetMs));
  }
}

/** How often a worker has been through a rebalance. */
async function rebalances(worker: MillraceProcess): Promise<number | undefined> {
  const page = await MetricsPage.of(worker);
  return page.value('kafka_connect_worker_rebalance_completed_rebalances_total');
}

/** The time of the last record, by the clock of who made it. */
async function lastTimeMs(kafka: string, topic: string): Promise<number> {
  return Number((await readTopic(kafka, topic)).at(-1)?.timestamp);
}

class Pipelines implements Disposable {
  readonly files: readonly Lines[];
  readonly #sinkFile: string;

  constructor(folder: TemporaryFolder) {
    this.files = SOURCES.map((name) => new Lines(folder.path, name, 2));
    this.#sinkFile = path.join(folder.path, 'sink');
  }

  async put(worker: MillraceProcess): Promise<void> {
    for (const [i, name] of SOURCES.entries()) {
      await putConnector(worker, name, {
        ...fileSource(this.files[i]?.file ?? '', name),
        // Where they are delivered exactly once, a transaction is open nearly all the time.
        'transaction.boundary': 'interval',
        'transaction.boundary.interval.ms': '3000',
      });
    }
    await untilLine(worker.kafka, SOURCES[0], 1);
    await putConnector(worker, 'sink', {
      ...TEXT,
      'connector.class': 'FileStreamSink',
      topics: SOURCES[0],
      file: this.#sinkFile,
    });
  }

  /** Waits until everything that was written so far, and some more, has gone all the way. */
  async goOn(kafka: string): Promise<void> {
    for (const [i, name] of SOURCES.entries())
      await untilLine(kafka, name, (this.files[i]?.count ?? 0) + LINES_AFTER_JUMP);
    await this.#untilSunk((this.files[0]?.count ?? 0) + LINES_AFTER_JUMP);
  }

  /** Nobody began anew: each line came once, in the topics and in the sink. */
  async end(kafka: string): Promise<void> {
    this[Symbol.dispose]();
    for (const [i, name] of SOURCES.entries()) {
      const { count } = this.files[i] as Lines;
      await untilLine(kafka, name, count);
      expect(await replays(kafka, name)).toEqual({ last: count - 1, count: 0 });
    }
    const { count } = this.files[0] as Lines;
    await this.#untilSunk(count);
    expect(this.#sunk()).toEqual(Array.from({ length: count }, (_, i) => i));
  }

  #sunk(): number[] {
    return readFileSync(this.#sinkFile, 'utf8').trimEnd().split('\n').map(Number);
  }
  async #untilSunk(count: number): Promise<void> {
    await eventually(`the sink has ${count} lines`, () => this.#sunk().length >= count, 60_000);
  }

  [Symbol.dispose](): void {
    for (const lines of this.files) lines[Symbol.dispose]();
  }
}

test('INV-2 INV-7: workers whose wall clocks are set keep their places in the group and go on', {
  timeout: 300_000,
}, async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess();
  const properties = group('clocks');
  const clocks = [new JumpingClock(folder, 'clock-0'), new JumpingClock(folder, 'clock-1')] as const;
  await using one = await startMillrace({
    bootstrapServers: broker.kafka,
    properties,
    env: clocks[0].env,
  });
  await using other = await startMillrace({
    bootstrapServers: broker.kafka,
    properties,
    env: clocks[1].env,
  });
  const workers = [one, other];
  using pipelines = new Pipelines(folder);
  await pipelines.put(one);
  await untilBalanced(workers, TOTAL);
  const before = await Promise.all(workers.map(rebalances));
  expect(before.every((count) => (count ?? 0) > 0)).toBe(true);
  for (const offsetMs of JUMPS) {
    for (const clock of clocks) {
      clock.jump(offsetMs);
      await pipelines.goOn(broker.kafka);
      for (const worker of workers) await untilReady(worker);
    }
  }
  await untilBalanced(workers, TOTAL);
  expect(await Promise.all(workers.map(rebalances))).toEqual(before);
  await pipelines.end(broker.kafka);
});

test('INV-2 INV-7: a process with the bundled broker whose wall clock is set goes on, with transactions', {
  timeout: 300_000,
}, async () => {
  using folder = temporaryFolder();
  const clock = new JumpingClock(folder, 'clock');
  await using millrace = await startMillrace({
    properties: { ...group('clock'), 'exactly.once.source.support': 'enabled' },
    // Transactions that take too long are looked for often.
    brokerProperties: () => ({ 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '100' }),
    env: clock.env,
  });
  using pipelines = new Pipelines(folder);
  await pipelines.put(millrace);
  for (const offsetMs of JUMPS) {
    clock.jump(offsetMs);
    await pipelines.goOn(millrace.kafka);
    await untilReady(millrace);
    // The clock was set indeed, in the thread of the task, too.
    const apartMs = (await lastTimeMs(millrace.kafka, SOURCES[0])) - (Date.now() + offsetMs);
    expect(Math.abs(apartMs)).toBeLessThan(JUMP_MS / 2);
  }
  for (const name of [...SOURCES, 'sink']) await untilRunning(millrace, name);
  await pipelines.end(millrace.kafka);
});

test.each(['disabled', 'enabled'])(
  'a source whose clock is ahead of its brokers goes on by itself when that is right again, with exactly-once support %s',
  {
    timeout: 120_000,
  },
  async (support) => {
    using folder = temporaryFolder();
    const clock = new JumpingClock(folder, 'clock');
    await using broker = await startBrokerProcess();
    await using worker = await startMillrace({
      bootstrapServers: broker.kafka,
      properties: {
        ...group('ahead'),
        'exactly.once.source.support': support,
        'task.restart.backoff.ms': '200',
        'task.restart.backoff.max.ms': '1000',
      },
      env: clock.env,
    });
    using lines = new Lines(folder.path, 'lines', 2);
    await putConnector(worker, 'lines', {
      ...fileSource(lines.file, 'lines'),
      'topic.creation.default.partitions': '1',
      'topic.creation.default.replication.factor': '1',
      'topic.creation.default.message.timestamp.after.max.ms': String(JUMP_MS / 2),
    });
    await untilLine(broker.kafka, 'lines', 1);
    clock.jump(JUMP_MS);
    await eventually('the task has failed', async () => {
      const [task] = (await connectorStatus(worker, 'lines')).tasks;
      if (task?.state !== 'FAILED') throw new Error(JSON.stringify(task));
      expect(task.trace).toContain('org.apache.kafka.common.errors.InvalidTimestampException');
      return true;
    });
    clock.jump(0);
    await untilRunning(worker, 'lines');
    await untilLine(broker.kafka, 'lines', lines.count + 100);
  },
);
