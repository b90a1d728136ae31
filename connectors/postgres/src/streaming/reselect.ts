// Reads anew what the server left out of rows because it did not change (or what is null), and puts it into the events
// before they leave: one query a table for many rows, on a session of its own, while the stream waits. The values are
// those of now, as with Debezium: a later change of the row may already be in them.
import type { ActivityStep, SourceRecord } from '@millrace/connect-api';
import { type ChangeQueue, type ReselectRules, withAfter } from '@millrace/connector-common';
import { RAW_NULL, RAW_UNAVAILABLE, RawRow } from '@millrace/data';
import type { Clock, Logger } from '@millrace/foundation';
import type pg from 'pg';
import { quoteIdentifier, quoteTable, quoteText } from '../connection.ts';
import { isAboutSession, postgresError, toPostgresError } from '../errors.ts';
import { copyOut } from '../protocol/copy-out.ts';
import { RowIndexer } from '../protocol/copy-text.ts';
import { TupleIndex } from '../protocol/pgoutput.ts';
import { qualified } from '../schema/catalog.ts';
import type { TableSchema } from '../schema/table-schema.ts';
import type { Tuple } from './table-stream.ts';
import { commitVisible } from './visible-commit.ts';

export interface ReselectOptions {
  readonly rules: ReselectRules;
  /** Opens a session with the limits of time that queries have. */
  readonly open: () => Promise<pg.Client>;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly step: ActivityStep;
  /** `schema.table` of the signal table, whose rows stay as they are. */
  readonly signalTable: string | undefined;
}

/** What of a table can be read anew, and how its rows are found. */
interface Target {
  readonly schema: TableSchema;
  readonly name: string;
  readonly keys: readonly { readonly position: number; readonly sql: string; readonly type: string }[];
  readonly columns: readonly { readonly position: number; readonly ifNull: boolean }[];
}

/** A record whose row lacks columns. */
interface Pending {
  /** Its place in the batch. */
  readonly record: number;
  readonly target: Target;
  readonly row: Tuple;
  /** The transaction that wrote it. */
  readonly xid: number;
  /** Positions of the columns. */
  readonly lacking: readonly number[];
}

/** Rows asked for at once; fewer while they are large. */
const MAX_ROWS = 512;
/** Bytes of answers held at once: what comes beyond is asked for again. INV-5 */
const MAX_BYTES = 16 * 1024 * 1024;

export class Reselect {
  readonly #options: ReselectOptions;
  readonly #targets = new WeakMap<TableSchema, Target | 'none'>();
  #pending: Pending[] = [];
  #client: pg.Client | undefined;
  #rows = 64;
  readonly #closing = new AbortController();

  constructor(options: ReselectOptions) {
    this.#options = options;
  }

  /** Looks at the row of the record at `record` of the batch in the making, which transaction `xid` wrote. */
  note(schema: TableSchema, row: Tuple, record: number, xid: number): void {
    let target = this.#targets.get(schema);
    if (target === undefined) {
      target = this.#target(schema) ?? 'none';
      this.#targets.set(schema, target);
    }
    if (target === 'none') return;
    const { unavailable } = this.#options.rules;
    let lacking: number[] | undefined;
    for (const { position, ifNull } of target.columns) {
      const length = row.entries[row.base + 2 * position + 1];
      if ((length === RAW_UNAVAILABLE && unavailable) || (length === RAW_NULL && ifNull)) {
        lacking ??= [];
        lacking.push(position);
      }
    }
    if (lacking !== undefined) this.#pending.push({ record, target, row, xid, lacking });
  }

