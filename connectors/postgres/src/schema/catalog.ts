// What the system catalogs say about types and tables. Read when a relation is met for the first time or again changed;
// the types themselves come with the relation message.
import type pg from 'pg';

/** A row of pg_type, as far as mapping needs it. */
export interface PgType {
  readonly oid: number;
  readonly name: string;
  readonly schema: string;
  /** `b`ase, `c`omposite, `d`omain, `e`num, `p`seudo, `r`ange, `m`ultirange. */
  readonly kind: string;
  /** Of an array: the element type; else 0. */
  readonly elementOid: number;
  /** Of a domain: what it is over; else 0. */
  readonly baseOid: number;
  readonly baseTypmod: number;
  readonly labels: readonly string[];
}

/** Oids below belong to what the server comes with. */
const FIRST_OWN_OID = 16384;

/** Types by oid, read from the server when first asked for. */
export class TypeCatalog {
  readonly #types = new Map<number, PgType>();

  get(oid: number): PgType | undefined {
    return this.#types.get(oid);
  }

  /** The types of users' own among these and among what they are made of. */
  ownTypes(oids: Iterable<number>): PgType[] {
    const found = new Map<number, PgType>();
    const follow = (oid: number): void => {
      const type = this.#types.get(oid);
      if (type === undefined || found.has(oid)) return;
      if (oid >= FIRST_OWN_OID) found.set(oid, type);
      follow(type.elementOid);
      follow(type.baseOid);
    };
    for (const oid of oids) follow(oid);
    return [...found.values()].sort((a, b) => a.oid - b.oid);
  }

  /** The same types, but for these. */
  with(types: readonly PgType[]): TypeCatalog {
    if (types.length === 0) return this;
    const changed = new TypeCatalog();
    for (const [oid, type] of this.#types) changed.#types.set(oid, type);
    for (const type of types) changed.#types.set(type.oid, type);
    return changed;
  }

  /** Forgets enumerations, whose labels may grow. */
  forgetEnums(): void {
    for (const [oid, type] of this.#types) if (type.kind === 'e') this.#types.delete(oid);
  }

  /** Makes these types known, and those they are made of. */
  async load(client: pg.Client, oids: Iterable<number>): Promise<void> {
    let missing = this.#missing(oids);
    while (missing.length > 0) {
      const { rows } = await client.query<{
        oid: number;
        typname: string;
        nspname: string;
        typtype: string;
        elem: number;
        typbasetype: number;
        typtypmod: number;
        labels: string[] | null;
      }>(TYPES_SQL, [missing]);
      for (const row of rows) {
        this.#types.set(row.oid, {
          oid: row.oid,
          name: row.typname,
          schema: row.nspname,
          kind: row.typtype,
          elementOid: row.elem,
          baseOid: row.typbasetype,
          baseTypmod: row.typtypmod,
          labels: row.labels ?? [],
        });
      }
      missing = this.#missing(rows.flatMap((row) => [row.elem, row.typbasetype]));
    }
  }

  /** Those of these types, and of the types they are made of, that are not known. */
  #missing(oids: Iterable<number>): number[] {
    const missing = new Set<number>();
    const follow = (oid: number): void => {
      const type = this.#types.get(oid);
      if (oid === 0 || missing.has(oid)) return;
      if (type === undefined) missing.add(oid);
      else {
        follow(type.elementOid);
        follow(type.baseOid);
      }
    };
    for (const oid of oids) follow(oid);
    return [...missing];
  }
}

// A true array is one that subscripts as arrays do; name and point have an element type too and are none.
const TYPES_SQL = `
  select t.oid::int8::float8 as oid, t.typname, n.nspname, t.typtype,
         case when t.typlen = -1 and t.typcategory = 'A' then t.typelem::int8::float8 else 0 end as elem,
         t.typbasetype::int8::float8 as typbasetype, t.typtypmod,
         (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid) as labels
    from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
   where t.oid = any($1::oid[])`;

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** `schema.table`, as lists in configs name it. */
export function qualified(table: TableName): string {
  return `${table.schema}.${table.table}`;
}

/** `schema.table`, each part plain or in double quotes; undefined when it is none. */
export function parseTableName(text: string): TableName | undefined {
  const parts = /^("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^"]+)$/.exec(text.trim());
  const [, schema, table] = parts ?? [];
  if (schema === undefined || table === undefined) return undefined;
  const plain = (part: string): string =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
  return { schema: plain(schema), table: plain(table) };
}

/** A name whose parts may be quoted, as lists have it; any other text as it is. */
export function plainName(text: string): string {
  const name = parseTableName(text);
  return name === undefined ? text : qualified(name);
}

export interface CatalogColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  readonly notNull: boolean;
  /** The expression of the default, or of what generates the column, as the server prints it; null for none. */
  readonly defaultExpression: string | null;
  readonly generated: boolean;
  readonly comment: string | null;
}

export interface CatalogTable extends TableName {
  readonly oid: number;
  readonly columns: readonly CatalogColumn[];
  /** Columns of the primary key in its order; empty without one. */
  readonly primaryKey: readonly string[];
  /** Columns of the unique index that stands in for a primary key; empty without one. */
  readonly uniqueKey: readonly string[];
  readonly comment: string | null;
  /** When the server's entry was read. */
  readonly version: CatalogVersion;
}

/** Transaction ids with their epoch, so that they can be compared: those that made what the catalog says now. */
export interface CatalogVersion {
  /** Beside the table's columns. */
  readonly columns: readonly ColumnVersion[];
  /** The newest of all columns, those that were dropped among them. */
  readonly newestColumn: number;
  /** Null where there is no such key. */
  readonly primaryKey: number | null;
  readonly uniqueKey: number | null;
  /** Of labels of enumerations; null where there are none. */
  readonly labels: number | null;
  /** The next id that the server gives. */
  readonly nextXid: number;
}

