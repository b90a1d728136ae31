// Time as a dependency: code that waits or stamps takes a Clock, so tests decide what time it is.

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
}

const originNs = BigInt(Math.round(performance.timeOrigin * 1000)) * 1000n;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => originNs + BigInt(Math.round(performance.now() * 1000)) * 1000n,
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
};
