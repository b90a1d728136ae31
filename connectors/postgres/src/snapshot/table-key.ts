// The key that a table is read by, as the catalog describes it, and the SQL for its order. A key counts when its order
// is total and stays the same between two runs; where its texts do not tell it, what does is part of the key.
import type pg from 'pg';
import { quoteIdentifier, quoteText } from '../connection.ts';
import type { TableName } from '../schema/catalog.ts';
import type { KeyKind, OrderKey } from './key-order.ts';

/** A column of a key, and how SQL compares values with it in its own order. */
export interface KeyColumn extends OrderKey {
  /** What turns a text into a value: the type below all domains, with its schema. */
  readonly type: string;
  /** Undefined where the type has none. */
  readonly collation: string | undefined;
  /** Written with their schemas: those that a search path finds may be other ones. */
  readonly operators: { readonly same: string; readonly atLeast: string; readonly more: string };
}

/** What decides how a table is read. */
export interface TableShape {
  readonly oid: number;
  /** Bytes of the table itself, with all partitions. */
  readonly bytes: number;
  /** The key that tells rows apart in the stream; undefined when there is none whose order is known. */
  readonly key: readonly KeyColumn[] | undefined;
}

/** Reads the shape of a table; undefined when it is gone. */
export async function readShape(client: pg.Client, table: TableName): Promise<TableShape | undefined> {
  const { rows } = await client.query<{ oid: number; bytes: number }>(SIZE_SQL, [table.schema, table.table]);
  const row = rows[0];
  if (row === undefined) return undefined;
  return { ...row, key: await readKey(client, table) };
}

/** Reads the key of a table from the catalog alone: no lock on the table is in its way. */
export async function readKey(client: pg.Client, table: TableName): Promise<KeyColumn[] | undefined> {
  const { rows } = await client.query<CatalogKey>(KEY_SQL, [table.schema, table.table]);
  const key: KeyColumn[] = [];
  for (const { name, base, type, collation, bytewise, order, operators } of rows) {
    const local = kindOf(base, bytewise);
    if (local === undefined && order === null) return undefined;
    key.push({
      name,
      type,
      collation: collation ?? undefined,
      ...(local === undefined
        ? { kind: 'server', order: order ?? '', operators: operators ?? OPERATORS }
        : { kind: local, operators: OPERATORS }),
    });
  }
  return key.length === 0 ? undefined : key;
}

/** Columns by which rows come in the order of their key. */
export function orderSql(key: readonly KeyColumn[]): string {
  return key.map((column) => quoteIdentifier(column.name)).join(', ');
}

/** A text of a column's value, as a value that compares with it. */
export function valueSql({ type, collation }: KeyColumn, text: string): string {
  return `${quoteText(text)}::${type}${collation === undefined ? '' : ` COLLATE ${collation}`}`;
}

/** The condition that the key made of the expressions `left` comes after that of `right`. An index on them serves it. */
export function afterSql(
  key: readonly KeyColumn[],
  left: readonly string[],
  right: readonly string[],
): string {
  const [operator, ...others] = new Set(key.map(({ operators }) => operators.more));
  if (operator !== undefined && others.length === 0)
    return `ROW(${left.join(', ')}) ${operator} ROW(${right.join(', ')})`;
  // Rows are compared by operators of one schema.
  const [first, ...rest] = key;
  const [a, ...as] = left;
  const [b, ...bs] = right;
  if (first === undefined || a === undefined || b === undefined) return 'false';
  const { same, atLeast, more } = first.operators;
  if (rest.length === 0) return `${a} ${more} ${b}`;
  return `(${a} ${atLeast} ${b} AND (${a} ${more} ${b} OR (${a} ${same} ${b} AND ${afterSql(rest, as, bs)})))`;
}

interface CatalogKey {
  readonly name: string;
  /** The oid of the type below all domains. */
  readonly base: number;
  readonly type: string;
  readonly collation: string | null;
  /** Texts are ordered by their bytes in UTF-8. */
  readonly bytewise: boolean;
  /** What tells the server's order from another; null where the server has none that can be relied on. */
  readonly order: string | null;
  readonly operators: KeyColumn['operators'] | null;
}

const OPERATORS: KeyColumn['operators'] = {
  same: 'OPERATOR(pg_catalog.=)',
  atLeast: 'OPERATOR(pg_catalog.>=)',
  more: 'OPERATOR(pg_catalog.>)',
};

const INTEGERS: readonly number[] = [20, 21, 23, 26];
const NUMERIC = 1700;
const FLOATS: readonly number[] = [700, 701];
/** bytea, boolean, uuid, time, macaddr and macaddr8: their texts are ordered as they are. */
const BYTES: readonly number[] = [17, 16, 2950, 1083, 829, 774];
/** text, varchar and name, where the collation is that of bytes. */
const TEXTS: readonly number[] = [25, 1043, 19];
const TIMES: readonly number[] = [1082, 1114, 1184];

function kindOf(type: number, bytewise: boolean): KeyKind | undefined {
  if (INTEGERS.includes(type)) return 'integer';
  if (type === NUMERIC) return 'numeric';
  if (FLOATS.includes(type)) return 'float';
  if (BYTES.includes(type)) return 'bytes';
  if (TIMES.includes(type)) return 'time';
  return TEXTS.includes(type) && bytewise ? 'bytes' : undefined;
}

const SIZE_SQL = `
  select c.oid::int8::float8 as oid,
         case when c.relkind = 'p'
              then (select coalesce(sum(pg_catalog.pg_relation_size(p.relid)), 0) from pg_catalog.pg_partition_tree(c.oid) p)
              else pg_catalog.pg_relation_size(c.oid) end::float8 as bytes
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relname = $2`;

