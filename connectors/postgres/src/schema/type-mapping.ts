// Postgres types to Connect schemas and values: a table, one row a type.
import { createHash } from 'node:crypto';
import {
  ArrayStruct,
  arraySchema,
  BOOLEAN,
  FLOAT32,
  FLOAT64,
  INT16,
  INT32,
  optional,
  STRING,
  semantic,
} from '@millrace/data';
import { parseArrayText } from './array-text.ts';
import type { TypeCatalog } from './catalog.ts';
import {
  type ColumnMapping,
  type Decode,
  fromText,
  type MappingModes,
  type ResolvedType,
  type Row,
  utf8,
} from './mapping.ts';
import { bigInteger, bits, float, integer, money, numeric } from './number-types.ts';
import {
  bytea,
  enumeration,
  hstore,
  POINT,
  postgis,
  SPARSE_VECTOR,
  textual,
  unknown,
  vector,
} from './other-types.ts';
import { date, interval, time, timestamp, zonedTime, zonedTimestamp } from './time-types.ts';
import { pointOf, sparseVectorOf } from './values.ts';

/** By type name: the types of the server and of its common extensions. */
const ROWS: Readonly<Record<string, Row>> = {
  bool: () => ({
    schema: BOOLEAN,
    encoding: 'true-false',
    decode: (bytes, start) => bytes[start] === 0x74,
    zero: false,
  }),
  int2: integer(INT16),
  int4: integer(INT32),
  int8: bigInteger,
  oid: bigInteger,
  float4: float(FLOAT32),
  float8: float(FLOAT64),
  numeric,
  money,
  bit: bits,
  varbit: bits,
  bytea,
  bpchar: textual(STRING),
  varchar: textual(STRING),
  text: textual(STRING),
  name: textual(STRING),
  char: textual(STRING),
  citext: textual(STRING),
  inet: textual(STRING),
  cidr: textual(STRING),
  macaddr: textual(STRING),
  macaddr8: textual(STRING),
  int4range: textual(STRING),
  int8range: textual(STRING),
  numrange: textual(STRING),
  tsrange: textual(STRING),
  tstzrange: textual(STRING),
  daterange: textual(STRING),
  isbn: textual(STRING, { requiredElements: true }),
  json: textual(semantic('io.debezium.data.Json')),
  jsonb: textual(semantic('io.debezium.data.Json')),
  xml: textual(semantic('io.debezium.data.Xml')),
  uuid: textual(semantic('io.debezium.data.Uuid')),
  ltree: textual(semantic('io.debezium.data.Ltree')),
  tsvector: textual(semantic('io.debezium.data.Tsvector'), { requiredElements: true }),
  date,
  time,
  timetz: zonedTime,
  timestamp,
  timestamptz: zonedTimestamp,
  interval,
  point: () => ({
    schema: POINT,
    encoding: 'decode',
    decode: fromText((text) => pointOf(POINT, text)),
    zero: pointOf(POINT, '(0,0)'),
  }),
  geometry: postgis('Geometry', 'Geometry'),
  geography: postgis('Geography', 'Geography'),
  hstore,
  vector: vector('DoubleVector', FLOAT64),
  halfvec: vector('FloatVector', FLOAT32),
  sparsevec: () => ({
    schema: SPARSE_VECTOR,
    encoding: 'decode',
    decode: fromText((text) => sparseVectorOf(SPARSE_VECTOR, text)),
    zero: new ArrayStruct(SPARSE_VECTOR, [0, new Map()]),
    requiredElements: true,
  }),
};

/** Arrays of these are left out, as Debezium leaves them out. */
const NO_ARRAYS: ReadonlySet<string> = new Set([
  'money',
  'name',
  'interval',
  'varbit',
  'xml',
  'point',
  'refcursor',
]);

/** What stands between the elements of an array where it is no comma. */
const DELIMITERS: Readonly<Record<string, string>> = { box: ';', geometry: ':', geography: ':' };

/** Follows domains to what they are over; a modifier of the domain counts where the column has none. */
export function resolveType(types: TypeCatalog, oid: number, typmod: number): ResolvedType | undefined {
  let type = types.get(oid);
  let modifier = typmod;
  for (let depth = 0; type !== undefined && type.kind === 'd' && depth < 32; depth++) {
    if (modifier < 0) modifier = type.baseTypmod;
    type = types.get(type.baseOid);
  }
  return type === undefined ? undefined : { type, typmod: modifier };
}

