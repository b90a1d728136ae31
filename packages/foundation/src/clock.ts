// Time as a dependency: code that waits or stamps takes a Clock, so tests decide what time it is.
import { onAbort } from './abort-calls.ts';
import { afterRoughly } from './shared-timers.ts';

/** Wall clock, monotonic clock and cancellable waiting. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Nanoseconds since the epoch, with microsecond resolution. */
  nowNs(): bigint;
  /** Milliseconds on a clock that never goes back; only differences mean something. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when the signal fires; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * As `sleep`, with the precision of `afterRoughly`, for what is done again and again under a signal that lives long;
   * see `onAbort`.
   */
  sleepRoughly(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The wall clock has been set, or the machine has slept, when both clocks are further apart than that. */
const MAX_DRIFT_MS = 5;
/** What the wall clock said when the monotonic one began. */
let originMs = performance.timeOrigin;

function nowNs(): bigint {
  const beforeMs = performance.now();
  const wallMs = Date.now();
  const sinceMs = performance.now();
  // Between two looks at clocks others may have had the processor for long.
  const isExact = sinceMs - beforeMs < 1;
  if (isExact && Math.abs(originMs + sinceMs - wallMs) > MAX_DRIFT_MS) originMs = wallMs - sinceMs;
  return BigInt(Math.round((originMs + sinceMs) * 1000)) * 1000n;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs,
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    }),
  sleepRoughly: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        timer.cancel();
        release?.();
        resolve();
      };
      const timer = afterRoughly(ms, done);
      const release = signal && onAbort(signal, done);
    }),
};
