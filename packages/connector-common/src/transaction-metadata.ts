// provide.transaction.metadata: BEGIN and END records of their own topic, and the block in data records
// that numbers the events of a transaction.
import { type OffsetMap, type SourceOffset, type SourcePartition, SourceRecord } from '@millrace/connect-api';
import {
  ArrayStruct,
  arraySchema,
  INT64,
  javaBucketHash,
  optional,
  type Schema,
  STRING,
  structSchema,
  TRANSACTION_BLOCK,
} from '@millrace/data';

const COLLECTION: Schema = structSchema(
  [
    ['data_collection', STRING],
    ['event_count', INT64],
  ],
  { name: 'event.collection', version: 1 },
);
const KEY: Schema = structSchema([['id', STRING]], {
  name: 'io.debezium.connector.common.TransactionMetadataKey',
  version: 1,
});
const VALUE: Schema = structSchema(
  [
    ['status', STRING],
    ['id', STRING],
    ['event_count', optional(INT64)],
    ['data_collections', arraySchema(optional(COLLECTION), { optional: true })],
    ['ts_ms', INT64],
  ],
  { name: 'io.debezium.connector.common.TransactionMetadataValue', version: 1 },
);

export const TRANSACTION_ID_KEY = 'transaction_id';
const ORDER_KEY_PREFIX = 'transaction_data_collection_order_';
/** What offsets count logical messages under; Debezium names each by a Java object's address besides. */
const MESSAGES_KEY =
  'io.debezium.connector.postgresql.LogicalDecodingMessageMonitor$LogicalDecodingMessageId';
const INITIAL_CAPACITY = 16;

export interface TransactionTopic {
  readonly topic: string;
  readonly sourcePartition: SourcePartition;
}

/** Counts the events of the transaction at hand. Its state is part of offsets, so that a restart goes on counting. */
export class TransactionMetadata {
  readonly #target: TransactionTopic;
  #id: string | undefined;
  #total = 0;
  readonly #perTable = new Map<string, number>();
  #messages = 0;
  #capacity = INITIAL_CAPACITY;

  constructor(target: TransactionTopic) {
    this.#target = target;
  }

  /** Takes up the counters of a stored offset. */
  restore(offset: OffsetMap): void {
    const id = offset[TRANSACTION_ID_KEY];
    if (typeof id !== 'string') return;
    this.#id = id;
    for (const [key, count] of Object.entries(offset)) {
      if (!key.startsWith(ORDER_KEY_PREFIX) || typeof count !== 'number') continue;
      const name = key.slice(ORDER_KEY_PREFIX.length);
      if (name.startsWith(MESSAGES_KEY)) this.#messages += count;
      else this.#perTable.set(name, count);
      this.#total += count;
    }
  }

  begin(id: string, committedMs: number, offset: SourceOffset): SourceRecord {
    this.#id = id;
    this.#total = 0;
    this.#perTable.clear();
    this.#messages = 0;
    return this.#record(offset, id, ['BEGIN', id, null, null, committedMs]);
  }

  /** The block of the next event, of the table named `schema.table`. */
  event(id: string, table: string): ArrayStruct {
    this.#id = id;
    this.#total++;
    const order = (this.#perTable.get(table) ?? 0) + 1;
    this.#perTable.set(table, order);
    return new ArrayStruct(TRANSACTION_BLOCK, [id, this.#total, order]);
  }

  /** The block of a logical message, which is counted with the events and is first of its kind each time. */
  message(id: string): ArrayStruct {
    this.#id = id;
    this.#total++;
    this.#messages++;
    return new ArrayStruct(TRANSACTION_BLOCK, [id, this.#total, 1]);
  }

  end(id: string, committedMs: number, offset: SourceOffset): SourceRecord {
    // Debezium lists tables as Java's HashMap does, which keeps its size when it is emptied.
    while (this.#perTable.size + this.#messages > this.#capacity * 0.75) this.#capacity *= 2;
    const bucket = (table: string): number => javaBucketHash(table) & (this.#capacity - 1);
    const collections = [...this.#perTable]
      .sort(([a], [b]) => bucket(a) - bucket(b))
      .map(([table, count]) => new ArrayStruct(COLLECTION, [table, count]));
    const record = this.#record(offset, id, ['END', id, this.#total, collections, committedMs]);
    this.#id = undefined;
    this.#total = 0;
    this.#perTable.clear();
    this.#messages = 0;
    return record;
  }

  /** What offsets hold of it at this point. */
  offsetState(): OffsetMap {
    if (this.#id === undefined) return {};
    return {
      [TRANSACTION_ID_KEY]: this.#id,
      ...Object.fromEntries(
        [...this.#perTable].map(([table, count]) => [`${ORDER_KEY_PREFIX}${table}`, count]),
      ),
      ...(this.#messages === 0 ? {} : { [`${ORDER_KEY_PREFIX}${MESSAGES_KEY}`]: this.#messages }),
    };
  }

  #record(sourceOffset: SourceOffset, id: string, values: unknown[]): SourceRecord {
    return new SourceRecord({
      sourcePartition: this.#target.sourcePartition,
      sourceOffset,
      topic: this.#target.topic,
      keySchema: KEY,
      key: new ArrayStruct(KEY, [id]),
      valueSchema: VALUE,
      value: new ArrayStruct(VALUE, values),
    });
  }
}
