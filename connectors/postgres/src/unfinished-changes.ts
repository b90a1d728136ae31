// Whether a restart from the last position handed out would bring records again. Exactly once, a transaction of Kafka
// stays open until it would not; but no longer than one may.
import type { Clock } from '@millrace/foundation';

export class UnfinishedChanges {
  readonly #clock: Clock;
  /** Since when it would, by the monotonic clock. */
  #sinceMs: number | undefined;
  #repeats = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a restart would bring records again. */
  get are(): boolean {
    return this.#sinceMs !== undefined;
  }
  set are(unfinished: boolean) {
    this.#sinceMs = unfinished ? (this.#sinceMs ?? this.#clock.monotonicMs()) : undefined;
  }

  /** Whether a transaction is to be held open for them. */
  get holdTransaction(): boolean {
    return this.are && !this.#repeats;
  }

  /**
   * INV-7: what the stream repeats after a restart may take longer than a transaction may be open. It would be aborted, and
   * the next one after the same restart again: after half of that time transactions end where they can. Returns whether
   * that has begun, or ended.
   */
  judge(isBehind: boolean, transactionTimeoutMs: number | undefined): 'begun' | 'ended' | undefined {
    const openMs = this.#clock.monotonicMs() - (this.#sinceMs ?? Number.POSITIVE_INFINITY);
    const repeats = isBehind && transactionTimeoutMs !== undefined && openMs >= transactionTimeoutMs / 2;
    if (repeats === this.#repeats) return undefined;
    this.#repeats = repeats;
    return repeats ? 'begun' : 'ended';
  }
}
