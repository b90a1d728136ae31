// The queries of incremental snapshots: which tables a request means, what one of them looks like, and its rows, in
// chunks by key.
import type { Headers, SourcePartition } from '@millrace/connect-api';
import { javaSetOrder, type SnapshotRequest, type TableEvents } from '@millrace/connector-common';
import { RAW_NULL, RawRow } from '@millrace/data';
import { javaRegex } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { openSession, quoteIdentifier, quoteTable } from '../connection.ts';
import {
  listTables,
  plainName,
  qualified,
  readTable,
  type TableName,
  type TypeCatalog,
} from '../schema/catalog.ts';
import { tableEvents } from '../schema/table-events.ts';
import { type SchemaRules, type TableSchema, tableSchema } from '../schema/table-schema.ts';
import { mapType } from '../schema/type-mapping.ts';
import type { PendingCollection } from './incremental-state.ts';

/** The texts of the columns that rows are ordered by. */
export type ChunkKey = readonly (string | null)[];

interface ChunkColumn {
  readonly name: string;
  readonly nullable: boolean;
  readonly isBoolean: boolean;
}

/** A table that is read in chunks. */
export interface ChunkedTable {
  readonly name: TableName;
  readonly schema: TableSchema;
  readonly events: TableEvents;
  readonly columns: readonly string[];
  /** What its rows are ordered by. */
  readonly order: readonly ChunkColumn[];
  /** Several rows may have the same values there. */
  readonly hasTies: boolean;
  /** The columns by which a row of the stream is told to be the same: those of the key of its records, if there is one. */
  readonly identity: readonly string[];
  readonly condition: string | undefined;
}

/** A key as notifications show it. */
export function shownKey({ order }: ChunkedTable, key: ChunkKey): string {
  return key
    .map((text, i) =>
      order[i]?.isBoolean === true && text !== null ? String(text === 't') : (text ?? '<null>'),
    )
    .join(',');
}
const BOOLEAN = 16;

/** A row of a chunk. */
export interface ChunkRow {
  /** The texts of the table's `identity`. */
  readonly identity: ChunkKey;
  readonly key: RawRow | null;
  readonly row: RawRow;
}

/** Why a table cannot be read in chunks, in the words of the notification. */
export type Unreadable = 'UNKNOWN_SCHEMA' | 'NO_PRIMARY_KEY' | 'SQL_EXCEPTION';

export interface ChunkReaderOptions {
  readonly config: PostgresConfig;
  readonly rules: SchemaRules;
  readonly types: TypeCatalog;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly endOnStop: (client: pg.Client) => () => void;
}

