import { LogHub, type RawConfig, silentLogger, systemClock } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { Lease } from '../lease.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import type { TaskFailure, TaskListener } from './task-host.ts';
import { ThreadPoolHost } from './thread-pool-host.ts';

const spec = (name: string, crash: boolean, connectorConfig: RawConfig = {}): TaskSpec => ({
  connector: name,
  task: 0,
  kind: 'source',
  connectorClass: 'test.Source',
  config: { crash: String(crash) },
  connectorConfig,
  paused: false,
  settings: {
    bootstrapServers: '127.0.0.1:1',
    groupId: 'g',
    workerConverters: {
      'key.converter': 'test.Converter',
      'value.converter': 'test.Converter',
      'header.converter': 'test.HeaderConverter',
    },
    workerClient: {},
    workerProducer: {},
    workerAdmin: {},
    workerConsumer: {},
    offsetsTopic: 'offsets',
    exactlyOnce: false,
    flushIntervalMs: 1000,
    flushTimeoutMs: 500,
    stopTimeoutMs: 500,
    stallTimeoutMs: 20_000,
    producerBufferBytes: 1 << 20,
    createTopics: false,
  },
});

class Listener implements TaskListener {
  readonly running: Promise<void>;
  readonly failed: Promise<TaskFailure>;
  onState: TaskListener['onState'] = () => undefined;
  onFailed: TaskListener['onFailed'] = () => undefined;

  constructor() {
    this.running = new Promise((resolve) => {
      this.onState = (state) => {
        if (state === 'RUNNING') resolve();
      };
    });
    this.failed = new Promise((resolve) => {
      this.onFailed = resolve;
    });
  }
  onTopic(): void {
    // not looked at here
  }
  readOffset(): Promise<null> {
    return Promise.resolve(null);
  }
  storeOffsets(): Promise<void> {
    return Promise.resolve();
  }
  fenceOthers(): Promise<void> {
    return Promise.resolve();
  }
  confirmStart(): Promise<void> {
    return Promise.resolve();
  }
}

const options = {
  threads: 1,
  pluginsModule: new URL('../fixtures/crashing-plugins.mjs', import.meta.url),
  logHub: new LogHub({ level: 'silent' }),
  logger: silentLogger,
  clock: systemClock,
  lease: new Lease(),
};

describe('ThreadPoolHost', () => {
  it('INV-6: survives a thread that dies, fails its tasks with a policy to retry, and starts another', async () => {
    await using host = new ThreadPoolHost(options);
    const innocent = new Listener();
    host.start(spec('innocent', false), innocent);
    await innocent.running;
    const guilty = new Listener();
    const dead = host.start(spec('guilty', true), guilty);
    expect((await guilty.failed).policy).toBe('retry');
    expect((await innocent.failed).trace).toContain('The thread of the task died');
    await dead.stop();
    const next = new Listener();
    const task = host.start(spec('next', false), next);
    await next.running;
    await task.stop();
  });

  it('makes one thread ready for a task that is expected, and gives it that', async () => {
    await using host = new ThreadPoolHost({ ...options, threads: 2 });
    expect(await host.metrics()).toHaveLength(0);
    host.expect();
    host.expect();
    expect(await host.metrics()).toHaveLength(1);
    const listener = new Listener();
    const task = host.start(spec('expected', false), listener);
    await listener.running;
    expect(await host.metrics()).toHaveLength(1);
    await task.stop();
  });

  it('INV-6: a task with task.thread=dedicated has a thread of its own, which ends with it', async () => {
    await using host = new ThreadPoolHost(options);
    const dedicated = { 'task.thread': 'dedicated' };
    const alone = new Listener();
    let failed = false;
    void alone.failed.then(() => {
      failed = true;
    });
    const task = host.start(spec('alone', false, dedicated), alone);
    await alone.running;
    for (const config of [{ 'task.thread': 'shared' }, dedicated]) {
      const guilty = new Listener();
      const dead = host.start(spec('guilty', true, config), guilty);
      expect((await guilty.failed).policy).toBe('retry');
      await dead.stop();
    }
    // Only a living thread has metrics; a thread of the pool that died is there until the next task needs it.
    const answers = await host.metrics();
    expect(answers.filter(({ shown }) => shown.length > 0)).toHaveLength(1);
    expect(failed).toBe(false);
    await task.stop();
    expect((await host.metrics()).flatMap(({ shown }) => shown)).toEqual([]);
  });
});