  /**
   * Completes the records of a batch and puts it into the queue, in parts and in order; undefined when nothing is lacking
   * and nothing was put. Rejects when the task has to end; then the rest of the batch was not put.
   */
  fill(records: SourceRecord[], bytes: number, unfinished: boolean): Promise<void> | undefined {
    if (this.#pending.length === 0) return undefined;
    const pending = this.#pending;
    this.#pending = [];
    return this.#fill(records, { bytes, unfinished }, pending);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end().catch(() => undefined);
  }

  async #fill(
    records: SourceRecord[],
    { bytes, unfinished }: { readonly bytes: number; readonly unfinished: boolean },
    pending: readonly Pending[],
  ): Promise<void> {
    const { queue, step } = this.#options;
    let put = 0;
    let held = bytes;
    for (let at = 0; at < pending.length; ) {
      const asked = pending.slice(at, at + this.#rows);
      step.enter(`reading columns anew from ${asked[0]?.target.name ?? ''}`);
      let answered: { count: number; bytes: number };
      try {
        answered = await this.#answer(records, asked);
      } finally {
        step.leave();
      }
      at += answered.count;
      // Rows that were large are asked for in small numbers from then on.
      this.#rows = answered.count < asked.length ? answered.count : Math.min(MAX_ROWS, this.#rows * 2);
      const end = pending[at]?.record ?? records.length;
      queue.put({
        records: records.slice(put, end),
        bytes: held + answered.bytes,
        // It may end within the records of one change.
        unfinished: unfinished || end < records.length,
      });
      put = end;
      held = 0;
      await queue.room();
    }
  }

  /** Completes the first of these records, at least one; says how many, and how many bytes they took. */
  async #answer(
    records: SourceRecord[],
    asked: readonly Pending[],
  ): Promise<{ count: number; bytes: number }> {
    let count = asked.length;
    let bytes = 0;
    for (const [target, rows] of groupByTarget(asked)) {
      if (bytes > MAX_BYTES) {
        count = Math.min(
          count,
          asked.findIndex((row) => row.target === target),
        );
        continue;
      }
      let wanted: readonly Pending[] = rows;
      let lost = 0;
      // The server sends a row before queries see it: one that is not found is looked for again once they do.
      for (let look = 1; look <= 2 && wanted.length > 0; look++) {
        if (look === 2) await this.#seen(wanted);
        const answers = await this.#query(target, wanted);
        bytes += answers.bytes;
        const { gone, unasked, rest } = this.#take(records, wanted, answers);
        if (rest !== undefined) count = Math.min(count, asked.indexOf(rest));
        wanted = gone;
        lost += unasked;
      }
      lost += wanted.length;
      if (lost > 0) this.#notFound(target, lost);
    }
    return { count, bytes };
  }

  /**
   * Completes records by answers: says which rows were not found, how many were not asked for, and the first of those that
   * nothing is known of yet.
   */
  #take(
    records: SourceRecord[],
    wanted: readonly Pending[],
    answers: Answers,
  ): { gone: readonly Pending[]; unasked: number; rest: Pending | undefined } {
    const gone: Pending[] = [];
    let unasked = 0;
    for (const row of wanted) {
      const key = keyOf(row);
      const number = key === undefined ? undefined : answers.numbers.get(key);
      if (number === undefined) {
        unasked++;
        continue;
      }
      if (number > answers.last) return { gone, unasked, rest: row };
      const answer = answers.rows.get(number);
      if (answer === undefined) gone.push(row);
      else complete(records, row, answer, answers.columns);
    }
    return { gone, unasked, rest: undefined };
  }

  /** Waits until queries see what wrote these rows. What the server answers otherwise the next query meets, too. */
  async #seen(rows: readonly Pending[]): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#closing;
    const client = this.#client;
    if (client === undefined) return;
    try {
      for (const xid of new Set(rows.map((row) => row.xid)))
        await commitVisible(xid, { client, clock, signal, onWaiting: () => undefined });
    } catch (error) {
      logger.debug({ err: error }, 'cannot ask whether queries see a transaction');
    }
  }

  #notFound(target: Target, rows: number): void {
    const message = 'rows to read columns anew from are no longer there';
    if (this.#options.rules.failsOnError) {
      throw postgresError(
        'postgres.reselect_failed',
        `Cannot complete events of ${target.name}: ${rows} ${message}`,
      );
    }
    this.#options.logger.warn({ table: target.name, rows }, message);
  }

  async #query(target: Target, rows: readonly Pending[]): Promise<Answers> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#read(target, rows);
      } catch (error) {
        const cause = toPostgresError(error, `Cannot read columns of ${target.name} anew`);
        if (this.#closing.signal.aborted) throw cause;
        // A session may have ended while it was idle: once more on a new one. An answer of the server stays the same.
        if (isAboutSession(error)) {
          await this.#client?.end().catch(() => undefined);
          this.#client = undefined;
          if (attempt === 1) continue;
        }
        if (this.#options.rules.failsOnError) throw cause;
        this.#options.logger.warn({ err: cause, table: target.name }, 'events keep the columns they lack');
        return { columns: [], numbers: new Map(), rows: new Map(), last: Number.MAX_SAFE_INTEGER, bytes: 0 };
      }
    }
  }

  async #read(target: Target, rows: readonly Pending[]): Promise<Answers> {
    this.#client ??= await this.#options.open();
    const columns = [...new Set(rows.flatMap((row) => row.lacking))];
    const answers: Answers = {
      columns,
      numbers: new Map(),
      rows: new Map(),
      last: Number.MAX_SAFE_INTEGER,
      bytes: 0,
    };
    const values: string[] = [];
    for (const row of rows) {
      const key = keyOf(row);
      if (key === undefined || answers.numbers.has(key)) continue;
      answers.numbers.set(key, values.length);
      const parts = target.keys.map(
        ({ position, type }) => `${quoteText(textAt(row.row, position) ?? '')}::${type}`,
      );
      values.push(`(${[values.length, ...parts].join(', ')})`);
    }
    if (values.length === 0) return answers;
    const names = target.keys.map((_, i) => `k${i}`);
    const on = target.keys.map(({ sql }, i) => `t.${sql} = v.k${i}`).join(' and ');
    const list = columns.map(
      (position) => `t.${quoteIdentifier(target.schema.columns[position]?.name ?? '')}`,
    );
    const sql = `COPY (select v.i, ${list.join(', ')} from (values ${values.join(', ')}) as v(i, ${names.join(', ')})
      join ${quoteTable(target.schema)} as t on ${on} order by v.i) TO STDOUT`;
    const index = new TupleIndex();
    const indexer = new RowIndexer(columns.length + 1, index);
    const row = (bytes: Buffer, start: number, end: number): void => {
      if (answers.bytes > MAX_BYTES) return; // what is over the limit is read to its end and let go
      answers.bytes += end - start;
      const tuple: Tuple = { bytes, base: indexer.read(bytes, start, end), entries: index.entries };
      const number = Number(textAt(tuple, 0));
      if (!answers.rows.has(number)) answers.rows.set(number, tuple);
      if (answers.bytes > MAX_BYTES) answers.last = Math.max(...answers.rows.keys());
    };
    await copyOut(this.#client, sql, { row, read: () => undefined });
    return answers;
  }

  #target(schema: TableSchema): Target | undefined {
    const { rules, signalTable } = this.#options;
    const name = qualified(schema);
    const positions = rules.byEventKey ? schema.keyColumns : schema.primaryKeyColumns;
    if (name === signalTable || schema.keySchema === null) return undefined;
    if (positions.length === 0) {
      this.#options.logger.warn({ table: name }, 'columns of a table without a key are not read anew');
      return undefined;
    }
    const columns = schema.rowLayout.fields.flatMap(({ column: position, nullValue }, i) => {
      const column = schema.columns[position];
      if (column === undefined || !rules.selects(`${name}:${column.name}`)) return [];
      // A null that shows as the default of the schema is none.
      const { defaultValue } = schema.rowLayout.schema.fields[i]?.schema ?? {};
      return [{ position, ifNull: rules.nulls && nullValue === null && defaultValue === undefined }];
    });
    if (columns.length === 0) return undefined;
    const keys = positions.map((position) => ({
      position,
      sql: quoteIdentifier(schema.columns[position]?.name ?? ''),
      type: schema.typeNames[position] ?? 'text',
    }));
    return { schema, name, keys, columns };
  }
}