export class ChunkReader {
  readonly #options: ChunkReaderOptions;
  #client: pg.Client | undefined;

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
  }

  async session(): Promise<pg.Client> {
    if (this.#client === undefined) {
      this.#client = await openSession(this.#options.config.connection);
      this.#options.endOnStop(this.#client);
    }
    return this.#client;
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
  }

  /** The tables that patterns stand for, each once; a pattern that matches none stands for itself. */
  async expand(patterns: readonly string[]): Promise<string[]> {
    const known = javaSetOrder((await this.#captured()).map(qualified));
    const names = patterns.flatMap((pattern) => {
      const regex = javaRegex(`^(?:${pattern})$`);
      const found = known.filter((name) => regex.test(name));
      return found.length === 0 ? [plainName(pattern)] : found;
    });
    return [...new Set(names)];
  }

  /** What a request asks for. */
  async collections(request: SnapshotRequest): Promise<PendingCollection[]> {
    const conditions = request.conditions.map(({ collection, filter }) => ({
      pattern: javaRegex(`^(?:${collection})$`, 'i'),
      filter,
    }));
    return (await this.expand(request.collections)).map((name) => ({
      name,
      condition: conditions.find(({ pattern }) => pattern.test(name))?.filter,
      surrogateKey: request.surrogateKey,
    }));
  }

  async open(wanted: PendingCollection): Promise<ChunkedTable | Unreadable> {
    const { rules, types, headers, sourcePartition } = this.#options;
    const client = await this.session();
    const name = (await this.#captured()).find((table) => qualified(table) === wanted.name);
    const catalog = name === undefined ? undefined : await readTable(client, name);
    if (name === undefined || catalog === undefined) return 'UNKNOWN_SCHEMA';
    await types.load(
      client,
      catalog.columns.map((column) => column.typeOid),
    );
    const columns = catalog.columns.filter(
      (column) => mapType(types, column.typeOid, column.typmod, rules.modes) !== undefined,
    );
    const allColumns = catalog.columns;
    const schema = tableSchema({
      table: name,
      columns,
      allColumns,
      catalog,
      types,
      rules,
      origin: 'snapshot',
    });
    const identity = schema.keyColumns.flatMap((column) => columns[column]?.name ?? []);
    const { surrogateKey } = wanted;
    const order = (surrogateKey === undefined ? identity : [surrogateKey]).map((column) => {
      const described = columns.find((one) => one.name === column);
      return described === undefined
        ? undefined
        : { name: column, nullable: !described.notNull, isBoolean: described.typeOid === BOOLEAN };
    });
    if (order.length === 0) return 'NO_PRIMARY_KEY';
    if (order.includes(undefined)) return 'SQL_EXCEPTION';
    return {
      name,
      schema,
      events: tableEvents(schema, { headers, sourcePartition, tombstones: false }),
      columns: columns.map((column) => column.name),
      order: order.filter((column) => column !== undefined),
      hasTies:
        surrogateKey !== undefined ||
        rules.keyColumns(
          qualified(name),
          columns.map((column) => column.name),
        ).length > 0,
      identity: identity.length === 0 ? order.flatMap((column) => column?.name ?? []) : identity,
      condition: wanted.condition,
    };
  }

  /** The key of the last row; undefined for a table that has none. */
  async maximumKey({ name, order, condition }: ChunkedTable): Promise<ChunkKey | undefined> {
    const where = condition === undefined ? '' : ` WHERE ${condition}`;
    const names = order.map((column) => quoteIdentifier(column.name));
    const rows = await textRows(
      await this.session(),
      `SELECT ${names.join(', ')} FROM ${quoteTable(name)}${where} ORDER BY ${names
        .map((column) => `${column} DESC`)
        .join(', ')} LIMIT 1`,
      [],
    );
    return rows[0];
  }

  /** The rows after `last` up to `maximum`, and the key of the last of them; no row = there are no more. */
  async chunk(
    table: ChunkedTable,
    last: ChunkKey | undefined,
    maximum: ChunkKey,
  ): Promise<{ readonly rows: readonly ChunkRow[]; readonly lastKey: ChunkKey | undefined }> {
    const { chunkSize } = this.#options.config.incremental;
    const { order, columns, schema, condition } = table;
    const values: string[] = [];
    const where = [
      upTo(order, maximum, values),
      ...(last === undefined ? [] : [after(order, last, values)]),
      ...(condition === undefined ? [] : [`(${condition})`]),
    ];
    const limit = table.hasTies ? `FETCH FIRST ${chunkSize} ROWS WITH TIES` : `LIMIT ${chunkSize}`;
    const texts = await textRows(
      await this.session(),
      `SELECT ${columns.map(quoteIdentifier).join(', ')} FROM ${quoteTable(table.name)} WHERE ${where.join(
        ' AND ',
      )} ORDER BY ${order.map((column) => quoteIdentifier(column.name)).join(', ')} ${limit}`,
      values,
    );
    const placesOf = (names: readonly string[]): number[] => names.map((name) => columns.indexOf(name));
    const identity = placesOf(table.identity);
    const ordered = placesOf(order.map((column) => column.name));
    const rows = texts.map((row): ChunkRow => {
      const { bytes, entries } = rawTuple(row);
      return {
        identity: identity.map((place) => row[place] ?? null),
        key: schema.keyLayout === null ? null : new RawRow(schema.keyLayout, bytes, entries, 0),
        row: new RawRow(schema.rowLayout, bytes, entries, 0),
      };
    });
    const end = texts.at(-1);
    return { rows, lastKey: end === undefined ? undefined : ordered.map((place) => end[place] ?? null) };
  }

  async #captured(): Promise<TableName[]> {
    const { config } = this.#options;
    return (await listTables(await this.session(), config.includeBuiltin)).filter(config.captured);
  }
}

/** Rows that come after a key; nulls come last. Adds to the values of the statement. */
function after(order: readonly ChunkColumn[], key: ChunkKey, values: string[]): string {
  return order.some((column) => column.nullable)
    ? afterNullable(order, key, values)
    : compared(order, '>', key, values);
}

/** The other rows. */
function upTo(order: readonly ChunkColumn[], key: ChunkKey, values: string[]): string {
  return order.some((column) => column.nullable)
    ? `${afterNullable(order, key, values)} IS NOT TRUE`
    : compared(order, '<=', key, values);
}

function compared(
  order: readonly ChunkColumn[],
  operator: '>' | '<=',
  key: ChunkKey,
  values: string[],
): string {
  const names = order.map((column) => quoteIdentifier(column.name));
  return `(${names.join(', ')}) ${operator} (${order.map((_, i) => holder(key, i, values)).join(', ')})`;
}

function afterNullable(order: readonly ChunkColumn[], key: ChunkKey, values: string[]): string {
  const names = order.map((column) => quoteIdentifier(column.name));
  const cases = order.flatMap((column, i) => {
    // Nothing comes after a null.
    if (key[i] === null) return [];
    const equal = names
      .slice(0, i)
      .map((name, j) => (key[j] === null ? `${name} IS NULL` : `${name} = ${holder(key, j, values)}`));
    const greater = `${names[i]} > ${holder(key, i, values)}`;
    return [[...equal, column.nullable ? `(${greater} OR ${names[i]} IS NULL)` : greater].join(' AND ')];
  });
  return cases.length === 0 ? 'false' : `(${cases.join(' OR ')})`;
}

/** The placeholder of a value of the key, which is added to those of the statement. */
function holder(key: ChunkKey, i: number, values: string[]): string {
  return `$${values.push(key[i] ?? '')}`;
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
