// Counters of tasks, per connector and task.
import { type Metrics, showGauge } from '@millrace/foundation';
import { Counter } from 'prom-client';

/** Counters of one task. */
export interface TaskCounters {
  polled(records: number): void;
  written(records: number): void;
}

const LABELS = ['connector', 'task'] as const;

function counter(metrics: Metrics, name: string, help: string): Counter {
  const known = metrics.getSingleMetric(name);
  if (known instanceof Counter) return known;
  return new Counter({ name, help, labelNames: LABELS, registers: [metrics] });
}

/** Counters of a source task: read from the source, durable in Kafka. */
export function sourceCounters(metrics: Metrics, connector: string, task: number): TaskCounters {
  return counters(
    counter(metrics, 'millrace_source_records_polled_total', 'Records read from sources.'),
    counter(
      metrics,
      'millrace_source_records_written_total',
      'Records of sources that are durable in Kafka.',
    ),
    { connector, task: String(task) },
  );
}

/** Counters of a sink task: read from Kafka, handed to the sink. */
export function sinkCounters(metrics: Metrics, connector: string, task: number): TaskCounters {
  return counters(
    counter(metrics, 'millrace_sink_records_read_total', 'Records read from Kafka for sinks.'),
    counter(metrics, 'millrace_sink_records_put_total', 'Records that sinks have taken.'),
    { connector, task: String(task) },
  );
}

/** What of a task is read when somebody asks. */
export interface TaskReadings {
  readonly stalled: () => boolean;
  /** Of a source: records not durable in Kafka yet. Of a sink: records in its partitions that it has not taken yet. */
  readonly waiting: () => number;
}

const WAITING = {
  source: {
    name: 'millrace_source_records_active',
    help: 'Records of sources that are on their way and not durable in Kafka yet.',
  },
  sink: { name: 'millrace_sink_records_lag', help: 'Records in Kafka that sinks have not taken yet.' },
} as const;

/** Shows what a task makes of its work; returns how to take that back. */
export function showTaskGauges(
  metrics: Metrics,
  task: { readonly connector: string; readonly task: number; readonly kind: 'source' | 'sink' },
  readings: TaskReadings,
): () => void {
  const labels = { connector: task.connector, task: String(task.task) };
  const stalled = {
    name: 'millrace_task_stalled',
    help: 'Whether a task makes no progress although it has work to do (1) or not (0).',
    labels,
  };
  const hide = [
    showGauge(metrics, stalled, () => (readings.stalled() ? 1 : 0)),
    showGauge(metrics, { ...WAITING[task.kind], labels }, readings.waiting),
  ];
  return () => {
    for (const each of hide) each();
  };
}

function counters(
  polled: Counter,
  written: Counter,
  labels: { connector: string; task: string },
): TaskCounters {
  const polledOfTask = polled.labels(labels);
  const writtenOfTask = written.labels(labels);
  return { polled: (records) => polledOfTask.inc(records), written: (records) => writtenOfTask.inc(records) };
}
