import { expect, test } from 'vitest';
import { progressIn, progressText } from './snapshot-progress.ts';

const page = (running: number): string => `
# TYPE debezium_metrics_SnapshotRunning gauge
debezium_metrics_SnapshotRunning{plugin="postgres",name="shop",context="snapshot",task="0"} ${running}
debezium_metrics_SnapshotRunning{plugin="postgres",name="other",context="snapshot",task="0"} 1
debezium_metrics_RowsScanned{plugin="postgres",name="shop",context="snapshot",task="0",table="a.b"} 1200
debezium_metrics_RowsScanned{plugin="postgres",name="shop",context="snapshot",task="0",table="a.c"} 34
millrace_snapshot_progress_percent{plugin="postgres",name="shop",task="0"} 41.96
millrace_snapshot_remaining_seconds{plugin="postgres",name="shop",task="0"} 300.2
`;

test('the progress of a snapshot is read from the metrics of its source', () => {
  const progress = progressIn(page(1), 'shop');
  expect(progress).toEqual({ percent: 41.96, rows: 1234, secondsLeft: 300.2 });
  expect(progress && progressText(progress)).toBe('42.0 % read, 1,234 rows, 5 min left');
  expect(progressText({ percent: 0, rows: 0 })).toBe('0.0 % read, 0 rows');
  expect(progressIn(page(0), 'shop')).toBeUndefined();
  expect(progressIn('', 'shop')).toBeUndefined();
});
