// The order of keys, as server and connector both know it. A snapshot that may be resumed reads a table in the order of
// its key, and the stream must tell later whether a key lies before or after the place where an earlier run stopped. So
// only key types count whose order can be told from their text: not text under a locale's collation, for one.
import type pg from 'pg';
import type { TableName } from '../schema/catalog.ts';

/** How texts of a key column compare. */
export type KeyKind = 'integer' | 'numeric' | 'bytes' | 'time';

export interface OrderKey {
  readonly name: string;
  readonly kind: KeyKind;
}

/** What decides how a table is read. */
export interface TableShape {
  readonly oid: number;
  /** Bytes of the table itself, with all partitions. */
  readonly bytes: number;
  /** The key that tells rows apart in the stream; undefined when there is none whose order is known. */
  readonly key: readonly OrderKey[] | undefined;
}

const INTEGERS: readonly number[] = [20, 21, 23, 26];
const NUMERIC = 1700;
/** bytea, boolean and uuid: their texts are ordered as they are. */
const BYTES: readonly number[] = [17, 16, 2950];
/** text and varchar, where the collation is that of bytes. */
const TEXTS: readonly number[] = [25, 1043];
const TIMES: readonly number[] = [1082, 1114, 1184];

function kindOf(type: number, bytewise: boolean): KeyKind | undefined {
  if (INTEGERS.includes(type)) return 'integer';
  if (type === NUMERIC) return 'numeric';
  if (BYTES.includes(type)) return 'bytes';
  if (TIMES.includes(type)) return 'time';
  return TEXTS.includes(type) && bytewise ? 'bytes' : undefined;
}

/** Reads the shape of a table; undefined when it is gone. */
export async function readShape(client: pg.Client, table: TableName): Promise<TableShape | undefined> {
  const { rows } = await client.query<{
    oid: number;
    bytes: number;
    columns: { name: string; type: number; bytewise: boolean }[] | null;
  }>(SHAPE_SQL, [table.schema, table.table]);
  const row = rows[0];
  if (row === undefined) return undefined;
  const { oid, bytes } = row;
  const key: OrderKey[] = [];
  for (const { name, type, bytewise } of row.columns ?? []) {
    const kind = kindOf(type, bytewise);
    if (kind === undefined) return { oid, bytes, key: undefined };
    key.push({ name, kind });
  }
  return { oid, bytes, key: key.length === 0 ? undefined : key };
}

// The key is that of the replica identity, whose columns every old row in the stream has; with FULL and NOTHING the
// primary key. A parent that its children inherit from has a key for its own rows only.
const SHAPE_SQL = `
  select c.oid::int8::float8 as oid,
         case when c.relkind = 'p'
              then (select coalesce(sum(pg_catalog.pg_relation_size(p.relid)), 0) from pg_catalog.pg_partition_tree(c.oid) p)
              else pg_catalog.pg_relation_size(c.oid) end::float8 as bytes,
         case when c.relkind = 'r' and exists (select from pg_catalog.pg_inherits h where h.inhparent = c.oid) then null
         else (select json_agg(json_build_object('name', a.attname, 'type', a.atttypid::int8,
                  'bytewise', coalesce(
                    (o.collprovider = 'c' and o.collcollate in ('C', 'POSIX'))
                    or (o.collprovider = 'd' and d.datcollate in ('C', 'POSIX')
                        and coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c'), false))
                order by k.ord)
            from pg_catalog.pg_index i
            cross join unnest(i.indkey::int2[]) with ordinality as k(attnum, ord)
            join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
            left join pg_catalog.pg_collation o on o.oid = a.attcollation
           where i.indrelid = c.oid and i.indisvalid and k.ord <= i.indnkeyatts
             and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end) end as columns
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_database d on d.datname = current_database()
   where n.nspname = $1 and c.relname = $2`;

/** Compares two keys as the server orders them: negative when `a` comes first. */
export function compareKeys(key: readonly OrderKey[], a: readonly string[], b: readonly string[]): number {
  for (const [i, { kind }] of key.entries()) {
    const order = compareTexts(kind, a[i] ?? '', b[i] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

function compareTexts(kind: KeyKind, a: string, b: string): number {
  if (a === b) return 0;
  switch (kind) {
    case 'integer':
      return BigInt(a) < BigInt(b) ? -1 : 1;
    case 'numeric':
      return compareNumerics(a, b);
    case 'time':
      return compareTimes(a, b);
    case 'bytes':
      return Buffer.compare(Buffer.from(a), Buffer.from(b));
    default:
      return kind satisfies never;
  }
}

/** Postgres' order: -Infinity, the finite ones, Infinity, NaN. */
function compareNumerics(a: string, b: string): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0 || rankOf(a) !== 0) return rank;
  const scale = Math.max(fractionOf(a).length, fractionOf(b).length);
  const scaledA = scaled(a, scale);
  const scaledB = scaled(b, scale);
  return scaledA < scaledB ? -1 : scaledA > scaledB ? 1 : 0;
}
function rankOf(text: string): number {
  return text === '-Infinity' ? -1 : text === 'Infinity' ? 1 : text === 'NaN' ? 2 : 0;
}
function fractionOf(text: string): string {
  return text.split('.')[1] ?? '';
}
function scaled(text: string, scale: number): bigint {
  return BigInt((text.split('.')[0] ?? '') + fractionOf(text).padEnd(scale, '0'));
}

/** Dates and timestamps in ISO style: `-infinity`, years BC, years, `infinity`. */
function compareTimes(a: string, b: string): number {
  const yearA = yearOf(a);
  const yearB = yearOf(b);
  if (yearA !== yearB) return yearA < yearB ? -1 : 1;
  // Within a year the texts have the order of the times, whatever fraction they end with.
  return a < b ? -1 : 1;
}
function yearOf(text: string): number {
  if (text === 'infinity') return Infinity;
  if (text === '-infinity') return -Infinity;
  const year = Number.parseInt(text, 10);
  return text.endsWith(' BC') ? -year : year;
}
