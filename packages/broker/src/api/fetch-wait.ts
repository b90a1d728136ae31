// The long poll of Fetch: waits until so many bytes became visible over a set of logs.
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
