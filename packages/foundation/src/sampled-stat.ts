// Kafka's sampled statistics: values of the last windows of time, so that a rate, a mean or a maximum tells of now and not
// of the time since start. The rules are those of `SampledStat` and `Rate` in Kafka's clients (4.x), with its defaults:
// windows of 30 s, two of them.

const WINDOW_MS = 30_000;
const WINDOWS = 2;

interface Sample {
  startMs: number;
  lastMs: number;
  count: number;
  sum: number;
  max: number;
  min: number;
}

/** What was recorded in the last minute or so. Times are of a monotonic clock, the same for all calls. */
export class SampledStat {
  // One more than there are windows: the oldest still overlaps the time that is looked at.
  readonly #samples: Sample[] = [];
  #current = 0;

  record(value: number, nowMs: number): void {
    let sample = this.#samples[this.#current];
    if (sample === undefined || nowMs - sample.startMs >= WINDOW_MS) sample = this.#next(nowMs);
    sample.lastMs = nowMs;
    sample.count++;
    sample.sum += value;
    if (value > sample.max) sample.max = value;
    if (value < sample.min) sample.min = value;
  }

  /** The sum of values a second; 0 when there were none. */
  ratePerSecond(nowMs: number): number {
    this.#purge(nowMs);
    let sum = 0;
    for (const sample of this.#samples) sum += sample.sum;
    return (sum * 1000) / this.#elapsedMs(nowMs);
  }

  /** How many values there were a second. */
  countPerSecond(nowMs: number): number {
    this.#purge(nowMs);
    let count = 0;
    for (const sample of this.#samples) count += sample.count;
    return (count * 1000) / this.#elapsedMs(nowMs);
  }

  #elapsedMs(nowMs: number): number {
    let oldestMs = nowMs;
    for (const sample of this.#samples) if (sample.startMs < oldestMs) oldestMs = sample.startMs;
    const elapsedMs = nowMs - oldestMs;
    // A window that has just begun counts as a whole one, so that a first value is not a peak.
    const missing = Math.max(0, WINDOWS - 1 - Math.floor(elapsedMs / WINDOW_MS));
    return Math.max(1, elapsedMs + missing * WINDOW_MS);
  }

  /** NaN when there were no values. */
  average(nowMs: number): number {
    this.#purge(nowMs);
    let sum = 0;
    let count = 0;
    for (const sample of this.#samples) {
      sum += sample.sum;
      count += sample.count;
    }
    return count === 0 ? Number.NaN : sum / count;
  }

  /** NaN when there were no values. */
  maximum(nowMs: number): number {
    this.#purge(nowMs);
    const max = Math.max(...this.#samples.map((sample) => sample.max));
    return max === Number.NEGATIVE_INFINITY ? Number.NaN : max;
  }

  /** NaN when there were no values. */
  minimum(nowMs: number): number {
    this.#purge(nowMs);
    const min = Math.min(...this.#samples.map((sample) => sample.min));
    return min === Number.POSITIVE_INFINITY ? Number.NaN : min;
  }

  #next(nowMs: number): Sample {
    if (this.#samples.length > 0) this.#current = (this.#current + 1) % (WINDOWS + 1);
    let sample = this.#samples[this.#current];
    if (sample === undefined) {
      sample = { startMs: 0, lastMs: 0, count: 0, sum: 0, max: 0, min: 0 };
      this.#samples.push(sample);
    }
    clear(sample, nowMs);
    return sample;
  }

  /** Forgets samples whose last value is older than all windows; one that overlaps them counts as a whole. */
  #purge(nowMs: number): void {
    for (const sample of this.#samples) {
      if (nowMs - sample.lastMs >= WINDOWS * WINDOW_MS) clear(sample, nowMs);
    }
  }
}

function clear(sample: Sample, nowMs: number): void {
  sample.startMs = nowMs;
  sample.lastMs = nowMs;
  sample.count = 0;
  sample.sum = 0;
  sample.max = Number.NEGATIVE_INFINITY;
  sample.min = Number.POSITIVE_INFINITY;
}
