// When the active segment is full, by size, age and index.
import { type BatchHeader, crc32c } from '@millrace/kafka-protocol';
import type { LogConfig } from './log-config.ts';
import type { Segment } from './segment.ts';

/** Whether a batch that ends at `lastOffset` begins a new segment. */
export function mustRoll(
  active: Segment,
  header: BatchHeader,
  lastOffset: number,
  config: LogConfig,
): boolean {
  if (active.size === 0) return false;
  if (active.size + header.sizeInBytes > config.segmentBytes) return true;
  if (!active.fits(lastOffset, header.sizeInBytes) || active.indexesFull(config.segmentIndexBytes))
    return true;
  const { firstTimestamp } = active;
  return firstTimestamp !== undefined && header.maxTimestamp - firstTimestamp > rollAfterMs(active, config);
}

/** Rolling age of a segment; the jitter is one for all time, so that a restart does not change it. */
function rollAfterMs(segment: Segment, { segmentMs, segmentJitterMs }: LogConfig): number {
  if (segmentJitterMs === 0) return segmentMs;
  const share = crc32c(Buffer.from(segment.logPath)) / 0xffff_ffff;
  return segmentMs - share * Math.min(segmentJitterMs, segmentMs);
}
