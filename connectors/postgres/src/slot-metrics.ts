// Metrics that Debezium has no names for.
import type { StreamCounts } from '@millrace/connector-common';
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
  counts: StreamCounts,
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
    showGauge(
      metrics,
      {
        name: 'millrace_postgres_unconvertible_values',
        help: 'Values since the start that their fields could not hold (event.converting.failure.handling.mode).',
        labels,
      },
      () => counts.unconvertible,
    ),
  ];
  return () => {
    for (const each of hide) each();
  };
}
