// Incremental snapshots: tables are read in chunks by key while the stream goes on. Each chunk is read
// between two marks written to the signal table; what the stream shows between them is newer than what was read, so
// those rows of the chunk are dropped, and the rest is delivered where the closing mark stands in the stream.
import type { Headers, OffsetMap, SourceOffset, SourcePartition, SourceRecord } from '@millrace/connect-api';
import {
  matchesAny,
  type Notification,
  type SnapshotRequest,
  type TableEvents,
} from '@millrace/connector-common';
import { RAW_NULL, RawRow } from '@millrace/data';
import type { Clock, Logger } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { openSession, quoteIdentifier, quoteTable } from '../connection.ts';
import { toPostgresError } from '../errors.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { listTables, qualified, readTable, type TableName, type TypeCatalog } from '../schema/catalog.ts';
import { tableEvents } from '../schema/table-events.ts';
import { type SchemaRules, type TableSchema, tableSchema } from '../schema/table-schema.ts';
import { mapType } from '../schema/type-mapping.ts';
import { momentOfNs, type SourceIdentity, sequenceText, snapshotSource } from '../source-info.ts';
import { type PendingCollection, parseState, stateMap } from './incremental-state.ts';

export interface IncrementalSnapshotOptions {
  readonly config: PostgresConfig;
  readonly rules: SchemaRules;
  readonly types: TypeCatalog;
  readonly identity: SourceIdentity;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomId: () => string;
  /** Puts a notification into the stream of records at the position reached. */
  readonly notify: (notification: Notification) => void;
  readonly fail: (error: unknown) => void;
  readonly endOnStop: (client: pg.Client) => () => void;
}

/** Where the stream is when something passes. */
export interface StreamPlace {
  readonly lsn: Lsn;
  readonly lastCommitLsn: Lsn | null;
  /** The offset of this place, with the state of the snapshot at the time of the call. */
  readonly offset: () => SourceOffset;
  readonly processedNs: () => bigint;
}

/** The table being read. */
interface CurrentTable {
  readonly name: TableName;
  readonly schema: TableSchema;
  readonly events: TableEvents;
  readonly columns: readonly string[];
  readonly keys: readonly string[];
  readonly maximumKey: readonly string[];
  lastKey: readonly string[] | undefined;
  rowCount: number;
}

interface Chunk {
  readonly id: string;
  /** Key texts, joined, to the row. */
  readonly rows: Map<string, RawRow>;
  readonly keys: Map<string, RawRow>;
  lastKey: readonly string[] | undefined;
  /** The opening mark was seen in the stream. */
  open: boolean;
  /** Keys that the stream showed since. */
  readonly seen: Set<string>;
}

const OPEN = 'snapshot-window-open';
const CLOSE = 'snapshot-window-close';
const KEY_SEPARATOR = '\u0000';

export interface ClosedChunk {
  readonly records: readonly SourceRecord[];
  readonly handedOver: () => void;
}

const NO_CHUNK: ClosedChunk = { records: [], handedOver: () => undefined };

export class IncrementalSnapshot {
  readonly #options: IncrementalSnapshotOptions;
  #pending: PendingCollection[] = [];
  #correlationId: string | undefined;
  #current: CurrentTable | undefined;
  #chunk: Chunk | undefined;
  #resumeKey: { readonly last: readonly string[]; readonly maximum: readonly string[] } | undefined;
  #paused = false;
  #client: pg.Client | undefined;
  #running = false;

  constructor(options: IncrementalSnapshotOptions) {
    this.#options = options;
  }

