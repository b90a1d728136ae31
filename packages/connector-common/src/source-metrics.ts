// Debezium's streaming metrics under the names that its exporters and dashboards use. They are read when somebody asks,
// so they are right also while nothing happens.
import { type Metrics, showGauge, showGauges } from '@millrace/foundation';
import { showSnapshotMetrics } from './snapshot-metrics.ts';
import type { SnapshotProgress } from './snapshot-progress.ts';
import type { StreamCounts } from './stream-counts.ts';

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
  /** Where the stream is, in the source's own coordinates, such as `lsn`. */
  readonly position: Readonly<Record<string, number>>;
  /** What the source has written and this stream has not read, in bytes; undefined while that is not known. */
  readonly lagBytes: number | undefined;
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
  readonly counts: StreamCounts;
  readonly lag: SourceLag;
  readonly progress: SnapshotProgress;
}

interface Attribute {
  readonly help: string;
  readonly read: () => number;
}

type Attributes = Readonly<Record<string, Attribute>>;

/** Shows the metrics of both contexts; returns how to take them back. */
export function showSourceMetrics(options: SourceMetricsOptions): () => void {
  const { metrics, plugin, name, task, state, progress } = options;
  const source = { plugin, name, task: String(task) };
  const inContext = (context: string, attributes: Attributes): (() => void)[] => {
    // In the order that Debezium's exporters have.
    const labels = { plugin, name, context, task: String(task) };
    return Object.entries(attributes).map(([attribute, { help, read }]) =>
      showGauge(metrics, { name: `debezium_metrics_${attribute}`, help, labels }, read),
    );
  };
  const hide = [
    ...inContext('streaming', streamingAttributes(options)),
    ...inContext('snapshot', snapshotAttributes(options)),
    showGauges(
      metrics,
      {
        name: 'debezium_metrics_SourceEventPosition',
        help: "Where the stream is, in the source's own coordinates.",
        labels: { plugin, name, context: 'streaming', task: String(task) },
        lineLabels: ['key'],
      },
      () => Object.entries(state().position).map(([key, value]) => ({ labels: { key }, value })),
    ),
    showGauge(
      metrics,
      {
        name: 'millrace_source_lag_bytes',
        help: 'Bytes that the source has written and the connector has not read; absent while that is not known.',
        labels: source,
      },
      () => state().lagBytes ?? Number.NaN,
    ),
    showSnapshotMetrics({ metrics, plugin, name, task, progress }),
  ];
  return () => {
    for (const each of hide) each();
  };
}

function queueAttributes({ maxRecords, maxBytes, state }: SourceMetricsOptions): Attributes {
  return {
    QueueTotalCapacity: {
      help: 'Records that may wait between reader and poll.',
      read: () => maxRecords,
    },
    QueueRemainingCapacity: {
      help: 'Records for which there is room left.',
      read: () => Math.max(0, maxRecords - state().queuedRecords),
    },
    MaxQueueSizeInBytes: {
      help: 'Bytes that may wait between reader and poll; 0 = the default bound.',
      read: () => maxBytes,
    },
    CurrentQueueSizeInBytes: { help: 'Bytes that wait now.', read: () => state().queuedBytes },
  };
}