interface Answers {
  /** Positions in the table of the columns that were read. */
  readonly columns: readonly number[];
  /** Keys to their number in the query. */
  readonly numbers: Map<string, number>;
  /** By number: the number itself, then the columns. */
  readonly rows: Map<number, Tuple>;
  /** Beyond this number nothing is known. */
  last: number;
  bytes: number;
}

function groupByTarget(rows: readonly Pending[]): Map<Target, Pending[]> {
  const groups = new Map<Target, Pending[]>();
  for (const row of rows) {
    const group = groups.get(row.target);
    if (group === undefined) groups.set(row.target, [row]);
    else group.push(row);
  }
  return groups;
}

/** The texts of a row's key; undefined when one is null, which no row equals. */
function keyOf({ target, row }: Pending): string | undefined {
  const parts = target.keys.map(({ position }) => textAt(row, position));
  return parts.includes(undefined) ? undefined : JSON.stringify(parts);
}

function textAt({ bytes, entries, base }: Tuple, position: number): string | undefined {
  const start = entries[base + 2 * position] ?? 0;
  const length = entries[base + 2 * position + 1] ?? RAW_NULL;
  return length < 0 ? undefined : bytes.toString('utf8', start, start + length);
}

/** Puts a record with the whole row in the place of the one that lacks columns. */
function complete(
  records: SourceRecord[],
  pending: Pending,
  answer: Tuple,
  columns: readonly number[],
): void {
  const { row, lacking, target } = pending;
  const record = records[pending.record];
  if (record === undefined) return;
  const sources = Array.from({ length: target.schema.columnCount }, (_, position) => {
    const from = lacking.includes(position) ? answer : row;
    const at = from.base + 2 * (from === answer ? columns.indexOf(position) + 1 : position);
    return { from: from.bytes, start: from.entries[at] ?? 0, length: from.entries[at + 1] ?? RAW_NULL };
  });
  const bytes = Buffer.allocUnsafeSlow(sources.reduce((sum, { length }) => sum + Math.max(0, length), 0));
  const entries = new Int32Array(2 * sources.length);
  let to = 0;
  sources.forEach(({ from, start, length }, position) => {
    entries[2 * position] = to;
    entries[2 * position + 1] = length;
    if (length > 0) to += from.copy(bytes, to, start, start + length);
  });
  records[pending.record] = withAfter(record, new RawRow(target.schema.rowLayout, bytes, entries, 0));
}
