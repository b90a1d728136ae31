import { createMetrics } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { SourceLag, showSourceMetrics } from './source-metrics.ts';

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

test('metrics have the names and labels that exporters of Debezium give them', async () => {
  const metrics = createMetrics();
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
    }),
  });
  const text = await metrics.metrics();
  const labels = '{plugin="postgres",name="shop",context="streaming",task="0"}';
  expect(text).toContain(`debezium_metrics_MilliSecondsBehindSource${labels} 0`);
  expect(text).toContain(`debezium_metrics_MilliSecondsSinceLastEvent${labels} 12`);
  expect(text).toContain(`debezium_metrics_Connected${labels} 1`);
  expect(text).toContain(`debezium_metrics_QueueTotalCapacity${labels} 8192`);
  expect(text).toContain(`debezium_metrics_QueueRemainingCapacity${labels} 0`);
  hide();
  expect(await metrics.metrics()).not.toContain('shop');
});
