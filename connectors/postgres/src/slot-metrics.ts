// Metrics that only a Postgres source has.
import { type Metrics, showGauge } from '@millrace/foundation';

export interface SlotState {
  /** Bytes of WAL that the server keeps for the slot; undefined if unknown. */
  readonly retainedBytes: number | undefined;
  /** Bytes of transactions in progress that are kept on disk. */
  readonly spooledBytes: number;
}

/** Shows the metrics; returns how to take them back. `state` is undefined while nothing streams. */
export function showSlotMetrics(
  metrics: Metrics,
  labels: Readonly<Record<string, string>>,
  state: () => SlotState | undefined,
): () => void {
  const hide = [
    showGauge(
      metrics,
      {
        name: 'millrace_postgres_slot_retained_wal_bytes',
        help: 'Bytes of WAL that the server keeps because of the slot; absent while that is not known.',
        labels,
      },
      () => state()?.retainedBytes ?? Number.NaN,
    ),
    showGauge(
      metrics,
      {
        name: 'millrace_postgres_spooled_bytes',
        help: 'Bytes of transactions in progress that are kept on disk (millrace.streaming=on).',
        labels,
      },
      () => state()?.spooledBytes ?? 0,
    ),
  ];
  return () => {
    for (const each of hide) each();
  };
}
