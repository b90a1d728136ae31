// Puts a cleaned copy in the place of the segments it was made from, so that a crash at any moment leaves the old
// segments or the copy, never neither. The steps and names are those of Kafka's UnifiedLog.replaceSegments:
//
//   1. the copy is durable as X.log.cleaned, with its indexes: a start removes it
//   2. its files are renamed to .swap, the log last: from here on a start finishes the exchange
//   3. the old files are renamed to .deleted, oldest segment first, and .swap is taken off the new ones, the log last
//   4. the .deleted files are removed after file.delete.delay.ms
//
// A start that finds X.log.swap drops the old segments that begin within its offsets. Those behind its last record
// may still be there and stay: each was about to go, with everything before it gone, so that no deleted key comes back.
import { join } from 'node:path';
import type { Disk } from '../../disk.ts';
import type { PartitionLog } from '../partition-log.ts';
import { offsetFileName, SEGMENT_FILES, Segment } from '../segment.ts';
import { CLEANED_SUFFIX, type CleanedGroup } from './clean-job.ts';

export const SWAP_SUFFIX = '.swap';
const SWAPPED_LOG = /^(\d{20})\.log\.swap$/;

/** Steps 2 and 3. @throws what the disk throws; KafkaFailure when the log was closed meanwhile */
export async function swapIn(disk: Disk, log: PartitionLog, group: CleanedGroup): Promise<void> {
  const { directory } = log;
  const baseOffset = group.baseOffsets[0] ?? 0;
  const replaced = log.segments.filter((segment) => group.baseOffsets.includes(segment.baseOffset));
  try {
    renameFiles(disk, directory, baseOffset, CLEANED_SUFFIX, SWAP_SUFFIX);
    await disk.syncDirectory(directory);
  } catch (error) {
    // A later start must not find a copy of segments that may have changed until then.
    if (!log.isClosed) removeFiles(disk, directory, baseOffset, [SWAP_SUFFIX, CLEANED_SUFFIX]);
    throw error;
  }
  const replacement = new Segment(disk, directory, baseOffset, group.size);
  log.exchange(replaced, replacement, () => {
    renameFiles(disk, directory, baseOffset, SWAP_SUFFIX, '');
    if (!replacement.loadIndexes()) replacement.rebuild(group.size, log.config.indexIntervalBytes);
  });
  await disk.syncDirectory(directory);
}

/** Finishes the exchanges that a crash interrupted, and removes what is left of those that had not begun. */
export async function finishSwaps(disk: Disk, directory: string): Promise<void> {
  const names = disk.list(directory);
  const leftover = names.filter((name) => name.endsWith(SWAP_SUFFIX));
  if (leftover.length === 0) return;
  for (const name of leftover) {
    const baseOffset = Number(SWAPPED_LOG.exec(name)?.[1] ?? -1);
    if (baseOffset < 0) continue;
    const end = Math.max(endOf(disk, directory, baseOffset), baseOffset + 1);
    for (const old of names) {
      const oldBase = Number(old.slice(0, 20));
      if (!old.endsWith('.log') || oldBase < baseOffset || oldBase >= end) continue;
      for (const suffix of SEGMENT_FILES) disk.remove(join(directory, offsetFileName(oldBase, suffix)));
    }
    renameFiles(disk, directory, baseOffset, SWAP_SUFFIX, '');
  }
  for (const name of disk.list(directory)) {
    if (name.endsWith(SWAP_SUFFIX)) disk.remove(join(directory, name));
  }
  await disk.syncDirectory(directory);
}

/** Offset behind the last batch of a copy. */
function endOf(disk: Disk, directory: string, baseOffset: number): number {
  const file = disk.open(join(directory, `${offsetFileName(baseOffset, '.log')}${SWAP_SUFFIX}`));
  const size = file.size();
  file.close();
  const copy = new Segment(disk, directory, baseOffset, size, SWAP_SUFFIX);
  let end = baseOffset;
  for (const { header } of copy.headers(0)) end = header.baseOffset + header.lastOffsetDelta + 1;
  copy.release();
  return end;
}

function removeFiles(disk: Disk, directory: string, baseOffset: number, endings: readonly string[]): void {
  // The log first: without it the others count for nothing.
  for (const suffix of SEGMENT_FILES.toReversed()) {
    for (const ending of endings)
      disk.remove(join(directory, `${offsetFileName(baseOffset, suffix)}${ending}`));
  }
}

/** Renames what there is of a segment's files, the log last: it is the one that counts. */
function renameFiles(disk: Disk, directory: string, baseOffset: number, from: string, to: string): void {
  for (const suffix of SEGMENT_FILES) {
    const path = join(directory, offsetFileName(baseOffset, suffix));
    if (disk.exists(`${path}${from}`)) disk.rename(`${path}${from}`, `${path}${to}`);
  }
}
