// Reads tables within one exported snapshot, by COPY, and hands their rows over as records. One row is held back all
// the time, because the last one is marked as such.
import { finished } from 'node:stream/promises';
import type { Headers, OffsetMap, SourceOffset, SourcePartition, SourceRecord } from '@millrace/connect-api';
import {
  type ChangeContext,
  type ChangeQueue,
  type SnapshotProgress,
  TableEvents,
} from '@millrace/connector-common';
import { RawRow, type Struct } from '@millrace/data';
import type { Clock, Logger } from '@millrace/foundation';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { PostgresConfig } from '../config.ts';
import { quoteIdentifier, quoteTable } from '../connection.ts';
import { postgresError, toPostgresError } from '../errors.ts';
import { type SnapshotPosition, snapshotOffset } from '../offset.ts';
import { CopyRows, indexRows } from '../protocol/copy-text.ts';
import { TupleIndex } from '../protocol/pgoutput.ts';
import { qualified, readTable, type TableName, type TypeCatalog } from '../schema/catalog.ts';
import { type SchemaRules, type TableSchema, tableSchema } from '../schema/table-schema.ts';
import { mapType } from '../schema/type-mapping.ts';
import {
  type Moment,
  momentOfNs,
  momentOfUs,
  type SnapshotMarker,
  type SourceIdentity,
  snapshotSource,
} from '../source-info.ts';

export interface SnapshotOptions {
  /** A session in the transaction of the snapshot. */
  readonly client: pg.Client;
  readonly config: PostgresConfig;
  readonly rules: SchemaRules;
  readonly types: TypeCatalog;
  readonly identity: SourceIdentity;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly progress: SnapshotProgress;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly position: SnapshotPosition;
  readonly signal: AbortSignal;
  /** The offset of all records, where it is not that of an initial snapshot. */
  readonly offset?: SourceOffset | undefined;
  /** The SELECT for a table named `schema.table`, where there is one. */
  readonly select: (table: string) => string | undefined;
  /** Called when a table is begun, and with the number of its rows when it was read. */
  readonly onTable: (table: TableName, rows?: number) => void;
}

/** A row whose marker is not known yet. */
interface HeldRow {
  readonly table: OpenTable;
  readonly bytes: Buffer;
  readonly entries: Int32Array;
  readonly base: number;
  readonly firstOfTable: boolean;
  readonly firstOfAll: boolean;
}

interface OpenTable {
  readonly name: TableName;
  readonly schema: TableSchema;
  readonly events: TableEvents;
  readonly sources: Map<SnapshotMarker, Struct>;
}

