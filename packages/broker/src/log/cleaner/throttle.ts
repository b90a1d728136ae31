// Holds the cleaner to log.cleaner.io.max.bytes.per.second.
import type { Clock } from '@millrace/foundation';

/** Told of bytes that were read; resolves when the next may be. */
export type Throttle = (bytes: number) => Promise<void>;

/** Longest rest at a time. */
const MAX_REST_MS = 1000;

export function throttleTo(maxBytesPerSecond: number, clock: Clock): Throttle {
  // Kafka's default, the largest double, means no limit.
  if (maxBytesPerSecond >= Number.MAX_SAFE_INTEGER) return async () => undefined;
  const start = clock.monotonicMs();
  let done = 0;
  return async (bytes) => {
    done += bytes;
    const aheadMs = (done / maxBytesPerSecond) * 1000 - (clock.monotonicMs() - start);
    for (let left = aheadMs; left > 0; left -= MAX_REST_MS) await clock.sleep(Math.min(left, MAX_REST_MS));
  };
}
