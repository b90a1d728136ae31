// The position of the connector as Debezium stores it, and what a restart skips because of it.
import {
  type DeferredOffset,
  type JsonValue,
  type OffsetMap,
  offsetMapOf,
  type SourceOffset,
} from '@millrace/connect-api';
import { type Lsn, maxLsn } from './protocol/lsn.ts';
import { SNAPSHOT_EXACT, SNAPSHOT_SHAPE, SNAPSHOT_STATE } from './snapshot/snapshot-state.ts';

export type MessageType = 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'MESSAGE' | 'BEGIN' | 'COMMIT';

/** A stored offset as it was read. */
export interface StoredOffset {
  /** Position of the last change whose records are complete, or a mark beyond it. */
  readonly lsn: Lsn;
  /** End of the last transaction that was complete before that change. */
  readonly lastCommitLsn: Lsn | undefined;
  readonly transactionId: number | undefined;
  /** How many changes of that position are complete: several rows of one COPY share a position. */
  readonly changesAtLsn: number;
  readonly messageType: string | undefined;
  readonly timestampUs: number | undefined;
  /** A snapshot that this offset belongs to. */
  readonly snapshot: { readonly complete: boolean } | undefined;
  readonly map: OffsetMap;
}

/** Reads an offset map; undefined when it holds no position. */
export function parseOffset(map: OffsetMap | null): StoredOffset | undefined {
  if (map === null) return undefined;
  const lsn = position(map['lsn_proc']) ?? position(map['lsn']);
  if (lsn === undefined) return undefined;
  const snapshot = map['snapshot'];
  return {
    lsn,
    lastCommitLsn: position(map['lsn_commit']) ?? position(map['lsn_proc']),
    // A snapshot's transaction is not one of the stream.
    transactionId: map['lsn_proc'] === undefined ? undefined : integer(map['txId']),
    changesAtLsn: integer(map['lsn_events_processed']) ?? 1,
    messageType: typeof map['messageType'] === 'string' ? map['messageType'] : undefined,
    timestampUs: integer(map['ts_usec']),
    snapshot:
      snapshot === undefined || snapshot === null || snapshot === false
        ? undefined
        : {
            // One that a signal asked for is not gone on with.
            complete:
              snapshot === 'BLOCKING' ||
              map['snapshot_completed'] === true ||
              map['last_snapshot_record'] === true,
          },
    // As Debezium goes on: what was complete when it stopped.
    map: map['lsn_proc'] === undefined || 'lsn_commit' in map ? map : { ...map, lsn_commit: map['lsn_proc'] },
  };
}

function position(value: JsonValue | undefined): Lsn | undefined {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
    ? value
    : undefined;
}
function integer(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** A position that is no row's: where a slot or a snapshot starts. */
export function bareOffset(lsn: Lsn, map: OffsetMap): StoredOffset {
  return {
    lsn,
    lastCommitLsn: undefined,
    transactionId: undefined,
    changesAtLsn: 0,
    messageType: undefined,
    timestampUs: undefined,
    snapshot: undefined,
    map,
  };
}

/**
 * What the server may be told to forget when this offset is durable. Of the change's own transaction only what lies
 * before the change: the transaction must come again whole.
 */
export function confirmablePosition(offset: StoredOffset): Lsn {
  return offset.lastCommitLsn ?? offset.lsn;
}

/**
 * The offset with its position moved to `lsn`, a point before which nothing is left to send, and with the state of an
 * incremental snapshot as it is now. Its other keys stay.
 */
function markAt(map: OffsetMap, lsn: Lsn, incremental?: OffsetMap): OffsetMap {
  const moved: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(map)) {
    if (LEFT_BEHIND.has(key) || key.startsWith(INCREMENTAL_PREFIX)) continue;
    moved[key] = value;
  }
  if ('lsn_proc' in map) moved['lsn_proc'] = lsn;
  else moved['lsn'] = lsn;
  if ('lsn_commit' in map) moved['lsn_commit'] = lsn;
  // INV-3: the next transaction may begin with a change at this very position. Debezium takes that for done when the
  // last message was a change.
  if ('messageType' in map) moved['messageType'] = 'COMMIT' satisfies MessageType;
  return { ...moved, ...incremental };
}

/** What a position is given that no later one has. */
const LEFT_BEHIND = new Set(['lsn_events_processed', SNAPSHOT_STATE, SNAPSHOT_EXACT, SNAPSHOT_SHAPE]);

/** Keys that hold the state of an incremental snapshot begin so. */
export const INCREMENTAL_PREFIX = 'incremental_snapshot_';

/** What the offsets of one transaction's changes share. */
export interface TransactionPosition {
  readonly xid: number;
  readonly commitTimeUs: number;
  /** End of the transaction before it; null when none was seen yet. */
  readonly lastCommitLsn: Lsn | null;
  /** The furthest position that was handed out before it: see `ChangeOffset`. */
  readonly handedOutLsn: Lsn;
  readonly xmin: number | null;
}

