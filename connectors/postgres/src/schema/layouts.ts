// What a table looked like when its rows were written. A relation message names columns and types; which of them are the
// key, what may be null, defaults and labels are in the catalog, which shows the present: rows that are read again, or that
// wait in a backlog while somebody alters the table, would get keys they never had. So what the catalog said is stored
// with the transaction that changed it last, before the first record made by it, and rows of older transactions get
// what was known before. Each part of it, a default or a key, has its own transaction, which the catalog's rows tell: a
// TRUNCATE, a GRANT or a new index of later changes none. The catalog alone decides about relation messages never met.
import { createHash } from 'node:crypto';
import type { Relation } from '../protocol/pgoutput.ts';
import type { CatalogColumn, CatalogTable, CatalogVersion, ColumnVersion, PgType } from './catalog.ts';

/** What the catalog said, as far as rows depend on it. */
export interface Layout {
  readonly columns: CatalogTable['columns'];
  readonly primaryKey: readonly string[];
  readonly uniqueKey: readonly string[];
  readonly types: readonly PgType[];
}

/** A layout and the transaction that made it; null = it counts for everything before the next one. */
export interface LayoutVersion {
  readonly since: number | null;
  readonly layout: Layout;
}

export interface LayoutChoice {
  readonly layout: Layout;
  /** What is to be stored before the first record; undefined when it is stored already. */
  readonly store: readonly LayoutVersion[] | undefined;
  /** The catalog has another layout, made by this later transaction: from its rows on, ask again. */
  readonly changedBy: number | undefined;
}

/** Versions kept of one relation message, and relation messages kept of one table; the oldest go. */
const MAX_VERSIONS = 6;
const MAX_FINGERPRINTS = 8;

/**
 * The layout of rows of transaction `xid`. A transaction that writes rows of a table and one that alters it exclude each
 * other. Which came first is not known for sure, since an id may have been given long before the table was touched; it is
 * taken to be the one with the lower id, as it nearly always is, and asked again with the next transaction.
 */
export function chooseLayout(
  known: readonly LayoutVersion[],
  current: Layout,
  version: CatalogVersion,
  xid: number,
): LayoutChoice {
  const last = known.at(-1);
  if (last === undefined)
    return { layout: current, store: [{ since: null, layout: current }], changedBy: undefined };
  const later = known.find(({ since }) => since !== null && since > xid);
  if (later !== undefined)
    return { layout: layoutAt(known, last, xid), store: undefined, changedBy: later.since ?? undefined };
  const { layout, since, changedBy } = new LayoutUpTo(xid, last.layout, current, version);
  if (sameLayout(last.layout, layout)) return { layout: last.layout, store: undefined, changedBy };
  // Versions are in the order of their transactions.
  const store = [...known, { since: Math.max(since, last.since ?? 0), layout }].slice(-MAX_VERSIONS);
  return { layout, store, changedBy };
}

/** The layout `before` with what transactions up to `xid` have made of it, part by part. */
class LayoutUpTo {
  readonly layout: Layout;
  /** The last of those transactions. */
  since = 0;
  /** The first after `xid` that has made a part. */
  changedBy: number | undefined;
  readonly #xid: number;

  constructor(xid: number, before: Layout, now: Layout, version: CatalogVersion) {
    this.#xid = xid;
    const made = new Map(now.columns.map((column, i) => [column.name, { column, by: version.columns[i] }]));
    const columns = [...this.#kept(before.columns, made), ...this.#added(before.columns, made)];
    const has = new Set(columns.map(({ name }) => name));
    const key = (of: 'primaryKey' | 'uniqueKey'): readonly string[] => {
      // Columns that were dropped, renamed or added after these rows.
      const later = before[of].some((name) => !made.has(name)) || now[of].some((name) => !has.has(name));
      return later ? before[of] : this.#pick(before[of], now[of], version[of]);
    };
    this.layout = {
      columns,
      primaryKey: key('primaryKey'),
      uniqueKey: key('uniqueKey'),
      types: this.#pick(before.types, now.types, version.labels),
    };
  }

  #pick<T>(old: T, made: T, by: number | null | undefined): T {
    if (JSON.stringify(old) === JSON.stringify(made)) return old;
    // What was dropped leaves nothing behind that tells by whom.
    const maker = by ?? this.#xid;
    if (maker > this.#xid) {
      this.changedBy = Math.min(this.changedBy ?? maker, maker);
      return old;
    }
    this.since = Math.max(this.since, maker);
    return made;
  }

