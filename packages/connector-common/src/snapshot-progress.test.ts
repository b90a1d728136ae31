import { type Clock, createMetrics } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { showSnapshotMetrics } from './snapshot-metrics.ts';
import { SnapshotProgress } from './snapshot-progress.ts';

function fakeClock(): Clock & { at: number } {
  const clock = {
    at: 0,
    nowMs: () => clock.at,
    nowNs: () => BigInt(clock.at) * 1_000_000n,
    monotonicMs: () => clock.at,
    sleep: () => Promise.resolve(),
    sleepRoughly: () => Promise.resolve(),
  };
  return clock;
}

test('progress goes by estimated rows, and is 100 only once the snapshot is complete', () => {
  const clock = fakeClock();
  const progress = new SnapshotProgress(clock);
  expect(progress.view).toMatchObject({ state: 'none', percent: 0, durationSeconds: 0, remainingTables: 0 });
  progress.started([
    { name: 'public.a', estimatedRows: 300, chunks: 3 },
    { name: 'public.b', estimatedRows: 100 },
  ]);
  expect(progress.view).toMatchObject({ state: 'running', percent: 0, remainingTables: 2 });
  expect(progress.view.secondsLeft).toBeUndefined();
  clock.at = 10_000;
  progress.rowsScanned('public.a', 100);
  progress.chunkDone('public.a');
  expect(progress.view).toMatchObject({ percent: 25, rows: 100, durationSeconds: 10, secondsLeft: 30 });
  progress.rowsScanned('public.a', 200);
  progress.tableDone('public.a');
  expect(progress.view).toMatchObject({ percent: 75, remainingTables: 1 });
  expect(progress.view.tables[0]).toEqual({
    name: 'public.a',
    rows: 300,
    chunks: 3,
    chunksDone: 1,
    done: true,
  });
  // More rows than the server has estimated.
  progress.rowsScanned('public.b', 150);
  expect(progress.view.percent).toBe(99.9);
  clock.at = 20_000;
  progress.completed();
  clock.at = 90_000;
  expect(progress.view).toMatchObject({
    state: 'completed',
    percent: 100,
    durationSeconds: 20,
    remainingTables: 0,
    secondsLeft: undefined,
  });
});

test('a snapshot that goes on estimates the time left from what this run reads', () => {
  const clock = fakeClock();
  const progress = new SnapshotProgress(clock);
  progress.started([{ name: 'a', estimatedRows: 1000, rowsDone: 500 }]);
  expect(progress.view.percent).toBe(50);
  clock.at = 1000;
  progress.rowsScanned('a', 100);
  expect(progress.view.secondsLeft).toBeCloseTo(4);
  progress.restarted('a');
  expect(progress.view).toMatchObject({ percent: 0, secondsLeft: undefined });
});

test('pauses are counted apart, and tables of unknown size by their number', () => {
  const clock = fakeClock();
  const progress = new SnapshotProgress(clock);
  progress.started([{ name: 'a' }, { name: 'b' }]);
  progress.tableDone('a');
  expect(progress.view.percent).toBe(50);
  clock.at = 1000;
  progress.paused();
  clock.at = 5000;
  expect(progress.view).toMatchObject({ state: 'paused', durationSeconds: 1, pausedSeconds: 4 });
  progress.resumed();
  clock.at = 6000;
  progress.aborted();
  clock.at = 7000;
  expect(progress.view).toMatchObject({
    state: 'aborted',
    durationSeconds: 2,
    pausedSeconds: 4,
    remainingTables: 1,
  });
});

test('snapshot metrics have the names and labels that exporters of Debezium give them', async () => {
  const metrics = createMetrics();
  const clock = fakeClock();
  const progress = new SnapshotProgress(clock);
  const hide = showSnapshotMetrics({ metrics, plugin: 'postgres', name: 'shop', task: 0, progress });
  const labels = '{plugin="postgres",name="shop",context="snapshot",task="0"}';
  const before = await metrics.metrics();
  expect(before).toContain(`debezium_metrics_SnapshotRunning${labels} 0`);
  expect(before).not.toMatch(/millrace_snapshot_progress_percent\{/);
  progress.started([{ name: 'public.a', estimatedRows: 10, chunks: 2 }, { name: 'public.b' }]);
  progress.rowsScanned('public.a', 5);
  progress.chunkDone('public.a');
  clock.at = 3000;
  const text = await metrics.metrics();
  expect(text).toContain(`debezium_metrics_SnapshotRunning${labels} 1`);
  expect(text).toContain(`debezium_metrics_TotalTableCount${labels} 2`);
  expect(text).toContain(`debezium_metrics_RemainingTableCount${labels} 2`);
  expect(text).toContain(`debezium_metrics_SnapshotDurationInSeconds${labels} 3`);
  const table = '{plugin="postgres",name="shop",context="snapshot",task="0",table="public.a"}';
  expect(text).toContain(`debezium_metrics_RowsScanned${table} 5`);
  expect(text).toContain(`debezium_metrics_TableChunkCounts${table} 2`);
  expect(text).toContain(`debezium_metrics_TableChunksCompletedCounts${table} 1`);
  expect(text).toContain('millrace_snapshot_progress_percent{plugin="postgres",name="shop",task="0"} 50');
  expect(text).toContain('millrace_snapshot_remaining_seconds{plugin="postgres",name="shop",task="0"} 3');
  progress.completed();
  const after = await metrics.metrics();
  expect(after).toContain(`debezium_metrics_SnapshotCompleted${labels} 1`);
  expect(after).not.toMatch(/millrace_snapshot_remaining_seconds\{/);
  hide();
  expect(await metrics.metrics()).not.toContain('shop');
});