/**
 * The offset of a change; its map is made only if it is stored.
 *
 * INV-3: a transaction may have begun long before it commits, and the slot may stand at a mark that was handed out in
 * between. An offset that lies before that would look as if somebody else had moved the slot.
 */
export class ChangeOffset implements DeferredOffset {
  readonly transaction: TransactionPosition;
  readonly lsn: Lsn;
  readonly messageType: MessageType;
  readonly changesAtLsn: number;
  /** Counters of the transaction topic, when there is one. */
  readonly extra: OffsetMap | undefined;

  constructor(
    transaction: TransactionPosition,
    lsn: Lsn,
    messageType: MessageType,
    changesAtLsn: number,
    extra?: OffsetMap,
  ) {
    this.transaction = transaction;
    this.lsn = lsn;
    this.messageType = messageType;
    this.changesAtLsn = changesAtLsn;
    this.extra = extra;
  }

  /** The same position with other state beside it. */
  withExtra(extra: OffsetMap | undefined): ChangeOffset {
    return new ChangeOffset(this.transaction, this.lsn, this.messageType, this.changesAtLsn, extra);
  }

  toOffsetMap(): OffsetMap {
    const { transaction } = this;
    const { lastCommitLsn, handedOutLsn } = transaction;
    const commitLsn = lastCommitLsn ?? (handedOutLsn > this.lsn ? handedOutLsn : null);
    return {
      ...this.extra,
      lsn_proc: this.lsn,
      ...(transaction.xmin === null ? {} : { xmin: transaction.xmin }),
      messageType: this.messageType,
      ...(commitLsn === null ? {} : { lsn_commit: maxLsn(commitLsn, handedOutLsn) }),
      lsn: this.lsn,
      ...(transaction.xid === 0 ? {} : { txId: transaction.xid }),
      ts_usec: transaction.commitTimeUs,
      ...(this.changesAtLsn > 1 ? { lsn_events_processed: this.changesAtLsn } : {}),
    };
  }
}

/** An offset moved to a point before which nothing is left to come. */
export class MarkOffset implements DeferredOffset {
  readonly #base: SourceOffset;
  readonly #lsn: Lsn;
  readonly #extra: OffsetMap | undefined;
  #map: OffsetMap | undefined;

  constructor(base: SourceOffset, lsn: Lsn, extra: OffsetMap | undefined) {
    // The mark before it is of no use any more.
    this.#base = base instanceof MarkOffset ? base.#base : base;
    this.#lsn = lsn;
    this.#extra = extra;
  }

  /** The same position with other state beside it. */
  withExtra(extra: OffsetMap | undefined): MarkOffset {
    return new MarkOffset(this, this.#lsn, extra);
  }

  /** The same position and state over another base. */
  over(base: OffsetMap): MarkOffset {
    return new MarkOffset(base, this.#lsn, this.#extra);
  }

  toOffsetMap(): OffsetMap {
    this.#map ??= markAt(offsetMapOf(this.#base), this.#lsn, this.#extra);
    return this.#map;
  }

  /** Whether this is the map that it was stored as. */
  isStoredAs(map: OffsetMap): boolean {
    return this.#map === map;
  }
}

export interface SnapshotPosition {
  readonly kind: 'INITIAL' | 'BLOCKING';
  readonly lsn: Lsn;
  readonly transactionId: number;
  readonly timestampUs: number;
}

/** The offset of what comes between a snapshot that is complete and the stream. */
export function betweenOffset(map: OffsetMap): OffsetMap {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !SNAPSHOT_KEYS.has(key)));
}
const SNAPSHOT_KEYS = new Set(['last_snapshot_record', 'snapshot', 'snapshot_completed']);

/** The offset of the last record of a snapshot that a signal asked for: that of the place where the stream waits. */
export function blockingOffset(place: SourceOffset, position: SnapshotPosition): OffsetMap {
  return {
    ...offsetMapOf(afterBlocking(place, position)),
    last_snapshot_record: true,
    snapshot: 'BLOCKING',
    snapshot_completed: true,
  };
}

/** Where the stream goes on then: a place where no change was seen yet has the snapshot's transaction and time. */
export function afterBlocking(place: SourceOffset, position: SnapshotPosition): SourceOffset {
  const map = offsetMapOf(place);
  if ('txId' in map) return place;
  const base = { txId: position.transactionId, ts_usec: position.timestampUs, ...map };
  return place instanceof MarkOffset ? place.over(base) : base;
}

/** The offset of snapshot records; `complete` on the last one. */
export function snapshotOffset(position: SnapshotPosition, complete: boolean): OffsetMap {
  return {
    last_snapshot_record: complete,
    lsn: position.lsn,
    txId: position.transactionId,
    ts_usec: position.timestampUs,
    snapshot: position.kind,
    snapshot_completed: complete,
  };
}
