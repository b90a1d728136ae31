// The layouts of tables around a transaction that altered them, and which differences they explain: Debezium looks up keys,
// optional columns and defaults by name when a table's layout comes by, in the catalog as queries see it at that moment.
// For rows written before the change that is often the catalog of afterwards; for rows after it, at times the one of
// before, since the server sends what was committed a moment before queries see it.
import type { Client } from 'pg';

export interface ColumnLayout {
  readonly notNull: boolean;
  /** The expression; undefined when there is none. */
  readonly default: string | undefined;
}

export interface Layout {
  /** Of the primary key, or else of a unique index. */
  readonly keys: readonly string[];
  /** Of the unique index that Debezium takes where it sees no primary key. */
  readonly uniqueKeys: readonly string[];
  readonly columns: ReadonlyMap<string, ColumnLayout>;
}

/** By the names of tables, as topics spell them. */
export type Layouts = ReadonlyMap<string, Layout>;

/** A transaction that altered tables. */
export interface Alteration {
  /** What it wrote below this position it wrote under the layouts of before. */
  readonly lsn: bigint;
  readonly before: Layouts;
  readonly after: Layouts;
}

/** The layout a row was written under, and the one that Debezium may have looked up instead. */
export interface TwoLayouts {
  readonly own: Layout;
  /** Undefined: the table was not there. */
  readonly other: Layout | undefined;
  /** Whether the row was written before the table was altered. */
  readonly beforeAlter: boolean;
}

const BEFORE_ALTER =
  'rows that a transaction wrote before it altered their table: Debezium shows keys, optional columns and defaults by the catalog of afterwards';
const NOT_VISIBLE =
  'rows of a transaction that made or altered their table, which Debezium asked the catalog for before it was visible there: keys, optional columns and defaults of before, or none';

const LAYOUTS_SQL = `
  select c.relname as table, a.attname as column, a.attnotnull or t.typnotnull as required,
    pg_get_expr(d.adbin, d.adrelid) as default,
    array_position(k.indkey::int2[], a.attnum) as key,
    array_position(u.indkey::int2[], a.attnum) as unique_key
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  left join lateral (
    select indkey from pg_index where indrelid = c.oid and indisunique order by indisprimary desc limit 1
  ) k on true
  left join lateral (
    select indkey from pg_index where indrelid = c.oid and indisunique and not indisprimary limit 1
  ) u on true
  where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
  order by c.relname, a.attnum`;

interface LayoutRow {
  readonly table: string;
  readonly column: string;
  readonly required: boolean;
  readonly default: string | null;
  readonly key: number | null;
  readonly unique_key: number | null;
}

export async function readLayouts(client: Client): Promise<Layouts> {
  const { rows } = await client.query<LayoutRow>(LAYOUTS_SQL);
  const layouts = new Map<string, Layout>();
  for (const table of new Set(rows.map((row) => row.table))) {
    const columns = rows.filter((row) => row.table === table);
    const named = (chosen: readonly LayoutRow[]): string[] => chosen.map(({ column }) => adjusted(column));
    layouts.set(table, {
      keys: named(columns.filter(({ key }) => key !== null)),
      uniqueKeys: named(columns.filter(({ unique_key: place }) => place !== null)),
      columns: new Map(
        columns.map(({ column, required, default: expression }) => [
          adjusted(column),
          { notNull: required, default: expression ?? undefined },
        ]),
      ),
    });
  }
  return layouts;
}

/** As `field.name.adjustment.mode=avro` spells it; the other configs' names come through it too. */
function adjusted(name: string): string {
  return name.replaceAll(/\W/g, '_');
}

/** The layouts of the row of `topic` that the transaction wrote at `lsn`; undefined when the table had but one. */
export function layoutsOf(
  topic: string,
  lsn: bigint | undefined,
  alteration: Alteration | undefined,
): TwoLayouts | undefined {
  if (alteration === undefined || lsn === undefined) return undefined;
  const table = topic.slice(topic.lastIndexOf('.') + 1);
  const beforeAlter = lsn < alteration.lsn;
  const [before, after] = [alteration.before.get(table), alteration.after.get(table)];
  const [own, other] = beforeAlter ? [before, after] : [after, before];
  return own && { own, other, beforeAlter };
}

