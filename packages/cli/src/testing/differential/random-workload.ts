// Transactions and table changes by chance: everything a connector's stream can be asked to carry, from one session, so
// that a seed repeats it.
import type { SeededRandom } from '@millrace/testkit';
import { type Column, identifier, RandomTable } from './random-table.ts';

const TABLES = 7;

/** What a rollback puts back. */
interface Saved {
  readonly tables: readonly RandomTable[];
  readonly states: readonly Pick<RandomTable, 'identity' | 'keys' | 'columns' | 'rows'>[];
}

export class RandomWorkload {
  tables: readonly RandomTable[];
  readonly #random: SeededRandom;
  #tableCount = 0;
  #rid = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.tables = Array.from({ length: TABLES }, () => this.#newTable());
  }

  #newTable(name = `table${++this.#tableCount}`): RandomTable {
    return new RandomTable(name, this.#random);
  }

  readonly #newRid = (): number => ++this.#rid;

  /** The tables and their first rows. */
  setUp(): string {
    return this.tables
      .flatMap((table) => [
        table.create(),
        ...Array.from({ length: this.#random.int(0, 4) }, () => table.insert(this.#newRid)),
      ])
      .join(';\n');
  }

  save(): Saved {
    const states = this.tables.map(({ identity, keys, columns, rows }) => ({
      identity,
      keys,
      columns,
      rows,
    }));
    return { tables: this.tables, states };
  }

  restore({ tables, states }: Saved): void {
    this.tables = tables;
    tables.forEach((table, i) => Object.assign(table, states[i]));
  }

  /** One whole transaction of changes to rows, as statements with its BEGIN and end. */
  transaction(): string {
    const random = this.#random;
    const saved = this.save();
    const statements = ['begin', ...this.#statements(random.int(1, 10))];
    if (random.next() < 0.25) {
      const inner = this.save();
      statements.push('savepoint s', ...this.#statements(random.int(1, 4)));
      if (random.next() < 0.5) {
        statements.push('rollback to s');
        this.restore(inner);
      } else statements.push('release s');
      statements.push(...this.#statements(random.int(0, 3)));
    }
    if (random.next() < 0.08) {
      this.restore(saved);
      statements.push('rollback');
    } else statements.push('commit');
    return statements.join(';\n');
  }

  #statements(count: number): string[] {
    return Array.from({ length: count }, () =>
      this.#statement(this.#random.pick(this.tables as [RandomTable])),
    );
  }

  #statement(table: RandomTable): string {
    const random = this.#random;
    const dice = random.next();
    if (dice < 0.02)
      return `select pg_logical_emit_message(true, 'pre${random.int(1, 3)}', 'content ${random.int(1, 1e6)}')`;
    if (dice < 0.03) return table.truncate();
    if (!table.changeable) return table.full ? table.truncate() : table.insert(this.#newRid);
    if (table.full || dice < 0.15) return table.delete();
    if (dice < 0.22) return table.moveKey(this.#newRid) ?? table.update();
    return dice < 0.55 ? table.insert(this.#newRid) : table.update();
  }

  /** A transaction that changes a table, often with rows before and after; or makes one anew. */
  alteration(): { readonly before: string; readonly after: string } {
    const random = this.#random;
    const table = random.pick(this.tables as [RandomTable]);
    const rows = (): string[] =>
      random.next() < 0.5 ? Array.from({ length: random.int(1, 3) }, () => this.#statement(table)) : [];
    const alters = Array.from({ length: random.next() < 0.75 ? 1 : 2 }, () => () => this.#alter(table));
    if (random.next() < 0.12) alters.splice(0, alters.length, () => this.#replace(table));
    const before = ['begin', ...rows()].join(';\n');
    const statements: string[] = [];
    for (const alter of alters) statements.push(...alter());
    // The table may be another one now.
    const now = this.tables.find(({ name }) => name === table.name);
    if (now) statements.push(...Array.from({ length: random.int(0, 4) }, () => this.#statement(now)));
    statements.push('commit');
    return { before, after: statements.join(';\n') };
  }

  /** Drops the table and makes one of its name or of another. */
  #replace(table: RandomTable): string[] {
    const fresh = this.#random.next() < 0.6 ? this.#newTable(table.name) : this.#newTable();
    this.tables = this.tables.map((one) => (one === table ? fresh : one));
    return [`drop table ${table.sql}`, fresh.create(), fresh.insert(this.#newRid)];
  }

  #alter(table: RandomTable): string[] {
    const random = this.#random;
    const alter = `alter table ${table.sql}`;
    const column = table.columns.length === 0 ? undefined : random.pick(table.columns as [Column]);
    const dice = random.next();
    if (column === undefined || dice < 0.25) return this.#addColumn(table);
    const name = identifier(column.name);
    if (dice < 0.4) {
      table.columns = table.columns.filter((one) => one !== column);
      return [`${alter} drop column ${name}`];
    }
    if (dice < 0.5) {
      const renamed = `${column.name}x`;
      table.columns = table.columns.map((one) => (one === column ? { ...one, name: renamed } : one));
      return [`${alter} rename ${name} to ${identifier(renamed)}`];
    }
    if (dice < 0.55) return this.#renameKey(table);
    if (dice < 0.7) return this.#retype(table, column);
    if (dice < 0.8) return [table.setIdentity(random.pick(table.identities()))];
    if (dice < 0.85 && column.notNull) {
      table.columns = table.columns.map((one) => (one === column ? { ...one, notNull: false } : one));
      return [`${alter} alter ${name} drop not null`];
    }
    const { defaults } = column.kind;
    if (dice < 0.93 && defaults && column.type === column.kind.type)
      return [`${alter} alter ${name} set default ${random.pick(defaults as [string])}`];
    return [`${alter} alter ${name} drop default`];
  }

  #addColumn(table: RandomTable): string[] {
    const column = table.newColumn();
    const definition = table.definition(column);
    // Rows that are there need a value.
    const needsDefault = column.notNull && !definition.includes(' default ');
    const added = needsDefault ? { ...column, notNull: false } : column;
    table.columns = [...table.columns, added];
    const statements = [
      `alter table ${table.sql} add ${needsDefault ? table.definition(added) : definition}`,
    ];
    if (added.kind.large) statements.push(table.storeOutside(added.name));
    return statements;
  }

  #renameKey(table: RandomTable): string[] {
    const [first] = table.keys;
    if (first === undefined) return this.#addColumn(table);
    const renamed = `${first.name}k`;
    table.keys = table.keys.map((one) => (one === first ? { ...one, name: renamed } : one));
    return [`alter table ${table.sql} rename ${identifier(first.name)} to ${identifier(renamed)}`];
  }

  #retype(table: RandomTable, column: Column): string[] {
    const { retypes } = column.kind;
    if (!retypes || column.type !== column.kind.type) return this.#addColumn(table);
    const type = this.#random.pick(retypes as [string]);
    table.columns = table.columns.map((one) => (one === column ? { ...one, type } : one));
    const name = identifier(column.name);
    return [
      `alter table ${table.sql} alter ${name} drop default`,
      `alter table ${table.sql} alter ${name} type ${type} using ${name}::${type}`,
    ];
  }
}
