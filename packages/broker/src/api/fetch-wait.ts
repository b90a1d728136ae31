// The long poll of Fetch: waits until so many bytes became visible over a set of logs, or stable at all.
import type { LogListener, PartitionLog } from '../log/partition-log.ts';

/**
 * Resolves when `bytes` more are visible over all logs together, one of them is closed, `maxWaitMs` have passed, or
 * the client is gone. Never rejects.
 */
export function waitForBytes(
  logs: readonly PartitionLog[],
  bytes: number,
  maxWaitMs: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || bytes <= 0) {
      resolve();
      return;
    }
    let missing = bytes;
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      for (const log of logs) log.unsubscribe(listener);
      resolve();
    };
    const listener: LogListener = {
      advanced: (count) => {
        missing -= count;
        if (missing <= 0) finish();
      },
      closed: finish,
    };
    const timer = setTimeout(finish, maxWaitMs);
    signal.addEventListener('abort', finish, { once: true });
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
  signal: AbortSignal,
): Promise<boolean> {
  const hasMoved = (): boolean => logs.some((log, index) => log.lastStableOffset !== before[index]);
  return new Promise((resolve) => {
    if (signal.aborted || hasMoved()) {
      resolve(!signal.aborted);
      return;
    }
    const finish = (moved: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
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
    const timer = setTimeout(giveUp, maxWaitMs);
    signal.addEventListener('abort', giveUp, { once: true });
    for (const log of logs) log.subscribe(listener);
  });
}
