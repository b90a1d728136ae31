import { ActivityStep, type TaskActivity } from '@millrace/connect-api';
import { type Clock, type Logger, MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import { beforeEach, describe, expect, test } from 'vitest';
import { StallWatch } from './stall-watch.ts';

const STALL_MS = 20_000;

let nowMs: number;
const clock: Clock = {
  ...systemClock,
  monotonicMs: () => nowMs,
  nowMs: () => Date.UTC(2026, 0, 1) + nowMs,
};

let traces: (string | undefined)[];
let logged: string[];
const logger = {
  ...silentLogger,
  warn: (_fields: object, text: string) => logged.push(`warn: ${text}`),
  info: (_fields: object, text: string) => logged.push(`info: ${text}`),
} as unknown as Logger;

beforeEach(() => {
  nowMs = 1_000_000;
  traces = [];
  logged = [];
});

function watchOf(...activities: (() => TaskActivity | null)[]): StallWatch {
  return new StallWatch({
    activities,
    clock,
    logger,
    stallTimeoutMs: STALL_MS,
    show: (trace) => traces.push(trace),
  });
}

/** Lets seconds pass, with a look each. */
function pass(watch: StallWatch, seconds: number, between: () => void = () => undefined): void {
  for (let i = 0; i < seconds; i++) {
    watch.look();
    nowMs += 1000;
    between();
  }
  watch.look();
}

const firstLine = (): string | undefined => traces.at(-1)?.split('\n')[0];

describe('INV-7: the stall watch', () => {
  test('counts from when an activity says that it stands still, which may be before the first look', () => {
    const sinceMs = nowMs - 12_000;
    const watch = watchOf(() => ({ stage: 'waiting for broker 1', progress: '1', sinceMs }));
    pass(watch, 7);
    expect(traces).toEqual([]);
    pass(watch, 1);
    expect(firstLine()).toBe(
      'org.apache.kafka.connect.errors.ConnectException: No progress for 20 s (since 2026-01-01T00:16:28.000Z) while waiting for broker 1',
    );
  });

  test('names the stage, for how long and what to do, once a stage has not got on for the time allowed', () => {
    const step = new ActivityStep();
    const watch = watchOf(() => step.activity);
    step.enter('polling the source', 'Kick it.');
    pass(watch, 19);
    expect(traces).toEqual([]);
    pass(watch, 1);
    expect(firstLine()).toBe(
      'org.apache.kafka.connect.errors.ConnectException: No progress for 20 s (since 2026-01-01T00:16:40.000Z) while polling the source',
    );
    expect(traces.at(-1)?.trimEnd().split('\n').at(-1)).toBe('What to do: Kick it.');
    expect(logged).toEqual(['warn: the task makes no progress']);
  });

  test('takes the trace back as soon as there is progress, and when there is nothing left to do', () => {
    const step = new ActivityStep();
    const watch = watchOf(() => step.activity);
    for (const goOn of [() => step.enter('polling the source'), () => step.leave()]) {
      step.enter('polling the source');
      pass(watch, 20);
      expect(firstLine()).toContain('polling the source');
      goOn();
      watch.look();
      expect(traces.at(-1)).toBeUndefined();
    }
    expect(logged.filter((line) => line === 'info: the task makes progress again')).toHaveLength(2);
  });

  test('does not take work that gets on, or waiting for work, for a stall', () => {
    const step = new ActivityStep();
    const watch = watchOf(
      () => step.activity,
      () => null,
    );
    pass(watch, 100, () => step.enter('polling the source'));
    step.leave();
    pass(watch, 100);
    expect(traces).toEqual([]);
  });

  test('shows a known cause after two seconds, with the remedy of its code, and a new one when it changes', () => {
    const step = new ActivityStep();
    const watch = watchOf(() => step.activity);
    step.enter('putting 3 records into the sink (put)');
    step.failing(new MillraceError('kafka.unavailable', 'the disk is full', { hint: 'Make room.' }));
    pass(watch, 1);
    expect(traces).toEqual([]);
    pass(watch, 1);
    expect(firstLine()).toMatch(/No progress for 2 s .* while putting 3 records .*: the disk is full$/);
    expect(traces[0]).toMatch(/Caused by: .*the disk is full\n[^]*What to do: Make room\.\n$/);
    step.failing(new Error('connection refused'));
    watch.look();
    expect(firstLine()).toContain('connection refused');
    expect(logged).toHaveLength(1);
  });

  test('does not show a cause that has passed within two seconds', () => {
    const step = new ActivityStep();
    const watch = watchOf(() => step.activity);
    for (let i = 0; i < 50; i++) {
      step.enter('putting 3 records into the sink (put)');
      if (i % 2 === 0) step.failing(new Error('busy'));
      pass(watch, 1);
    }
    expect(traces).toEqual([]);
  });

  test('repeats itself only when twice as long has passed', () => {
    const step = new ActivityStep();
    const watch = watchOf(() => step.activity);
    step.enter('starting');
    pass(watch, 600);
    expect(traces.map((trace) => /No progress for (\d+) s/.exec(trace ?? '')?.[1])).toEqual(
      [20, 40, 80, 160, 320].map(String),
    );
  });

  test('blames the first of the strands that stand still', () => {
    const loop = new ActivityStep();
    const delivery = new ActivityStep();
    const watch = watchOf(
      () => delivery.activity,
      () => loop.activity,
    );
    loop.enter('sending records');
    pass(watch, 20);
    expect(firstLine()).toContain('sending records');
    delivery.enter('waiting for acknowledgements of a-0');
    pass(watch, 20);
    expect(firstLine()).toContain('waiting for acknowledgements of a-0');
    delivery.leave();
    watch.look();
    expect(firstLine()).toContain('sending records');
    expect(logged).toHaveLength(1);
  });
});