/** The mapping of a column; undefined when columns of its type are left out. */
export function mapType(
  types: TypeCatalog,
  oid: number,
  typmod: number,
  modes: MappingModes,
): ColumnMapping | undefined {
  const resolved = resolveType(types, oid, typmod);
  if (resolved === undefined) return undefined;
  const { type } = resolved;
  if (type.elementOid !== 0) return mapArray(types, resolved, modes);
  if (type.kind === 'e') return enumeration(resolved, modes);
  return (
    (Object.hasOwn(ROWS, type.name) ? ROWS[type.name] : undefined)?.(resolved, modes) ??
    unknown(resolved, modes)
  );
}

function mapArray(types: TypeCatalog, array: ResolvedType, modes: MappingModes): ColumnMapping | undefined {
  const own = types.get(array.type.elementOid);
  const element = resolveType(types, array.type.elementOid, array.typmod);
  if (own === undefined || element === undefined) return undefined;
  if (NO_ARRAYS.has(element.type.name) && element.type.schema === 'pg_catalog') return undefined;
  if (element.type.name === 'bit') return bitArray(element, modes);
  // Elements of a domain are unknown to Debezium, whatever the domain is over.
  const mapping =
    own.kind === 'd' ? unknown(element, modes) : mapType(types, element.type.oid, element.typmod, modes);
  if (mapping === undefined) return undefined;
  // The old vector types of the catalogs come without null and without a comma.
  const isVector = array.type.name === 'int2vector' || array.type.name === 'oidvector';
  const required = mapping.requiredElements === true || element.type.kind === 'e' || isVector;
  // As from Debezium, whose converter of ltree[] knows no null.
  const withoutNulls = required || element.type.name === 'ltree';
  // A number without a value (NaN) leaves the array without one, as null would be another array.
  const exact = element.type.name === 'numeric' && modes.decimal === 'precise';
  const { decode } = mapping;
  const delimiter = DELIMITERS[element.type.name] ?? ',';
  return {
    schema: arraySchema(required ? mapping.schema : optional(mapping.schema)),
    encoding: 'decode',
    decode: fromText((text) => {
      const elements = isVector
        ? text.split(' ').filter((item) => item !== '')
        : parseArrayText(text, delimiter);
      if (elements === undefined) return null;
      const values: unknown[] = [];
      for (const item of elements) {
        // INV-4: no element of the schema is an array. One of texts is shown as it is written.
        const nested = typeof item === 'object' && decode === utf8 ? item?.literal : null;
        const value = typeof item === 'string' ? decodeText(decode, item) : (nested ?? null);
        if (value === null && (withoutNulls || (exact && typeof item === 'string'))) return null;
        values.push(value);
      }
      return values;
    }),
    zero: [],
    unavailable: own.kind === 'd' ? undefined : unavailableArray(element.type.name, modes),
  };
}

/** Debezium gives an array of bit strings the schema of one bit string, and no value. */
function bitArray(element: ResolvedType, modes: MappingModes): ColumnMapping | undefined {
  const mapping = bits(element, modes);
  return mapping && { ...mapping, decode: () => null };
}

function decodeText(decode: Decode, text: string): unknown {
  const bytes = Buffer.from(text);
  return decode(bytes, 0, bytes.length);
}

/** What stands for an unchanged array: one element, or the placeholder's bytes as numbers; most types have nothing. */
function unavailableArray(element: string, modes: MappingModes): unknown {
  const { placeholder } = modes;
  switch (element) {
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'json':
    case 'jsonb':
      return [placeholder.toString('utf8')];
    case 'bytea':
      return modes.binary === 'bytes' ? [placeholder] : undefined;
    case 'date':
      // Other modes have elements that are no numbers.
      if (modes.time === 'connect' || modes.time === 'isostring') return undefined;
      return signedBytes(placeholder);
    case 'int4':
    case 'int8':
      return signedBytes(placeholder);
    case 'uuid':
      return [nameUuid(placeholder)];
    default:
      return undefined;
  }
}

const signedBytes = (bytes: Buffer): number[] => Array.from(bytes, (byte) => (byte << 24) >> 24);

/** Java's `UUID.nameUUIDFromBytes`: version 3 without a namespace. */
function nameUuid(name: Buffer): string {
  const hash = createHash('md5').update(name).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x30;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