/** The reason for a difference at a column, JSON texts of both sides; undefined when the layouts do not explain it. */
export function columnDiffers(
  path: string,
  debezium: string,
  millrace: string,
  { own, other, beforeAlter }: TwoLayouts,
): string | undefined {
  // The new key in the headers of the old one, and the other way round.
  if (/^headers\[\d+\]\[1\]$/.test(path))
    return keyDiffers(textOf(debezium), textOf(millrace), { own, other, beforeAlter });
  const inSchema = /\.fields\[([^\]]*)\](\.optional|\.default)?$/.exec(path);
  const inValue = /^(?:value|key)\.(?:payload\.)?(?:(?:after|before)\.)?([^.[\]]+)$/.exec(path);
  const name = adjusted(inSchema?.[1] ?? inValue?.[1] ?? '');
  const column = own.columns.get(name);
  if (column === undefined) return undefined;
  const looked = other?.columns.get(name);
  const sameDefault = column.default === looked?.default;
  if (sameDefault && column.notNull === (looked?.notNull ?? false)) return undefined;
  if (inSchema) {
    const optional = inSchema[2] === '.optional' ? millrace : /"optional":(true|false)/.exec(millrace)?.[1];
    const right = [own, ...alike({ own, other, beforeAlter })].map(
      ({ columns }) => columns.get(name)?.notNull === false,
    );
    if (inSchema[2] !== '.default' && !right.some((one) => String(one) === optional)) return undefined;
  }
  // Only a value that is null or was not sent is shown as a default, or as the zero of a required column.
  else if (debezium !== 'null' && millrace !== 'null' && sameDefault) return undefined;
  return beforeAlter ? BEFORE_ALTER : NOT_VISIBLE;
}

/** The reason for which the key of a record differs, by its columns; undefined when the layouts do not explain it. */
export function keyDiffers(debezium: string, millrace: string, layouts: TwoLayouts): string | undefined {
  const { own, beforeAlter } = layouts;
  const [theirs, ours] = [keyFields(debezium), keyFields(millrace)];
  if (![own, ...alike(layouts)].some(({ keys }) => sameNames(ours, keys))) return undefined;
  // It may look the table up once more, and then has the order of the primary key.
  const names = [own.keys, ...otherKeys(layouts)];
  if (!names.some((one) => sameNames(theirs, one))) return undefined;
  for (const [name, value] of theirs) if (ours.has(name) && ours.get(name) !== value) return undefined;
  return beforeAlter ? BEFORE_ALTER : NOT_VISIBLE;
}

/** Whether one side may take a change for one of the key, and the other not. */
export function movesDiffer(layouts: TwoLayouts): boolean {
  const own = layouts.own.keys.join();
  return otherKeys(layouts).some((names) => names.join() !== own);
}

/** The keys that Debezium may have looked up, of columns that its relation message has. */
function otherKeys({ own, other, beforeAlter }: TwoLayouts): readonly (readonly string[])[] {
  const looked = (other?.keys ?? []).filter((name) => own.columns.has(name));
  // Without a primary key it asks for unique indexes next, and may see what it did not before.
  return beforeAlter || looked.length > 0 ? [looked] : [looked, own.uniqueKeys];
}

/**
 * The layout of afterwards, where it has the same columns: messages before and after the change look the same then, and
 * Millrace shows the rows of both by the one that the transaction left.
 */
function alike({ own, other, beforeAlter }: TwoLayouts): readonly Layout[] {
  if (!beforeAlter || other === undefined) return [];
  return [...own.columns.keys()].join() === [...other.columns.keys()].join() ? [other] : [];
}

function sameNames(fields: ReadonlyMap<string, string>, names: readonly string[]): boolean {
  return fields.size === names.length && names.every((name) => fields.has(name));
}

/** The columns of a key with the JSON of their values; none when there is no key. */
function keyFields(text: string): ReadonlyMap<string, string> {
  try {
    const key = JSON.parse(text) as { schema?: unknown; payload?: object | null } | null;
    const fields = (key !== null && 'schema' in key && 'payload' in key ? key.payload : key) ?? {};
    return new Map(Object.entries(fields).map(([name, value]) => [adjusted(name), JSON.stringify(value)]));
  } catch {
    // Headers show dates and times without quotes.
    const parts = text.slice(1, -1).split(/,(?="[^"]*":)/);
    return new Map(parts.map((part) => [adjusted(part.slice(1, part.indexOf('":'))), part]));
  }
}

function textOf(printed: string): string {
  const value: unknown = JSON.parse(printed);
  return typeof value === 'string' ? value : '';
}
