// The tables that relation messages have told of, each as it looked when the rows that come were written.
import type { Relation } from '../protocol/pgoutput.ts';
import { tableEvents } from '../schema/table-events.ts';
import type { ChangeReaderOptions } from './reader-options.ts';
import { TableStream } from './table-stream.ts';

export class KnownTables {
  readonly #options: ChangeReaderOptions;
  /** By relation oid; null = not captured. */
  readonly #tables = new Map<number, TableStream | null>();
  /** Tables that later transactions have altered, by the lowest 32 bits of those. */
  #altered: { readonly relation: Relation; readonly by: number }[] = [];

  constructor(options: ChangeReaderOptions) {
    this.#options = options;
  }

  /** Null for a table that is not captured, undefined for one that was not told of. */
  get(oid: number): TableStream | null | undefined {
    return this.#tables.get(oid);
  }

  /** A relation message of a transaction; resolves when the table is known. Undefined when there is nothing to wait for. */
  told(relation: Relation, xid: () => number): Promise<void> | undefined {
    this.#altered = this.#altered.filter((table) => table.relation.oid !== relation.oid);
    if (this.#options.captured(relation)) return this.#describe(relation, xid());
    this.#tables.set(relation.oid, null);
    return undefined;
  }

  /** A transaction begins: what it or an earlier one has altered is described anew. */
  begin(xid: number): Promise<void> | undefined {
    if (this.#altered.length === 0) return undefined;
    const due = this.#altered.filter(({ by }) => ((xid - by) | 0) >= 0);
    if (due.length === 0) return undefined;
    this.#altered = this.#altered.filter((table) => !due.includes(table));
    return Promise.all(due.map(({ relation }) => this.#describe(relation, xid))).then(() => undefined);
  }

  async #describe(relation: Relation, xid: number): Promise<void> {
    const { describe, identity, headers, sourcePartition, tombstones, skipped } = this.#options;
    const { schema, changedBy } = await describe(relation, xid);
    const events = tableEvents(schema, { headers, sourcePartition, tombstones, skipped });
    this.#tables.set(relation.oid, new TableStream(schema, relation, events, identity));
    if (changedBy !== undefined) this.#altered.push({ relation, by: changedBy % 2 ** 32 });
  }
}