  /** What offsets hold while it runs; undefined while it does not. */
  get offsetState(): OffsetMap | undefined {
    if (this.#pending.length === 0) return undefined;
    return stateMap(this.#pending, this.#correlationId, this.#current);
  }

  /** Goes on where a stored offset left it. */
  restore(offset: OffsetMap): void {
    const state = parseState(offset);
    if (state === undefined) return;
    this.#pending = [...state.collections];
    this.#correlationId = state.correlationId;
    this.#resumeKey = state.keys;
    void this.#advance();
  }

  /** Reads these tables too, after those that are asked for already. */
  async request(request: SnapshotRequest, signalId: string): Promise<void> {
    const { notify } = this.#options;
    const wanted = await this.#expand(request);
    const idle = this.#pending.length === 0;
    this.#pending.push(...wanted);
    if (!idle || wanted.length === 0) return;
    this.#correlationId = signalId;
    notify(this.#notification('STARTED', { data_collections: this.#names() }));
    void this.#advance();
  }

  /** Forgets the tables that match, or all. */
  stop(collections: readonly string[]): void {
    const matches = collections.length === 0 ? (): boolean => true : matchesAny(collections.join(','));
    const first = this.#pending[0];
    this.#pending = this.#pending.filter((collection) => !matches(collection.name));
    if (first !== this.#pending[0]) {
      this.#current = undefined;
      this.#chunk = undefined;
    }
    if (this.#pending.length === 0) this.#options.notify(this.#notification('ABORTED', {}));
    else void this.#advance();
  }

  pause(): void {
    if (this.#paused || this.#pending.length === 0) return;
    this.#paused = true;
    this.#options.notify(this.#notification('PAUSED', { data_collections: this.#names() }));
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.notify(this.#notification('RESUMED', { data_collections: this.#names() }));
    void this.#advance();
  }

  /** Key columns to watch in the stream when this table's rows pass; undefined when they do not matter. */
  watchedKeys(table: TableName): readonly string[] | undefined {
    const current = this.#current;
    return current !== undefined && this.#chunk?.open === true && qualified(current.name) === qualified(table)
      ? current.keys
      : undefined;
  }

  /** A row with this key passed in the stream. */
  passed(key: readonly string[]): void {
    this.#chunk?.seen.add(key.join(KEY_SEPARATOR));
  }

  /** The opening mark of a window passed in the stream. */
  opened(markId: string): void {
    if (markId === `${this.#chunk?.id}-open`) {
      const chunk = this.#chunk;
      if (chunk !== undefined) chunk.open = true;
    }
  }

  /**
   * The closing mark passed: the rows of the chunk that the stream did not show, and what is to be called once they are
   * in the stream.
   */
  closed(markId: string, place: StreamPlace): ClosedChunk {
    const chunk = this.#chunk;
    const current = this.#current;
    const { deletesMarks } = this.#options.config.incremental;
    if (chunk === undefined || current === undefined) return NO_CHUNK;
    if (markId !== `${chunk.id}-${deletesMarks ? 'open' : 'close'}`) return NO_CHUNK;
    const before = place.offset();
    const { lastKey } = chunk;
    this.#chunk = undefined;
    current.rowCount += chunk.rows.size;
    if (lastKey !== undefined) current.lastKey = lastKey;
    const after = place.offset();
    const rows = [...chunk.rows].filter(([key]) => !chunk.seen.has(key));
    const records: SourceRecord[] = [];
    const processed = momentOfNs(place.processedNs());
    const source = snapshotSource(this.#options.identity, current.name, 'incremental', {
      lsn: null,
      xid: null,
      moment: processed,
      sequence: sequenceText(place.lastCommitLsn, place.lsn),
    });
    rows.forEach(([key, row], i) => {
      const at = i === rows.length - 1 ? after : before;
      const context = { source, processed, offset: at, offsetBefore: before, transaction: null };
      current.events.created(records, context, chunk.keys.get(key) ?? null, row, 'r');
    });
    // INV-3: a notification holds the state after the chunk, so it does not come before the rows.
    return { records, handedOver: () => this.#chunkDone(current, chunk) };
  }

  async close(): Promise<void> {
    this.#pending = [];
    await this.#client?.end().catch(() => undefined);
  }

  #chunkDone(current: CurrentTable, chunk: Chunk): void {
    const { notify } = this.#options;
    if (chunk.rows.size > 0) {
      notify(
        this.#notification('IN_PROGRESS', {
          data_collections: this.#names(),
          current_collection_in_progress: qualified(current.name),
          maximum_key: current.maximumKey.join(','),
          last_processed_key: (current.lastKey ?? []).join(','),
        }),
      );
    } else {
      this.#tableDone('SUCCEEDED', current.rowCount);
    }
    // The next chunk is read after this place in the stream has been dealt with.
    queueMicrotask(() => void this.#advance());
  }

  #tableDone(status: string, rows: number): void {
    const name = this.#pending[0]?.name ?? '';
    this.#options.notify(
      this.#notification('TABLE_SCAN_COMPLETED', {
        data_collections: this.#names(),
        scanned_collection: name,
        total_rows_scanned: String(rows),
        status,
      }),
    );
    this.#pending.shift();
    this.#current = undefined;
    if (this.#pending.length === 0) this.#options.notify(this.#notification('COMPLETED', {}));
  }

  /** Reads the next chunk, unless one is being read. */
  async #advance(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      // The closing mark of a chunk may pass before the statement that wrote it has returned: then go on here.
      while (!this.#paused && this.#chunk === undefined && this.#pending.length > 0) {
        if (this.#current === undefined) await this.#openTable();
        else await this.#readChunk(this.#current);
      }
    } catch (error) {
      this.#options.fail(toPostgresError(error, 'An incremental snapshot failed'));
    } finally {
      this.#running = false;
    }
  }

