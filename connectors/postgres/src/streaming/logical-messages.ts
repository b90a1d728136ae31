// Logical decoding messages: what pg_logical_emit_message wrote, in a topic of their own.
import { type SourceOffset, type SourcePartition, SourceRecord } from '@millrace/connect-api';
import type { ProcessedAt } from '@millrace/connector-common';
import {
  ArrayStruct,
  INT64,
  optional,
  type Schema,
  STRING,
  type Struct,
  structSchema,
  TRANSACTION_BLOCK,
} from '@millrace/data';
import type { PostgresConfig } from '../config.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { binaryForm } from '../schema/other-types.ts';
import { changeSource, SOURCE_SCHEMA, type SourceIdentity, transactionSource } from '../source-info.ts';
import type { StreamTransaction } from './transaction.ts';

const KEY: Schema = structSchema([['prefix', optional(STRING)]], {
  name: 'io.debezium.connector.postgresql.MessageKey',
  version: 1,
});

export interface LogicalMessage {
  readonly prefix: string;
  readonly content: Buffer;
  readonly lsn: Lsn;
  /** Undefined for a message that does not belong to its transaction. */
  readonly transaction: StreamTransaction | undefined;
  /** Its number in the transaction, where events have one. */
  readonly block: Struct | null;
  readonly processed: ProcessedAt;
  readonly lastCommitLsn: Lsn | null;
  readonly offset: SourceOffset;
}

export interface LogicalMessagesOptions {
  readonly topic: string;
  readonly identity: SourceIdentity;
  readonly sourcePartition: SourcePartition;
  readonly captured: (prefix: string) => boolean;
  /** Content to its form under `binary.handling.mode`. */
  readonly binary: { readonly schema: Schema; readonly encode: (content: Buffer) => unknown };
}

export class LogicalMessages {
  readonly #options: LogicalMessagesOptions;
  readonly #block: Schema;
  readonly #value: Schema;

  constructor(options: LogicalMessagesOptions) {
    this.#options = options;
    this.#block = structSchema(
      [
        ['prefix', optional(STRING)],
        ['content', optional(options.binary.schema)],
      ],
      { name: 'io.debezium.connector.postgresql.Message', version: 1 },
    );
    this.#value = structSchema(
      [
        ['op', STRING],
        ['ts_ms', optional(INT64)],
        ['source', SOURCE_SCHEMA],
        ['transaction', TRANSACTION_BLOCK],
        ['message', this.#block],
      ],
      { name: 'io.debezium.connector.postgresql.MessageValue', version: 1 },
    );
  }

  captured(prefix: string): boolean {
    return this.#options.captured(prefix);
  }

  record(message: LogicalMessage): SourceRecord {
    const { identity, topic, sourcePartition, binary } = this.#options;
    const { transaction, processed } = message;
    const template = transactionSource(
      identity,
      { schema: '', table: '' },
      transaction ?? {
        xid: null,
        committed: processed,
        lastCommitLsn: message.lastCommitLsn,
        xmin: null,
        origin: null,
        originLsn: null,
      },
    );
    return new SourceRecord({
      sourcePartition,
      sourceOffset: message.offset,
      topic,
      keySchema: KEY,
      key: new ArrayStruct(KEY, [message.prefix]),
      valueSchema: this.#value,
      value: new ArrayStruct(this.#value, [
        'm',
        processed.ms,
        changeSource(template, message.lsn),
        message.block,
        new ArrayStruct(this.#block, [message.prefix, binary.encode(message.content)]),
      ]),
    });
  }
}

/** The messages that a config captures. */
export function logicalMessages(
  config: PostgresConfig,
  identity: SourceIdentity,
  sourcePartition: SourcePartition,
): LogicalMessages {
  return new LogicalMessages({
    // Whatever the delimiter of other topics is.
    topic: `${config.topicPrefix}.message`,
    identity,
    sourcePartition,
    captured: config.messagePrefixes,
    binary: binaryForm(config.rules.modes.binary),
  });
}
