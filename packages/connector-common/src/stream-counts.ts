// What a stream of changes counts since it began: plain numbers, raised where changes pass.

export class StreamCounts {
  created = 0;
  updated = 0;
  deleted = 0;
  truncated = 0;
  /** Logical messages. */
  messages = 0;
  /** Changes of tables, and operations, that are not to be delivered. */
  filtered = 0;
  /** Updates that changed no captured column, and were left out for it. */
  unchanged = 0;
  /** Changes that made the stream fail. */
  erroneous = 0;
  /** Values that their fields could not hold. */
  unconvertible = 0;
  committedTransactions = 0;
  /** Tables that are captured, as of the start. */
  capturedTables = 0;
  /** Of the transaction that was seen last; undefined before the first. */
  lastTransactionId: number | undefined;

  /** Changes that were delivered. */
  get seen(): number {
    return this.created + this.updated + this.deleted + this.truncated + this.messages;
  }
}