  async #openTable(): Promise<void> {
    const wanted = this.#pending[0];
    if (wanted === undefined) return;
    const { rules, types, headers, sourcePartition, config } = this.#options;
    const client = await this.#session();
    const name = tableNameOf(wanted.name);
    const catalog = name === undefined || !config.captured(name) ? undefined : await readTable(client, name);
    if (name === undefined || catalog === undefined) {
      this.#tableDone('UNKNOWN_SCHEMA', 0);
      return;
    }
    const keys = wanted.surrogateKey === undefined ? catalog.primaryKey : [wanted.surrogateKey];
    if (keys.length === 0) {
      this.#tableDone('NO_PRIMARY_KEY', 0);
      return;
    }
    await types.load(
      client,
      catalog.columns.map((column) => column.typeOid),
    );
    const columns = catalog.columns.filter(
      (column) => mapType(types, column.typeOid, column.typmod, rules.modes) !== undefined,
    );
    const schema = tableSchema({ table: name, columns, catalog, types, rules, origin: 'snapshot' });
    const resume = this.#resumeKey;
    this.#resumeKey = undefined;
    const maximumKey = resume?.maximum ?? (await this.#maximumKey(client, name, keys, wanted.condition));
    if (maximumKey === undefined) {
      this.#tableDone('EMPTY', 0);
      return;
    }
    this.#current = {
      name,
      schema,
      events: tableEvents(schema, { headers, sourcePartition, tombstones: false }),
      columns: columns.map((column) => column.name),
      keys,
      maximumKey,
      lastKey: resume?.last,
      rowCount: 0,
    };
  }

  async #maximumKey(
    client: pg.Client,
    name: TableName,
    keys: readonly string[],
    condition: string | undefined,
  ): Promise<readonly string[] | undefined> {
    const rows = await textRows(
      client,
      `SELECT ${keys.map((key) => quoteIdentifier(key)).join(', ')} FROM ${quoteTable(name)}${
        condition === undefined ? '' : ` WHERE ${condition}`
      } ORDER BY ${keys.map((key) => `${quoteIdentifier(key)} DESC`).join(', ')} LIMIT 1`,
      [],
    );
    return rows[0]?.map((text) => text ?? '');
  }

  async #readChunk(current: CurrentTable): Promise<void> {
    const { config, clock, randomId } = this.#options;
    const client = await this.#session();
    const chunk: Chunk = {
      id: randomId(),
      rows: new Map(),
      keys: new Map(),
      lastKey: undefined,
      open: false,
      seen: new Set(),
    };
    this.#chunk = chunk;
    const signalTable = tableNameOf(config.signals.table ?? '');
    if (signalTable === undefined) throw new Error('signal.data.collection is not set');
    const into = `INSERT INTO ${quoteTable(signalTable)} VALUES ($1, $2, $3)`;
    const openedAt = isoNow(clock);
    await client.query(into, [`${chunk.id}-open`, OPEN, `{"openWindowTimestamp": "${openedAt}"}`]);
    await this.#fill(client, current, chunk);
    if (config.incremental.deletesMarks) {
      const idColumn =
        (await client.query(`SELECT * FROM ${quoteTable(signalTable)} LIMIT 0`)).fields[0]?.name ?? 'id';
      await client.query(`DELETE FROM ${quoteTable(signalTable)} WHERE ${quoteIdentifier(idColumn)} = $1`, [
        `${chunk.id}-open`,
      ]);
    } else {
      const data = `{"openWindowTimestamp": "${openedAt}", "closeWindowTimestamp": "${isoNow(clock)}"}`;
      await client.query(into, [`${chunk.id}-close`, CLOSE, data]);
    }
  }

  async #fill(client: pg.Client, current: CurrentTable, chunk: Chunk): Promise<void> {
    const { config } = this.#options;
    const { keys, columns, lastKey, maximumKey, schema } = current;
    const tuple = `(${keys.map((key) => quoteIdentifier(key)).join(', ')})`;
    const values: string[] = [...maximumKey, ...(lastKey ?? [])];
    const holders = (from: number): string => `(${keys.map((_, i) => `$${from + i}`).join(', ')})`;
    const condition = this.#pending[0]?.condition;
    const where = [
      `${tuple} <= ${holders(1)}`,
      ...(lastKey === undefined ? [] : [`${tuple} > ${holders(1 + keys.length)}`]),
      ...(condition === undefined ? [] : [`(${condition})`]),
    ];
    const rows = await textRows(
      client,
      `SELECT ${columns.map((column) => quoteIdentifier(column)).join(', ')} FROM ${quoteTable(current.name)} WHERE ${where.join(
        ' AND ',
      )} ORDER BY ${keys.map((key) => quoteIdentifier(key)).join(', ')} LIMIT ${config.incremental.chunkSize}`,
      values,
    );
    const positions = keys.map((key) => columns.indexOf(key));
    for (const row of rows) {
      const key = positions.map((position) => row[position] ?? '');
      const { bytes, entries } = rawTuple(row);
      chunk.rows.set(key.join(KEY_SEPARATOR), new RawRow(schema.rowLayout, bytes, entries, 0));
      if (schema.keyLayout !== null) {
        chunk.keys.set(key.join(KEY_SEPARATOR), new RawRow(schema.keyLayout, bytes, entries, 0));
      }
      chunk.lastKey = key;
    }
  }

  async #expand(request: SnapshotRequest): Promise<PendingCollection[]> {
    const { config } = this.#options;
    const tables = (await listTables(await this.#session(), config.includeBuiltin))
      .filter(config.captured)
      .map(qualified);
    return request.collections.flatMap((pattern) => {
      const matches = matchesAny(pattern);
      const found = tables.filter(matches);
      return (found.length === 0 ? [pattern] : found).map((name): PendingCollection => {
        const condition = request.conditions.find(({ collection }) => matchesAny(collection)(name))?.filter;
        return { name, condition, surrogateKey: request.surrogateKey };
      });
    });
  }

  async #session(): Promise<pg.Client> {
    if (this.#client === undefined) {
      this.#client = await openSession(this.#options.config.connection);
      this.#options.endOnStop(this.#client);
    }
    return this.#client;
  }

  #names(): string {
    return this.#pending.map((collection) => collection.name).join(',');
  }

  #notification(type: Notification['type'], data: Readonly<Record<string, string>>): Notification {
    return {
      aggregate: 'Incremental Snapshot',
      type,
      data,
      ...(this.#correlationId === undefined ? {} : { id: this.#correlationId }),
    };
  }
}

