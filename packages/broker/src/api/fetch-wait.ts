// The long poll of Fetch: waits until so many bytes became visible over a set of logs, or stable at all.
import { type SharedTimer, SharedTimers } from '@millrace/foundation';
import type { LogListener, PartitionLog } from '../log/partition-log.ts';
import type { Ending } from '../net/ending.ts';

/** Of all waits on this thread. Many end in one turn of the event loop, which costs a fraction of a turn each. */
const waits = new SharedTimers(25);
/** The same for those that wait long, where a tenth of a second more or less is nothing. */
const longWaits = new SharedTimers(100);
const LONG_MS = 2000;

function after(ms: number, passed: () => void): SharedTimer {
  return (ms < LONG_MS ? waits : longWaits).after(ms, passed);
}

/**
 * Resolves with true when `bytes` more are visible over all logs together or one of them is closed; with false when
 * `maxWaitMs` have passed or the client is gone. Never rejects.
 */
export function waitForBytes(
  logs: readonly PartitionLog[],
  bytes: number,
  maxWaitMs: number,
  ending: Ending,
): Promise<boolean> {
  return new Promise((resolve) => {
    if (ending.hasCome || bytes <= 0) {
      resolve(!ending.hasCome);
      return;
    }
    let missing = bytes;
    const finish = (arrived: boolean): void => {
      deadline.cancel();
      ending.delete(giveUp);
      for (const log of logs) log.unsubscribe(listener);
      resolve(arrived);
    };
    const giveUp = (): void => finish(false);
    const listener: LogListener = {
      advanced: (count) => {
        missing -= count;
        if (missing <= 0) finish(true);
      },
      closed: () => finish(true),
    };
    const deadline = after(maxWaitMs, giveUp);
    ending.add(giveUp);
    for (const log of logs) log.subscribe(listener);
  });
}

/** The last stable offset of each log. */
export function stableOffsets(logs: readonly PartitionLog[]): readonly number[] {
  return logs.map((log) => log.lastStableOffset);
}

/**
 * Resolves with true when the last stable offset of a log is not the one in `before` any more; with false when one of
 * them is closed, `maxWaitMs` have passed, or the client is gone. Never rejects.
 */
export function waitForStable(
  logs: readonly PartitionLog[],
  before: readonly number[],
  maxWaitMs: number,
  ending: Ending,
): Promise<boolean> {
  const hasMoved = (): boolean => logs.some((log, index) => log.lastStableOffset !== before[index]);
  return new Promise((resolve) => {
    if (ending.hasCome || hasMoved()) {
      resolve(!ending.hasCome);
      return;
    }
    const finish = (moved: boolean): void => {
      deadline.cancel();
      ending.delete(giveUp);
      for (const log of logs) log.unsubscribe(listener);
      resolve(moved);
    };
    const giveUp = (): void => finish(false);
    const listener: LogListener = {
      // The stable offset moves with the high watermark only: a marker counts once that has passed it.
      advanced: () => {
        if (hasMoved()) finish(true);
      },
      closed: giveUp,
    };
    const deadline = after(maxWaitMs, giveUp);
    ending.add(giveUp);
    for (const log of logs) log.subscribe(listener);
  });
}
