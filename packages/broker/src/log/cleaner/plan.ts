// Which logs need cleaning, and how far: pure decisions over what a log says of itself. Rules as in Kafka's
// LogCleanerManager.
import type { PartitionLog } from '../partition-log.ts';
import type { Segment } from '../segment.ts';

/** What of a log may be cleaned now. */
export interface CleanPlan {
  /** From the log's first on. */
  readonly segments: readonly Segment[];
  readonly firstDirtyOffset: number;
  /** Behind the last segment. */
  readonly endOffset: number;
  /** Share of the bytes that is new, 0 to 1. */
  readonly dirtyRatio: number;
  /** Some record is older than max.compaction.lag.ms. */
  readonly isOverdue: boolean;
}

/** The plan of a log; undefined when nothing new may be cleaned. `cleanOffset`: everything below was. */
export function planCleaning(log: PartitionLog, cleanOffset: number, nowMs: number): CleanPlan | undefined {
  const { segments } = log;
  if (segments.length < 2) return undefined;
  const first = segments[0]?.baseOffset ?? 0;
  // Behind the log's end after a crash that cut it, or before its start after a deletion: what was known is void.
  const firstDirtyOffset = cleanOffset > log.endOffset ? first : Math.max(cleanOffset, first);
  const count = cleanableCount(log, firstDirtyOffset, nowMs);
  const endOffset = segments[count]?.baseOffset ?? 0;
  if (count === 0 || endOffset <= firstDirtyOffset) return undefined;
  const cleanable = segments.slice(0, count);
  let cleanBytes = 0;
  let dirtyBytes = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  for (const [index, segment] of cleanable.entries()) {
    const end = segments[index + 1]?.baseOffset ?? endOffset;
    if (end <= firstDirtyOffset) cleanBytes += segment.size;
    else {
      dirtyBytes += segment.size;
      oldestMs = Math.min(oldestMs, segment.firstTimestamp ?? segment.largestTimestamp);
    }
  }
  const isOverdue = nowMs - oldestMs > log.config.maxCompactionLagMs;
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes);
  return { segments: cleanable, firstDirtyOffset, endOffset, dirtyRatio, isOverdue };
}

/** Whether a plan is worth carrying out. */
export function isDue(log: PartitionLog, plan: CleanPlan): boolean {
  return plan.isOverdue || plan.dirtyRatio > log.config.minCleanableRatio;
}

/** Segments from the first on that lie whole below everything that must not be touched. */
function cleanableCount(log: PartitionLog, firstDirtyOffset: number, nowMs: number): number {
  const { segments } = log;
  const { minCompactionLagMs } = log.config;
  // What is not durable could be lost after its copy took its place; what is undecided may still be aborted.
  const limit = Math.min(log.durableOffset, log.lastStableOffset);
  let count = 0;
  for (; count < segments.length - 1; count++) {
    const segment = segments[count];
    const next = segments[count + 1];
    const end = next?.baseOffset ?? 0;
    // Its snapshot of producers is stored after it is durable; before that only its batches know of retries.
    if (!segment || !next || end > limit || !log.isFollowedBy(next)) break;
    const isDirty = end > firstDirtyOffset;
    if (isDirty && minCompactionLagMs > 0 && segment.largestTimestamp > nowMs - minCompactionLagMs) break;
  }
  return count;
}
