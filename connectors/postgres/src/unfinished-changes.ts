// Whether a restart from the last position handed out would bring records again. Exactly once, a transaction of Kafka
// stays open until it would not; but no longer than one may.
import type { Clock } from '@millrace/foundation';

export class UnfinishedChanges {
  /** INV-7: so long a transaction is held open at most, half of what it may be. */
  readonly longestMs: number;
  readonly #clock: Clock;
  /** Since when there are any, by the monotonic clock. */
  #sinceMs: number | undefined;
  #repeats = false;

  constructor(clock: Clock, transactionTimeoutMs: number = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.longestMs = transactionTimeoutMs / 2;
  }

  /** Called with each position: whether a restart from there would bring records again. */
  note(unfinished: boolean): void {
    this.#sinceMs = unfinished ? (this.#sinceMs ?? this.#clock.monotonicMs()) : undefined;
  }

  /** Whether a transaction is to be held open for them. */
  get holdTransaction(): boolean {
    return this.#sinceMs !== undefined && !this.#repeats;
  }

  /**
   * INV-7: what the stream repeats after a restart may take longer than a transaction may be open. It would be aborted, and
   * the next one after the same restart again: after half of that time transactions end where they can. Returns whether
   * that has begun, or ended.
   */
  judge(isBehind: boolean): 'begun' | 'ended' | undefined {
    const openMs = this.#clock.monotonicMs() - (this.#sinceMs ?? Number.POSITIVE_INFINITY);
    const repeats = isBehind && openMs >= this.longestMs;
    if (repeats === this.#repeats) return undefined;
    this.#repeats = repeats;
    return repeats ? 'begun' : 'ended';
  }
}