/** `schema.table`; undefined when it has no point. */
export function tableNameOf(name: string): TableName | undefined {
  const point = name.indexOf('.');
  return point <= 0 ? undefined : { schema: name.slice(0, point), table: name.slice(point + 1) };
}

/** Rows with every column as the server's text. */
async function textRows(
  client: pg.Client,
  text: string,
  values: readonly string[],
): Promise<(string | null)[][]> {
  const asText = { getTypeParser: () => (value: string) => value };
  const { rows } = await client.query<(string | null)[]>({
    text,
    values: [...values],
    rowMode: 'array',
    types: asText as never,
  });
  return rows;
}

function rawTuple(row: readonly (string | null)[]): { bytes: Buffer; entries: Int32Array } {
  const entries = new Int32Array(row.length * 2);
  const parts: Buffer[] = [];
  let at = 0;
  row.forEach((text, i) => {
    if (text === null) entries[2 * i + 1] = RAW_NULL;
    else {
      const part = Buffer.from(text);
      entries[2 * i] = at;
      entries[2 * i + 1] = part.length;
      at += part.length;
      parts.push(part);
    }
  });
  return { bytes: Buffer.concat(parts), entries };
}

function isoNow(clock: Clock): string {
  return new Date(clock.nowMs()).toISOString();
}
