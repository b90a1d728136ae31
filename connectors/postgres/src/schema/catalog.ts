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

/** Transaction ids with their epoch, so that they can be compared. */
export interface CatalogVersion {
  /** The newest transaction that changed the table's entry or the labels of its enumerations. */
  readonly changedBy: number;
  /** The next id that the server gives. */
  readonly nextXid: number;
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
    columns: CatalogColumn[] | null;
    pk: string[] | null;
    uk: string[] | null;
    changed_by: number | null;
    next_xid: number;
  }>(TABLE_SQL, [byOid ? wanted : null, byOid ? null : wanted.schema, byOid ? null : wanted.table]);
  const row = rows[0];
  if (!row) return undefined;
  return {
    oid: row.oid,
    schema: row.schema,
    table: row.table,
    comment: row.comment,
    version: { changedBy: row.changed_by ?? 0, nextXid: row.next_xid },
    columns: row.columns ?? [],
    primaryKey: row.pk ?? [],
    uniqueKey: row.uk ?? [],
  };
}

const KEY_COLUMNS = `
  (select array_agg(a.attname::text order by k.ord)
     from unnest(i.indkey::int2[]) with ordinality as k(attnum, ord)
     join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where k.ord <= i.indnkeyatts)`;

/** From Postgres 18 a NOT NULL may be NOT VALID: the rows of before may still hold null. */
const UNVALIDATED = `
  exists (select from pg_catalog.pg_constraint v
           where v.conrelid = a.attrelid and v.contype = 'n' and v.conkey = array[a.attnum] and not v.convalidated)`;

/** Ids below 3 stand for transactions of long ago. */
const CHANGED_BY = `
  (select max(case when x.id < 3 then 0 else x.next - ((x.next - x.id) & 4294967295) end)::float8
     from (select r.id::text::bigint as id, txid_snapshot_xmax(txid_current_snapshot()) as next
             from (select c.xmin as id
                   union all select xmin from pg_catalog.pg_attribute where attrelid = c.oid and attnum > 0
                   union all select xmin from pg_catalog.pg_attrdef where adrelid = c.oid
                   union all select xmin from pg_catalog.pg_index where indrelid = c.oid
                   union all select xmin from pg_catalog.pg_constraint where conrelid = c.oid
                   union all select l.xmin from pg_catalog.pg_enum l
                     join pg_catalog.pg_attribute u on u.atttypid = l.enumtypid
                    where u.attrelid = c.oid and u.attnum > 0) as r) as x)`;

const TABLE_SQL = `
  select ${CHANGED_BY} as changed_by, txid_snapshot_xmax(txid_current_snapshot())::float8 as next_xid,
         c.oid::int8::float8 as oid, n.nspname as schema, c.relname as table,
         obj_description(c.oid, 'pg_class') as comment,
         (select json_agg(json_build_object(
                   'name', a.attname, 'typeOid', a.atttypid::int8, 'typmod', a.atttypmod, 'notNull', (a.attnotnull and not ${UNVALIDATED})
                   or (select t.typtype = 'd' and t.typnotnull from pg_catalog.pg_type t where t.oid = a.atttypid),
                   'defaultExpression', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated <> '',
                   'comment', col_description(c.oid, a.attnum)) order by a.attnum)
            from pg_catalog.pg_attribute a
            left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
         (select ${KEY_COLUMNS} from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) as pk,
         (select ${KEY_COLUMNS} from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid
           where i.indrelid = c.oid and i.indisunique and not i.indisprimary and i.indexprs is null
           order by ic.relname collate "C" limit 1) as uk
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = $1::int8::oid or ($1 is null and n.nspname = $2 and c.relname = $3)`;
