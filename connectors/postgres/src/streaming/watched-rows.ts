// Rows of the stream that signals and incremental snapshots have to see.
import type { MessageType } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { qualified } from '../schema/catalog.ts';
import type { SignalWatch } from './reader-options.ts';
import type { SignalEffect } from './signal-desk.ts';
import type { StreamPosition } from './stream-position.ts';
import type { TableStream, Tuple } from './table-stream.ts';

/** A row that passes, by the last change that was counted. */
export interface PassingRow {
  readonly table: TableStream;
  readonly lsn: Lsn;
  readonly type: MessageType;
  readonly row: Tuple;
  /** The same row before the change, where the server has sent that. */
  readonly before: Tuple | undefined;
  readonly position: StreamPosition;
  readonly processedNs: () => bigint;
}

/** Whether a row that is inserted asks for a snapshot. */
export function asksForSnapshot(signals: SignalWatch | undefined, table: TableStream, row: Tuple): boolean {
  if (signals === undefined || qualified(table.schema) !== signals.table) return false;
  const texts = table.signalTexts(row);
  return texts !== undefined && signals.desk.asksForSnapshot(texts);
}

/** Lets them see a row; returns what that asks of the stream, in order. */
export function watchRow(
  { table: signalTable, desk, incremental }: SignalWatch,
  { table, lsn, type, row, before, position, processedNs }: PassingRow,
): readonly SignalEffect[] {
  const { transaction } = position;
  if (transaction === undefined) return [];
  incremental.transactionPassed(transaction.xid);
  const keys = incremental.watchedKeys(table.schema);
  if (keys !== undefined) {
    incremental.passed(table.texts(row, keys));
    if (before !== undefined) incremental.passed(table.texts(before, keys));
  }
  if (qualified(table.schema) !== signalTable) return [];
  const place = {
    lsn,
    lastCommitLsn: transaction.lastCommitLsn,
    offset: () => position.offset(transaction, lsn, type),
    processedNs,
  };
  const [id = null] = table.firstTexts(row, 1);
  const inserted = (): SignalEffect =>
    desk.inserted({ mark: table.firstTexts(row, 2), signal: table.signalTexts(row) }, place);
  if (type === 'INSERT') return [inserted()];
  if (type === 'DELETE') return [desk.deleted(id, place)];
  // As it is told: a change of the key is a delete and an insert.
  if (type !== 'UPDATE' || before === undefined || !table.movesKey(before, row)) return [];
  const gone = desk.deleted(table.firstTexts(before, 1)[0] ?? null, place);
  return [gone, inserted()];
}
