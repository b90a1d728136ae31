// Kafka's metrics of the clients that a task or the worker has, as far as our clients count them.
import type { Clock, Metrics } from '@millrace/foundation';
import type { BatchProducer, Cluster, EventTimes, GroupConsumer, GroupStats } from '@millrace/kafka-client';
import type { TypeOf, Values } from './mbeans.ts';
import { showMBean, showMBeans } from './show-mbean.ts';

/** Shows the connections of a client until it is closed; returns how to take that back. */
export function showConnections(
  metrics: Metrics,
  cluster: Pick<Cluster, 'clientId' | 'isClosed' | 'stats'>,
  type: TypeOf<'connections'>,
): () => void {
  const labels = { clientid: cluster.clientId };
  return showMBeans(
    metrics,
    'connections',
    () => {
      if (cluster.isClosed) return [];
      const { opened, closed, requests, responses, bytesIn, bytesOut } = cluster.stats;
      const values = {
        'connection-count': opened - closed,
        'connection-creation-total': opened,
        'connection-close-total': closed,
        'incoming-byte-total': bytesIn,
        'outgoing-byte-total': bytesOut,
        'request-total': requests,
        'response-total': responses,
      };
      return [{ labels, values }];
    },
    type,
  );
}

/** Shows what a member of a group has been through; returns how to take that back. */
export function showGroup(
  metrics: Metrics,
  clientid: string,
  { stats, clock }: { readonly stats: () => GroupStats | undefined; readonly clock: Clock },
  type: TypeOf<'membership'>,
): () => void {
  return showMBeans(
    metrics,
    'membership',
    () => {
      const known = stats();
      return known ? [{ labels: { clientid }, values: groupValues(known, clock.monotonicMs()) }] : [];
    },
    type,
  );
}

function groupValues(stats: GroupStats, nowMs: number): Values<'membership'> {
  const { heartbeats, joins, syncs, rebalances, failedRebalances } = stats;
  const secondsAgo = ({ lastMs }: EventTimes): number =>
    lastMs === undefined ? Number.NaN : Math.floor((nowMs - lastMs) / 1000);
  return {
    'heartbeat-rate': heartbeats.recent.countPerSecond(nowMs),
    'heartbeat-response-time-max': heartbeats.recent.maximum(nowMs),
    'heartbeat-total': heartbeats.count,
    'join-rate': joins.recent.countPerSecond(nowMs),
    'join-time-avg': joins.recent.average(nowMs),
    'join-time-max': joins.recent.maximum(nowMs),
    'join-total': joins.count,
    'last-heartbeat-seconds-ago': secondsAgo(heartbeats),
    'last-rebalance-seconds-ago': secondsAgo(rebalances),
    'rebalance-latency-avg': rebalances.recent.average(nowMs),
    'rebalance-latency-max': rebalances.recent.maximum(nowMs),
    'rebalance-latency-total': rebalances.totalMs,
    'rebalance-rate-per-hour': rebalances.recent.countPerSecond(nowMs) * 3600,
    'rebalance-total': rebalances.count,
    'failed-rebalance-rate-per-hour': failedRebalances.recent.countPerSecond(nowMs) * 3600,
    'failed-rebalance-total': failedRebalances.count,
    'sync-rate': syncs.recent.countPerSecond(nowMs),
    'sync-time-avg': syncs.recent.average(nowMs),
    'sync-time-max': syncs.recent.maximum(nowMs),
    'sync-total': syncs.count,
  };
}

/** Shows a producer; returns how to take that back. */
export function showProducer(
  metrics: Metrics,
  clientid: string,
  producer: Pick<BatchProducer, 'recordCounts' | 'bufferMemoryBytes' | 'bufferedBytes'>,
): () => void {
  return showMBean(metrics, 'producer', { clientid }, () => ({
    'record-send-total': producer.recordCounts.sent,
    'record-error-total': producer.recordCounts.failed,
    'buffer-total-bytes': producer.bufferMemoryBytes,
    'buffer-available-bytes': Math.max(0, producer.bufferMemoryBytes - producer.bufferedBytes),
  }));
}

/** How far a consumer is behind in one partition. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly lag: number;
}

/** Shows the consumer of a task; returns how to take that back. */
export function showConsumer(
  metrics: Metrics,
  clientid: string,
  parts: {
    readonly consumer: Pick<GroupConsumer, 'member' | 'assignment'>;
    readonly clock: Clock;
    readonly consumed: () => number;
    readonly lags: () => readonly PartitionLag[];
  },
): () => void {
  const { consumer, clock, consumed, lags } = parts;
  const hide = [
    showGroup(
      metrics,
      clientid,
      { stats: () => consumer.member.stats, clock },
      'consumer-coordinator-metrics',
    ),
    showMBean(metrics, 'consumerGroup', { clientid }, () => ({
      'assigned-partitions': consumer.assignment.length,
    })),
    showMBean(metrics, 'consumer', { clientid }, () => {
      const all = lags().map(({ lag }) => lag);
      return {
        'records-consumed-total': consumed(),
        'records-lag-max': all.length === 0 ? Number.NaN : all.reduce((most, lag) => Math.max(most, lag), 0),
      };
    }),
    showMBeans(metrics, 'consumerPartition', () =>
      lags().map(({ topic, partition, lag }) => ({
        labels: { clientid, topic, partition: String(partition) },
        values: { 'records-lag': lag },
      })),
    ),
  ];
  return () => {
    for (const each of hide) each();
  };
}
