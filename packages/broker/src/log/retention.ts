// Which old segments of a log may go: by age of their newest record, and by the size of the whole log, the oldest
// first and only whole ones. Rules as in Kafka's UnifiedLog.deleteOldSegments.
import type { PartitionLog } from './partition-log.ts';

/** What a scan of one log deleted. */
export interface RetentionResult {
  readonly segments: number;
  readonly bytes: number;
}

const NOTHING: RetentionResult = { segments: 0, bytes: 0 };

/** Deletes what is too old or too much. The active segment only goes after a new one took its place. */
export async function enforceRetention(log: PartitionLog, nowMs: number): Promise<RetentionResult> {
  // While it is cleaned, segments stay.
  if (log.isPinned || log.isClosed) return NOTHING;
  // Some may have been left when the start moved.
  log.advanceStart(log.startOffset);
  const count = deletableSegments(log, nowMs);
  if (count === 0) return NOTHING;
  const doomed = log.segments.slice(0, count);
  if (count === log.segments.length) await log.roll();
  const next = log.segments[count];
  // Records came in meanwhile, or the log was closed: the next scan sees to it.
  if (!next || log.isPinned || log.segments[count - 1] !== doomed.at(-1)) return NOTHING;
  log.advanceStart(next.baseOffset);
  return { segments: count, bytes: doomed.reduce((sum, segment) => sum + segment.size, 0) };
}

/** How many segments from the oldest on are too old or too much. */
export function deletableSegments(log: PartitionLog, nowMs: number): number {
  const { deletes, retentionMs, retentionBytes } = log.config;
  const byTime = deletes && retentionMs >= 0;
  const bySize = deletes && retentionBytes >= 0;
  if (!byTime && !bySize) return 0;
  const { segments } = log;
  let excess = bySize ? log.sizeInBytes - retentionBytes : -1;
  let count = 0;
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1];
    if (log.highWatermark < (next?.baseOffset ?? log.endOffset)) break;
    if (!next && segment.size === 0) break;
    const isExpired = byTime && nowMs - segment.largestTimestamp > retentionMs;
    if (!isExpired && excess < segment.size) break;
    excess -= segment.size;
    count++;
  }
  return count;
}
