// Durations: how many, how long in all, and quantiles of the recent ones. Recording is a few integer operations, since
// every request does it.

/** Four buckets to each doubling, from a microsecond on: a quantile is at most a fifth too high. */
const STEPS = 4;
const BUCKETS = 32 * STEPS;
const MAX_US = 2_147_483_647;
/** Quantiles are over the last one to two of these. */
const WINDOW_MS = 60_000;

export class TimeStats {
  count = 0;
  totalMs = 0;
  #recent = new Uint32Array(BUCKETS);
  #before = new Uint32Array(BUCKETS);
  #windowStartMs = Number.NEGATIVE_INFINITY;

  /** Takes a duration in; `nowMs` is monotonic. */
  record(durationMs: number, nowMs: number): void {
    this.count++;
    this.totalMs += durationMs;
    if (nowMs - this.#windowStartMs >= WINDOW_MS) this.#turn(nowMs);
    const bucket = bucketOf(durationMs);
    this.#recent[bucket] = (this.#recent[bucket] ?? 0) + 1;
  }

  /** Milliseconds that a part `quantile` of the recent durations does not exceed; 0 when there were none. */
  quantile(quantile: number, nowMs: number): number {
    if (nowMs - this.#windowStartMs >= WINDOW_MS) this.#turn(nowMs);
    let all = 0;
    for (let i = 0; i < BUCKETS; i++) all += (this.#recent[i] ?? 0) + (this.#before[i] ?? 0);
    if (all === 0) return 0;
    let left = Math.ceil(all * quantile);
    for (let i = 0; i < BUCKETS; i++) {
      left -= (this.#recent[i] ?? 0) + (this.#before[i] ?? 0);
      if (left <= 0) return upperMs(i);
    }
    return upperMs(BUCKETS - 1);
  }

  #turn(nowMs: number): void {
    const isOld = nowMs - this.#windowStartMs >= 2 * WINDOW_MS;
    const free = this.#before;
    this.#before = this.#recent;
    this.#recent = free;
    this.#recent.fill(0);
    if (isOld) this.#before.fill(0);
    this.#windowStartMs = nowMs;
  }
}

function bucketOf(durationMs: number): number {
  const us = Math.max(1, Math.min(durationMs * 1000, MAX_US)) | 0;
  const exponent = 31 - Math.clz32(us);
  const step = exponent < 2 ? 0 : (us >> (exponent - 2)) & (STEPS - 1);
  return exponent * STEPS + step;
}

function upperMs(bucket: number): number {
  const exponent = Math.floor(bucket / STEPS);
  const step = exponent < 2 ? STEPS - 1 : bucket % STEPS;
  return (2 ** exponent * (1 + (step + 1) / STEPS)) / 1000;
}
