// Transactions that the server sends while they are in progress (pgoutput, protocol version 2): what they send is kept
// until they commit or roll back, which other transactions may do in between.
//
//   S Stream start  xid:4 first:1        c Stream commit  xid:4 flags:1 lsn:8 end:8 time:8
//   E Stream stop                        A Stream abort   xid:4 subxid:4 [lsn:8 time:8]
//   between start and stop every message has an xid:4 after its letter: that of the subtransaction it belongs to
import type { Lsn } from '../protocol/lsn.ts';
import { MESSAGE, PgOutputReader } from '../protocol/pgoutput.ts';
import type { ChangeHandler, TransactionSpool } from './transaction-spool.ts';

/** A transaction that was received in parts has committed. */
export interface StreamedCommit {
  readonly xid: number;
  /** Where its commit record is. */
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly commitTimeUs: number;
  /** Nothing came of it that the server would tell of, were it not in parts. */
  readonly isEmpty: boolean;
}

/** `other`: not of a transaction in progress. `kept`: dealt with. A promise: dealt with once it resolves. */
export type Taken = 'other' | 'kept' | Promise<void> | StreamedCommit;

const XID_BYTES = 4;

export class StreamedTransactions {
  readonly #spool: TransactionSpool;
  readonly #commitsEmpty: boolean;
  readonly #reader = new PgOutputReader();
  #xid = 0;

  /** `commitsEmpty`: the server (before 15) tells of the commits of other transactions too that have no changes. */
  constructor(spool: TransactionSpool, { commitsEmpty }: { readonly commitsEmpty: boolean }) {
    this.#spool = spool;
    this.#commitsEmpty = commitsEmpty;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#spool.bytes;
  }

  /** One message of the server. @throws postgres.protocol, postgres.spool_full */
  take(lsn: Lsn, bytes: Buffer, start: number, end: number): Taken {
    const reader = this.#reader;
    const type = reader.open(bytes, start, end);
    if (this.#spool.isTaking) {
      if (type === MESSAGE.streamStop) return this.#spool.end() ?? 'kept';
      // The origin of a transaction is the one message that stands without one.
      const isOrigin = type === MESSAGE.origin;
      const sub = isOrigin ? this.#xid : reader.uint32();
      const from = start + 1 + (isOrigin ? 0 : XID_BYTES);
      return this.#spool.append(sub, lsn, { type, bytes, from, end }) ?? 'kept';
    }
    switch (type) {
      case MESSAGE.streamStart:
        this.#xid = reader.uint32();
        this.#spool.begin(this.#xid);
        return 'kept';
      case MESSAGE.streamAbort:
        return this.#spool.abort(reader.uint32(), reader.uint32());
      case MESSAGE.streamCommit:
        return this.#commit();
      default:
        return 'other';
    }
  }

  /** Hands over what a transaction has sent, as messages of protocol version 1, and forgets it. */
  replay(xid: number, handle: ChangeHandler): Promise<void> {
    return this.#spool.replay(xid, handle);
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#spool.close();
  }

  #commit(): StreamedCommit {
    const reader = this.#reader;
    const xid = reader.uint32();
    reader.byte();
    return {
      xid,
      commitLsn: reader.lsn(),
      endLsn: reader.lsn(),
      commitTimeUs: reader.timestampUs(),
      isEmpty: !this.#commitsEmpty && !this.#spool.hasChanges(xid),
    };
  }
}