function streamingAttributes(options: SourceMetricsOptions): Attributes {
  const { state, counts, lag } = options;
  return {
    Connected: {
      help: 'Whether changes are being received (1) or not (0).',
      read: () => (state().connected ? 1 : 0),
    },
    MilliSecondsBehindSource: {
      help: 'Age of the oldest change not handed on yet; 0 when there is none, -1 if unknown.',
      read: () => state().behindMs,
    },
    MilliSecondsBehindSourceMinValue: {
      help: 'The least age of a change when it was handed on; absent before the first.',
      read: () => lag.minimumMs,
    },
    MilliSecondsBehindSourceMaxValue: {
      help: 'The greatest age of a change when it was handed on.',
      read: () => lag.maximumMs,
    },
    MilliSecondsBehindSourceAverageValue: {
      help: 'The mean age of changes when they were handed on.',
      read: () => lag.averageMs,
    },
    MilliSecondsBehindSourceP50: {
      help: 'The median age of the last changes when they were handed on.',
      read: () => lag.quantileMs(0.5),
    },
    MilliSecondsBehindSourceP95: {
      help: 'As P50, of 95 in 100.',
      read: () => lag.quantileMs(0.95),
    },
    MilliSecondsBehindSourceP99: {
      help: 'As P50, of 99 in 100.',
      read: () => lag.quantileMs(0.99),
    },
    MilliSecondsSinceLastEvent: {
      help: 'Time since the last change was handed on; -1 before the first.',
      read: () => state().sinceLastEventMs,
    },
    TotalNumberOfEventsSeen: { help: 'Changes that are delivered.', read: () => counts.seen },
    TotalNumberOfCreateEventsSeen: { help: 'Inserts among them.', read: () => counts.created },
    TotalNumberOfUpdateEventsSeen: { help: 'Updates among them.', read: () => counts.updated },
    TotalNumberOfDeleteEventsSeen: { help: 'Deletes among them.', read: () => counts.deleted },
    NumberOfEventsFiltered: {
      help: 'Changes that the filters, or skipped.operations, leave out.',
      read: () => counts.filtered,
    },
    NumberOfUnchangedEventsSkipped: {
      help: 'Updates left out because they change no captured column.',
      read: () => counts.unchanged,
    },
    NumberOfErroneousEvents: {
      help: 'Changes that could not be read.',
      read: () => counts.erroneous,
    },
    NumberOfCommittedTransactions: {
      help: 'Transactions that were read to their commit.',
      read: () => counts.committedTransactions,
    },
    LastTransactionId: {
      help: 'Id of the last transaction; absent before the first.',
      read: () => counts.lastTransactionId ?? Number.NaN,
    },
    CapturedTables: { help: 'How many tables are captured.', read: () => counts.capturedTables },
    ...queueAttributes(options),
  };
}

function snapshotAttributes(options: SourceMetricsOptions): Attributes {
  const { counts, progress } = options;
  return {
    TotalNumberOfEventsSeen: { help: 'Changes that are delivered.', read: () => progress.view.rows },
    NumberOfEventsFiltered: { help: 'Always 0: what is filtered is not read.', read: () => 0 },
    NumberOfErroneousEvents: { help: 'Changes that could not be read.', read: () => 0 },
    MilliSecondsSinceLastEvent: {
      help: 'Time since the last change was handed on; -1 before the first.',
      read: () => progress.view.sinceLastRowMs,
    },
    CapturedTables: { help: 'How many tables are captured.', read: () => counts.capturedTables },
    ...queueAttributes(options),
  };
}

const KEPT_AGES = 1000;

/** How far a source is behind, from what is noted once per batch. Times are those of the wall clock, in milliseconds. */
export class SourceLag {
  #sourceMs = Number.NEGATIVE_INFINITY;
  #caughtUpMs = Number.NEGATIVE_INFINITY;
  #eventMs: number | undefined;
  /** Ages at the moment of handing on, of the last batches, as a ring. */
  readonly #ages: number[] = [];
  #batches = 0;
  #sumMs = 0;
  #minimumMs = Number.NaN;
  #maximumMs = Number.NaN;

  /** Changes were handed on; the last of them was made at `sourceMs`. */
  handedOn(sourceMs: number, nowMs: number): void {
    this.#sourceMs = sourceMs;
    this.#eventMs = nowMs;
    const age = Math.max(0, nowMs - sourceMs);
    this.#ages[this.#batches % KEPT_AGES] = age;
    this.#batches++;
    this.#sumMs += age;
    if (!(age >= this.#minimumMs)) this.#minimumMs = age;
    if (!(age <= this.#maximumMs)) this.#maximumMs = age;
  }

  /** Of all that was handed on; NaN before the first. */
  get minimumMs(): number {
    return Math.round(this.#minimumMs);
  }
  get maximumMs(): number {
    return Math.round(this.#maximumMs);
  }
  get averageMs(): number {
    return Math.round(this.#sumMs / this.#batches);
  }
  /** Of the last thousand batches; NaN before the first. `share` is from 0 to 1. */
  quantileMs(share: number): number {
    const sorted = [...this.#ages].sort((a, b) => a - b);
    return Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN);
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
