// What a partition knew of its producers, from the newest sound snapshot and the batches behind it.
import { join } from 'node:path';
import type { Disk } from '../disk.ts';
import { ProducerState } from './producer-state.ts';
import { offsetFileName, type Segment } from './segment.ts';

export interface LoadProducersRequest {
  readonly disk: Disk;
  readonly directory: string;
  readonly segments: readonly Segment[];
  /** Nothing at or behind this offset counts. */
  readonly endOffset: number;
  readonly nowMs: number;
}

/** Producer state as of `endOffset`. */
export function loadProducers(request: LoadProducersRequest): ProducerState {
  const { segments, endOffset, nowMs } = request;
  const snapshot = newestSnapshot(request);
  const from = snapshot?.offset ?? segments[0]?.baseOffset ?? 0;
  const state = snapshot?.state ?? new ProducerState();
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1];
    if (next && next.baseOffset <= from) continue;
    for (const { header } of segment.headers(segment.scanStart(from))) {
      const lastOffset = header.baseOffset + header.lastOffsetDelta;
      if (lastOffset < from || lastOffset >= endOffset) continue;
      if (header.producerId >= 0 && header.baseSequence >= 0) {
        state.append(header, lastOffset, header.maxTimestamp, nowMs);
      }
    }
  }
  return state;
}

function newestSnapshot(
  request: LoadProducersRequest,
): { readonly offset: number; readonly state: ProducerState } | undefined {
  const { disk, directory, endOffset, nowMs } = request;
  const offsets = disk
    .list(directory)
    .filter((name) => name.endsWith('.snapshot'))
    .map((name) => Number(name.slice(0, -'.snapshot'.length)))
    .filter((offset) => Number.isSafeInteger(offset) && offset <= endOffset)
    .sort((a, b) => b - a);
  for (const offset of offsets) {
    const bytes = disk.readFile(join(directory, offsetFileName(offset, '.snapshot')));
    const state = bytes && ProducerState.parse(bytes, nowMs);
    if (state) return { offset, state };
  }
  return undefined;
}
