// What Millrace itself says of a task, beside Connect's MBeans (metrics/mbeans.ts).
import { type Clock, type Metrics, showGauge } from '@millrace/foundation';
import { showConsumer } from '../metrics/client-meters.ts';

interface TaskLabels {
  readonly connector: string;
  readonly task: number;
}

/** Shows whether a task is stalled; returns how to take that back. */
export function showStall(metrics: Metrics, task: TaskLabels, stalled: () => boolean): () => void {
  const info = {
    name: 'millrace_task_stalled',
    help: 'Whether a task makes no progress although it has work to do (1) or not (0).',
    labels: labelsOf(task),
  };
  return showGauge(metrics, info, () => (stalled() ? 1 : 0));
}

/** Shows whether a sink is stalled, how far it is behind, and its consumer; returns how to take that back. */
export function showSink(
  { metrics, clock }: { readonly metrics: Metrics; readonly clock: Clock },
  task: TaskLabels,
  parts: Omit<Parameters<typeof showConsumer>[2], 'clock'> & {
    readonly stalled: () => boolean;
    readonly clientId: string;
  },
): () => void {
  const { clientId, lags } = parts;
  const left = (): number => lags().reduce((sum, { lag }) => sum + lag, 0);
  const hide = [
    showStall(metrics, task, parts.stalled),
    showSinkLag(metrics, task, left),
    showConsumer(metrics, clientId, { ...parts, clock }),
  ];
  return () => {
    for (const each of hide) each();
  };
}

function showSinkLag(metrics: Metrics, task: TaskLabels, lag: () => number): () => void {
  const info = {
    name: 'millrace_sink_records_lag',
    help: 'Records in Kafka that sinks have not taken yet.',
    labels: labelsOf(task),
  };
  return showGauge(metrics, info, lag);
}

function labelsOf({ connector, task }: TaskLabels): Readonly<Record<string, string>> {
  return { connector, task: String(task) };
}
