// What a restarted stream skips. The server sends every transaction that commits after the confirmed position again,
// whole and in commit order; positions of rows are not in that order, since transactions overlap. So the search goes
// by transaction first: those that committed before the stored position are done, the one that holds it is done up to
// that row, everything later is new.
import type { StoredOffset } from '../offset.ts';
import { type Lsn, maxLsn } from '../protocol/lsn.ts';

/** What becomes of a transaction's changes: none, those after the stored one, or all are new. */
export type Verdict = 'skip' | 'partial' | 'pass';

export class RestartPoint {
  readonly #stored: StoredOffset;
  readonly #doneBefore: Lsn;
  /** Before this nothing is left to come, the rest of the transaction that holds the stored position included. */
  readonly #completeAt: Lsn;
  /** The transaction that is done in part, until it comes. */
  #awaited: number | undefined;
  #verdict: Verdict = 'pass';
  #seenAtLsn = 0;

  /** `walEnd` is where the server's WAL ended when the stream began: what is stored was committed before. */
  constructor(stored: StoredOffset, walEnd: Lsn) {
    this.#stored = stored;
    this.#doneBefore = maxLsn(stored.lastCommitLsn ?? 0, stored.lsn);
    // A mark keeps the transaction before it, which is complete.
    this.#awaited = stored.messageType === 'COMMIT' ? undefined : stored.transactionId;
    this.#completeAt = maxLsn(this.#doneBefore, walEnd);
  }

  /**
   * Whether a position of the server's is of no use, since the stored one says more: a stream begins long before that, and
   * passes positions in between.
   */
  isBehind(lsn: Lsn): boolean {
    // INV-3: an offset there would go back behind what was confirmed, or take the rest of a transaction for done.
    return lsn < this.#doneBefore || (this.#awaited !== undefined && lsn < this.#completeAt);
  }

  /** A transaction begins whose commit record is at `commitLsn`. */
  begin(xid: number, commitLsn: Lsn): Verdict {
    // INV-3: only what was surely complete is skipped; INV-2: what comes again is a contiguous range.
    // Others that had nothing for us, so that they are in no offset, may come before the one that is awaited.
    if (commitLsn < this.#doneBefore) this.#verdict = 'skip';
    else if (xid === this.#awaited) {
      this.#verdict = 'partial';
      this.#awaited = undefined;
    } else this.#verdict = 'pass';
    return this.#verdict;
  }

  /** Whether a change of the current transaction is new. Called once for each, in order. */
  isNew(lsn: Lsn): boolean {
    switch (this.#verdict) {
      case 'pass':
        return true;
      case 'skip':
        return false;
      case 'partial': {
        const { lsn: last, changesAtLsn } = this.#stored;
        if (lsn !== last) return lsn > last;
        this.#seenAtLsn++;
        return this.#seenAtLsn > changesAtLsn;
      }
      default:
        return this.#verdict satisfies never;
    }
  }

  /** Whether a message outside transactions is new. */
  isNewOutside(lsn: Lsn): boolean {
    return lsn > this.#stored.lsn;
  }
}