export class SnapshotReader {
  readonly #options: SnapshotOptions;
  readonly #index = new TupleIndex();
  readonly #moment: Moment;
  readonly #running: SourceOffset;
  readonly #complete: SourceOffset;
  readonly #completeMap: OffsetMap;
  #records: SourceRecord[] = [];
  #processed: Moment | undefined;
  #context: ChangeContext | undefined;
  #held: HeldRow | undefined;
  #rowCount = 0;

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#moment = momentOfUs(options.position.timestampUs);
    this.#completeMap = snapshotOffset(options.position, true);
    this.#running = options.offset ?? snapshotOffset(options.position, false);
    this.#complete = options.offset ?? this.#completeMap;
  }

  /** Reads the tables one after the other; resolves to the number of rows when all are in the queue. */
  async read(tables: readonly TableName[]): Promise<number> {
    for (const table of tables) {
      this.#options.signal.throwIfAborted();
      await this.#readTable(table);
    }
    if (this.#held !== undefined) {
      this.#emit(this.#held, 'last');
      this.#flush(0);
    }
    return this.#rowCount;
  }

  /** The offset of a snapshot whose every row is delivered. */
  get completeOffset(): OffsetMap {
    return this.#completeMap;
  }

  async #readTable(name: TableName): Promise<void> {
    const { client, config, logger, clock, onTable } = this.#options;
    const started = clock.monotonicMs();
    const open = await this.#open(name);
    if (open === undefined) return;
    onTable(name);
    const { table, sql } = open;
    if (config.snapshot.locking === 'shared') {
      await client.query(`SET LOCAL lock_timeout = ${config.snapshot.lockTimeoutMs}`);
      await client.query(`LOCK TABLE ${quoteTable(name)} IN ACCESS SHARE MODE`);
    }
    let rows = 0;
    try {
      rows = await this.#copy(sql, table);
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      throw toPostgresError(error, `Cannot read table ${qualified(name)}`);
    }
    onTable(name, rows);
    logger.info(
      { table: qualified(name), rows, ms: Math.round(clock.monotonicMs() - started) },
      'read a table for the snapshot',
    );
  }

  /** The table's schema and the COPY that reads it; undefined when it is gone or has no column we can read. */
  async #open(name: TableName): Promise<{ table: OpenTable; sql: string } | undefined> {
    const { client, rules, types, headers, sourcePartition } = this.#options;
    const catalog = await readTable(client, name);
    if (catalog === undefined) return undefined;
    await types.load(
      client,
      catalog.columns.map((column) => column.typeOid),
    );
    const all = tableSchema({
      table: name,
      columns: catalog.columns,
      catalog,
      types,
      rules,
      origin: 'snapshot',
    });
    const keys = new Set(all.keyColumns);
    const wanted = catalog.columns.filter(
      (column, i) =>
        mapType(types, column.typeOid, column.typmod, rules.modes) !== undefined &&
        (keys.has(i) || rules.columns(`${qualified(name)}.${column.name}`)),
    );
    const schema = tableSchema({ table: name, columns: wanted, catalog, types, rules, origin: 'snapshot' });
    const { topic, keySchema, envelopeSchema } = schema;
    const events = new TableEvents({
      topic,
      keySchema,
      envelopeSchema,
      headers,
      sourcePartition,
      tombstones: false,
    });
    const override = this.#options.select(qualified(name));
    const columns =
      override === undefined
        ? wanted.map((column) => quoteIdentifier(column.name))
        : await this.#columnsOf(
            override,
            wanted.map((column) => column.name),
            name,
          );
    const from = override === undefined ? quoteTable(name) : `(${override}) as t`;
    return {
      table: { name, schema, events, sources: new Map() },
      sql: `COPY (SELECT ${columns.join(', ')} FROM ${from}) TO STDOUT`,
    };
  }

  /** The select list over a SELECT of the user's; columns that it does not give are null. */
  async #columnsOf(select: string, wanted: readonly string[], table: TableName): Promise<string[]> {
    try {
      const { fields } = await this.#options.client.query(`SELECT * FROM (${select}) as t LIMIT 0`);
      const given = new Set(fields.map((field) => field.name));
      return wanted.map((name) => (given.has(name) ? quoteIdentifier(name) : 'null'));
    } catch (error) {
      throw postgresError('postgres.table_unusable', `The SELECT for ${qualified(table)} fails`, {
        cause: error,
        configKey: `snapshot.select.statement.overrides.${qualified(table)}`,
      });
    }
  }

  async #copy(sql: string, table: OpenTable): Promise<number> {
    const { client, queue, signal, progress } = this.#options;
    const stream = client.query(copyTo(sql));
    const gather = new CopyRows();
    const columns = table.schema.columnCount;
    let rows = 0;
    const abort = (): void => void stream.destroy(new Error('the task stops'));
    signal.addEventListener('abort', abort, { once: true });
    try {
      for await (const chunk of stream) {
        const bytes = gather.push(chunk as Buffer);
        if (bytes === undefined) continue;
        const before = rows;
        indexRows(bytes, columns, this.#index, (entries, base) => {
          this.#row({
            table,
            bytes,
            entries,
            base,
            firstOfTable: rows === 0,
            firstOfAll: this.#rowCount === 0,
          });
          rows++;
          this.#rowCount++;
        });
        progress.rowsScanned(qualified(table.name), rows - before);
        this.#flush(bytes.length);
        // INV-5: a full queue stops the reading; the stream stops the server.
        await queue.room();
      }
      if (!stream.closed) await finished(stream).catch(() => undefined);
    } finally {
      signal.removeEventListener('abort', abort);
    }
    return rows;
  }

  #row(row: HeldRow): void {
    const held = this.#held;
    this.#held = row;
    if (held !== undefined) this.#emit(held, markerOf(held, row.table !== held.table));
  }

  #emit(row: HeldRow, marker: SnapshotMarker): void {
    const { table, bytes, entries, base } = row;
    const { keyLayout, rowLayout } = table.schema;
    table.events.created(
      this.#records,
      this.#contextOf(table, marker),
      keyLayout === null ? null : new RawRow(keyLayout, bytes, entries, base),
      new RawRow(rowLayout, bytes, entries, base),
      'r',
    );
  }

  /** What a row shares with others: all but the first and last ones of a batch and table share all of it. */
  #contextOf(table: OpenTable, marker: SnapshotMarker): ChangeContext {
    this.#processed ??= momentOfNs(this.#options.clock.nowNs());
    const processed = this.#processed;
    const source = this.#source(table, marker);
    const last = this.#context;
    if (last !== undefined && last.source === source && last.processed === processed) return last;
    const offset = marker === 'last' ? this.#complete : this.#running;
    const context = { source, processed, offset, offsetBefore: offset, transaction: null };
    this.#context = context;
    return context;
  }

  #source(table: OpenTable, marker: SnapshotMarker): Struct {
    let source = table.sources.get(marker);
    if (source === undefined) {
      const { identity, position } = this.#options;
      source = snapshotSource(identity, table.name, marker, {
        lsn: position.lsn,
        xid: position.transactionId,
        moment: this.#moment,
      });
      table.sources.set(marker, source);
    }
    return source;
  }

  #flush(bytes: number): void {
    if (this.#records.length === 0) return;
    this.#options.queue.put({ records: this.#records, bytes });
    this.#records = [];
    this.#processed = undefined;
  }
}

function markerOf(row: HeldRow, lastOfTable: boolean): SnapshotMarker {
  if (row.firstOfAll) return 'first';
  if (lastOfTable) return 'last_in_data_collection';
  return row.firstOfTable ? 'first_in_data_collection' : 'true';
}
