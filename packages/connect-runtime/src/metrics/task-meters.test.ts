import { type Clock, createMetrics, systemClock } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { TaskMeters } from './task-meters.ts';

function setUp(): { clock: Clock & { now: number }; meters: TaskMeters; page: () => Promise<string> } {
  const clock = { ...systemClock, now: 0, monotonicMs: () => clock.now };
  const metrics = createMetrics();
  return {
    clock,
    meters: new TaskMeters({ connector: 'c', task: 1 }, { metrics, clock }),
    page: () => metrics.metrics(),
  };
}

test('a source shows its batches, what is on its way, and how storing offsets went', async () => {
  const { clock, meters, page } = setUp();
  const source = meters.source();
  let pending = 0;
  source.active = () => pending;
  source.polled(10, 4);
  pending = 10;
  clock.now = 1000;
  source.polled(30, 2);
  pending = 40;
  source.written(25);
  pending = 15;
  source.transaction(5);
  source.transaction(20);
  source.committed(990, true);
  source.committed(960, true);
  source.committed(999, false);
  expect(source.values()).toEqual({
    'source-record-poll-rate': 40 / 31,
    'source-record-poll-total': 40,
    'source-record-write-rate': 25 / 30,
    'source-record-write-total': 25,
    'source-record-active-count': 15,
    'source-record-active-count-max': 40,
    'source-record-active-count-avg': 30,
    'poll-batch-avg-time-ms': 3,
    'poll-batch-max-time-ms': 4,
    'transaction-size-min': 5,
    'transaction-size-max': 20,
    'transaction-size-avg': 12.5,
  });
  const text = await page();
  for (const line of [
    'batch_size_avg{connector="c",task="1"} 20',
    'batch_size_max{connector="c",task="1"} 30',
    'offset_commit_avg_time_ms{connector="c",task="1"} 25',
    'offset_commit_max_time_ms{connector="c",task="1"} 40',
  ]) {
    expect(text).toContain(`kafka_connect_connector_task_${line}\n`);
  }
  expect(text).toMatch(/offset_commit_success_percentage\{connector="c",task="1"\} 0\.66/);
  expect(text).toMatch(/offset_commit_failure_percentage\{connector="c",task="1"\} 0\.33/);
  meters.hide();
  expect(await page()).not.toContain('connector="c"');
});

test('after a minute of rest rates are 0 and means are absent, totals stay', async () => {
  const { clock, meters, page } = setUp();
  const sink = meters.sink();
  sink.read(10);
  sink.put(8, -5);
  sink.moved();
  sink.committed(-3, true);
  clock.now = 60_000;
  expect(sink.values()).toMatchObject({
    'sink-record-read-rate': 0,
    'sink-record-read-total': 10,
    'sink-record-send-total': 8,
    'offset-commit-seq-no': 1,
    'offset-commit-completion-total': 1,
    'put-batch-avg-time-ms': Number.NaN,
  });
  const text = await page();
  expect(text).toContain('kafka_connect_sink_task_sink_record_send_total{connector="c",task="1"} 8\n');
  expect(text).not.toContain('kafka_connect_sink_task_put_batch_avg_time_ms{');
});
