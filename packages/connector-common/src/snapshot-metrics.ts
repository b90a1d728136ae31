// Debezium's snapshot metrics under the names that its exporters and dashboards use, and ours: share done, time left.
import { type GaugeLine, type Metrics, showGauge, showGauges } from '@millrace/foundation';
import type { SnapshotProgress, SnapshotView, TableProgress } from './snapshot-progress.ts';

export interface SnapshotMetricsOptions {
  readonly metrics: Metrics;
  /** As in the name of Debezium's MBean: `postgres`. */
  readonly plugin: string;
  /** `topic.prefix` */
  readonly name: string;
  readonly task: number;
  readonly progress: SnapshotProgress;
}

interface Attribute {
  readonly help: string;
  readonly read: (view: SnapshotView) => number;
}

const flag = (is: boolean): number => (is ? 1 : 0);

const DEBEZIUM: Readonly<Record<string, Attribute>> = {
  TotalTableCount: { help: 'Tables that the snapshot reads.', read: ({ tables }) => tables.length },
  RemainingTableCount: {
    help: 'Tables that the snapshot has not read to their end.',
    read: ({ remainingTables }) => remainingTables,
  },
  SnapshotRunning: {
    help: 'Whether a snapshot runs (1) or not (0).',
    read: ({ state }) => flag(state === 'running' || state === 'paused'),
  },
  SnapshotPaused: {
    help: 'Whether a snapshot was asked to wait (1) or not (0).',
    read: ({ state }) => flag(state === 'paused'),
  },
  SnapshotAborted: {
    help: 'Whether the last snapshot ended early (1) or not (0).',
    read: ({ state }) => flag(state === 'aborted'),
  },
  SnapshotCompleted: {
    help: 'Whether the last snapshot read all its tables (1) or not (0).',
    read: ({ state }) => flag(state === 'completed'),
  },
  SnapshotSkipped: {
    help: 'Whether there was nothing to read (1) or not (0).',
    read: ({ state }) => flag(state === 'skipped'),
  },
  SnapshotDurationInSeconds: {
    help: 'How long the snapshot has run, without pauses.',
    read: ({ durationSeconds }) => Math.round(durationSeconds),
  },
  SnapshotPausedDurationInSeconds: {
    help: 'How long the snapshot has waited since it was asked to.',
    read: ({ pausedSeconds }) => Math.round(pausedSeconds),
  },
};

const PER_TABLE: Readonly<
  Record<string, { readonly help: string; readonly read: (table: TableProgress) => number }>
> = {
  RowsScanned: { help: 'Rows that the snapshot has read of a table.', read: ({ rows }) => rows },
  TableChunkCounts: { help: 'Key ranges that a table is read in.', read: ({ chunks }) => chunks },
  TableChunksCompletedCounts: {
    help: 'Key ranges of a table that were read.',
    read: ({ chunksDone }) => chunksDone,
  },
};

const OURS: Readonly<Record<string, Attribute>> = {
  millrace_snapshot_progress_percent: {
    help: 'Share of the snapshot that was read, by the rows that the server estimates; 100 only when it is complete.',
    read: ({ state, percent }) => (state === 'none' || state === 'skipped' ? Number.NaN : percent),
  },
  millrace_snapshot_remaining_seconds: {
    help: 'Time that the rest of the snapshot takes at the pace so far; absent while that is not known.',
    read: ({ secondsLeft }) => (secondsLeft === undefined ? Number.NaN : Math.round(secondsLeft)),
  },
};

/** Shows the metrics; returns how to take them back. */
export function showSnapshotMetrics(options: SnapshotMetricsOptions): () => void {
  const { metrics, plugin, name, task, progress } = options;
  const labels = { plugin, name, context: 'snapshot', task: String(task) };
  const hide = [
    ...Object.entries(DEBEZIUM).map(([attribute, { help, read }]) =>
      showGauge(metrics, { name: `debezium_metrics_${attribute}`, help, labels }, () => read(progress.view)),
    ),
    ...Object.entries(PER_TABLE).map(([attribute, { help, read }]) =>
      showGauges(
        metrics,
        { name: `debezium_metrics_${attribute}`, help, labels, lineLabels: ['table'] },
        () =>
          progress.view.tables.map(
            (table): GaugeLine => ({ labels: { table: table.name }, value: read(table) }),
          ),
      ),
    ),
    ...Object.entries(OURS).map(([metric, { help, read }]) =>
      showGauge(metrics, { name: metric, help, labels: { plugin, name, task: String(task) } }, () =>
        read(progress.view),
      ),
    ),
  ];
  return () => {
    for (const each of hide) each();
  };
}
