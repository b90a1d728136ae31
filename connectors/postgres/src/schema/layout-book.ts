// Finds the layout of rows of a relation, and stores it before the first record made by it.
import { type OffsetReader, privatePartition, type SourcePartition } from '@millrace/connect-api';
import type { PrivateRecords } from '@millrace/connector-common';
import type { Relation } from '../protocol/pgoutput.ts';
import { type CatalogTable, qualified, type TypeCatalog } from './catalog.ts';
import { chooseLayout, type Layout, layoutAt, relationFingerprint, TableLayouts } from './layouts.ts';

export interface LayoutBookOptions {
  readonly offsets: OffsetReader;
  readonly records: PrivateRecords;
  readonly sourcePartition: SourcePartition;
  /** Called before a layout is stored, which can take as long as the brokers do. */
  readonly onStoring: (table: string) => void;
}

export interface FoundLayout {
  /** Undefined for a table that is gone and was never met. */
  readonly layout: Layout | undefined;
  /** A later transaction, from whose rows on the layout has to be asked for again. */
  readonly changedBy: number | undefined;
}

export class LayoutBook {
  readonly #options: LayoutBookOptions;
  readonly #tables = new Map<number, TableLayouts>();

  constructor(options: LayoutBookOptions) {
    this.#options = options;
  }

  /** The layout of rows that transaction `xid` (32 bits, as the stream has it) wrote under this relation message. */
  async find(
    relation: Relation,
    catalog: CatalogTable | undefined,
    types: TypeCatalog,
    xid: number,
  ): Promise<FoundLayout> {
    const stored = await this.#stored(relation);
    const fingerprint = relationFingerprint(relation);
    const known = stored.versions(fingerprint);
    if (catalog === undefined) {
      // Dropped since. All of its rows are older than that; the newest layout is as good as any.
      const last = known.at(-1);
      return { layout: last && layoutAt(known, last, Number.MAX_SAFE_INTEGER), changedBy: undefined };
    }
    const { columns, primaryKey, uniqueKey, version } = catalog;
    const full = withEpoch(xid, version.nextXid);
    const last = known.at(-1);
    // The transaction altered the table after this row.
    const isBefore =
      last !== undefined && version.newestColumn === full && !sameColumns(relation, catalog, last.layout);
    const ownTypes = types.ownTypes(relation.columns.map((column) => column.typeOid));
    const current: Layout = { columns, primaryKey, uniqueKey, types: ownTypes };
    const { layout, store, changedBy } = chooseLayout(known, current, version, isBefore ? full - 1 : full);
    if (store !== undefined) {
      this.#options.onStoring(qualified(relation));
      stored.set(fingerprint, store);
      await this.#options.records.keep(this.#partition(relation), { layouts: stored.toText() });
    }
    // The message that tells of the alteration is still to come.
    return { layout, changedBy: isBefore ? undefined : changedBy };
  }

  async #stored(relation: Relation): Promise<TableLayouts> {
    const known = this.#tables.get(relation.oid);
    if (known !== undefined) return known;
    const map = await this.#options.offsets.offset(this.#partition(relation));
    const stored = TableLayouts.of(relation.oid, map?.['layouts']);
    this.#tables.set(relation.oid, stored);
    return stored;
  }

  #partition(relation: Relation): SourcePartition {
    return privatePartition(this.#options.sourcePartition, `layouts of ${qualified(relation)}`);
  }
}

function sameColumns(relation: Relation, catalog: CatalogTable, known: Layout): boolean {
  const sent = new Map(relation.columns.map((column) => [column.name, column]));
  const present = new Set(catalog.columns.map(({ name }) => name));
  const had = new Set(known.columns.map(({ name }) => name));
  return (
    relation.columns.every(({ name }) => present.has(name)) &&
    catalog.columns.every(({ name, typeOid, typmod, generated }) => {
      const column = sent.get(name);
      // Generated columns are not in the relation message of every server, nor what the publication leaves out.
      if (column === undefined) return generated || had.has(name);
      return column.typeOid === typeOid && column.typmod === typmod;
    })
  );
}

/** A transaction id of 32 bits with its epoch; less than half of all ids lie between it and `nextXid`. */
function withEpoch(xid: number, nextXid: number): number {
  return nextXid - ((nextXid - xid) | 0);
}
