// What the reader of changes is made of.
import type { Headers, OffsetMap, SourcePartition, SourceRecord } from '@millrace/connect-api';
import type { ChangeQueue, StreamCounts, TransactionMetadata } from '@millrace/connector-common';
import type { Clock } from '@millrace/foundation';
import type { StoredOffset } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import type { Relation } from '../protocol/pgoutput.ts';
import type { TableName } from '../schema/catalog.ts';
import type { TableSchema } from '../schema/table-schema.ts';
import type { IncrementalSnapshot } from '../snapshot/incremental-snapshot.ts';
import type { KeyQuestion } from '../snapshot/key-places.ts';
import type { SourceIdentity } from '../source-info.ts';
import type { LogicalMessages } from './logical-messages.ts';
import type { Reselect } from './reselect.ts';
import type { SignalDesk } from './signal-desk.ts';
import type { SnapshotWindow } from './snapshot-window.ts';
import type { StreamedTransactions } from './streamed-transactions.ts';

export interface ChangeReaderOptions {
  readonly identity: SourceIdentity;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly tombstones: boolean;
  readonly skipped: ReadonlySet<string>;
  /** Leave out updates that change no captured column. */
  readonly skipUnchanged: boolean;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly counts: StreamCounts;
  readonly clock: Clock;
  /** Whether a table is captured. */
  readonly captured: (table: TableName) => boolean;
  /** Finds what rows of a relation looked like when a transaction wrote them. */
  readonly describe: (relation: Relation, xid: number) => Promise<DescribedTable>;
  /** Goes on after this reader asked the stream to stop. */
  readonly resume: () => void;
  /** Has `caughtUp` called soon, also while nothing comes. */
  readonly nudge: () => void;
  readonly fail: (error: unknown) => void;
  /** Where an earlier run stopped. */
  readonly stored: StoredOffset | undefined;
  /** Where the server's WAL ended before the stream began. */
  readonly walEnd: Lsn;
  /** Until its end `stored` stays the offset of all records, so that a restart begins with it again. */
  readonly window: SnapshotWindow | undefined;
  /** Where keys lie in the order that a table was read in, for the window; undefined where the server does not know. */
  readonly askPlaces: (question: KeyQuestion) => Promise<readonly number[] | undefined>;
  readonly transactions: TransactionMetadata | undefined;
  readonly messages: LogicalMessages | undefined;
  /** The oldest transaction still running, where the config asks for it. */
  readonly xmin: () => number | null;
  /** Completes rows that lack columns, where the config asks for it. */
  readonly reselect: Reselect | undefined;
  /** Signals and incremental snapshots, where the config has them. */
  readonly signals: SignalWatch | undefined;
  /** What offsets hold of an incremental snapshot that nobody goes on with. */
  readonly resting: OffsetMap | undefined;
  /** Where the server sends transactions while they are in progress. */
  readonly streamed: StreamedTransactions | undefined;
}

export interface DescribedTable {
  readonly schema: TableSchema;
  /** The table has been altered by this later transaction: it has to be described anew once that is reached. */
  readonly changedBy: number | undefined;
}

export interface SignalWatch {
  /** The signal table, as `schema.table`; undefined when signals do not come from one. */
  readonly table: string | undefined;
  readonly desk: SignalDesk;
  readonly incremental: IncrementalSnapshot;
}
