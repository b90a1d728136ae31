import { createMetrics, systemClock } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { SnapshotProgress } from './snapshot-progress.ts';
import { SourceLag, showSourceMetrics } from './source-metrics.ts';
import { StreamCounts } from './stream-counts.ts';

test('INV-7: the lag is unknown at first, zero while idle, and the age of what is left otherwise', () => {
  const lag = new SourceLag();
  expect(lag.behindMs(1000, false)).toBe(-1);
  expect(lag.sinceLastEventMs(1000)).toBe(-1);
  lag.handedOn(2000, 2500);
  expect(lag.behindMs(2600, false)).toBe(600);
  expect(lag.behindMs(2600, true)).toBe(0);
  lag.caughtUp(2600);
  // Idle for long: nothing is left, so nothing grows but the time since the last event.
  expect(lag.behindMs(90_000, true)).toBe(0);
  expect(lag.sinceLastEventMs(90_000)).toBe(87_500);
  lag.caughtUp(90_000);
  // Something has come that is not handed on: it cannot be older than the moment when nothing was left.
  expect(lag.behindMs(90_300, false)).toBe(300);
  // A source whose clock is ahead is not behind by less than nothing.
  lag.handedOn(95_000, 94_000);
  expect(lag.behindMs(94_500, false)).toBe(0);
});

test('the ages of changes have a minimum, a maximum, a mean and quantiles', () => {
  const lag = new SourceLag();
  expect([lag.minimumMs, lag.maximumMs, lag.averageMs, lag.quantileMs(0.5)]).toEqual([NaN, NaN, NaN, NaN]);
  for (let age = 1; age <= 100; age++) lag.handedOn(1000 - age, 1000);
  expect([lag.minimumMs, lag.maximumMs, lag.averageMs]).toEqual([1, 100, 51]);
  expect([0.5, 0.95, 0.99, 1].map((share) => lag.quantileMs(share))).toEqual([50, 95, 99, 100]);
  // Quantiles forget what is long ago; extremes do not.
  for (let i = 0; i < 1000; i++) lag.handedOn(993, 1000);
  expect([lag.quantileMs(0.01), lag.quantileMs(0.99), lag.minimumMs, lag.maximumMs]).toEqual([7, 7, 1, 100]);
});

test('metrics have the names and labels that exporters of Debezium give them', async () => {
  const metrics = createMetrics();
  const counts = new StreamCounts();
  Object.assign(counts, {
    created: 3,
    updated: 2,
    deleted: 1,
    filtered: 7,
    unchanged: 8,
    committedTransactions: 9,
    capturedTables: 4,
  });
  const progress = new SnapshotProgress(systemClock);
  progress.started([{ name: 'public.a' }]);
  progress.rowsScanned('public.a', 11);
  let lagBytes: number | undefined;
  const hide = showSourceMetrics({
    metrics,
    plugin: 'postgres',
    name: 'shop',
    task: 0,
    maxRecords: 8192,
    maxBytes: 0,
    state: () => ({
      connected: true,
      behindMs: 0,
      sinceLastEventMs: 12,
      queuedRecords: 8193,
      queuedBytes: 5,
      position: { lsn: 4711 },
      lagBytes,
    }),
    counts,
    lag: new SourceLag(),
    progress,
  });
  const text = await metrics.metrics();
  const labels = (context: string): string => `{plugin="postgres",name="shop",context="${context}",task="0"}`;
  for (const [attribute, value] of [
    ['MilliSecondsBehindSource', 0],
    ['MilliSecondsSinceLastEvent', 12],
    ['Connected', 1],
    ['QueueTotalCapacity', 8192],
    ['QueueRemainingCapacity', 0],
    ['CurrentQueueSizeInBytes', 5],
    ['TotalNumberOfEventsSeen', 6],
    ['TotalNumberOfCreateEventsSeen', 3],
    ['TotalNumberOfUpdateEventsSeen', 2],
    ['TotalNumberOfDeleteEventsSeen', 1],
    ['NumberOfEventsFiltered', 7],
    ['NumberOfUnchangedEventsSkipped', 8],
    ['NumberOfErroneousEvents', 0],
    ['NumberOfCommittedTransactions', 9],
    ['CapturedTables', 4],
  ] as const) {
    expect(text).toContain(`debezium_metrics_${attribute}${labels('streaming')} ${value}\n`);
  }
  expect(text).toContain(`debezium_metrics_TotalNumberOfEventsSeen${labels('snapshot')} 11\n`);
  expect(text).toContain(`debezium_metrics_SnapshotRunning${labels('snapshot')} 1\n`);
  expect(text).toContain(
    'debezium_metrics_SourceEventPosition{plugin="postgres",name="shop",context="streaming",task="0",key="lsn"} 4711\n',
  );
  // What is not known is absent, not 0.
  expect(text).not.toMatch(/millrace_source_lag_bytes\{/);
  expect(text).not.toMatch(/debezium_metrics_LastTransactionId\{/);
  lagBytes = 77;
  counts.lastTransactionId = 5;
  const later = await metrics.metrics();
  expect(later).toContain('millrace_source_lag_bytes{plugin="postgres",name="shop",task="0"} 77\n');
  expect(later).toContain(`debezium_metrics_LastTransactionId${labels('streaming')} 5\n`);
  hide();
  expect(await metrics.metrics()).not.toContain('shop');
});
