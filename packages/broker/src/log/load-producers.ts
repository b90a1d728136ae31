// What a partition knew of its producers, from the newest sound snapshot and the batches behind it; and, where they
// are in doubt, the lists of aborted transactions, which come out of the same walk.
import { join } from 'node:path';
import { BATCH_CONTROL } from '@millrace/kafka-protocol';
import type { Disk } from '../disk.ts';
import { readMarker, type TransactionMarker } from './control-batch.ts';
import { ProducerState } from './producer-state.ts';
import { offsetFileName, type PlacedBatch, type Segment } from './segment.ts';

export interface LoadProducersRequest {
  readonly disk: Disk;
  readonly directory: string;
  readonly segments: readonly Segment[];
  /** Nothing at or behind this offset counts. */
  readonly endOffset: number;
  readonly nowMs: number;
  /** Segments from this base offset on get their aborted transactions anew; none when missing. */
  readonly reindexFrom?: number | undefined;
}

/** Producer state as of `endOffset`. */
export function loadProducers(request: LoadProducersRequest): ProducerState {
  const { endOffset, reindexFrom } = request;
  const newest = newestSnapshot(request, endOffset);
  if (reindexFrom === undefined) return replay(request, newest, false);
  const older = newest && newest.offset > reindexFrom ? newestSnapshot(request, reindexFrom) : newest;
  const state = replay(request, older, true);
  // The newest also knows batches that a cleaner has taken out of the log since.
  return older === newest ? state : replay(request, newest, false);
}

interface Snapshot {
  readonly offset: number;
  readonly state: ProducerState;
}

/** Walks over the batches behind a snapshot; the lists of aborted transactions are made anew on the way if asked. */
function replay(
  request: LoadProducersRequest,
  snapshot: Snapshot | undefined,
  reindexes: boolean,
): ProducerState {
  const { segments, endOffset, nowMs, reindexFrom = Number.POSITIVE_INFINITY } = request;
  const from = snapshot?.offset ?? segments[0]?.baseOffset ?? 0;
  const state = snapshot?.state ?? new ProducerState();
  for (const [index, segment] of segments.entries()) {
    const reindex = reindexes && segment.baseOffset >= reindexFrom;
    if (reindex) segment.clearTransactions();
    const next = segments[index + 1];
    if (next && next.baseOffset <= from) continue;
    for (const placed of segment.headers(segment.scanStart(from))) {
      const { header } = placed;
      const lastOffset = header.baseOffset + header.lastOffsetDelta;
      if (lastOffset < from || lastOffset >= endOffset || header.producerId < 0) continue;
      if (header.attributes & BATCH_CONTROL) {
        const marker = markerAt(segment, placed);
        const aborted = marker && state.complete(marker, lastOffset, header.maxTimestamp, nowMs);
        if (aborted && reindex) segment.transactions.append(aborted);
      } else if (header.baseSequence >= 0) {
        state.append(header, lastOffset, header.maxTimestamp, nowMs);
      }
    }
  }
  return state;
}

function markerAt(segment: Segment, { header, position }: PlacedBatch): TransactionMarker | undefined {
  const batch = Buffer.allocUnsafe(header.sizeInBytes);
  const count = segment.file.readSync(batch, position);
  return count === batch.length ? readMarker(batch, header) : undefined;
}

function newestSnapshot(request: LoadProducersRequest, limit: number): Snapshot | undefined {
  const { disk, directory, nowMs } = request;
  const offsets = disk
    .list(directory)
    .filter((name) => name.endsWith('.snapshot'))
    .map((name) => Number(name.slice(0, -'.snapshot'.length)))
    .filter((offset) => Number.isSafeInteger(offset) && offset <= limit)
    .sort((a, b) => b - a);
  for (const offset of offsets) {
    const bytes = disk.readFile(join(directory, offsetFileName(offset, '.snapshot')));
    const state = bytes && ProducerState.parse(bytes, nowMs);
    if (state) return { offset, state };
  }
  return undefined;
}