export interface ColumnVersion {
  readonly column: number;
  /** Of the default, or of the column where it has none. */
  readonly defaultExpression: number;
}

/** Names of tables and of partitioned parents, in order; temporary ones and the server's own left out. */
export async function listTables(client: pg.Client, includeBuiltin: boolean): Promise<TableName[]> {
  const { rows } = await client.query<{ schema: string; table: string }>(
    `select n.nspname as schema, c.relname as table
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and c.relpersistence <> 't'
        and ($1 or n.nspname not in ('pg_catalog', 'information_schema'))
        and n.nspname not like 'pg\\_toast%' and n.nspname not like 'pg\\_temp\\_%'
      order by n.nspname collate "C", c.relname collate "C"`,
    [includeBuiltin],
  );
  return rows;
}

/** A table by oid or by name; undefined when it is gone. */
export async function readTable(
  client: pg.Client,
  wanted: number | TableName,
): Promise<CatalogTable | undefined> {
  const byOid = typeof wanted === 'number';
  const { rows } = await client.query<{
    oid: number;
    schema: string;
    table: string;
    comment: string | null;
    columns: { column: CatalogColumn; version: ColumnVersion }[] | null;
    newest_column: number | null;
    pk: CatalogKey | null;
    uk: CatalogKey | null;
    labels: number | null;
    next_xid: number;
  }>(TABLE_SQL, [byOid ? wanted : null, byOid ? null : wanted.schema, byOid ? null : wanted.table]);
  const row = rows[0];
  if (!row) return undefined;
  const columns = row.columns ?? [];
  return {
    oid: row.oid,
    schema: row.schema,
    table: row.table,
    comment: row.comment,
    version: {
      columns: columns.map(({ version }) => version),
      newestColumn: row.newest_column ?? 0,
      primaryKey: row.pk?.version ?? null,
      uniqueKey: row.uk?.version ?? null,
      labels: row.labels,
      nextXid: row.next_xid,
    },
    columns: columns.map(({ column }) => column),
    primaryKey: row.pk?.columns ?? [],
    uniqueKey: row.uk?.columns ?? [],
  };
}

interface CatalogKey {
  readonly columns: string[];
  readonly version: number;
}

/** The id with its epoch of the transaction that wrote a row of the catalog. Ids below 3 stand for those of long ago. */
const writerOf = (row: string): string =>
  `(case when ${row}.xmin::text::int8 < 3 then 0 else s.next - ((s.next - ${row}.xmin::text::int8) & 4294967295) end)`;

/** Of the index and its constraint the older one: both are written anew for reasons that are none of the key. */
const KEY = `
  json_build_object(
    'columns', (select json_agg(a.attname order by k.ord)
                  from unnest(i.indkey::int2[]) with ordinality as k(attnum, ord)
                  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where k.ord <= i.indnkeyatts),
    'version', least(${writerOf('i')}, (select ${writerOf('k')} from pg_catalog.pg_constraint k
                                         where k.conindid = i.indexrelid and k.contype in ('p', 'u') limit 1)))`;

/** From Postgres 18 a NOT NULL may be NOT VALID: the rows of before may still hold null. */
const UNVALIDATED = `
  exists (select from pg_catalog.pg_constraint v
           where v.conrelid = a.attrelid and v.contype = 'n' and v.conkey = array[a.attnum] and not v.convalidated)`;

const COLUMN_VERSION = `
  greatest(${writerOf('a')}, (select max(${writerOf('v')}) from pg_catalog.pg_constraint v
                               where v.conrelid = a.attrelid and v.contype = 'n' and v.conkey = array[a.attnum]))`;

const TABLE_SQL = `
  select s.next::float8 as next_xid, c.oid::int8::float8 as oid, n.nspname as schema, c.relname as table,
         obj_description(c.oid, 'pg_class') as comment,
         (select json_agg(json_build_object('column', json_build_object(
                   'name', a.attname, 'typeOid', a.atttypid::int8, 'typmod', a.atttypmod, 'notNull', (a.attnotnull and not ${UNVALIDATED})
                   or (select t.typtype = 'd' and t.typnotnull from pg_catalog.pg_type t where t.oid = a.atttypid),
                   'defaultExpression', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated <> '',
                   'comment', col_description(c.oid, a.attnum)),
                 'version', json_build_object(
                   'column', ${COLUMN_VERSION}, 'defaultExpression', coalesce(${writerOf('d')}, ${writerOf('a')}))) order by a.attnum)
            from pg_catalog.pg_attribute a
            left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
         (select max(${writerOf('a')})::float8 from pg_catalog.pg_attribute a
           where a.attrelid = c.oid and a.attnum > 0) as newest_column,
         (select ${KEY} from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) as pk,
         (select ${KEY} from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid
           where i.indrelid = c.oid and i.indisunique and not i.indisprimary and i.indexprs is null
           order by ic.relname collate "C" limit 1) as uk,
         (select max(${writerOf('l')})::float8 from pg_catalog.pg_attribute a
            join pg_catalog.pg_type t on t.oid = a.atttypid
            join pg_catalog.pg_enum l on l.enumtypid in (t.oid, t.typelem, t.typbasetype)
           where a.attrelid = c.oid and a.attnum > 0) as labels
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
         (select txid_snapshot_xmax(txid_current_snapshot()) as next) s
   where c.oid = $1::int8::oid or ($1 is null and n.nspname = $2 and c.relname = $3)`;
