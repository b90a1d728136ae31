// The transaction whose changes are being read: what its source blocks and offsets share.
import type { TransactionPosition } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { type Moment, momentOfUs, type SourceTransaction } from '../source-info.ts';

export class StreamTransaction implements SourceTransaction, TransactionPosition {
  readonly xid: number;
  /** Where its commit record is. */
  readonly commitLsn: Lsn;
  readonly commitTimeUs: number;
  readonly committed: Moment;
  readonly lastCommitLsn: Lsn | null;
  readonly handedOutLsn: Lsn;
  readonly xmin: number | null;
  origin: string | null = null;
  originLsn: Lsn | null = null;
  /** Set once its BEGIN record was made, when there are such records. */
  announced: boolean;

  constructor(parts: {
    readonly xid: number;
    readonly commitLsn: Lsn;
    readonly commitTimeUs: number;
    readonly lastCommitLsn: Lsn | null;
    readonly handedOutLsn: Lsn;
    readonly xmin: number | null;
    readonly announced: boolean;
  }) {
    this.xid = parts.xid;
    this.commitLsn = parts.commitLsn;
    this.commitTimeUs = parts.commitTimeUs;
    this.committed = momentOfUs(parts.commitTimeUs);
    this.lastCommitLsn = parts.lastCommitLsn;
    this.handedOutLsn = parts.handedOutLsn;
    this.xmin = parts.xmin;
    this.announced = parts.announced;
  }
}
