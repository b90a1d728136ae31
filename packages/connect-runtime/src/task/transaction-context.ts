// What a connector asks for its transactions (transaction.boundary=connector), until the worker has dealt with it.
import type { SourceRecord, TransactionContext } from '@millrace/connect-api';
import { connectError, JAVA } from '../errors.ts';

export type TransactionEnd = 'commit' | 'abort';

/** INV-5: more records than that are asked about by mistake. */
const MAX_RECORDS = 100_000;

export class TransactionRequests implements TransactionContext {
  #records = new Map<SourceRecord, TransactionEnd>();
  #batch: TransactionEnd | undefined;

  commitTransaction(last?: SourceRecord): void {
    this.#note('commit', last);
  }
  abortTransaction(last?: SourceRecord): void {
    this.#note('abort', last);
  }

  /** Whether an end was asked for at one of the records of the batch that is being sent. */
  get hasRecords(): boolean {
    return this.#records.size > 0;
  }

  /** Once: the end asked for at this record. */
  takeFor(record: SourceRecord): TransactionEnd | undefined {
    const end = this.#records.get(record);
    if (end !== undefined) this.#records.delete(record);
    return end;
  }

  /** Once: the end asked for after the whole batch. */
  takeForBatch(): TransactionEnd | undefined {
    const end = this.#batch;
    this.#batch = undefined;
    return end;
  }

  #note(end: TransactionEnd, last: SourceRecord | undefined): void {
    const known = last === undefined ? this.#batch : this.#records.get(last);
    if (known !== undefined && known !== end) {
      const what = last === undefined ? 'the current batch' : 'the same record';
      throw connectError('connect.data', `Cannot both commit and abort the transaction for ${what}`, {
        javaClass: JAVA.illegalState,
      });
    }
    if (last === undefined) this.#batch = end;
    else if (this.#records.size < MAX_RECORDS) this.#records.set(last, end);
    else throw connectError('connect.data', 'Ends were asked for at records that were never handed over');
  }
}