const BTREE = 403;
const JSONB = 3802;
const DEFAULT_COLLATION = 100;

// Before Postgres 15 the server does not tell the version of the default collation, but it is that of the C library.
const COLLATION_VERSION = `
  coalesce(pg_catalog.pg_collation_actual_version(v.oid),
    case when v.collprovider = 'd' and coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c'
         then (select max(pg_catalog.pg_collation_actual_version(l.oid)) from pg_catalog.pg_collation l
                where l.collprovider = 'c' and l.collcollate not in ('C', 'POSIX')) end)`;
const RECORDED_VERSION = `coalesce(v.collversion, case when v.collprovider = 'd' then to_jsonb(d) ->> 'datcollversion' end)`;

// The key is that of the replica identity, whose columns every old row in the stream has; with FULL and NOTHING the
// primary key. A parent that its children inherit from has a key for its own rows only.
//
// A row set that is read on from a key must not end within keys that are equal: the order read by has to be the one that
// the index is unique in. That is not so for another collation, nor for the operators of a type that only looks alike
// (an index of citext with those of text). An index that was built under another version of its collation is none to
// read by: its order is not the server's any more. jsonb compares its texts by the database's collation.
//
// In steps, since to plan one join of all takes longer than all else: `b` is the type below all domains, `e` that of the
// elements of an array or a range.
const KEY_SQL = `
  with recursive k as materialized (
    select a.attname, a.attcollation, a.atttypid, x.opclass, x.coll, x.ord
      from pg_catalog.pg_class t
      join pg_catalog.pg_namespace n on n.oid = t.relnamespace
      join pg_catalog.pg_index i on i.indrelid = t.oid and i.indisvalid
       and case when t.relreplident = 'i' then i.indisreplident else i.indisprimary end
      cross join unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[])
        with ordinality as x(attnum, opclass, coll, ord)
      join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = x.attnum
     where n.nspname = $1 and t.relname = $2 and x.ord <= i.indnkeyatts
       and not (t.relkind = 'r' and exists (select from pg_catalog.pg_inherits s where s.inhparent = t.oid))),
  types as (
    select k.ord, t.oid, t.typtype, t.typbasetype from k join pg_catalog.pg_type t on t.oid = k.atttypid
    union all
    select types.ord, t.oid, t.typtype, t.typbasetype from types join pg_catalog.pg_type t on t.oid = types.typbasetype
     where types.typtype = 'd'),
  of_range as materialized (
    select types.ord, types.oid, r.rngsubtype, r.rngcollation
      from types left join pg_catalog.pg_range r on r.rngtypid = types.oid where types.typtype <> 'd'),
  typed as materialized (
    select k.*, o.rngcollation, b.oid as base, b.typname, b.typnamespace, b.typtype,
           coalesce(o.rngsubtype, case when b.typlen = -1 and b.typcategory = 'A' then b.typelem end, b.oid) as element
      from k join of_range o on o.ord = k.ord join pg_catalog.pg_type b on b.oid = o.oid)
  select k.attname as name, k.base::int8::float8 as base,
         format('%I.%I', (select s.nspname from pg_catalog.pg_namespace s where s.oid = k.typnamespace), k.typname) as type,
         (select format('%I.%I', s.nspname, o.collname) from pg_catalog.pg_collation o
            join pg_catalog.pg_namespace s on s.oid = o.collnamespace where o.oid = k.attcollation) as "collation",
         getdatabaseencoding() = 'UTF8' and coalesce(
           v.collprovider = 'b' or (v.collprovider = 'c' and v.collcollate in ('C', 'POSIX'))
           or (v.collprovider = 'd' and (to_jsonb(d) ->> 'datlocprovider' = 'b'
               or (d.datcollate in ('C', 'POSIX') and coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c'))), false) as bytewise,
         case when c.opcmethod = ${BTREE} and c.opcdefault and k.coll = k.attcollation
               and (c.opcintype = k.base or not exists (select from pg_catalog.pg_opclass x
                     where x.opcmethod = c.opcmethod and x.opcdefault and x.opcintype = k.base))
               and k.typtype in ('b', 'e', 'r') and e.typtype in ('b', 'e')
               and (e.oid = k.base or e.typcategory <> 'A')
               and getdatabaseencoding() <> 'SQL_ASCII'
               and coalesce(${RECORDED_VERSION} = pg_catalog.pg_collation_actual_version(v.oid), true)
              then concat_ws('/', k.base, v.oid, ${COLLATION_VERSION},
                (select md5(string_agg(l.enumlabel, E'\\n' order by l.enumsortorder))
                   from pg_catalog.pg_enum l where l.enumtypid = e.oid)) end as "order",
         (select json_object_agg(case m.amopstrategy when 3 then 'same' when 4 then 'atLeast' else 'more' end,
                   format('OPERATOR(%I.%s)', s.nspname, p.oprname))
            from pg_catalog.pg_amop m join pg_catalog.pg_operator p on p.oid = m.amopopr
            join pg_catalog.pg_namespace s on s.oid = p.oprnamespace
           where m.amopfamily = c.opcfamily and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype
             and m.amopstrategy in (3, 4, 5)) as operators
    from typed k
    join pg_catalog.pg_type e on e.oid = k.element
    join pg_catalog.pg_opclass c on c.oid = k.opclass
    join pg_catalog.pg_database d on d.datname = current_database()
    left join pg_catalog.pg_collation v on v.oid = coalesce(nullif(k.rngcollation, 0), nullif(k.attcollation, 0),
      case when e.oid = ${JSONB} then ${DEFAULT_COLLATION} end::oid)
   order by k.ord`;