  /** The columns of before. */
  #kept(before: Layout['columns'], made: MadeColumns): CatalogColumn[] {
    return before.map((old) => {
      const { column = old, by } = made.get(old.name) ?? {};
      const { defaultExpression } = old;
      const rest = this.#pick(old, { ...column, defaultExpression }, by?.column);
      const picked = this.#pick(defaultExpression, column.defaultExpression, by?.defaultExpression);
      return { ...rest, defaultExpression: picked };
    });
  }

  #added(before: Layout['columns'], made: MadeColumns): CatalogColumn[] {
    const had = new Set(before.map(({ name }) => name));
    return [...made.values()].flatMap(({ column, by }) => {
      if (had.has(column.name)) return [];
      return this.#pick<CatalogColumn | undefined>(undefined, column, by?.column) ?? [];
    });
  }
}

/** Columns of now by name, and by whom they were made. */
type MadeColumns = ReadonlyMap<
  string,
  { readonly column: CatalogColumn; readonly by: ColumnVersion | undefined }
>;

/** The newest version that is not younger than `xid`, or the oldest there is. */
export function layoutAt(known: readonly LayoutVersion[], last: LayoutVersion, xid: number): Layout {
  const found = known.findLast(({ since }) => since === null || since <= xid);
  return (found ?? known[0] ?? last).layout;
}

function sameLayout(a: Layout, b: Layout): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What a relation message says of a table. */
export function relationFingerprint({ identity, columns }: Relation): string {
  const text = JSON.stringify([
    identity,
    columns.map(({ name, inIdentity, typeOid, typmod }) => [name, inIdentity, typeOid, typmod]),
  ]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** What is stored of one table: versions by relation message, the last used one last. */
export class TableLayouts {
  readonly oid: number;
  readonly #byFingerprint: Map<string, readonly LayoutVersion[]>;

  constructor(oid: number, byFingerprint: Iterable<readonly [string, readonly LayoutVersion[]]> = []) {
    this.oid = oid;
    this.#byFingerprint = new Map(byFingerprint);
  }

  versions(fingerprint: string): readonly LayoutVersion[] {
    return this.#byFingerprint.get(fingerprint) ?? [];
  }

  set(fingerprint: string, versions: readonly LayoutVersion[]): void {
    this.#byFingerprint.delete(fingerprint);
    this.#byFingerprint.set(fingerprint, versions);
    const [oldest] = this.#byFingerprint.keys();
    if (this.#byFingerprint.size > MAX_FINGERPRINTS && oldest !== undefined)
      this.#byFingerprint.delete(oldest);
  }

  /** As text: maps of offsets have plain values only. */
  toText(): string {
    return JSON.stringify({ oid: this.oid, layouts: [...this.#byFingerprint] });
  }

  /** Reads what `toText` wrote; empty when it is of another table or cannot be read. */
  static of(oid: number, text: unknown): TableLayouts {
    const empty = new TableLayouts(oid);
    if (typeof text !== 'string') return empty;
    try {
      const stored = JSON.parse(text) as { oid: number; layouts: [string, LayoutVersion[]][] };
      // A table made anew under its name is another one.
      return stored.oid === oid ? new TableLayouts(oid, stored.layouts) : empty;
    } catch {
      return empty;
    }
  }
}
