// V8's collections, asked for where it would not see that they are due.
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects at once, on the calling thread: young objects in under a millisecond; all, without options, in half a millisecond
 * per megabyte or so. Node 20 takes any options for young objects only.
 */
export type Collect = (options?: { readonly type: 'minor' }) => void;

/** V8's own entry, hidden unless asked for; without it nothing is collected early. It holds a context of some 100 KB. */
export function findCollector(): Collect | undefined {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  return typeof found === 'function' ? (found as Collect) : undefined;
}

const LOOK_MS = 10_000;
/** Of the time between two looks that a quiet thread is at work. */
const QUIET_SHARE = 0.1;
const QUIET_LOOKS = 2;
const LARGE_YOUNG_BYTES = 8 * 1024 * 1024;
/** What is more would hold up the thread for longer than anything may. */
const MOST_USED_BYTES = 48 * 1024 * 1024;

/** Decides when a thread has become quiet. */
export class QuietWatch {
  #quietLooks = 0;
  #isDue = true;

  /**
   * Whether a full collection is due, by the share of the time since the last look that the thread was at work, and what it
   * would be about: once when there was little to do for a while, and again only after there was more.
   */
  look(share: number, heap: () => { readonly youngBytes: number; readonly usedBytes: number }): boolean {
    if (share > QUIET_SHARE) {
      this.#quietLooks = 0;
      this.#isDue = true;
      return false;
    }
    this.#quietLooks++;
    if (!this.#isDue || this.#quietLooks < QUIET_LOOKS) return false;
    const { youngBytes, usedBytes } = heap();
    if (youngBytes < LARGE_YOUNG_BYTES || usedBytes > MOST_USED_BYTES) return false;
    this.#isDue = false;
    return true;
  }
}

/**
 * Gives memory back when this thread has become quiet. Under load the part of the heap for young objects grows to 33 MB. It
 * shrinks with full collections only, for which a quiet thread makes too little garbage: after one, V8 sees to it. For
 * threads that are the program's own; goes on until the thread ends, and does not keep it.
 */
export function collectWhenQuiet(): void {
  const watch = new QuietWatch();
  let last = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    if (watch.look(utilization, heapNow)) findCollector()?.();
  };
  setInterval(look, LOOK_MS).unref();
}

let found: { readonly collect: Collect | undefined } | undefined;

/**
 * Collects all garbage of this thread, some 15 ms, unless its heap is so large that it would take longer. For what has done with
 * buffers of many megabytes: V8 itself waits until 64 MB of them are dead.
 */
export function collectSmallHeap(): void {
  if (getHeapStatistics().used_heap_size > MOST_USED_BYTES) return;
  found ??= { collect: findCollector() };
  found.collect?.();
}

/**
 * Lets the part for young objects of heaps that are made from now on shrink to so many megabytes only, and not to one: what
 * a quiet thread makes in a second fills that, and each collection wakes helpers of V8 as well.
 */
export function keepYoungSpace(megabytes: number): void {
  setFlagsFromString(`--min-semi-space-size=${megabytes}`);
}

function heapNow(): { youngBytes: number; usedBytes: number } {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return { youngBytes: young?.space_size ?? 0, usedBytes: getHeapStatistics().used_heap_size };
}
