// Changes within the window of a resumed snapshot: which of them are delivered, and which half of a change of key.
import type { SourceRecord } from '@millrace/connect-api';
import type { ChangeContext } from '@millrace/connector-common';
import type { Struct } from '@millrace/data';
import type { MessageType } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import type { JudgedTable, SnapshotWindow } from './snapshot-window.ts';
import { ownTuple, type TableStream, type Tuple } from './table-stream.ts';

/** A change of a row: its state before, as far as the server sent it, and after. */
export interface RowChange {
  readonly type: MessageType;
  readonly commitLsn: Lsn;
  readonly before: Tuple | undefined;
  readonly after: Tuple | undefined;
  /** What its records share when it is delivered apart from its transaction. */
  readonly context: () => ChangeContext;
}

/** What is to be delivered in place of a change; undefined = the change itself. */
export function changeInWindow(
  window: SnapshotWindow,
  table: TableStream,
  change: RowChange,
): readonly SourceRecord[] | undefined {
  const judged = window.table(table.schema);
  if (judged === undefined) return undefined;
  if (judged.keyColumns !== undefined && !table.hasColumns(judged.keyColumns)) {
    const waiting = window.release(judged.name);
    return waiting.length === 0 ? undefined : [...waiting, ...wholeChange(table, change)];
  }
  const { before, after } = change;
  if (before !== undefined && after !== undefined && table.movesKey(before, after))
    return movedRow(window, judged, table, change);
  const isCovered = covers(window, judged, table, change, after ?? before);
  if (after !== undefined) window.created(judged, table.keyText(after));
  if (!isCovered) return undefined;
  if (after !== undefined) return [];
  // Without a key nobody can tell which row comes back.
  if (before === undefined || !table.hasKey) return undefined;
  const records: SourceRecord[] = [];
  table.deleted(records, change.context(), ownTuple(before, table.columnCount));
  return window.deleted(judged, table.keyText(before), records);
}

/** Both halves of a change of key are judged apart. */
function movedRow(
  window: SnapshotWindow,
  judged: JudgedTable,
  table: TableStream,
  change: RowChange,
): readonly SourceRecord[] | undefined {
  const { before, after } = change;
  if (before === undefined || after === undefined) return undefined;
  const oldCovered = covers(window, judged, table, change, before);
  const newCovered = covers(window, judged, table, change, after);
  window.created(judged, table.keyText(after));
  if (!oldCovered && !newCovered) return undefined;
  const records = wholeChange(table, {
    ...change,
    before: ownTuple(before, table.columnCount),
    after: ownTuple(after, table.columnCount),
  });
  // Skipped operations leave out one half or the other.
  const isCreate = (record: SourceRecord): boolean => (record.value as Struct | null)?.get('op') === 'c';
  const created = records.filter(isCreate);
  const deleted = records.filter((record) => !isCreate(record));
  const given = oldCovered ? window.deleted(judged, table.keyText(before), deleted) : deleted;
  return newCovered ? given : [...given, ...created];
}

function covers(
  window: SnapshotWindow,
  judged: JudgedTable,
  table: TableStream,
  { commitLsn }: RowChange,
  row: Tuple | undefined,
): boolean {
  if (row === undefined) return false;
  const key = table.texts(row, judged.keyColumns ?? []).map((text) => text ?? '');
  return window.covers(judged, key, commitLsn);
}

function wholeChange(table: TableStream, { type, before, after, context }: RowChange): SourceRecord[] {
  const records: SourceRecord[] = [];
  const shared = context();
  if (after === undefined) {
    if (before !== undefined) table.deleted(records, shared, before);
  } else if (type === 'INSERT') table.inserted(records, shared, after);
  else table.updated(records, shared, () => shared, { before, after });
  return records;
}
