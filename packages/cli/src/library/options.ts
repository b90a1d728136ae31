// What a program gives to open a source.
import type { Plugin } from '@millrace/connect-api';
import type { LogLevel } from '@millrace/foundation';
import type { SourceOffsets } from './offsets/source-offsets.ts';

/** A connector's config, with Debezium's keys as they are. */
export type ConnectorConfig = Readonly<Record<string, string | number | boolean>>;

export interface MillraceOptions {
  /**
   * `connector.class` and the keys of that connector; also `transforms`, `predicates`, `offset.flush.interval.ms`
   * (1000 by default), and `name` (`millrace` by default), under which the offsets are kept. Variables such as
   * `${env:PGPASSWORD}` are replaced. One default is another than under Kafka: `tombstones.on.delete` is false.
   */
  readonly config: ConnectorConfig;
  /** Where to keep how far it has come: `fileOffsets`, `redisOffsets`, `postgresOffsets` or your own. */
  readonly offsets: SourceOffsets;
  /** `envelope`: objects with plain rows; `json`: the texts that Kafka Connect would have written. */
  readonly shape?: 'envelope' | 'json';
  /** Sources, transforms and predicates beside those that come with Millrace; they run in this process. */
  readonly plugins?: readonly Plugin[];
  /** So many events may be without `ack()`; then no more are read. 10,000 by default. */
  readonly maxUnacknowledged?: number;
  /** What is written to stderr, as lines of JSON; `warn` by default. */
  readonly logLevel?: LogLevel;
  /** Folder for transactions that are read while they are open (`millrace.streaming`); below the one for temporary files by default. */
  readonly spoolFolder?: string;
}
