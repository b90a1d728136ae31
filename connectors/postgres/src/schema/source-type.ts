// column.propagate.source.type and datatype.propagate.source.type: the column's own type as parameters of its schema.
import type { CatalogColumn, PgType } from './catalog.ts';
import type { ResolvedType } from './mapping.ts';
import type { RowColumn, TableSchemaInput } from './table-schema.ts';

const PREFIX = '__debezium.source.column.';
const ANY_LENGTH = 2147483647;

/** Lengths the Java driver reports for types without a modifier of their own. */
const DISPLAY_LENGTH: Readonly<Record<string, number>> = {
  bool: 1,
  char: 1,
  int2: 5,
  int4: 10,
  int8: 19,
  oid: 10,
  float4: 8,
  float8: 17,
  date: 13,
  time: 15,
  timetz: 21,
  timestamp: 29,
  timestamptz: 35,
};
const INTERVAL_LENGTH = 49;
const BASE_TEMPORAL: Readonly<Record<string, number>> = {
  time: 8,
  timetz: 14,
  timestamp: 22,
  timestamptz: 28,
};

const SERIALS: Readonly<Record<string, string>> = { int2: 'smallserial', int4: 'serial', int8: 'bigserial' };

/** The name of a column's own type. The driver's metadata, which a snapshot goes by, know of serial columns. */
export function sourceTypeName(
  own: PgType,
  known: CatalogColumn | undefined,
  origin: TableSchemaInput['origin'],
): string {
  const isSerial = origin === 'snapshot' && known?.defaultExpression?.includes('nextval(') === true;
  return (isSerial ? SERIALS[own.name] : undefined) ?? own.name;
}

export function sourceTypeParameters(
  resolved: ResolvedType,
  { types, origin }: Pick<TableSchemaInput, 'types' | 'origin'>,
  column: RowColumn,
  known: CatalogColumn | undefined,
): Record<string, string> {
  const own = types.get(column.typeOid) ?? resolved.type;
  const { length, scale } = lengthAndScale(resolved);
  // The driver's metadata know nothing of a numeric without precision; the replication stream's do.
  const hasSize =
    origin === 'stream' || own.kind === 'd' || resolved.type.name !== 'numeric' || resolved.typmod >= 4;
  return {
    [`${PREFIX}type`]: sourceTypeName(own, known, origin).toUpperCase(),
    [`${PREFIX}length`]: hasSize ? String(length) : '0',
    ...(hasSize ? { [`${PREFIX}scale`]: String(scale) } : {}),
    [`${PREFIX}name`]: column.name,
  };
}

/** What the Java driver calls size and scale of a column; the size is `ANY_LENGTH` for types without one. */
export function lengthAndScale({ type, typmod }: ResolvedType): { length: number; scale: number } {
  const name = type.elementOid === 0 ? type.name : type.name.replace(/^_/, '');
  if (name === 'numeric') {
    return typmod < 4
      ? { length: 131089, scale: 0 }
      : { length: (typmod - 4) >>> 16, scale: (typmod - 4) & 0xffff };
  }
  if (name === 'varchar' || name === 'bpchar')
    return { length: typmod < 4 ? ANY_LENGTH : typmod - 4, scale: 0 };
  if (name === 'bit' || name === 'varbit') return { length: typmod < 0 ? ANY_LENGTH : typmod, scale: 0 };
  const base = BASE_TEMPORAL[name];
  if (base !== undefined) {
    const scale = typmod < 0 ? 6 : typmod;
    // The Java driver counts a point and the digits, of which it thinks there are never only one.
    return { length: scale === 0 ? base : base + 1 + Math.max(scale, 2), scale };
  }
  if (name === 'interval') {
    // All bits of the digits are set in one whose fields are restricted: `interval day to second`.
    return { length: INTERVAL_LENGTH, scale: typmod < 0 ? 6 : typmod & 0xffff };
  }
  if (name === 'float4') return { length: 8, scale: 8 };
  if (name === 'float8') return { length: 17, scale: 17 };
  return { length: DISPLAY_LENGTH[name] ?? ANY_LENGTH, scale: 0 };
}
