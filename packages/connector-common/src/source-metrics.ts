// Debezium's streaming metrics under the names that its exporters and dashboards use. They are read when somebody asks,
// so they are right also while nothing happens.
import { type Metrics, showGauge } from '@millrace/foundation';

/** What a source knows of its stream at the moment. */
export interface StreamingState {
  /** Changes are being received. */
  readonly connected: boolean;
  /** Age of the oldest change that has not been handed on; 0 when there is none, -1 while that is not known. */
  readonly behindMs: number;
  /** Since the last change was handed on; -1 before the first. */
  readonly sinceLastEventMs: number;
  readonly queuedRecords: number;
  readonly queuedBytes: number;
}

export interface SourceMetricsOptions {
  readonly metrics: Metrics;
  /** As in the name of Debezium's MBean: `postgres`. */
  readonly plugin: string;
  /** `topic.prefix` */
  readonly name: string;
  readonly task: number;
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly state: () => StreamingState;
}

const HELP = {
  Connected: 'Whether changes are being received (1) or not (0).',
  MilliSecondsBehindSource:
    'Age of the oldest change not handed on yet; 0 when there is none, -1 if unknown.',
  MilliSecondsSinceLastEvent: 'Time since the last change was handed on; -1 before the first.',
  QueueTotalCapacity: 'Records that may wait between reader and poll.',
  QueueRemainingCapacity: 'Records for which there is room left.',
  MaxQueueSizeInBytes: 'Bytes that may wait between reader and poll; 0 = the default bound.',
  CurrentQueueSizeInBytes: 'Bytes that wait now.',
} as const;

/** Shows the metrics; returns how to take them back. */
export function showSourceMetrics(options: SourceMetricsOptions): () => void {
  const { metrics, plugin, name, task, maxRecords, maxBytes, state } = options;
  const labels = { plugin, name, context: 'streaming', task: String(task) };
  const read: Readonly<Record<keyof typeof HELP, () => number>> = {
    Connected: () => (state().connected ? 1 : 0),
    MilliSecondsBehindSource: () => state().behindMs,
    MilliSecondsSinceLastEvent: () => state().sinceLastEventMs,
    QueueTotalCapacity: () => maxRecords,
    QueueRemainingCapacity: () => Math.max(0, maxRecords - state().queuedRecords),
    MaxQueueSizeInBytes: () => maxBytes,
    CurrentQueueSizeInBytes: () => state().queuedBytes,
  };
  const hide = (Object.keys(HELP) as (keyof typeof HELP)[]).map((attribute) =>
    showGauge(
      metrics,
      { name: `debezium_metrics_${attribute}`, help: HELP[attribute], labels },
      read[attribute],
    ),
  );
  return () => {
    for (const each of hide) each();
  };
}

/** How far a source is behind, from what is noted once per batch. Times are those of the wall clock, in milliseconds. */
export class SourceLag {
  #sourceMs = Number.NEGATIVE_INFINITY;
  #caughtUpMs = Number.NEGATIVE_INFINITY;
  #eventMs: number | undefined;

  /** Changes were handed on; the last of them was made at `sourceMs`. */
  handedOn(sourceMs: number, nowMs: number): void {
    this.#sourceMs = sourceMs;
    this.#eventMs = nowMs;
  }

  /** There was nothing left to hand on. */
  caughtUp(nowMs: number): void {
    this.#caughtUpMs = nowMs;
  }

  /** What is left to hand on was made after the last change that was, and after the last time nothing was left. */
  behindMs(nowMs: number, caughtUp: boolean): number {
    if (caughtUp) return 0;
    const sinceMs = Math.max(this.#sourceMs, this.#caughtUpMs);
    return sinceMs === Number.NEGATIVE_INFINITY ? -1 : Math.max(0, Math.round(nowMs - sinceMs));
  }

  sinceLastEventMs(nowMs: number): number {
    return this.#eventMs === undefined ? -1 : Math.max(0, Math.round(nowMs - this.#eventMs));
  }
}
