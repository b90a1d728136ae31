// Counters of tasks, per connector and task.
import type { Metrics } from '@millrace/foundation';
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

function counters(
  polled: Counter,
  written: Counter,
  labels: { connector: string; task: string },
): TaskCounters {
  const polledOfTask = polled.labels(labels);
  const writtenOfTask = written.labels(labels);
  return { polled: (records) => polledOfTask.inc(records), written: (records) => writtenOfTask.inc(records) };
}
