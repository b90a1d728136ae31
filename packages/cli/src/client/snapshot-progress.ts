// How far the snapshot of a source is, from the worker's metrics page.
import type { RestClient } from './rest-client.ts';

export interface SnapshotProgress {
  /** 0 to 100. */
  readonly percent: number;
  readonly rows: number;
  /** Absent while nothing can be said. */
  readonly secondsLeft?: number;
}

/** Of the source whose `topic.prefix` it is; undefined while no snapshot runs, and where there is no metrics page. */
export async function snapshotProgress(
  client: RestClient,
  topicPrefix: string | undefined,
): Promise<SnapshotProgress | undefined> {
  if (topicPrefix === undefined) return undefined;
  const page = await client.text('/metrics').catch(() => '');
  return progressIn(page, topicPrefix);
}

export function progressIn(page: string, topicPrefix: string): SnapshotProgress | undefined {
  const samples = page.split('\n').filter((line) => line.includes(`name="${topicPrefix}"`));
  const valuesOf = (metric: string): number[] =>
    samples
      .filter((line) => line.startsWith(`${metric}{`))
      .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  if (valuesOf('debezium_metrics_SnapshotRunning').at(0) !== 1) return undefined;
  const percent = valuesOf('millrace_snapshot_progress_percent').at(0);
  const secondsLeft = valuesOf('millrace_snapshot_remaining_seconds').at(0);
  return {
    percent: percent ?? 0,
    rows: valuesOf('debezium_metrics_RowsScanned').reduce((sum, rows) => sum + rows, 0),
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
  };
}

/** One line. */
export function progressText({ percent, rows, secondsLeft }: SnapshotProgress): string {
  const left = secondsLeft === undefined ? '' : `, ${durationText(secondsLeft)} left`;
  return `${percent.toFixed(1)} % read, ${rows.toLocaleString('en-US')} rows${left}`;
}

function durationText(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
