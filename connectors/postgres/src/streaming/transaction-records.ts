// The records of the transaction topic that a stream gives, and what rows and messages say of their transaction.
import type { TransactionMetadata } from '@millrace/connector-common';
import type { ArrayStruct } from '@millrace/data';
import type { Lsn } from '../protocol/lsn.ts';
import type { RecordBatch } from './record-batch.ts';
import type { StreamPosition } from './stream-position.ts';
import type { StreamTransaction } from './transaction.ts';

export class TransactionRecords {
  readonly #metadata: TransactionMetadata;
  readonly #position: StreamPosition;
  readonly #batch: RecordBatch;

  constructor(metadata: TransactionMetadata, position: StreamPosition, batch: RecordBatch) {
    this.#metadata = metadata;
    this.#position = position;
    this.#batch = batch;
  }

  /** The BEGIN of the transaction being read, once. */
  begin(lsn: Lsn): void {
    const { transaction, lastOffset } = this.#position;
    if (transaction === undefined || transaction.announced) return;
    transaction.announced = true;
    const id = `${transaction.xid}:${lsn}`;
    this.#batch.records.push(this.#metadata.begin(id, transaction.committed.ms, lastOffset));
  }

  /** The END of a transaction; none without a BEGIN. */
  end(transaction: StreamTransaction, endLsn: Lsn): void {
    if (!transaction.announced) return;
    const id = `${transaction.xid}:${endLsn}`;
    const offset = this.#position.endOffset(transaction, endLsn);
    this.#batch.records.push(this.#metadata.end(id, transaction.committed.ms, offset));
    this.#position.lastOffset = offset;
  }

  /** What a change of a table (`schema.name`), or of a logical message (null), says of its transaction. */
  block(table: string | null, lsn: Lsn): ArrayStruct | null {
    const { transaction } = this.#position;
    if (transaction === undefined) return null;
    const id = `${transaction.xid}:${lsn}`;
    this.begin(lsn);
    return table === null ? this.#metadata.message(id) : this.#metadata.event(id, table);
  }
}
