// What cleaning must know of transactions while it goes through a log from its start: which batches were aborted, and
// whether a marker still has data before it. Rules as in Kafka's CleanedTransactionMetadata.
import type { BatchHeader } from '@millrace/kafka-protocol';
import type { AbortedTransaction } from '../transaction-index.ts';

interface OngoingAbort {
  readonly transaction: AbortedTransaction;
  sawData: boolean;
}

const ABORT = 0;
const COMMIT = 1;

export class CleanedTransactions {
  readonly #waiting: AbortedTransaction[];
  readonly #aborting = new Map<number, OngoingAbort>();
  readonly #committing = new Set<number>();
  #kept: AbortedTransaction[] = [];

  /** Takes all aborted transactions of the log, in any order. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
  }

  /** Looks at a batch of data; true when its transaction was aborted. */
  isAborted(header: BatchHeader, transactional: boolean): boolean {
    this.#advance(header.baseOffset + header.lastOffsetDelta);
    if (!transactional) return false;
    const aborting = this.#aborting.get(header.producerId);
    if (aborting) aborting.sawData = true;
    else this.#committing.add(header.producerId);
    return aborting !== undefined;
  }

  /** Looks at a marker (its type, undefined when it was emptied before); true when no data of it is left. */
  isMarkerWithoutData(header: BatchHeader, type: number | undefined): boolean {
    this.#advance(header.baseOffset + header.lastOffsetDelta);
    if (type === undefined) return true;
    if (type === COMMIT) return !this.#committing.delete(header.producerId);
    if (type !== ABORT) return false;
    const aborting = this.#aborting.get(header.producerId);
    this.#aborting.delete(header.producerId);
    if (!aborting?.sawData) return true;
    // Readers may still hold the data that is being dropped: the index goes one cleaning later, with the marker.
    this.#kept.push(aborting.transaction);
    return false;
  }

  /** The aborted transactions whose markers came by since the last call and that stay in the index. */
  takeKept(): AbortedTransaction[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }

  #advance(offset: number): void {
    for (let next = this.#waiting.at(-1); next && next.firstOffset <= offset; next = this.#waiting.at(-1)) {
      this.#waiting.pop();
      if (!this.#aborting.has(next.producerId)) {
        this.#aborting.set(next.producerId, { transaction: next, sawData: false });
      }
    }
  }
}
