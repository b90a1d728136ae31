// A table made by chance, with what is needed to know which statements it takes: rows are named by `rid`, a plain column
// that every table has beside its key.
import type { SeededRandom } from '@millrace/testkit';
import { COLUMN_KINDS, type ColumnKind, KEY_KINDS } from './column-kinds.ts';

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** What it was changed to; else the kind's own. */
  readonly type: string;
  readonly notNull: boolean;
}

export type KeyStyle = 'primary' | 'unique' | 'none';
export type Identity = 'default' | 'full' | 'nothing' | 'index';

const MAX_ROWS = 60;
const NULLS = 0.15;
const LARGE = 0.3;

/** Names columns get: most say their type, so that a difference does too; some need quotes. */
function columnName(kind: ColumnKind, n: number): string {
  const slug = kind.type.replaceAll('[]', '_array').replaceAll(/[^a-z0-9]+/g, '_');
  return n % 23 === 0 ? `Odd "${slug}" ${n}` : `${slug}_${n}`;
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export class RandomTable {
  readonly name: string;
  readonly keyStyle: KeyStyle;
  identity: Identity;
  keys: readonly Column[];
  columns: readonly Column[];
  rows: readonly number[] = [];
  readonly #random: SeededRandom;
  #counter = 0;

  constructor(name: string, random: SeededRandom) {
    this.name = name;
    this.#random = random;
    this.keyStyle = random.pick(['primary', 'primary', 'primary', 'unique', 'none']);
    const keyCount = this.keyStyle === 'none' ? 0 : random.pick([1, 1, 1, 2, 3]);
    this.keys = Array.from({ length: keyCount }, () =>
      this.#column(random.pick(KEY_KINDS as [ColumnKind]), true),
    );
    this.columns = Array.from({ length: random.int(1, 12) }, () => this.newColumn());
    this.identity = random.pick(this.identities());
  }

  get sql(): string {
    return identifier(this.name);
  }

  /** What the table can have. */
  identities(): [Identity, ...Identity[]] {
    if (this.keyStyle === 'primary') {
      // With the other index, the server leaves the key out of what it tells of a delete.
      const mayLackKey = !this.keys.some(({ kind }) => kind.maybeNull === true);
      return ['default', 'default', 'full', 'nothing', ...(mayLackKey ? (['index'] as const) : [])];
    }
    return this.keyStyle === 'unique' ? ['default', 'full', 'full', 'index'] : ['default', 'full', 'full'];
  }

  /** Whether the server takes updates and deletes of a table that is published. */
  get changeable(): boolean {
    if (this.identity === 'default') return this.keyStyle === 'primary';
    return this.identity !== 'nothing';
  }

  newColumn(): Column {
    const random = this.#random;
    return this.#column(random.pick(COLUMN_KINDS), random.next() < 0.25);
  }

  #column(kind: ColumnKind, notNull: boolean): Column {
    const required = notNull && kind.maybeNull !== true;
    return { name: columnName(kind, ++this.#counter), kind, type: kind.type, notNull: required };
  }

  /** `name type ...` for CREATE TABLE and ADD COLUMN. */
  definition(column: Column): string {
    const random = this.#random;
    const { defaults } = column.kind;
    const chosen = defaults && random.next() < 0.4 ? ` default ${random.pick(defaults as [string])}` : '';
    return `${identifier(column.name)} ${column.type}${column.notNull ? ' not null' : ''}${chosen}`;
  }

  create(): string {
    const random = this.#random;
    const all = [...this.keys, ...this.columns].map((column) => ({ column, order: random.next() }));
    // Keys stand anywhere among the columns, and in any order within the key.
    const columns = all.sort((a, b) => a.order - b.order).map(({ column }) => this.definition(column));
    columns.splice(random.int(0, columns.length), 0, 'rid int not null');
    const keyNames = this.keys.map(({ name }) => identifier(name)).sort(() => random.next() - 0.5);
    const key = keyNames.join(', ');
    if (this.keyStyle === 'primary') columns.push(`primary key (${key})`);
    const statements = [`create table ${this.sql} (${columns.join(', ')})`];
    if (this.keyStyle === 'unique')
      statements.push(`create unique index ${identifier(`${this.name} key`)} on ${this.sql} (${key})`);
    if (this.keyStyle === 'primary')
      statements.push(`create unique index ${identifier(`${this.name} rid`)} on ${this.sql} (rid)`);
    for (const { name, kind } of this.columns) if (kind.large) statements.push(this.storeOutside(name));
    if (this.identity !== 'default') statements.push(this.setIdentity(this.identity));
    return statements.join('; ');
  }

  /** Large values of the column are stored out of line as they are. */
  storeOutside(column: string): string {
    return `alter table ${this.sql} alter ${identifier(column)} set storage external`;
  }

  setIdentity(identity: Identity): string {
    this.identity = identity;
    const index = identifier(`${this.name} ${this.keyStyle === 'primary' ? 'rid' : 'key'}`);
    return `alter table ${this.sql} replica identity ${identity === 'index' ? `using index ${index}` : identity}`;
  }

  value(column: Column): string {
    const random = this.#random;
    if (!column.notNull && random.next() < NULLS) return 'null';
    const large = column.kind.large;
    const value = large && random.next() < LARGE ? large(random) : column.kind.value(random);
    // A literal takes the column's type by itself, an expression may not.
    return column.type === column.kind.type ? value : `${value}::${column.kind.type}::${column.type}`;
  }

  #keyValue(column: Column, rid: number): string {
    const value = column.kind.key?.(rid) ?? 'null';
    return column.type === column.kind.type ? value : `${value}::${column.kind.type}::${column.type}`;
  }

  insert(newRid: () => number): string {
    const random = this.#random;
    // What is left out takes its default.
    const columns = this.columns.filter(({ notNull }) => notNull || random.next() < 0.85);
    const names = [...this.keys, ...columns].map(({ name }) => identifier(name));
    const rows = Array.from({ length: random.next() < 0.7 ? 1 : random.int(2, 5) }, () => {
      const rid = newRid();
      this.rows = [...this.rows, rid];
      const keys = this.keys.map((column) => this.#keyValue(column, rid));
      return `(${[String(rid), ...keys, ...columns.map((column) => this.value(column))].join(', ')})`;
    });
    return `insert into ${this.sql} (${['rid', ...names].join(', ')}) values ${rows.join(', ')}`;
  }

  update(): string {
    const random = this.#random;
    const chosen = this.columns.filter(() => random.next() < 0.35);
    const sets = chosen.map((column) => {
      const name = identifier(column.name);
      // As often as not nothing changes.
      return random.next() < 0.15 ? `${name} = ${name}` : `${name} = ${this.value(column)}`;
    });
    if (sets.length === 0) sets.push('rid = rid');
    return `update ${this.sql} set ${sets.join(', ')} where ${this.#someRows()}`;
  }

  /** A row under another key, or undefined when there is no key. */
  moveKey(newRid: () => number): string | undefined {
    const random = this.#random;
    const rid = this.#row();
    const [first] = this.keys;
    if (first === undefined) return undefined;
    const n = newRid();
    const keys = random.next() < 0.7 ? [random.pick(this.keys as [Column])] : this.keys;
    const sets = keys.map((column) => `${identifier(column.name)} = ${this.#keyValue(column, n)}`);
    const others = this.columns.filter(() => random.next() < 0.2);
    sets.push(...others.map((column) => `${identifier(column.name)} = ${this.value(column)}`));
    return `update ${this.sql} set ${sets.join(', ')} where rid = ${rid}`;
  }

  delete(): string {
    const rows = this.#chosenRows();
    this.rows = this.rows.filter((rid) => !rows.includes(rid));
    return `delete from ${this.sql} where rid in (${rows.join(', ')})`;
  }

  truncate(): string {
    this.rows = [];
    return `truncate ${this.sql}`;
  }

  get full(): boolean {
    return this.rows.length >= MAX_ROWS;
  }

  #row(): number {
    return this.rows.length === 0 ? -1 : this.#random.pick(this.rows as unknown as [number]);
  }

  #chosenRows(): number[] {
    return Array.from({ length: this.#random.next() < 0.8 ? 1 : this.#random.int(2, 4) }, () => this.#row());
  }

  #someRows(): string {
    return `rid in (${this.#chosenRows().join(', ')})`;
  }
}
